/** A standby that has another state, speaks another version, or does not keep up. */
import { type AnyRecord, FrameReader, frameOf, STREAM_VERSION } from "@ts-bgp/replication";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import type { Direction, Meddler } from "../../../testkit/link-proxy.ts";
import { type MeddledPair, withMeddledPair } from "../../../testkit/meddled-pair.ts";
import { newerFrames } from "../../../testkit/newer-frames.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  PEER_AS,
  saidBy,
  untilNsr,
  untilProtected,
  untilReady,
  untilSaid,
} from "../../../testkit/pair.ts";
import type { Peer } from "../../../testkit/peer.ts";
import { neighborAddress, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, parseUpdate } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ON_ONE_HOST = REASON ?? "on one host";
const ROUTES = 100;
/** Many brackets. */
const BULK = 40_000;
const PER_MESSAGE = 4;
/** Patience that comes to its end, and that a busy host alone does not try. */
const SHORT_MS = 2000;

type RecordNamed<N extends AnyRecord["record"]> = Extract<AnyRecord, { record: N }>;

function recordOf(frame: Buffer): AnyRecord | null {
  const reader = new FrameReader(null);
  reader.push(frame);
  return reader.next();
}

/** Puts other records in the place of those of one kind; null for as they are. */
function replacing<N extends AnyRecord["record"]>(
  from: Direction,
  name: N,
  change: (record: RecordNamed<N>) => RecordNamed<N> | null,
): Meddler {
  return (frame, direction) => {
    const record = direction === from ? recordOf(frame) : null;
    const other = record?.record === name ? change(record as RecordNamed<N>) : null;
    return [other === null ? frame : Buffer.from(frameOf(name, other as never))];
  };
}

/** Does something with one bracket only: the first that it can be done with. */
function inOneBracket(
  change: (bracket: RecordNamed<"bracket">) => RecordNamed<"bracket"> | null,
): Meddler {
  let isDone = false;
  return replacing("active", "bracket", (bracket) => {
    const other = isDone ? null : change(bracket);
    isDone ||= other !== null;
    return other;
  });
}

/** As if the standby had something else under that name. */
const withDigest = (name: string) =>
  inOneBracket((bracket) => {
    const digest = bracket.digest as Record<string, unknown> | null;
    if (digest?.[name] === undefined) return null;
    const value = digest[name];
    const other = typeof value === "number" ? value + 1 : `${value}`.replace(/^./, "x");
    return { ...bracket, digest: { ...digest, [name]: other } };
  });

const DIFFERENCES: readonly (readonly [string, () => Meddler])[] = [
  ...["ipv4-unicast routes", "established", "octets received"].map(
    (name) => [name, () => withDigest(name)] as const,
  ),
  ["outputs", () => inOneBracket((bracket) => ({ ...bracket, sum: bracket.sum ^ 1 }))],
];

/** Counts the routes that a peer is sent. */
function countRoutes(peer: Peer): { all: number; different: Set<string> } {
  const seen = { all: 0, different: new Set<string>() };
  peer.onUpdate = (octets) => {
    for (const prefix of parseUpdate(octets).nlri) {
      seen.all++;
      seen.different.add(prefix);
    }
  };
  return seen;
}

interface Served extends MeddledPair {
  readonly from: Peer;
  readonly to: Peer;
  readonly seen: ReturnType<typeof countRoutes>;
}

/** Has two neighbors with sessions, and routes from one to the other. */
async function served(scene: MeddledPair): Promise<Served> {
  const [from, to] = [await scene.pair.peer(1), await scene.pair.peer(2)];
  const seen = countRoutes(to);
  await from.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
  await until(() => seen.all === ROUTES, WAIT_MS, "the routes are there");
  return { ...scene, from, to, seen };
}

