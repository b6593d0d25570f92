/** What mirrors are not given: they take nothing over, and connect to nobody. */

import type { Config } from "@ts-bgp/config";
import { configAboutIn } from "./config-history.ts";
import { configFrom } from "./config-octets.ts";
import { imageOf, octetsInSteps } from "./image.ts";
import { Classes, isConfig } from "./image-classes.ts";
import { LedgerConnection } from "./ledger.ts";
import { OctetReader } from "./octet-reader.ts";
import { joined, OctetWriter } from "./octet-writer.ts";
import { KINDS, RECORDS, type RecordOf } from "./records.ts";

/** Stands for a secret: whether there is one decides, and not which. */
const HIDDEN = "hidden";

/**
 * Of a neighbor the secrets of TCP MD5 and of BFD, of an RPKI cache the password and the key, the tokens of the API,
 * the secret of the webhook, and what TCP has of a connection.
 *
 * @returns what a mirror is shown of a field
 */
export function concealed(object: object, field: string, value: unknown): unknown {
  switch (field) {
    case "password":
      return isOption(object) && typeof value === "string" ? HIDDEN : value;
    case "secret":
      return "keyId" in object && typeof value === "string" ? HIDDEN : value;
    case "tls":
      return isOption(object) ? null : value;
    case "http":
    case "webhook":
      return isConfig(object as Readonly<Record<string, unknown>>) ? null : value;
    case "tcp":
      return object instanceof LedgerConnection ? null : value;
    default:
      return value;
  }
}

/** Of a neighbor or a cache: elsewhere an operator may have given such a name. */
function isOption(object: object): boolean {
  return "ttlSecurity" in object || "preference" in object;
}

const CONFIG = Classes.of([], [], "").showing(concealed);
/** By octets of configurations, what mirrors are given of them, where that was made beforehand. */
const shown: WeakMap<Uint8Array, Uint8Array> = new WeakMap();
const SECRET: readonly number[] = [RECORDS.configure.type, RECORDS.tcp.type];

/**
 * @returns a text of what is concealed of a configuration: a mirror could not follow a call that changes it, since
 *   it would see no change
 */
export function secretsOf({ http, webhook, rpki, neighbors, dynamicNeighbors }: Config): string {
  const sessions = [...neighbors, ...dynamicNeighbors.map(({ options }) => options)];
  return JSON.stringify([
    ...[http, webhook, rpki],
    ...sessions.map(({ password, bfd }) => [password, bfd]),
  ]);
}

/** @returns whether there is another configuration among the calls of a bracket */
export function areConfiguring(calls: Uint8Array): boolean {
  return callsOf(calls).some(({ type }) => type === RECORDS.configure.type);
}

/**
 * Makes what mirrors are given of a configuration; afterwards `concealedCalls` has it at once for these octets. A step
 * takes less than a millisecond, unless one part alone is huge, such as a prefix list: each entry of a list of the
 * configuration is written in one.
 *
 * @param octets - were read by `configInSteps`
 */
export function* concealInSteps(octets: Uint8Array): Generator<void, void> {
  shown.set(octets, yield* octetsInSteps(configFrom(octets), CONFIG));
}

/**
 * @param inForce - the configuration after these calls
 * @param given - octets of the configurations among them, as who made the calls had them; none where that is not known
 * @returns the calls of a bracket as a mirror makes them; linear in their octets
 */
export function concealedCalls(
  calls: Uint8Array,
  inForce: Config | null,
  given: readonly Uint8Array[] = [],
): Uint8Array {
  const all = callsOf(calls);
  if (all.every(({ type }) => !SECRET.includes(type))) return calls;
  const configuring = all.filter(({ type }) => type === RECORDS.configure.type);
  const pieces = all.flatMap((call) => {
    if (!SECRET.includes(call.type)) return [call.octets];
    const k = configuring.indexOf(call);
    const made = given.length === configuring.length ? shown.get(given[k]!) : undefined;
    return concealedCall(call.octets, call === configuring.at(-1) ? inForce : null, made);
  });
  return joined(pieces);
}

interface OneCall {
  readonly type: number;
  readonly octets: Uint8Array;
}

function callsOf(calls: Uint8Array): OneCall[] {
  const reader = new OctetReader(calls);
  const found: OneCall[] = [];
  while (reader.left > 0) {
    const { at } = reader;
    const type = reader.varint();
    reader.octets(reader.varint());
    found.push({ type, octets: calls.subarray(at, reader.at) });
  }
  return found;
}

/** @param made - what is given of its configuration, where that is there already */
function concealedCall(
  octets: Uint8Array,
  config: Config | null,
  made: Uint8Array | undefined,
): Uint8Array[] {
  const call = KINDS.readOnly(octets, { records: 0, fields: 0 }) as RecordOf<"configure" | "tcp">;
  const out = new OctetWriter();
  if (call.record === "tcp") KINDS.write(out, "tcp", { connection: call.connection, state: null });
  else {
    // To read a large one takes five times as long as to write it. One for some neighbors is not what is in force.
    const isWhole = configAboutIn(call.about)?.canary === undefined;
    const known = isWhole ? config : null;
    const own = made ?? joined(imageOf(known ?? configFrom(call.config), CONFIG));
    KINDS.write(out, "configure", { nowMs: call.nowMs, config: own, about: call.about });
  }
  return out.take();
}
