/** Neighbors that come, go, announce, stall and are configured anew, at random. */

import type { Route } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import type { Order } from "../packages/router/src/index.ts";
import { Lab, type LabOptions, type Peer, yamlOf } from "./router.ts";
import { keyOf, type PeerOptions, ROUTER_AS, type Sketch } from "./sketch.ts";

export const ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];

/** What the peers are to the router. */
export interface Kind {
  /** Their AS numbers; two share one. */
  readonly as: readonly number[];
  /** Options of all of them, and of each one. */
  readonly defaults: string;
  readonly own: readonly string[];
  readonly peer?: Partial<PeerOptions>;
  /** Further sections of the configuration. */
  readonly sections?: string;
  /** They send several paths of a prefix, each with an identifier of its own (RFC 7911). */
  readonly sendsPaths?: boolean;
  /** Those that no configuration has as neighbors come as dynamic ones. */
  readonly isDynamic?: boolean;
}

const EXTERNAL = [65001, 65002, 65002, 65004];
const NO_OWN = ["", "", "", ""];
const ROUTE_SERVER = "route-server-client: true";
const CLIENT = "route-reflector-client: true,";

export const KINDS: Readonly<Record<string, Kind>> = {
  "a route server": { as: EXTERNAL, defaults: ROUTE_SERVER, own: NO_OWN },
  "a route server with ADD-PATH": {
    as: EXTERNAL,
    defaults: `${ROUTE_SERVER}, add-path: { send: all }`,
    own: NO_OWN,
    peer: { addPath: "receive" },
  },
  "a route server that is sent several paths": {
    as: EXTERNAL,
    defaults: `${ROUTE_SERVER}, add-path: { receive: true, send: all }`,
    own: NO_OWN,
    peer: { addPath: "both" },
    sendsPaths: true,
  },
  "an observed route server": {
    as: EXTERNAL,
    defaults: ROUTE_SERVER,
    own: NO_OWN,
    sections: `
bmp: { stations: [ { address: 192.0.2.99, tables: [ adj-in-pre, adj-in-post, loc-rib ] } ] }
mrt: { dir: /nowhere }
followers: { listen: /run/followers.sock, paths: 2 }
`,
  },
  "an ordinary router": { as: EXTERNAL, defaults: "hold-time: 90", own: NO_OWN },
  "a route reflector": {
    as: [ROUTER_AS, ROUTER_AS, ROUTER_AS, 65004],
    defaults: "hold-time: 90",
    own: [CLIENT, CLIENT, "", ""],
  },
};

const CHAINS = [
  "accept-all",
  "plain",
  "peers",
  "actions",
  "marks",
  "[plain, marks]",
  "sets",
  "nobody",
];

/** What a configuration says of one neighbor; null when it has none. */
interface Options {
  readonly import: string;
  readonly export: string;
  readonly enabled: boolean;
  readonly sendSameAs: boolean;
  readonly honors: boolean;
  readonly keepsRejected: boolean;
}

export interface Variant {
  readonly neighbors: readonly (Options | null)[];
  readonly hidden: number;
  readonly bogon: number;
  readonly mark: number;
  readonly mitigates: boolean;
}

/** The configuration file. */
export function yamlFor(variant: Variant, { as, defaults, own, sections = "" }: Kind): string {
  const { hidden, bogon, mark, mitigates } = variant;
  const lines = variant.neighbors.flatMap((options, i) => {
    if (options === null) return [];
    const { enabled, sendSameAs, honors, keepsRejected } = options;
    return [
      `  - { address: ${ADDRESSES[i]}, as: ${as[i]}, ${own[i]} import: ${options.import}, ` +
        `export: ${options.export}, enabled: ${enabled}, send-same-as: ${sendSameAs}, ` +
        `honor-well-known-communities: ${honors}, keep-rejected: ${keepsRejected} }`,
    ];
  });
  return yamlOf(`
defaults: { passive: true, ${defaults}, path-hiding: ${mitigates ? "mitigate" : "off"} }
neighbors: ${lines.length === 0 ? "[]" : `\n${lines.join("\n")}`}
policies:
  nobody: [{ if: { as-path: { length: { min: 100 } } }, then: accept }]
  plain:
    - { name: bogon, if: { prefix: 10.${bogon}.0.0/16 }, then: reject }
    - { name: all, set: { local-pref: 120 }, then: ${mark % 2 === 0 ? "accept" : "next"} }
    - { then: accept }
  peers:
    - { if: { peer: ${ADDRESSES[hidden % 4]}, prefix: 10.${hidden}.0.0/16 }, then: reject }
    - { if: { neighbor-as: ${as[bogon % 4]} }, set: { community: { add: ["64500:${mark}"] } }, then: accept }
    - { then: accept }
  actions:
    - { if: { community: "0:$peer-as" }, then: reject }
    - { if: { large-community: "$local-as:101:$peer-as" }, set: { prepend: { as: first, count: 1 } } }
    - { if: { prefix: 10.${hidden}.0.0/16 }, then: reject }
    - { then: accept }
  sets:
    - { if: { prefix: 10.${hidden}.0.0/16 }, set: { next-hop: 192.0.2.77 }, then: accept }
    - { if: { prefix: 10.${bogon}.0.0/16 }, set: { med: ${mark} }, then: accept }
    - { then: accept }
  marks:
    - { if: { route-type: ebgp }, set: { community: { add: ["64500:${mark}"], remove: ["0:*"] } } }
    - { then: accept }
${sections}`);
}

