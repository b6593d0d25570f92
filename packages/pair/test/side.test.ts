/** The machine of a side: its table as it is documented, and what holds in every state. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { newSide, type SideEvent, stepSide } from "../src/index.ts";
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

/** Which answer ends each wait, so that nothing goes on in a state for good. */
const ANSWERS: Record<string, SideEvent> = {
  waiting: { event: "waited" },
  seeking: { event: "role", epoch: null, reason: "" },
  connecting: { event: "unreachable", reason: "no way" },
  claiming: { event: "role", epoch: null, reason: "" },
  resuming: { event: "running" },
  opening: { event: "running" },
  settling: { event: "settled", isSettled: false },
  closing: { event: "settled", isSettled: false },
  giving: { event: "gave", isOurs: true, reason: "" },
  given: { event: "taken", isTaken: false },
  retaking: { event: "role", epoch: null, reason: "" },
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
