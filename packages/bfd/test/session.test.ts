import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BfdRecord,
  type BfdState,
  beginSession,
  deafen,
  detectionUs,
  farewell,
  listen,
  newRecord,
  received,
  reconfigure,
  sendDue,
  sequenceAt,
} from "../src/index.ts";
import { begun, CONFIG, End, PACKET, sentIn, World } from "./support.ts";

/** RFC 5880 section 6.8.6, whole: state, state of the neighbor, next state, diagnostic. */
const TABLE: readonly [BfdRecord["state"], BfdState, BfdRecord["state"], number][] = [
  ["down", "admin-down", "down", 0],
  ["down", "down", "init", 0],
  ["down", "init", "up", 0],
  ["down", "up", "down", 0],
  ["init", "admin-down", "down", 3],
  ["init", "down", "init", 0],
  ["init", "init", "up", 0],
  ["init", "up", "up", 0],
  ["up", "admin-down", "down", 3],
  ["up", "down", "down", 3],
  ["up", "init", "up", 0],
  ["up", "up", "up", 0],
];

test.each(TABLE)("%s, and the neighbor is in %s: %s", (state, remote, next, diagnostic) => {
  const record = { ...newRecord(CONFIG, 1, 0, 0), state };
  const session = begun(CONFIG, 1, record);
  const packet = { ...PACKET, state: remote, yourDiscriminator: 1 };
  const actions = received(session, { packet }, 10, 0);
  expect(session.record).toMatchObject({ state: next, diagnostic });
  const changed = actions.filter((action) => action.do === "changed");
  expect(changed.map(({ from, to, isAdmin }) => [from, to, isAdmin])).toEqual(
    next === state ? [] : [[state, next, remote === "admin-down"]],
  );
  // Whoever waits for the change hears of it at once.
  if (next !== state) expect(sentIn(actions).at(-1)?.state).toBe(next);
});

function up(auth: End["auth"] = null, jitter?: () => number): World {
  const world = new World(new End(begun(), auth), new End(begun(CONFIG, 2), auth), jitter);
  world.run(5000);
  return world;
}

test("both come up, and agree on their intervals by a poll", () => {
  const { ends } = up();
  for (const { session, changes } of ends) {
    expect(session.record).toMatchObject({ state: "up", isPolling: false, txUs: 50_000, ups: 1 });
    expect(detectionUs(session.record)).toBe(150_000);
    expect(changes.map((text) => text.split(":")[0])).toContain("up");
  }
});

test("silence takes it down after the detection time, and no sooner", () => {
  const world = up();
  world.arrives[1] = false;
  const [a] = world.ends;
  world.run(5000 + 100);
  expect(a.session.record.state).toBe("up");
  world.run(5000 + 152);
  expect(a.session.record).toMatchObject({ state: "down", diagnostic: 1 });
  expect(a.changes.at(-1)).toBe("down: no packet for 150 ms (3 x 50 ms)");
  // The other end is told by its packets; once a's packets are all that it hears.
  world.run(5000 + 200);
  expect(world.ends[1].changes.at(-1)).toMatch(
    /^down: the neighbor is down \(control detection time expired\)/,
  );
  world.arrives[1] = true;
  world.run(10_000);
  for (const { session } of world.ends)
    expect(session.record).toMatchObject({ state: "up", ups: 2 });
});

test("an operator's end is told, and is no lost path", () => {
  const world = up();
  const [a, b] = world.ends;
  const action = farewell(a.session, world.nowMs);
  const [octets] = a.do([action], world.nowMs);
  b.hear(octets!, world.nowMs, 0);
  expect(b.changes.at(-1)).toBe("down: the neighbor is administratively down");
});

describe("another interval while it is up", () => {
  test("a longer one is used once the neighbor has agreed", () => {
    const world = up();
    const [a, b] = world.ends;
    const slow = { ...CONFIG, intervalMs: 400 };
    expect(reconfigure(a.session, slow, world.nowMs)).toEqual([{ do: "keep" }]);
    expect(a.session.record).toMatchObject({ isPolling: true, txUs: 50_000, rxUs: 400_000 });
    world.run(10_000);
    expect(a.session.record).toMatchObject({ isPolling: false, txUs: 400_000, rxUs: 400_000 });
    for (const { session } of [a, b]) expect(detectionUs(session.record)).toBe(1_200_000);
    expect([...a.changes, ...b.changes].filter((text) => text.startsWith("down"))).toEqual([]);
  });

  test("a shorter one is used at once, and expected once the neighbor has agreed", () => {
    const world = up();
    const [a] = world.ends;
    reconfigure(a.session, { ...CONFIG, intervalMs: 20 }, world.nowMs);
    expect(a.session.record).toMatchObject({ isPolling: true, txUs: 20_000, rxUs: 50_000 });
    world.run(10_000);
    expect(a.session.record).toMatchObject({ isPolling: false, rxUs: 20_000, state: "up" });
  });
});

