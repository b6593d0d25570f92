/** What a reload changes, as `tsbgp reload` tells it. */

import type { ConfigDiff } from "@ts-bgp/config";

/** Addresses of neighbors, names of policies, names of sections. */
export interface Changes extends Readonly<Record<string, readonly string[]>> {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Their sessions begin anew. */
  readonly reset: readonly string[];
  /** Their sessions stay. */
  readonly changed: readonly string[];
  /** Whose rules or lists differ. */
  readonly policies: readonly string[];
  readonly global: readonly string[];
}

/** @param global - sections that differ, of those that each side has of its own as well */
export function changesOf(diff: ConfigDiff, global: ConfigDiff["global"]): Changes {
  const { added, removed, changed, policies } = diff;
  const addresses = (isReset: boolean) =>
    changed.filter(({ reset }) => reset === isReset).map(({ address }) => address);
  return { added, removed, reset: addresses(true), changed: addresses(false), policies, global };
}