/** In the end a kill is hitless, and nothing was lost or sent twice. */
async function endsWell({ a, b, from, to, seen }: Served, count: number): Promise<void> {
  await untilReady(b, "standby");
  await untilProtected(a, 2);
  a.signal("SIGKILL");
  const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
  expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 2, lost: [] });
  const { items } = await b.ask({ command: "show-routes", view: "accepted" });
  expect(items).toHaveLength(count);
  expect([seen.all, seen.different.size]).toEqual([count, count]);
  for (const peer of [from, to]) expect(isUndisturbed(peer)).toBe(true);
}

describe.skipIf(REASON !== null)(`a standby that differs (${ON_ONE_HOST})`, () => {
  test("is told from one that does not, named, counted, and sent the state again", () =>
    withMeddledPair({}, async (scene) => {
      const all = await served(scene);
      const { proxy, a, b, from, seen } = all;
      await untilNsr(a, "digests agree", ({ digest }) => digest.at_ms > 0);
      const atMs = Date.now();
      proxy.meddler = withDigest("attribute sets");
      const line = await a.untilLogged("a difference", ({ id }) => id === "standby-differs");
      expect(line).toMatchObject({ level: "error" });
      expect(line.msg).toMatch(/^attribute sets at bracket \d+$/);
      // What comes while there is no standby is served as well.
      await from.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES, from: ROUTES }));
      const told = await b.untilLogged("a difference", ({ id }) => id === "nsr-link");
      expect(told.msg).toBe(`this side differs in ${line.msg}`);
      expect(await untilSaid(a, "standby-lost")).toEqual([
        "the standby differed in attribute sets; it has to join again",
      ]);
      await untilReady(b, "standby");
      const shown = await untilNsr(
        a,
        "digests agree again",
        ({ ready, digest }) => ready && digest.at_ms > atMs,
      );
      expect(shown.digest.differences).toBe(1);
      expect(await untilSaid(a, "standby-joining", 2)).toHaveLength(2);
      await until(() => seen.all === 2 * ROUTES, WAIT_MS, "the routes are there");
      await endsWell(all, 2 * ROUTES);
    }));

  test.each(DIFFERENCES)("may do so in %s", (name, meddler) =>
    withMeddledPair({}, async (scene) => {
      const all = await served(scene);
      const { proxy, a, b } = all;
      proxy.meddler = meddler();
      const [said] = await untilSaid(a, "standby-differs");
      expect(said).toMatch(new RegExp(`^${name} at bracket `));
      await untilReady(b, "standby");
      const { digest } = await untilReady(a, "active");
      expect(digest.differences).toBe(1);
      await endsWell(all, ROUTES);
    }),
  );

  test("and has joined again goes on with what the active puts out when it does so once more", () =>
    withMeddledPair({}, async (scene) => {
      const all = await served(scene);
      const { proxy, a, b } = all;
      const [differs, puts] = [withDigest("established"), DIFFERENCES.at(-1)![1]()];
      proxy.meddler = differs;
      await untilSaid(a, "standby-differs");
      await untilReady(b, "standby");
      proxy.meddler = puts;
      const [said] = await untilSaid(a, "standby-deviates");
      expect(said).toMatch(/^outputs at bracket /);
      for (const side of [a, b]) {
        const { ready, deviation } = await nsrOf(side);
        expect({ ready, deviation }).toMatchObject({ ready: true, deviation: { brackets: 1 } });
      }
      expect(saidBy(a, "standby-lost")).toHaveLength(1);
      a.signal("SIGKILL");
      const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 2, lost: [] });
      for (const peer of [all.from, all.to]) expect(isUndisturbed(peer)).toBe(true);
    }));
});

