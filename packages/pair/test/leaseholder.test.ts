import fc from "fast-check";
import { expect, test } from "vitest";
import {
  DOUBT_MS,
  type Leaseholder,
  type LeaseholderAction,
  type LeaseholderEvent,
  leaseUntilMs,
  newLeaseholder,
  step,
} from "../src/leaseholder.ts";
import { claim, NOBODY, name, type Word } from "../src/word.ts";

const TTL_MS = 600;
const ALONE = claim(NOBODY, "a", "a 1", false);
const NAMED = name(ALONE, "a 1", ["b"], [])!;
const OTHERS = claim(NAMED, "b", "b 1", true);

function holderOf(word: Word): Leaseholder {
  return newLeaseholder(word, 5, 0, TTL_MS);
}

function lookAt(
  nowMs: number,
  isValid: boolean,
  problem: string | null = null,
  unheard: readonly string[] = isValid ? [] : ["b"],
): LeaseholderEvent {
  return { event: "look", nowMs, isValid, unheard, problem };
}

function told(actions: readonly LeaseholderAction[]): string {
  return actions
    .map((action) => {
      if (action.do === "tell") {
        const { change } = action;
        const whom = change.hold === "unheard" ? ` ${change.standbys.join(" ")}` : "";
        return `${change.hold}${whom}: ${change.reason}`;
      }
      return action.do === "extend" ? `extend ${action.untilMs}` : action.do;
    })
    .join(", ");
}

const UNHEARD = "unheard b: the standby has not echoed the heartbeats";

test.each<{ what: string; word: Word; events: readonly [LeaseholderEvent, says: string][] }>([
  {
    what: "a lease that holds is renewed six times in its time to live",
    word: ALONE,
    events: [
      [lookAt(99, true), ""],
      [lookAt(100, true), "renew"],
      [lookAt(300, true), ""],
      [{ event: "renewed" }, ""],
      [lookAt(300, true), "renew"],
    ],
  },
  {
    what: "it lasts from when what was confirmed was sent",
    word: ALONE,
    events: [
      [settled(ALONE, { sentMs: 100 }), "extend 640"],
      [settled(ALONE, { sentMs: 100, isDone: false }), ""],
    ],
  },
  {
    what: "one that is being given away gets no longer",
    word: ALONE,
    events: [
      [{ event: "end" }, ""],
      [settled(ALONE, { sentMs: 100 }), ""],
    ],
  },
  {
    what: "echoes that are missed are told at once and once, doubt after a while, and the end of both",
    word: NAMED,
    events: [
      [lookAt(10, false), UNHEARD],
      [lookAt(109, false), "renew"],
      [lookAt(110, false), "doubtful: the standby may be about to take over"],
      [lookAt(150, false), ""],
      [lookAt(160, true), "held: null"],
      [lookAt(170, false), UNHEARD],
    ],
  },
  {
    what: "while the arbiter does not answer, a standby is not sent away",
    word: NAMED,
    events: [
      [lookAt(10, false, "no answer"), ""],
      [lookAt(10 + DOUBT_MS, false, "no answer"), "doubtful: no answer, renew"],
      [lookAt(120, false), UNHEARD],
    ],
  },
  {
    what: "without a standby there is nobody to be unheard",
    word: ALONE,
    events: [
      [lookAt(10, false, null, []), ""],
      [lookAt(110, false, "no answer", []), "doubtful: no answer, renew"],
    ],
  },
  {
    what: "each of several standbys is told of once",
    word: name(ALONE, "a 1", ["b", "c"], [])!,
    events: [
      [lookAt(10, false, null, ["b"]), UNHEARD],
      [lookAt(15, false, null, ["b", "c"]), UNHEARD.replace(" b", " c")],
      [lookAt(20, false, null, ["b", "c"]), ""],
    ],
  },
  {
    what: "another holder ends everything",
    word: NAMED,
    events: [
      [settled(OTHERS, { isDone: false }), "lost: b has the role, epoch 2"],
      [settled(NAMED, {}), ""],
      [lookAt(1000, false), ""],
    ],
  },
])("$what", ({ word, events }) => {
  const holder = holderOf(word);
  for (const [event, says] of events) expect(told(step(holder, event))).toBe(says);
});

function settled(
  word: Word,
  { isDone = true, revision = 6, sentMs = 0 }: Partial<{ isDone: boolean } & Settled>,
): LeaseholderEvent {
  return { event: "settled", isDone, word, revision, sentMs };
}

interface Settled {
  readonly revision: number;
  readonly sentMs: number;
}

test("an answer that comes late does not bring an older word back", () => {
  const holder = holderOf(ALONE);
  step(holder, settled(NAMED, { revision: 7 }));
  step(holder, settled(ALONE, { revision: 6, isDone: false }));
  expect([holder.word, holder.revision]).toEqual([NAMED, 7]);
});

const events = fc.oneof(
  fc.record({
    event: fc.constant("look" as const),
    nowMs: fc.nat(5000),
    isValid: fc.boolean(),
    unheard: fc.constantFrom([], ["b"]),
    problem: fc.constantFrom(null, "no answer"),
  }),
  fc.record({
    event: fc.constant("settled" as const),
    isDone: fc.boolean(),
    word: fc.constantFrom(ALONE, NAMED, OTHERS),
    revision: fc.nat(20),
    sentMs: fc.nat(5000),
  }),
  fc.record({ event: fc.constantFrom("renewed" as const, "end" as const) }),
);

test("no lease is longer than what was confirmed, and nothing is said of a role that is lost", () => {
  fc.assert(
    fc.property(fc.array(events, { maxLength: 40 }), (list) => {
      const holder = holderOf(ALONE);
      let confirmedMs = Number.NEGATIVE_INFINITY;
      let asked = 0;
      let isLost = false;
      for (const event of list) {
        const isOwn = event.event === "settled" && event.word.holder === ALONE.holder;
        if (isOwn && event.isDone) confirmedMs = Math.max(confirmedMs, event.sentMs);
        if (event.event === "renewed") asked = 0;
        for (const action of step(holder, event)) {
          expect(isLost).toBe(false);
          if (action.do === "extend") {
            expect(action.untilMs).toBeLessThanOrEqual(leaseUntilMs(confirmedMs, TTL_MS));
          }
          if (action.do === "renew") expect(++asked).toBe(1);
          isLost ||= action.do === "tell" && action.change.hold === "lost";
        }
      }
    }),
  );
});
