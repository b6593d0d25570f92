/**
 * A standby that comes to other outputs: it goes on with those of the active, and when it takes over,
 * each peer ends with what the standby's own program says.
 */

import type { Config } from "@ts-bgp/config";
import { Decision } from "@ts-bgp/rib";
import { Router } from "@ts-bgp/router";
import { UpdateWriter } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import {
  ADDRESSES,
  disturbance,
  KINDS,
  type Kind,
  type Step,
  step,
  type Variant,
  variant,
  World,
} from "../../../testkit/churn.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { Jitter } from "../../router/src/numbers.ts";
import { machineImage } from "../src/index.ts";
import { Succeeded } from "./succeeded.ts";

/** Programs that behave otherwise on purpose. */
const OTHERS = [
  "packs otherwise",
  "decides otherwise",
  "has other timers",
  "lags",
  "hurries",
] as const;
type Other = (typeof OTHERS)[number];

/** Which program runs just now; null for the present one. */
let running: Other | null = null;

function as<T>(other: Other | null, run: () => T): T {
  const before = running;
  running = other;
  try {
    return run();
  } finally {
    running = before;
  }
}

const writer = UpdateWriter.prototype;
const decision = Decision.prototype as unknown as { compareTail(a: number, b: number): number };
const jitter = Jitter.prototype;
const router = Router.prototype;
const { prefix } = writer;
const { compareTail } = decision;
const { next } = jitter;
const { slice } = router;
let slices = 0;
writer.prefix = function otherPrefix(...args) {
  if (running === "packs otherwise") this.finish();
  prefix.apply(this, args);
};
decision.compareTail = function otherTail(a, b) {
  const order = compareTail.call(this, a, b);
  return running === "decides otherwise" ? -order : order;
};
jitter.next = function otherNext() {
  const number = next.call(this);
  return running === "has other timers" ? 0.999 - number : number;
};
router.slice = function otherSlice(...args) {
  if (running === "lags" && ++slices % 3 !== 0) return true;
  if (running === "hurries") for (let n = 0; n < 3; n++) slice.apply(this, args);
  return slice.apply(this, args);
};
afterAll(() => {
  Object.assign(writer, { prefix });
  Object.assign(decision, { compareTail });
  Object.assign(jitter, { next });
  Object.assign(router, { slice });
});

interface Run {
  readonly first: Variant;
  readonly steps: readonly Step[];
  readonly budget: number;
  readonly joinsAt: number;
  readonly takesAt: number;
  readonly isLazy: boolean;
}

const OPEN = {
  ...{ import: "accept-all", export: "accept-all", enabled: true },
  ...{ sendSameAs: true, honors: false, keepsRejected: true },
};
/** All neighbors are there and take everything: the same prefixes come from many. */
const open = variant.map((each) => ({ ...each, neighbors: ADDRESSES.map(() => OPEN) }));

const run: fc.Arbitrary<Run> = fc.record({
  first: fc.oneof({ weight: 3, arbitrary: open }, { weight: 1, arbitrary: variant }),
  steps: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: step.filter((each) => each.do !== "reload") },
      { weight: 1, arbitrary: step },
      { weight: 1, arbitrary: disturbance },
    ),
    { minLength: 5, maxLength: 40 },
  ),
  budget: fc.constantFrom(0, 1, 1000),
  joinsAt: fc.nat(20),
  takesAt: fc.nat(30),
  isLazy: fc.boolean(),
});

const ALL_KINDS: Readonly<Record<string, Kind>> = {
  ...KINDS,
  "a router that keeps the routes of who restarts": {
    ...KINDS["an ordinary router"]!,
    defaults: "hold-time: 90, long-lived-graceful-restart: helper",
    peer: { gracefulRestart: { seconds: 1 }, longLived: { seconds: 3 } },
  },
  "a route server with dynamic neighbors": {
    ...KINDS["a route server"]!,
    isDynamic: true,
    sections: `
groups: { clients: { route-server-client: true, import: actions, export: actions } }
dynamic-neighbors: [{ prefix: 192.0.2.0/24, group: clients, as-numbers: 65001-65009 }]
`,
  },
};

const TAKER = { ...OPEN, sendSameAs: false, keepsRejected: false };
const NOBODY = {
  neighbors: [null, null, null, null],
  hidden: 0,
  bogon: 0,
  mark: 0,
  mitigates: false,
};
/** A peer asks for all again as its policy becomes another one; one that lags has its session up only then. */
const ASKS_AND_MOVES: Run = {
  first: NOBODY,
  steps: [
    { do: "slices", count: 1 },
    { do: "reload", variant: { ...NOBODY, neighbors: [null, null, TAKER, null] } },
    { do: "raise", peer: 2 },
    { do: "slices", count: 3 },
    {
      do: "reload",
      variant: { ...NOBODY, neighbors: [null, null, { ...TAKER, export: "actions" }, TAKER] },
    },
    { do: "refresh", peer: 2 },
    {
      ...{ do: "announce", peer: 3, prefixes: [0] },
      sketch: { tail: [], communities: [], large: [] },
    },
    { do: "slices", count: 2 },
  ],
  ...{ budget: 1000, joinsAt: 0, takesAt: 8, isLazy: false },
};

/** @returns what peers have in the end when the other program has run from the beginning */
function undisturbed({ first, steps, budget }: Run, kind: Kind, other: Other): World {
  return as(other, () => {
    const world = new World(first, kind, budget);
    for (const i of ADDRESSES.keys()) world.raise(i);
    for (const each of steps) world.act(each);
    world.settle();
    return world;
  });
}