describe.skipIf(REASON !== null)(`a stream of another version (${ON_ONE_HOST})`, () => {
  test.each<[string, Direction, number]>([
    ["an older standby", "standby", STREAM_VERSION - 1],
    ["an older active side", "active", STREAM_VERSION - 1],
  ])("of %s is refused with a reason, and the right one is let in later", (_, from, version) =>
    withMeddledPair(
      {
        isHindered: true,
        meddler: replacing(from, "hello", (hello) => ({ ...hello, version })),
      },
      async ({ pair, proxy, a, b }) => {
        const peer = await pair.peer(1);
        const line = await b.untilLogged("a refusal", ({ id }) => id === "nsr-link");
        expect(line.msg).toBe(
          `replication stream ${version} is not understood, only ${STREAM_VERSION}`,
        );
        expect(await nsrOf(a)).toMatchObject({ role: "active", ready: false, protected: 0 });
        // It tries again all the time, and says so while it does.
        await untilNsr(b, "why not", ({ reason }) => reason === line.msg);
        // It is said once, however often it is tried.
        expect(await untilSaid(b, "nsr-link")).toHaveLength(1);
        proxy.meddler = null;
        await untilReady(b, "standby");
        await untilProtected(a, 1);
        expect(isUndisturbed(peer)).toBe(true);
      },
    ),
  );

  test("with records, fields and calls that are not known is followed without them", () =>
    withMeddledPair({ meddler: (frame) => newerFrames(frame) }, async (scene) => {
      const all = await served(scene);
      const { proxy, a, from, seen } = all;
      await from.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES, from: ROUTES }));
      await until(() => seen.all === 2 * ROUTES, WAIT_MS, "the routes are there");
      await untilNsr(a, "digests agree", ({ digest }) => digest.at_ms > 0);
      expect((await nsrOf(a)).digest.differences).toBe(0);
      expect(saidBy(a, "standby-lost")).toEqual([]);
      expect(proxy.meddler).not.toBeNull();
      await endsWell(all, 2 * ROUTES);
    }));

  test("is no hindrance to a switchover", () =>
    withMeddledPair({ meddler: (frame) => newerFrames(frame) }, async (scene) => {
      const { a, b, from, to, seen } = await served(scene);
      await untilProtected(a, 2);
      await a.ask({ command: "switchover" });
      const shown = await untilReady(b, "active");
      expect(shown.last_switchover).toMatchObject({ planned: true, resumed: 2, lost: [] });
      await from.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES, from: ROUTES }));
      await until(() => seen.all === 2 * ROUTES, WAIT_MS, "the routes are there");
      for (const peer of [from, to]) expect(isUndisturbed(peer)).toBe(true);
    }));
});

/** How a standby does not keep up, and how that ends. */
const LATE: readonly (readonly [
  string,
  RegExp,
  { begin(scene: MeddledPair): void; end(scene: MeddledPair): void },
])[] = [
  [
    "is suspended",
    /did not acknowledge for 2000 ms/,
    { begin: ({ b }) => b.signal("SIGSTOP"), end: ({ b }) => b.signal("SIGCONT") },
  ],
  [
    "stores all, and has no room",
    // The acknowledgement of what had been sent by then may be late as well.
    /(no room|did not acknowledge) for 2000 ms/,
    {
      begin({ proxy }) {
        let applied = 0;
        proxy.meddler = replacing("standby", "ack", (ack) => {
          applied ||= ack.applied;
          return { ...ack, applied, window: 0 };
        });
      },
      end({ proxy }) {
        proxy.meddler = null;
      },
    },
  ],
];

describe.skipIf(REASON !== null)(`a declared standby (${ON_ONE_HOST})`, () => {
  test.each(LATE)("that %s is given up in a bulk load, and joins again", (_, reason, late) =>
    withMeddledPair({ nsr: { "patience-ms": SHORT_MS } }, async (scene) => {
      const all = await served(scene);
      const { a, from, seen } = all;
      await untilProtected(a, 2);
      late.begin(scene);
      const bulk = { as: PEER_AS, count: BULK, from: ROUTES, perMessage: PER_MESSAGE };
      await from.sendAll(manyRoutes(bulk));
      const line = await a.untilLogged("the loss", ({ id }) => id === "standby-lost");
      expect(line.msg).toMatch(reason);
      expect(await untilSaid(a, "standby-slow")).toHaveLength(1);
      await until(() => seen.all === ROUTES + BULK, WAIT_MS, "the load is served");
      expect((await a.neighbor(neighborAddress(1))).state).toBe("Established");
      late.end(scene);
      await endsWell(all, ROUTES + BULK);
    }),
  );
});