test("a poll is answered at once", () => {
  const session = begun();
  const packet = { ...PACKET, isPoll: true };
  const [final] = sentIn(received(session, { packet }, 10, 0)).filter(({ isFinal }) => isFinal);
  expect(final).toMatchObject({ isPoll: false, yourDiscriminator: PACKET.myDiscriminator });
});

test.each([
  ["is passive, and has not heard the neighbor", { ...CONFIG, isPassive: true }, null],
  ["is asked for none", CONFIG, { requiredMinRxUs: 0 }],
])("nothing is sent by one that %s", (_, config, said) => {
  const session = begun(config);
  if (said !== null) received(session, { packet: { ...PACKET, ...said } }, 0, 0);
  expect(sendDue(session, 5000, 0)).toEqual([]);
});

test("in demand mode of the neighbor nothing is sent while both are up", () => {
  const world = up();
  const [a] = world.ends;
  const packet = { ...PACKET, state: "up", isDemand: true, yourDiscriminator: 1 } as const;
  received(a.session, { packet: { ...packet, desiredMinTxUs: 50_000 } }, world.nowMs, 0);
  expect(a.session.sendAtMs).toBeNull();
});

test.each([
  [3, 0, 750],
  [3, 1, 1000],
  [1, 1, 900],
])("multiplier %d, chance %d: the next packet after %d ms", (multiplier, jitter, ms) => {
  const session = begun({ ...CONFIG, multiplier });
  sendDue(session, 0, jitter);
  expect(session.sendAtMs).toBe(ms);
});

/** Chance as a list of numbers that is read over and over. */
const chances = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 1,
  maxLength: 50,
});

function taken(list: readonly number[]): () => number {
  let at = 0;
  return () => list[at++ % list.length]!;
}

test("whatever chance says, packets come in time and none is refused", () => {
  fc.assert(
    fc.property(chances, (list) => {
      const auth = { type: "meticulous-keyed-md5", keyId: 1, secret: "x" } as const;
      const world = up(auth, taken(list));
      for (const end of world.ends) end.gapsMs.length = 0;
      world.run(10_000);
      for (const { session, gapsMs, refused } of world.ends) {
        expect(session.record).toMatchObject({ state: "up", ups: 1 });
        expect(refused).toEqual([]);
        expect(Math.max(...gapsMs)).toBeLessThanOrEqual(50);
        expect(Math.min(...gapsMs)).toBeGreaterThan(25);
      }
    }),
    { numRuns: 30 },
  );
});

test("another process goes on with the record, and the neighbor notices nothing", () => {
  fc.assert(
    fc.property(chances, fc.integer({ min: 1, max: 90 }), fc.nat(3000), (list, silentMs, ranMs) => {
      const auth = { type: "meticulous-keyed-sha1", keyId: 1, secret: "x" } as const;
      const world = up(auth, taken(list));
      world.run(world.nowMs + ranMs);
      const [a, b] = world.ends;
      const record = structuredClone(a.session.record);
      deafen(a.session);
      world.arrives[0] = false;
      world.run(world.nowMs + silentMs);
      world.arrives[0] = true;
      a.session = beginSession(CONFIG, record, world.nowMs);
      a.seen.last = null;
      listen(a.session, world.nowMs, 1000);
      world.run(world.nowMs + 5000);
      for (const { session, refused, changes } of [a, b]) {
        expect(refused).toEqual([]);
        expect(changes.filter((text) => text.startsWith("down"))).toEqual([]);
        expect(session.record).toMatchObject({ state: "up", ups: 1 });
      }
    }),
    { numRuns: 50 },
  );
});

test("two processes that send at once do no harm", () => {
  const world = up({ type: "meticulous-keyed-sha1", keyId: 1, secret: "x" });
  const [a, b] = world.ends;
  const twin = new End(
    beginSession(CONFIG, structuredClone(a.session.record), world.nowMs),
    a.auth,
  );
  for (let round = 0; round < 200; round++) {
    world.run(world.nowMs + 10);
    for (const octets of twin.pass(world.nowMs, 0.5)) b.hear(octets, world.nowMs, 0.5);
  }
  expect(b.session.record).toMatchObject({ state: "up", ups: 1 });
});

test("sequence numbers go round", () => {
  const sequence = { number: 0xffff_ffff, sinceMs: 0, stepUs: 1000 };
  expect(
    [0, 1, 2, 2].map((nowMs, k) => sequenceAt(sequence, k === 3 ? 1 : 0xffff_fffe, nowMs, 3)),
  ).toEqual([0xffff_ffff, 0, 1, 2]);
});
