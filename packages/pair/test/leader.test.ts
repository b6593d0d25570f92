import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "../src/invariant.ts";
import { newLeader, step } from "../src/leader.ts";
import { checkLeader } from "../src/leader-checks.ts";
import {
  isBinding,
  type Leader,
  type LeaderAction,
  type LeaderEvent,
} from "../src/leader-types.ts";

const NAMES = ["b", "c", "d"];

/** What the world knows: the arbiter's word, and what each standby has stored for certain. */
const moves = fc.array(
  fc.record({
    move: fc.constantFrom(
      "commit",
      "join",
      "ack",
      "paid",
      "named",
      "unknown",
      "lose",
      "tick",
      "resume",
    ),
    who: fc.integer({ min: 0, max: 2 }),
    much: fc.integer({ min: 0, max: 3 }),
  }),
  { maxLength: 120 },
);

test("nothing is let out that a follower with a right has not stored", () => {
  fc.assert(
    fc.property(moves, (list) => {
      const leader = newLeader(1, 300);
      let nowMs = 0;
      let word: readonly string[] = [];
      const questions: { readonly standbys: readonly string[]; readonly question: number }[] = [];
      let isClosed = false;
      const stored = new Map<string, number>();
      const apply = (event: LeaderEvent) => {
        for (const action of step(leader, event)) perform(action);
      };
      const perform = (action: LeaderAction) => {
        if (action.do === "image") stored.set(action.to, action.from - 1);
        else if (action.do === "name") questions.push(action);
        else if (action.do === "close-gate") {
          isClosed = true;
          apply({ event: "gate-closed", isOwing: nowMs % 20 === 0 });
        } else if (action.do === "open-gate") isClosed = false;
        else if (action.do === "release") {
          const rights = new Set([...word, ...questions.flatMap(({ standbys }) => standbys)]);
          for (const one of rights) expect(stored.get(one)).toBeGreaterThanOrEqual(action.number);
        }
      };
      for (const { move, who, much } of list) {
        const name = NAMES[who]!;
        nowMs += 10 * much;
        const follower = leader.followers.find((one) => one.name === name);
        if (move === "commit") apply({ event: "commit", octets: much, nowMs });
        else if (move === "tick") apply({ event: "tick", nowMs: nowMs + 400 * much });
        else if (move === "paid") apply({ event: "paid" });
        else if (move === "lose")
          apply({ event: "lose", follower: name, reason: "x", isSlow: false });
        else if (move === "join" && follower === undefined)
          apply({ event: "join", follower: name, nowMs });
        else if (move === "ack" && follower !== undefined && follower.phase !== "removing") {
          const number = Math.min(leader.number, stored.get(name)! + much);
          stored.set(name, number);
          apply({
            event: "ack",
            follower: name,
            number,
            applied: number,
            windowOctets: 1000,
            nowMs,
          });
        } else if (move === "resume" && follower !== undefined && follower.phase !== "removing") {
          apply({ event: "resume", follower: name, next: stored.get(name)! + 1, nowMs });
        } else if (move === "named" && questions.length > 0) {
          const { standbys, question } = questions.shift()!;
          word = standbys;
          apply({ event: "named", question, isDone: true, problem: null });
        } else if (move === "unknown" && questions.length > 0) {
          const { standbys, question } = questions.shift()!;
          // It may have been done.
          if (much > 1) word = standbys;
          apply({ event: "named", question, isDone: false, problem: "away" });
        }
        expect(isClosed).toBe(leader.followers.some(isBinding));
        if (leader.followers.length === 0) expect(leader.released).toBe(leader.number);
      }
    }),
    { numRuns: 3000 },
  );
});

