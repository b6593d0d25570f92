/** How those who ask share the thread that routes. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { askersTurn } from "../src/turns.ts";

test("one piece is done at each turn of the event loop, by all askers alike", async () => {
  let isOver = false;
  let now = 0;
  const clock = () => {
    now++;
    if (!isOver) setImmediate(clock);
  };
  const done: { asker: number; at: number }[] = [];
  const ask = async (asker: number) => {
    for (let piece = 0; piece < 5; piece++) {
      await askersTurn();
      done.push({ asker, at: now });
    }
  };
  setImmediate(clock);
  await Promise.all([ask(0), ask(1), ask(2)]);
  isOver = true;
  expect(new Set(done.map(({ at }) => at)).size).toBe(15);
  expect(done.map(({ asker }) => asker)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
});

test("a turn comes by itself, and again after nobody has asked for a while", async () => {
  await askersTurn();
  for (let n = 0; n < 3; n++) await turn();
  await askersTurn();
});
