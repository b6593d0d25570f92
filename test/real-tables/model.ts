/**
 * What a route server should hold and send, as plainly as it can be said: a Map for each peer, and
 * the decision process as passes over a list. It shares the codec with the speaker, which has tests
 * of its own, and nothing else.
 */
import type { ShownRoute } from "@ts-bgp/views";
import { type DecodedUpdate, decodeMessages, type Route } from "@ts-bgp/wire-codec";

/** Values by name, as text that is equal for equal attributes. */
export type Attributes = string;

export interface ModelRoute {
  readonly attributes: Attributes;
  readonly asPathLength: number;
  readonly origin: number;
  readonly med: number;
  /** First AS of the path, 0 for an empty one. */
  readonly neighborAs: number;
  /** Code of the reason why the route is not used, or `null`. */
  readonly rejected: string | null;
}

const ORIGINS = ["IGP", "EGP", "INCOMPLETE"];
const OPTIONS = { fourOctetAs: true, addPath: false, external: true, allowAsSet: false } as const;
const MP_REACH_NLRI = "MP_REACH_NLRI";
const MP_UNREACH_NLRI = "MP_UNREACH_NLRI";

/**
 * Has a function called for each unicast route that an UPDATE withdraws (`null`) or announces. Peers
 * of the recordings have sent multicast routes as well.
 */
export function eachRoute(
  octets: Buffer,
  call: (prefix: string, update: DecodedUpdate | null, nextHop: string) => void,
): void {
  const [message] = decodeMessages(octets, OPTIONS);
  const update = message as DecodedUpdate;
  const multiprotocol = (name: string) => {
    const found = update.attributes.find((attribute) => attribute.name === name);
    const value = found?.value as { family: string; next_hop: string; nlri: Route[] } | undefined;
    return value?.family.endsWith("-unicast") === true ? value : undefined;
  };
  for (const prefix of update.withdrawn) call(prefix as string, null, "");
  for (const prefix of multiprotocol(MP_UNREACH_NLRI)?.nlri ?? []) call(prefix as string, null, "");
  const nextHop = update.attributes.find(({ name }) => name === "NEXT_HOP")?.value as string;
  for (const prefix of update.nlri) call(prefix as string, update, nextHop);
  const reach = multiprotocol(MP_REACH_NLRI);
  for (const prefix of reach?.nlri ?? []) call(prefix as string, update, reach!.next_hop);
}

/** Attributes of an UPDATE as text. */
export function attributesOf({ attributes }: DecodedUpdate, nextHop: string): Attributes {
  const values = new Map<string, unknown>([["NEXT_HOP", nextHop]]);
  for (const { name, value } of attributes) {
    if (name === "AS_PATH") values.set(name, (value as { text: string }).text);
    else if (name === "EXTENDED_COMMUNITIES") values.set(name, crossing(value as string[]));
    else if (!name.startsWith("MP_") && name !== "NEXT_HOP") values.set(name, value);
  }
  return textOf(values);
}

/** @returns extended communities without those that stay within an AS (RFC 4360 section 6) */
function crossing(communities: readonly string[]): readonly string[] | undefined {
  const isInside = (text: string) => /^0x[4-7c-f]/.test(text);
  const left = communities.filter((text) => !isInside(text));
  return left.length === 0 ? undefined : left;
}

/** Attributes of a route that the speaker shows. */
export function attributesShown(route: ShownRoute): Attributes {
  const values = new Map<string, unknown>([
    ["ORIGIN", route.origin],
    ["AS_PATH", route.as_path],
    ["NEXT_HOP", route.next_hop],
    ["MULTI_EXIT_DISC", route.med],
    ["LOCAL_PREF", route.local_pref],
    ["COMMUNITIES", route.communities],
    ["LARGE_COMMUNITIES", route.large_communities],
    ["EXTENDED_COMMUNITIES", route.extended_communities],
  ]);
  for (const { name, value } of route.other ?? []) values.set(name, value);
  return textOf(values);
}