const chain = fc.constantFrom(...CHAINS);
const options: fc.Arbitrary<Options> = fc.record({
  import: chain,
  export: chain,
  enabled: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  sendSameAs: fc.boolean(),
  honors: fc.boolean(),
  keepsRejected: fc.boolean(),
});
const small = fc.integer({ min: 0, max: 4 });
export const variant: fc.Arbitrary<Variant> = fc.record({
  neighbors: fc.tuple(...ADDRESSES.map(() => fc.option(options, { freq: 8 }))),
  hidden: small,
  bogon: small,
  mark: small,
  mitigates: fc.boolean(),
});

const sketch = fc.record({
  tail: fc.constantFrom<readonly number[]>([], [65100], [65100, 65101]),
  communities: fc.subarray(["0:65002", "0:65004", "no-export"]),
  large: fc.subarray(["64500:101:65002"]),
});

export type Step =
  | {
      readonly do: "announce";
      readonly peer: number;
      readonly prefixes: number[];
      readonly sketch: { tail: readonly number[]; communities: string[]; large: string[] };
    }
  | { readonly do: "withdraw"; readonly peer: number; readonly prefixes: number[] }
  | { readonly do: "reload"; readonly variant: Variant }
  | { readonly do: "slices"; readonly count: number }
  | { readonly do: "shut-down"; readonly isOn: boolean }
  | { readonly do: "operate"; readonly peer: number; readonly order: Order }
  | { readonly do: "begin" | "lose-path"; readonly peer: number }
  | { readonly do: "wait"; readonly seconds: number }
  | { readonly do: "drop" | "raise" | "stall" | "drain" | "refresh"; readonly peer: number };

const peer = fc.integer({ min: 0, max: 3 });
const prefixes = fc.uniqueArray(small, { minLength: 1, maxLength: 3 });
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("announce" as const), peer, prefixes, sketch }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("withdraw" as const), peer, prefixes }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("reload" as const), variant }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("slices" as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("shut-down" as const), isOn: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "drop" as const,
        "raise" as const,
        "stall" as const,
        "drain" as const,
        "refresh" as const,
      ),
      peer,
    }),
  },
);

const text = null;
const ORDERS: readonly Order[] = [
  ...[{ do: "refresh", direction: "in" } as const, { do: "refresh", direction: "out" } as const],
  ...[{ do: "reset", text } as const, { do: "disable", text } as const, { do: "enable" } as const],
  { do: "quarantine", cause: "SIGABRT", count: 1, file: null, seconds: 2 },
  { do: "release" },
];
/** What operators, BFD and time do besides, and sessions that nobody waits for. */
export const disturbance: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant("operate" as const), peer, order: fc.constantFrom(...ORDERS) },
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom("begin" as const, "lose-path" as const), peer }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ do: fc.constant("wait" as const), seconds: fc.constantFrom(0.1, 1, 3) },
    }),
  },
);

const prefixOf = (n: number) => `10.${n}.0.0/16`;

interface Announced {
  readonly route: Route;
  readonly sketch: Sketch;
}

/** A router with its four peers, who remember what they announce and say it again when they come back. */
export class World {
  readonly lab: Lab;
  readonly peers: Peer[];
  readonly routes: Map<string, Announced>[] = ADDRESSES.map(() => new Map());
  private readonly kind: Kind;

  constructor(first: Variant, kind: Kind, budget: number, options: LabOptions = {}) {
    this.kind = kind;
    this.lab = new Lab(yamlFor(first, kind), { budget: () => budget, ...options });
    this.peers = ADDRESSES.map((address, i) => {
      const restarts = i === 3 ? { gracefulRestart: {} } : {};
      const at = this.lab.peer(address, { as: kind.as[i]!, ...restarts, ...kind.peer });
      at.asked = () => {
        at.refresh(1);
        this.sendAll(i);
        at.refresh(2);
      };
      return at;
    });
  }