test("a follower goes from its image to the right to take over, and brackets wait for it", () => {
  const leader = newLeader(1, 300);
  const seen = (event: LeaderEvent) => step(leader, event);
  const ack = (number: number) =>
    seen({ event: "ack", follower: "b", number, applied: number, windowOctets: 100, nowMs: 3 });
  expect(seen({ event: "commit", octets: 1, nowMs: 0 })).toEqual([{ do: "release", number: 1 }]);
  expect(seen({ event: "join", follower: "b", nowMs: 1 })).toEqual([
    { do: "image", to: "b", from: 2 },
  ]);
  expect(seen({ event: "commit", octets: 1, nowMs: 2 })).toEqual([
    { do: "send", to: "b", from: 2, number: 2 },
    { do: "release", number: 2 },
  ]);
  expect(ack(1)).toEqual([{ do: "close-gate" }]);
  expect(seen({ event: "commit", octets: 1, nowMs: 3 })).toEqual([
    { do: "send", to: "b", from: 3, number: 3 },
  ]);
  expect(seen({ event: "gate-closed", isOwing: false })).toEqual([]);
  expect(ack(3)).toEqual([
    { do: "release", number: 3 },
    { do: "name", standbys: ["b"], heirs: [], question: 1 },
  ]);
  expect(seen({ event: "named", question: 1, isDone: true, problem: null })).toEqual([
    { do: "declared", to: "b" },
  ]);
  expect(seen({ event: "commit", octets: 1, nowMs: 4 })).toEqual([
    { do: "send", to: "b", from: 4, number: 4 },
  ]);
  expect(seen({ event: "lose", follower: "b", reason: "gone", isSlow: false })).toEqual([
    { do: "drop", follower: "b", reason: "gone", isSlow: false },
    { do: "name", standbys: [], heirs: [], question: 2 },
  ]);
  // Only when it cannot take over any more.
  expect(seen({ event: "named", question: 2, isDone: true, problem: null })).toEqual([
    { do: "open-gate" },
    { do: "release", number: 4 },
  ]);
});

test("a follower that is lost while it is being named is not waited for", () => {
  const leader = newLeader(1, 300);
  step(leader, { event: "join", follower: "b", nowMs: 1 });
  const ack = {
    event: "ack",
    follower: "b",
    number: 0,
    applied: 0,
    windowOctets: 100,
    nowMs: 3,
  } as const;
  step(leader, ack);
  expect(step(leader, { event: "gate-closed", isOwing: false })).toEqual([
    { do: "name", standbys: ["b"], heirs: [], question: 1 },
  ]);
  step(leader, { event: "commit", octets: 1, nowMs: 4 });
  expect(step(leader, { event: "lose", follower: "b", reason: "gone", isSlow: false })).toEqual([
    { do: "drop", follower: "b", reason: "gone", isSlow: false },
    { do: "name", standbys: [], heirs: [], question: 2 },
  ]);
  // The answer to the first tells nothing of the second.
  const named = (question: number, isDone: boolean) =>
    step(leader, { event: "named", question, isDone, problem: null });
  expect(named(1, false)).toEqual([]);
  expect(named(2, true)).toEqual([{ do: "open-gate" }, { do: "release", number: 1 }]);
});

test("a standby that is lost while another is being named is taken out before that one is added", () => {
  const leader = withStandby();
  const ack = (follower: string) =>
    step(leader, {
      ...({ event: "ack", follower, number: 2, applied: 2, windowOctets: 9, nowMs: 1 } as const),
    });
  const named = (question: number) =>
    step(leader, { event: "named", question, isDone: true, problem: null });
  ack("b");
  step(leader, { event: "join", follower: "c", nowMs: 1 });
  expect(ack("c")).toEqual([{ do: "name", standbys: ["b", "c"], heirs: [], question: 2 }]);
  expect(step(leader, { event: "lose", follower: "b", reason: "gone", isSlow: false })).toEqual([
    { do: "drop", follower: "b", reason: "gone", isSlow: false },
    { do: "name", standbys: [], heirs: [], question: 3 },
  ]);
  expect(named(2)).toEqual([]);
  expect(named(3)).toEqual([{ do: "name", standbys: ["c"], heirs: [], question: 4 }]);
  expect(named(4)).toEqual([{ do: "declared", to: "c" }]);
});