function textOf(values: ReadonlyMap<string, unknown>): Attributes {
  const given = [...values].filter(([, value]) => value !== undefined);
  return given
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join("\n");
}

/** What one peer has announced. */
export class ModelPeer {
  readonly as: number;
  readonly enforcesFirstAs: boolean;
  readonly table: Map<string, ModelRoute> = new Map();
  /** UPDATE messages in which RFC 7606 or RFC 9774 finds a fault. */
  faults = 0;

  constructor(as: number, enforcesFirstAs: boolean) {
    this.as = as;
    this.enforcesFirstAs = enforcesFirstAs;
  }

  receive(octets: Buffer): void {
    let shared: ModelRoute | null = null;
    let faulty = false;
    eachRoute(octets, (prefix, update, nextHop) => {
      if (update === null) {
        this.table.delete(prefix);
        return;
      }
      shared ??= this.routeOf(update, nextHop);
      faulty ||= update.error !== undefined;
      const usable = shared.rejected !== null || isUnicast(prefix);
      this.table.set(prefix, usable ? shared : { ...shared, rejected: "prefix-invalid" });
    });
    if (faulty) this.faults++;
  }

  private routeOf(update: DecodedUpdate, nextHop: string): ModelRoute {
    const value = (name: string) => update.attributes.find((a) => a.name === name)?.value;
    const path = value("AS_PATH") as { segments: { type: string; as: number[] }[] };
    const neighborAs = path.segments[0]?.as[0] ?? 0;
    const isOther = this.enforcesFirstAs && neighborAs !== this.as;
    return {
      attributes: attributesOf(update, nextHop),
      asPathLength: path.segments.reduce((sum, { as }) => sum + as.length, 0),
      origin: ORIGINS.indexOf(value("ORIGIN") as string),
      med: (value("MULTI_EXIT_DISC") as number | undefined) ?? 0,
      neighborAs,
      rejected: update.error !== undefined ? "malformed" : isOther ? "first-as-mismatch" : null,
    };
  }
}

/** Whether packets can be sent to addresses of a prefix, as far as RFC 1122 and RFC 4291 go. */
function isUnicast(prefix: string): boolean {
  if (prefix.includes(":")) return !/^(ff|fe[89ab])/.test(prefix) && !/^::1?\/128$/.test(prefix);
  const [first = 0] = prefix.split(".").map(Number);
  const bits = Number(prefix.split("/")[1]);
  return first < 224 && (bits < 8 || (first !== 0 && first !== 127));
}

export interface Candidate {
  readonly peer: ModelPeer;
  readonly route: ModelRoute;
}

/** Routes that may be used, by prefix. Of peers that differ in nothing else the last one wins. */
export function candidatesOf(peers: readonly ModelPeer[]): Map<string, Candidate[]> {
  const candidates = new Map<string, Candidate[]>();
  for (const peer of [...peers].reverse()) {
    for (const [prefix, route] of peer.table) {
      if (route.rejected !== null) continue;
      const list = candidates.get(prefix);
      if (list === undefined) candidates.set(prefix, [{ peer, route }]);
      else list.push({ peer, route });
    }
  }
  return candidates;
}

/** RFC 4271 section 9.1.2.2, for external routes; the first of what is left at the end. */
export function bestOf(candidates: readonly Candidate[]): Candidate | null {
  const least = (from: readonly Candidate[], measure: (route: ModelRoute) => number) => {
    const lowest = Math.min(...from.map(({ route }) => measure(route)));
    return from.filter(({ route }) => measure(route) === lowest);
  };
  if (candidates.length === 0) return null;
  const shortest = least(candidates, ({ asPathLength }) => asPathLength);
  const tied = least(shortest, ({ origin }) => origin);
  const isBeaten = ({ route }: Candidate) =>
    tied.some((c) => c.route.neighborAs === route.neighborAs && c.route.med < route.med);
  return tied.find((candidate) => !isBeaten(candidate)) ?? null;
}