/** @returns the same, when it has taken over in the middle; and how often the two differed */
function succeeded(run: Run, kind: Kind, other: Other): { world: World; brackets: number } {
  const { first, steps, budget, joinsAt, takesAt, isLazy } = run;
  let succeeded!: Succeeded;
  const routerOf = (config: Config, seed: number) => {
    succeeded = new Succeeded(config, seed, (run) => as(other, run));
    return succeeded.first;
  };
  const world = new World(first, kind, budget, { routerOf });
  for (const i of ADDRESSES.keys()) world.raise(i);
  let isOver = false;
  const at = (i: number) => {
    if (i >= joinsAt && succeeded.standby === null) {
      while (world.lab.deliver());
      succeeded.follow(isLazy);
    }
    if (i < takesAt || isOver || succeeded.standby === null) return;
    isOver = true;
    while (world.lab.deliver());
    const up = [...ADDRESSES.keys()].filter((k) => world.isUp(k));
    const wires = up.map((k) => world.peers[k]!.wire).filter(({ closed }) => !closed);
    succeeded.takeOver();
    world.lab.run();
    for (const wire of wires) expect(wire.closed).toBe(false);
  };
  for (const [i, each] of steps.entries()) {
    at(i);
    world.act(each);
  }
  at(Number.POSITIVE_INFINITY);
  world.settle();
  // Another standby can join.
  machineImage(succeeded.successor!);
  return { world, brackets: succeeded.standby!.deviation?.brackets ?? 0 };
}

/** What peers that are up were told of ends: End-of-RIB markers by family, and refreshes that are not over. */
function endsOf(world: World) {
  return world.peers.map(({ wire }, i) => {
    if (!world.isUp(i)) return null;
    const refreshes = wire.of("ROUTE-REFRESH").map(({ subtype }) => subtype);
    const isOpen = refreshes.lastIndexOf(1) > refreshes.lastIndexOf(2);
    return { families: [...new Set(wire.endsOfRib)].sort(), isOpen };
  });
}

const CONNECTING = yamlOf(`
defaults: { connect-retry: 5, import: accept-all, export: accept-all }
neighbors:
  - { address: 192.0.2.1, as: 65001 }
  - { address: 192.0.2.2, as: 65002 }
  - { address: 192.0.2.3, as: 65003, delay-open: 1 }`);

/** What befalls a router that connects by itself. */
const event = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 80 }).map((tenths) => `${tenths}`) },
  { weight: 2, arbitrary: fc.constantFrom("listen 1", "listen 2", "listen 3", "refuse") },
  { weight: 1, arbitrary: fc.constantFrom("deaf 1", "deaf 2", "deaf 3") },
  { weight: 2, arbitrary: fc.constantFrom("hang up 1", "hang up 2", "hang up 3", "fault 2") },
);

test("a standby that has other timers takes over attempts to connect", () => {
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 5, maxLength: 40 }),
      fc.nat(10),
      fc.integer({ min: 5, max: 40 }),
      fc.boolean(),
      (events, joinsAt, takesAt, isLazy) => {
        let all!: Succeeded;
        const lab = new Lab(CONNECTING, {
          routerOf: (config, seed) => {
            all = new Succeeded(config, seed, (run) => as("has other timers", run));
            return all.first;
          },
        });
        const peers = [1, 2, 3].map((k) => lab.peer(`192.0.2.${k}`, { as: 65000 + k }));
        const act = (each: string) => {
          const [what, k] = [each.replace(/ \d$/, ""), Number(each.slice(-1)) - 1];
          if (what === "refuse") {
            for (const { id } of lab.attempts.splice(0)) lab.router.connectFailed(id, lab.nowMs);
          } else if (what === "listen" || what === "deaf") peers[k]!.listens = what === "listen";
          else if (what === "hang up") peers[k]!.wire?.hangUp();
          else if (what === "fault") peers[k]!.wire?.feed(new Uint8Array(19));
          else lab.advance(100 * Number(each));
          lab.run();
        };
        for (const [i, each] of events.entries()) {
          if (i === joinsAt) all.follow(isLazy);
          if (i === takesAt && all.standby !== null) all.takeOver();
          act(each);
        }
        if (all.standby === null) all.follow(isLazy);
        if (all.successor === null) all.takeOver();
        for (const peer of peers) peer.listens = true;
        act("refuse");
        lab.advance(200_000);
        expect(peers.map(({ isUp, wire }) => isUp && !wire.closed)).toEqual([true, true, true]);
      },
    ),
    { numRuns: runs(80) },
  );
});

describe.each(OTHERS)("a standby that %s", (other) => {
  let brackets = 0;

  test.each(Object.entries(ALL_KINDS))("takes over from %s", (title, kind) => {
    fc.assert(
      fc.property(run, (each) => {
        const { world, brackets: more } = succeeded(each, kind, other);
        brackets += more;
        const expected = undisturbed(each, kind, other);
        expect(world.tables).toEqual(expected.tables);
        expect(endsOf(world)).toEqual(endsOf(expected));
      }),
      { numRuns: runs(title in KINDS ? 80 : 40), examples: [[ASKS_AND_MOVES]] },
    );
  });

  test.skipIf(other === "has other timers")("differs", () => {
    expect(brackets).toBeGreaterThan(0);
  });
});