  isUp(i: number): boolean {
    return this.lab.router.neighbors.get(ADDRESSES[i]!)?.fsmState === "established";
  }

  /** @param isAwaited - its session is up then; else it has said all, and nobody has read it */
  raise(i: number, isAwaited = true): void {
    if (this.peers[i]!.wire?.closed === false && !this.isUp(i)) this.lab.run();
    const { router, nowMs } = this.lab;
    const neighbor = router.neighbors.get(ADDRESSES[i]!);
    if (this.isUp(i) || (neighbor === undefined && !this.kind.isDynamic)) return;
    if (neighbor?.config.enabled === false || neighbor?.disabled) return;
    // One that was held down or reset is to wait.
    if (neighbor?.state.mode === "damped" || (neighbor?.quarantine?.untilMs ?? 0) > nowMs) return;
    if (isAwaited) this.peers[i]!.up();
    else this.peers[i]!.connect();
    this.sendAll(i);
    this.peers[i]!.endOfRib();
  }

  sendAll(i: number): void {
    for (const { route, sketch } of this.routes[i]!.values()) {
      this.peers[i]!.announce([route], sketch);
    }
  }

  act(step: Step): void {
    if (step.do === "reload") {
      this.lab.reload(yamlFor(step.variant, this.kind));
      return;
    }
    if (step.do === "slices") {
      for (let n = 0; n < step.count; n++) this.lab.slice();
      return;
    }
    if (step.do === "shut-down") {
      this.lab.router.shutDownGracefully(step.isOn, this.lab.nowMs);
      return;
    }
    if (step.do === "wait") {
      this.lab.advance(1000 * step.seconds);
      return;
    }
    const i = step.peer;
    const at = this.peers[i]!;
    if (step.do === "operate") {
      if (this.lab.router.neighbors.has(ADDRESSES[i]!)) this.lab.operate(ADDRESSES[i]!, step.order);
      return;
    }
    if (step.do === "lose-path") {
      const change = { from: "up", to: "down", reason: "time", isAdmin: false } as const;
      this.lab.router.bfd(ADDRESSES[i]!, { record: null, change }, this.lab.nowMs);
      return;
    }
    // What is said before a session is up is read behind what it comes about by.
    const isOpen = at.wire?.closed === false;
    if (step.do === "announce") {
      const { tail, ...rest } = step.sketch;
      const as = this.kind.as[i]!;
      const sketch = { path: as === ROUTER_AS ? tail : [as, ...tail], ...rest };
      const routes = step.prefixes.map((n) => this.routeOf(n, tail.length + 1));
      for (const route of routes) this.routes[i]!.set(keyOf(route), { route, sketch });
      if (isOpen) at.announce(routes, sketch);
    } else if (step.do === "withdraw") {
      const routes = step.prefixes.map((n) => this.heldOf(i, n));
      for (const route of routes) this.routes[i]!.delete(keyOf(route));
      if (isOpen) at.withdraw(routes);
    } else if (step.do === "raise" || step.do === "begin") this.raise(i, step.do === "raise");
    else if (!isOpen) return;
    else if (step.do === "drop") at.hangUp();
    else if (step.do === "stall") at.wire.reads = false;
    else if (step.do === "drain") at.wire.drain();
    else at.refresh(0);
  }

  private routeOf(n: number, pathId: number): Route {
    return this.kind.sendsPaths === true ? { prefix: prefixOf(n), path_id: pathId } : prefixOf(n);
  }

  /** @returns a route of the prefix that the peer has announced, if there is one */
  private heldOf(i: number, n: number): Route {
    const routes = [1, 2, 3].map((pathId) => this.routeOf(n, pathId));
    return routes.find((route) => this.routes[i]!.has(keyOf(route))) ?? routes[0]!;
  }

  /** Lets everything come to its end, with all peers up that may be. */
  settle(): void {
    for (const { wire } of this.peers) wire?.drain();
    this.lab.run();
    this.lab.advance(3_000);
    for (const i of ADDRESSES.keys()) this.raise(i);
    this.lab.run();
  }

  /** What peers that are up have; path identifiers are left out, which depend on what was before. */
  get tables(): (string[] | null)[] {
    return this.peers.map((at, i) => {
      if (!this.isUp(i)) return null;
      const routes = Object.entries(at.table).map(([key, seen]) => [key.split(" ")[0], seen]);
      return routes.map((route) => JSON.stringify(route)).sort();
    });
  }
}
