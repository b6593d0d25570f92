/** Origin validation as JSON: its sources, what counts, and what it says of a route. */

import { originOf, type PeerFacts, pathStateOf } from "@ts-bgp/policy";
import { type AttrId, keyOf, type PrefixKey, type PrefixRow, type Rib } from "@ts-bgp/rib";
import type { Router } from "@ts-bgp/router";
import {
  ORIGIN_STATE_NAMES,
  type OriginStateName,
  PATH_STATE_NAMES,
  type PathStateName,
  type VrpTable,
} from "@ts-bgp/rpki";
import { FAMILY, type Family, formatIpv4, formatIpv6, writeU32 } from "@ts-bgp/wire-codec";

export interface ShownSource {
  name: string;
  kind: "cache" | "file";
  preference: number;
  /** Whether its payloads count: not those of one with a preference that stands back. */
  counts: boolean;
  /** Null where it has no data, and of a file. */
  session: number | null;
  serial: number | null;
  ipv4: number;
  ipv6: number;
  aspas: number;
  /** When it last said that it has said all; null when its data is not there. */
  updated_ms: number | null;
  /** When its data counts no more without anything new; null for never. */
  expires_ms: number | null;
  refresh_seconds: number | null;
}

export interface ShownRpki {
  /** Whether routes of external neighbors wait for data after a start. */
  start_gate: { state: string; ends_ms: number | null };
  /** Payloads that count. */
  ipv4: number;
  ipv6: number;
  /** Customers whose ASPAs count. */
  aspas: number;
  octets: number;
  /** Changes are being put into the tables, or routes judged by them. */
  busy: boolean;
  /** Paths that were judged again because of changes, and those that came out otherwise. */
  judged: number;
  changed: number;
  slurm: { filters: number; assertions: number };
  sources: ShownSource[];
}

/** @returns null without a section rpki */
export function showRpki(router: Router): ShownRpki | null {
  const { config, gate, gateEndsMs, validation, isWorking, judged, changed } =
    router.tables.origins;
  if (config === null) return null;
  const { ipv4, ipv6 } = validation;
  const { filters, assertions } = config.slurm;
  return {
    start_gate: { state: gate, ends_ms: gate === "closed" ? gateEndsMs : null },
    ipv4: ipv4.used,
    ipv6: ipv6.used,
    aspas: validation.aspas.used,
    octets: ipv4.octets + ipv6.octets,
    busy: isWorking,
    judged,
    changed,
    slurm: { filters: filters.length, assertions: assertions.length },
    sources: [...validation.sources.values()].map((source): ShownSource => {
      const { name, kind, preference, end, endedMs, expiresMs } = source;
      const isCache = kind === "cache";
      return {
        name,
        kind,
        preference,
        counts: validation.isCounting(source),
        session: isCache ? (end?.session ?? null) : null,
        serial: isCache ? (end?.serial ?? null) : null,
        ipv4: source.ipv4,
        ipv6: source.ipv6,
        aspas: source.aspas,
        updated_ms: end === null ? null : Math.round(endedMs),
        expires_ms: Number.isFinite(expiresMs) ? Math.round(expiresMs) : null,
        refresh_seconds: isCache ? (end?.refreshSeconds ?? null) : null,
      };
    }),
  };
}

/** What origin validation says of a route as it came; null without a section rpki. */
export interface ShownOrigin {
  state: OriginStateName;
  /** 0 when the path ends with a set. */
  as: number;
  /** Payloads that cover the prefix, the shortest first: `192.0.2.0/24-28 AS64496`. */
  covering: string[];
  /** Of its path, by ASPAs. */
  path: PathStateName;
  /** Where that is invalid: a customer, and who is none of its providers. */
  denied: [customer: number, other: number][];
}

/** @param peer - whom the route came from */
export function showOrigin(
  router: Router,
  { family, attrs, prefixes }: Rib,
  row: PrefixRow,
  attr: AttrId,
  peer: PeerFacts,
): ShownOrigin | null {
  const { config, validation } = router.tables.origins;
  if (config === null) return null;
  const { words, bits } = keyOf(prefixes, row);
  const as = originOf(attrs, attr, peer.localAs);
  const table = family === FAMILY.IPV4_UNICAST ? validation.ipv4 : validation.ipv6;
  const state = ORIGIN_STATE_NAMES[table.stateOf(...words, bits, as)]!;
  const path = PATH_STATE_NAMES[pathStateOf(validation, attrs, attr, peer)]!;
  const denied: ShownOrigin["denied"] = [];
  if (path === "invalid") {
    // It is asked for as the state is, and for nothing but the octets of the path.
    const asker = {
      pathStateOf: (buf: Uint8Array, at: number, end: number, isDownstream: boolean) => {
        denied.push(...validation.aspas.denied(buf, at, end, isDownstream));
        return 0;
      },
    };
    pathStateOf(asker, attrs, attr, peer);
  }
  return { state, as, covering: coveringTexts(table, family, { words, bits }), path, denied };
}

function coveringTexts(table: VrpTable, family: Family, { words, bits }: PrefixKey): string[] {
  const { tree } = table;
  return table.covering(...words, bits).map((vrp) => {
    const node = table.node[vrp]!;
    const wide = tree.isWide;
    const octets = new Uint8Array(16);
    for (const [k, column] of [tree.w0, tree.w1, tree.w2, tree.w3].entries()) {
      if (k === 0 || wide) writeU32(octets, 4 * k, column[node]!);
    }
    const isIpv4 = family === FAMILY.IPV4_UNICAST;
    const address = isIpv4 ? formatIpv4(tree.w0[node]!) : formatIpv6(octets, 0);
    return `${address}/${tree.bits[node]}-${table.maxLength[vrp]} AS${table.as[vrp]}`;
  });
}