describe("a side that has taken over from an active with other standbys", () => {
  const inherit = (heirs: readonly string[], octets = [5, 5]) =>
    newLeader(2, 300, { number: 7, octets, heirs, nowMs: 0 });
  const come = (leader: Leader, follower: string, next: number) =>
    step(leader, { event: "resume", follower, next, nowMs: 1 });

  test("goes on when each of them has what it has, and names them", () => {
    const leader = inherit(["b", "c"]);
    expect([leader.released, leader.isClosed]).toEqual([5, true]);
    expect(come(leader, "b", 8)).toEqual([
      { do: "send", to: "b", from: 8, number: 7 },
      { do: "name", standbys: ["b"], heirs: ["c"], question: 1 },
    ]);
    const named = (question: number) =>
      step(leader, { event: "named", question, isDone: true, problem: null });
    expect(named(1)).toEqual([{ do: "declared", to: "b" }]);
    expect(come(leader, "c", 7)).toEqual([
      { do: "send", to: "c", from: 7, number: 7 },
      { do: "release", number: 6 },
    ]);
    const ack = { event: "ack", follower: "c", number: 7, applied: 7, windowOctets: 9 } as const;
    expect(step(leader, { ...ack, nowMs: 2 })).toEqual([
      { do: "release", number: 7 },
      { do: "name", standbys: ["b", "c"], heirs: [], question: 2 },
    ]);
    expect(named(2)).toEqual([{ do: "declared", to: "c" }]);
  });

  test("goes on without one that does not come, once that has no right any more", () => {
    const leader = inherit(["b"]);
    expect(step(leader, { event: "tick", nowMs: 600 })).toEqual([]);
    expect(step(leader, { event: "tick", nowMs: 601 })).toMatchObject([
      { do: "drop", follower: "b", isSlow: true },
      { do: "name", standbys: [], heirs: [], question: 1 },
    ]);
    expect(step(leader, { event: "named", question: 1, isDone: true, problem: null })).toEqual([
      { do: "open-gate" },
      { do: "release", number: 7 },
    ]);
  });

  test("fetches what one has more, and hands it on to the others", () => {
    const leader = inherit(["b", "c"]);
    expect(come(leader, "c", 8).map((action) => action.do)).toEqual(["send", "name"]);
    expect(come(leader, "b", 10)).toEqual([{ do: "fetch", of: "b", from: 8 }]);
    const gain = (number: number) => step(leader, { event: "gain", number, octets: 5, nowMs: 2 });
    expect(gain(8)).toEqual([{ do: "send", to: "c", from: 8, number: 8 }]);
    expect(gain(9)).toEqual([
      { do: "send", to: "c", from: 9, number: 9 },
      { do: "release", number: 7 },
    ]);
  });

  test("does not take one for complete that says what it has before it hands it on", () => {
    const leader = inherit(["b", "c"]);
    come(leader, "b", 10);
    const ack = { event: "ack", follower: "b", number: 9, applied: 9, windowOctets: 9 } as const;
    expect(step(leader, { ...ack, nowMs: 2 })).toEqual([]);
    step(leader, { event: "gain", number: 8, octets: 5, nowMs: 2 });
    expect(step(leader, { ...ack, nowMs: 2 })).toEqual([]);
    expect(step(leader, { event: "gain", number: 9, octets: 5, nowMs: 2 })).toEqual([
      { do: "name", standbys: ["b"], heirs: ["c"], question: 1 },
    ]);
  });

  test("ends rather than do something before each of them has what it has", () => {
    const commit = { event: "commit", octets: 1, nowMs: 1 } as const;
    const leader = inherit(["b", "c"]);
    come(leader, "b", 8);
    expect(() => step(leader, commit)).toThrow("what was inherited comes first 5 7");
    come(leader, "c", 9);
    expect(() => step(leader, commit)).toThrow("what was inherited comes first 5 7");
    step(leader, { event: "gain", number: 8, octets: 5, nowMs: 2 });
    expect(() => step(leader, commit)).toThrow("what was inherited comes first 7 8");
    come(leader, "b", 9);
    expect(step(leader, commit)).toContainEqual({ do: "send", to: "c", from: 9, number: 9 });
  });

  test("takes an heir for one of its own once everything that was inherited is out", () => {
    const leader = inherit(["b", "c"]);
    come(leader, "b", 8);
    // The arbiter does not answer, so that the other one is an heir still.
    come(leader, "c", 8);
    step(leader, { event: "commit", octets: 5, nowMs: 2 });
    expect(come(leader, "c", 10).map((action) => action.do)).toEqual(["drop", "name"]);
  });

  test.each([5, 6])(
    "has one that needs bracket %i join again, when it cannot hand that on",
    (next) => {
      const leader = inherit(["b"], []);
      expect(come(leader, "b", next).map((action) => action.do)).toEqual(["drop", "name"]);
    },
  );
});

