/** Validated ROA payloads of IPv4 in tests of the router: sources that say them, and a plain answer by RFC 6811. */
import { newVrp, PayloadWriter, type SourceEnd } from "../packages/rpki/src/index.ts";
import type { Lab } from "./router.ts";

/** A payload of a ROA, `10.0.0.0/8-16 AS65001`; or of an ASPA, `65001: 65002 65003`. */
export type Payload = string;

/** How a source ends a set, in tests that do not care. */
export const END: SourceEnd = {
  version: 1,
  session: 7,
  serial: 1,
  refreshSeconds: 3600,
  retrySeconds: 600,
  expireSeconds: 7200,
  isWhole: true,
};

export interface ParsedPayload {
  readonly w0: number;
  readonly bits: number;
  readonly maxLength: number;
  readonly as: number;
}

export function parsePayload(payload: Payload): ParsedPayload {
  const [, address = "", bits, max, as] = /^([\d.]+)\/(\d+)(?:-(\d+))? AS(\d+)$/.exec(payload)!;
  const w0 = address.split(".").reduce((word, octet) => 256 * word + Number(octet), 0);
  return { w0, bits: Number(bits), maxLength: Number(max ?? bits), as: Number(as) };
}

export function payloadOctets(payloads: readonly Payload[], isAnnounced = true): Uint8Array {
  const writer = new PayloadWriter();
  for (const payload of payloads) {
    const [, customer, providers = ""] = /^(\d+): ([\d ]*)$/.exec(payload) ?? [];
    if (customer !== undefined) {
      const list = Uint32Array.from(providers.split(" ").map(Number));
      writer.writeAspa({ isAnnounced, customer: Number(customer), providers: list });
      continue;
    }
    writer.write({ ...newVrp(), ...parsePayload(payload), isAnnounced });
  }
  return writer.take();
}

/** A source says all that it has, or what comes and goes; nothing is done yet. */
export function say(
  { router, nowMs }: Pick<Lab, "router" | "nowMs">,
  source: string,
  payloads: readonly Payload[],
  gone: readonly Payload[] | null = null,
): void {
  router.payloads(source, true, payloadOctets(payloads));
  if (gone !== null) router.payloads(source, false, payloadOctets(gone, false));
  router.payloadsEnd(source, { ...END, isWhole: gone === null }, nowMs);
}

/** @returns what RFC 6811 says of a route, of a list that is searched from end to end */
export function stateBy(
  payloads: Iterable<Payload>,
  prefix: string,
  origin: number,
): "valid" | "not-found" | "invalid" {
  const route = parsePayload(`${prefix} AS0`);
  let state: "not-found" | "invalid" = "not-found";
  for (const payload of payloads) {
    const { w0, bits, maxLength, as } = parsePayload(payload);
    const cut = bits === 0 ? 0 : (route.w0 & (-1 << (32 - bits))) >>> 0;
    if (bits > route.bits || cut !== w0) continue;
    if (as === origin && origin !== 0 && route.bits <= maxLength) return "valid";
    state = "invalid";
  }
  return state;
}
