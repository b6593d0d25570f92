/** BFD sessions as JSON. */

import { type BfdState, DIAGNOSTIC_NAMES, detectionUs, intervalUs } from "@ts-bgp/bfd";
import type { Neighbor, Router } from "@ts-bgp/router";

export interface ShownBfd {
  address: string;
  /** `admin-down`: there is no session, because the neighbor is disabled, or it was not begun yet. */
  state: BfdState;
  /** When that began, milliseconds since 1970; null without a session. */
  since_ms: number | null;
  /** Why it is down, in words. */
  diagnostic: string;
  /** What the neighbor says of its end. */
  remote_state: BfdState;
  remote_diagnostic: string;
  /** 0 for none, or not known. */
  discriminator: number;
  remote_discriminator: number;
  /** Between packets that are sent, by agreement with the neighbor. */
  interval_ms: number;
  /** Silence of the neighbor for so long takes it down; 0 while that is not known. */
  detection_ms: number;
  /** The neighbor has been asked for other intervals, and has not agreed yet. */
  polling: boolean;
  multihop: boolean;
  /** Of packets; null for none. */
  authentication: string | null;
  ups: number;
  downs: number;
  /** How it went down last after it had been up. */
  last_down: { reason: string; at_ms: number } | null;
}

/** @returns those of neighbors that are configured for it */
export function showBfd(router: Router): ShownBfd[] {
  return [...router.neighbors.values()].flatMap((neighbor) => shownBfd(neighbor) ?? []);
}

/** @returns null where the neighbor has none by its configuration */
export function shownBfd({ config, tables }: Neighbor): ShownBfd | null {
  if (config.bfd === null) return null;
  const { record = null, lastDown = null, downs = 0 } = tables.bfd.get(config.address) ?? {};
  const remote = record?.remote;
  const isHeard = remote !== undefined && remote.discriminator !== 0;
  return {
    address: config.address,
    state: record?.state ?? "admin-down",
    since_ms: record === null ? null : Math.round(record.sinceMs),
    diagnostic: diagnosticName(record?.diagnostic ?? 0),
    remote_state: remote?.state ?? "down",
    remote_diagnostic: diagnosticName(remote?.diagnostic ?? 0),
    discriminator: record?.discriminator ?? 0,
    remote_discriminator: remote?.discriminator ?? 0,
    interval_ms: record === null ? 0 : intervalUs(record) / 1000,
    detection_ms: record !== null && isHeard ? detectionUs(record) / 1000 : 0,
    polling: record?.isPolling ?? false,
    multihop: config.bfd.multihop,
    authentication: config.bfd.auth?.type ?? null,
    ups: record?.ups ?? 0,
    downs,
    last_down: lastDown && { reason: lastDown.reason, at_ms: Math.round(lastDown.atMs) },
  };
}

function diagnosticName(number: number): string {
  return DIAGNOSTIC_NAMES[number] ?? `diagnostic ${number}`;
}
