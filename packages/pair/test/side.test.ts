/** The machine of a side: its table as it is documented, and what holds in every state. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Hold, newSide, type SideEvent, stepSide } from "../src/index.ts";
import { EVENTS, pictureOf, STATES, tableOf, transitions } from "./side-table.ts";

const DOC = new URL("../../../docs/pair.md", import.meta.url);

test("docs/pair.md shows it as it is", () => {
  const text = readFileSync(DOC, "utf8");
  const all = transitions();
  // `node packages/pair/test/side-table.ts` prints both.
  expect(text).toContain(tableOf(all));
  expect(text).toContain(pictureOf(all));
});

test("every state but the last is left by some event, and each is reached", () => {
  const all = transitions();
  const left = new Set(all.filter(({ from, to }) => from !== to).map(({ from }) => from));
  const reached = new Set(["waiting", ...all.map(({ to }) => to)]);
  expect([...left, "stopped"].sort()).toEqual([...STATES].sort());
  expect([...reached].sort()).toEqual([...STATES].sort());
});

test("a role that is not to be taken back is lost with the reason", () => {
  const causes = (epoch: number | null, reason: string | null) => {
    const side = { ...newSide(), state: "retaking" as const, epoch: 3, cause: "no answer" };
    const actions = stepSide(side, { event: "role", epoch, reason });
    return actions.flatMap((action) => (action.do === "forget" ? [action.cause] : []));
  };
  expect(causes(4, null)).toEqual([]);
  expect(causes(5, null)).toEqual(["no answer: it was the active side for a moment"]);
  expect(causes(null, null)).toEqual(["no answer: another side has the role"]);
  expect(causes(null, "etcd is away")).toEqual(["no answer: etcd is away"]);
});

/** Which answer ends each wait, so that nothing goes on in a state for good. */
const ANSWERS: Record<string, SideEvent> = {
  waiting: { event: "waited" },
  seeking: { event: "role", epoch: null, reason: null },
  connecting: { event: "unreachable", reason: "no way" },
  claiming: { event: "role", epoch: null, reason: null },
  returning: { event: "unreachable", reason: "no way" },
  resuming: { event: "running" },
  opening: { event: "running" },
  settling: { event: "settled", isSettled: false },
  closing: { event: "settled", isSettled: false },
  giving: { event: "gave", isOurs: true, reason: null },
  given: { event: "taken", isTaken: false },
  retaking: { event: "role", epoch: null, reason: null },
  leaving: { event: "down" },
};

test("a side that is told to stop stops, whatever it was at, and does nothing more then", () => {
  const some = fc.array(fc.constantFrom(...EVENTS.map(([, event]) => event)), { maxLength: 30 });
  fc.assert(
    fc.property(some, (events) => {
      const side = newSide();
      for (const event of events) stepSide(side, event);
      stepSide(side, { event: "stop" });
      for (let turns = 0; side.state !== "stopped"; turns++) {
        expect(turns).toBeLessThan(10);
        stepSide(side, ANSWERS[side.state]!);
      }
      for (const [, event] of EVENTS) expect(stepSide(side, event)).toEqual([]);
      expect(side.state).toBe("stopped");
    }),
  );
});

test("only a side that has the role lets anything leave it", () => {
  const some = fc.array(fc.constantFrom(...EVENTS.map(([, event]) => event)), { maxLength: 40 });
  fc.assert(
    fc.property(some, (events) => {
      const side = newSide();
      let mayAct = false;
      for (const event of events) {
        for (const { do: what } of stepSide(side, event)) {
          if (what === "open" || what === "resume") mayAct = true;
          if (what === "give" || what === "fence" || what === "put-down") mayAct = false;
          if (what === "settle-in" || what === "let-join" || what === "settle") {
            expect(mayAct).toBe(true);
          }
        }
      }
    }),
  );
});

/** @returns what is done for each of the events, in a side that leads */
function leading(...events: SideEvent[]): string[][] {
  const side = { ...newSide(), state: "leading" as const, epoch: 3, hold: "held" as const };
  return events.map((event) => stepSide(side, event).map((action) => action.do));
}

const hold = (what: Hold): SideEvent => {
  return { event: "hold", hold: what, reason: "why", standbys: ["b"] };
};

test("a side in doubt has its addresses back when the role is its own for certain", () => {
  const all = leading(hold("doubtful"), hold("unheard"), hold("doubtful"), hold("held"));
  expect(all).toEqual([["drop-addresses"], ["lose-standbys"], [], ["claim-addresses"]]);
});

test("heartbeats that are missed once nobody may join spoil no switchover", () => {
  const order = { event: "switchover", refusal: null } as const;
  const settled = { event: "settled", isSettled: true } as const;
  const all = leading(order, settled, hold("unheard"), hold("doubtful"), settled);
  expect(all.slice(2)).toEqual([[], [], ["give"]]);
  const failed = { event: "settled", isSettled: false } as const;
  const without = leading(order, settled, hold("doubtful"), failed);
  expect(without.at(-1)).toContain("drop-addresses");
});