/** @returns one that has let bracket 1 out, and has a standby that may take over; bracket 2 waits for it */
function withStandby(): Leader {
  const leader = newLeader(1, 300);
  step(leader, { event: "commit", octets: 5, nowMs: 0 });
  step(leader, { event: "join", follower: "b", nowMs: 0 });
  const ack = { event: "ack", follower: "b", number: 1, applied: 1, windowOctets: 9 } as const;
  step(leader, { ...ack, nowMs: 0 });
  step(leader, { event: "gate-closed", isOwing: false });
  step(leader, { event: "named", question: 1, isDone: true, problem: null });
  step(leader, { event: "commit", octets: 5, nowMs: 0 });
  return leader;
}

test("a leader that works has nothing that breaks a rule", () => {
  const leader = withStandby();
  expect(leader.followers[0]!.phase).toBe("declared");
  expect(() => checkLeader(leader, 1)).not.toThrow();
});

test.each<[string, (leader: Leader) => void]>([
  ["a standby has all that is out (I1, I2) b 2 1", (leader) => (leader.released = 2)],
  ["nothing is taken back 0 1", (leader) => (leader.released = 0)],
  ["only what there is is released 3 2", (leader) => (leader.released = 3)],
  ["only what there is is stored b 3 2", ({ followers }) => (followers[0]!.acked = 3)],
  [
    "octets that are owed are not negative b 11 10",
    ({ followers }) => (followers[0]!.ackedOctets = 11),
  ],
  ["the last bracket is kept 2 3", (leader) => (leader.number = 3)],
  ["brackets have all octets 10 12", (leader) => (leader.octets = 12)],
  [
    "brackets are consecutive 0 2",
    ({ brackets }) => brackets.unshift({ number: 0, endOctets: 0, sentMs: 0 }),
  ],
  ["the gate is closed for followers alone (I5)", (leader) => (leader.isClosed = false)],
  [
    "alone nothing waits (I5) 1 2",
    (leader) => {
      leader.followers = [];
      leader.isClosed = false;
    },
  ],
])("a leader is not right when it does not hold that %s", (what, spoil) => {
  const leader = withStandby();
  spoil(leader);
  expect(() => checkLeader(leader, 1)).toThrow(new InvariantError(`does not hold: ${what}`));
});

test("a leader ends rather than go on when something of it is wrong", () => {
  const leader = withStandby();
  leader.released = 2;
  expect(() => step(leader, { event: "tick", nowMs: 1 })).toThrow(InvariantError);
  expect(() => step(withStandby(), { event: "join", follower: "b", nowMs: 1 })).toThrow(
    "does not hold: a follower joins once b",
  );
});
