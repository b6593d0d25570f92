/** What a reload changes, as `tsbgp reload` tells it. */

import { type Config, type ConfigDiff, changedSections, diffConfig } from "@ts-bgp/config";
import { replicated } from "@ts-bgp/replication";
import { comparedIn } from "@ts-bgp/replication/config-octets";
import type { Speaker } from "@ts-bgp/speaker";
import { mistakesOf, readConfigFileApart } from "./config-file.ts";
import { ControlError } from "./control.ts";

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

/** What a file is held against. */
export interface ChangeSources {
  /** Of this side. */
  config(): Config;
  /** @returns why a configuration is not applied; null when it may be */
  refusal(next: Config): string | null;
  /** @returns what would come into force of it at first; may throw */
  wanted(next: Config): Config;
}

/**
 * Reads a configuration file, as a reload would.
 *
 * @param speaker - the one that is active here; null when none is
 * @returns what would change; rejects with a ControlError that has all mistakes
 */
export async function readChanges(
  file: string,
  speaker: Speaker | null,
  sources: ChangeSources,
): Promise<Changes> {
  try {
    if (speaker === null) throw new Error("this side is not active: ask the one that is");
    const { config: inForce } = speaker.router.tables;
    const { config: whole, octets } = await readConfigFileApart(file, { inForce });
    const refusal = sources.refusal(whole);
    if (refusal !== null) throw new Error(refusal);
    const next = sources.wanted(whole);
    const compared = next === whole ? comparedIn(octets) : null;
    const diff = compared?.diff ?? diffConfig(inForce, replicated(next));
    return changesOf(diff, changedSections(sources.config(), next));
  } catch (error) {
    throw new ControlError([(error as Error).message, ...mistakesOf(error)].join("\n"));
  }
}
