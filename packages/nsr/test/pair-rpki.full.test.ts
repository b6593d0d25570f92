/** Origin validation in a pair: a takeover changes no state, and goes on with the cache where it was. */
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  routesOf,
  untilNsr,
  untilProtected,
  withPair,
} from "../../../testkit/pair.ts";
import { UPDATE } from "../../../testkit/peer.ts";
import { RtrCache, type RtrVrp } from "../../../testkit/rtr-cache.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const PORT = 3323;
const SESSION = 7;
const ROUTES = 20;
/** Route `n` of `manyRoutes`, when each has a message of its own, is of this AS. */
const originOf = (n: number) => 100_000 + n;

const vrp = (n: number, as: number): RtrVrp => ({
  prefix: [16, 0, n, 0],
  bits: 24,
  maxLength: 24,
  as,
});

/** Every other route is valid, and the others are invalid. */
const ALL = Array.from({ length: ROUTES }, (_, n) => vrp(n, n % 2 === 0 ? originOf(n) : 1));

const CONFIG = {
  rpki: { caches: [{ address: "127.0.0.1", port: PORT }], "start-limit": 300 },
  defaults: { passive: true, import: ["origins", "rest"], export: "accept-all" },
  policies: JSON.parse(
    `{ "origins": [ { "if": { "rpki": "invalid" }, "then": "reject" } ], "rest": { "default": "accept", "rules": [] } }`,
  ),
};

interface Shown {
  readonly ipv4: number;
  readonly busy: boolean;
  readonly start_gate: { readonly state: string };
  readonly sources: readonly {
    readonly serial: number | null;
    readonly feed: { readonly state: string } | null;
  }[];
}

async function shownBy(side: SpeakerProcess): Promise<Shown> {
  return (await side.ask({ command: "show-rpki" })).items[0] as Shown;
}

describe.skipIf(REASON !== null)(`origin validation in a pair (${REASON ?? "on one host"})`, () => {
  test("a cache that withdraws what it has not announced is told so, and asked for everything", async () => {
    const cache = await RtrCache.listen(PORT, SESSION);
    const [first, second] = ALL;
    cache.answer = ({ kind }) =>
      kind === "reset"
        ? [cache.response(), cache.vrp(first!), cache.end(cache.queries.length)]
        : [cache.response(), cache.vrp(second!, false), cache.end(cache.queries.length)];
    try {
      await withPair({ config: CONFIG }, async (pair) => {
        const { a } = await pair.start();
        await until(async () => (await shownBy(a)).ipv4 === 1, WAIT_MS, "a has the payloads");
        cache.notify(2);
        await until(() => cache.queries.length === 3, WAIT_MS, "everything is asked for again");
        expect(cache.queries.map(({ kind }) => kind)).toEqual(["reset", "serial", "reset"]);
        expect(cache.reports).toEqual([6]);
        const isSynced = async () => (await shownBy(a)).sources[0]?.feed?.state === "synced";
        await until(isSynced, WAIT_MS, "it goes on");
        expect((await shownBy(a)).ipv4).toBe(1);
      });
    } finally {
      cache.close();
    }
  });

  test("a kill in the middle of an update of a cache changes nothing that a peer sees", async () => {
    const cache = await RtrCache.listen(PORT, SESSION);
    const whole = [cache.response(), ...ALL.map((one) => cache.vrp(one)), cache.end(1)];
    // Half of a difference that would make all routes invalid.
    const half = [
      cache.response(),
      ...ALL.flatMap((one, n) => [cache.vrp(one, false), cache.vrp(vrp(n, 2))]),
    ];
    cache.answer = ({ kind }) => (kind === "reset" ? whole : half);
    try {
      await withPair({ config: CONFIG }, async (pair) => {
        const { a, b } = await pair.start();
        await until(async () => (await shownBy(a)).ipv4 === ROUTES, WAIT_MS, "a has the payloads");
        await until(async () => (await shownBy(b)).ipv4 === ROUTES, WAIT_MS, "and so has b");
        const from = await pair.peer(1);
        const to = await pair.peer(2);
        await untilProtected(a, 2);
        from.send(manyRoutes({ as: 65_001, count: ROUTES, perMessage: 1 }));
        const updates = () =>
          to.messages.filter(({ type, body }) => type === UPDATE && body.length > 4);
        await until(() => updates().length === ROUTES / 2, WAIT_MS, "the valid routes have come");

        cache.notify(2);
        const isReceiving = async () => (await shownBy(a)).sources[0]?.feed?.state === "receiving";
        await until(isReceiving, WAIT_MS, "a is in the middle of an update");
        cache.queries.length = 0;
        cache.answer = () => [cache.response(), cache.vrp(vrp(1, originOf(1))), cache.end(3)];
        a.signal("SIGKILL");
        await untilNsr(b, "b is active", ({ role }) => role === "active");
        await until(() => cache.queries.length > 0, WAIT_MS, "b asks the cache");
        expect(cache.queries).toEqual([{ kind: "serial", session: SESSION, serial: 1 }]);
        const shown = await until(
          async () => {
            const now = await shownBy(b);
            return now.sources[0]?.serial === 3 && !now.busy && now;
          },
          WAIT_MS,
          "what is new is in force",
        );
        await until(() => updates().length > ROUTES / 2, WAIT_MS, "and has come");
        expect([shown.ipv4, await routesOf(b)]).toEqual([ROUTES + 1, ROUTES / 2 + 1]);
        expect(shown.start_gate.state).toBe("data is there");
        // Route 1 is the only difference, and nothing was withdrawn on the way.
        expect(updates().length).toBe(ROUTES / 2 + 1);
        expect([...updates().at(-1)!.body.subarray(-4)]).toEqual([24, 16, 0, 1]);
        expect([from, to].every(isUndisturbed)).toBe(true);
      });
    } finally {
      cache.close();
    }
  });
});
