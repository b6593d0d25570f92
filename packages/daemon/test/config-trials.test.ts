/** Configurations on trial, with a real speaker: orders that come at the same time, and standbys that know of none. */
import { Speaker } from "@ts-bgp/speaker";
import { afterEach, beforeEach, expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { freePort } from "../../../testkit/speaker.ts";
import { changesOf } from "../src/changes.ts";
import { ConfigTrials } from "../src/config-trials.ts";
import { openLog } from "../src/logging.ts";

const PORT = await freePort();
const configWith = (description: string) =>
  configOf(
    yamlOf(`
listen: [{ address: 127.0.0.1, port: ${PORT} }]
neighbors: [{ address: 127.1.0.1, as: 65001, passive: true, description: ${description} }]`),
  );
const NEXT = configWith("next");
const ABOUT = { by: "user 1", how: "reload", trySeconds: 600 } as const;

let speaker: Speaker;
let trials: ConfigTrials;
/** Resolves when what is under way may go on. */
let goesOn: Promise<void> = Promise.resolve();

beforeEach(async () => {
  const first = configWith("first");
  speaker = Speaker.fresh(first, { log: () => {} });
  await speaker.start();
  const { cluster, control, followers, http, log, mirrors, nsr, record } = first;
  let turn: Promise<unknown> = Promise.resolve();
  trials = new ConfigTrials({
    ...{ file: null, log: openLog({ ...log, level: "error" }, null), speaker: () => speaker },
    ...{ history: () => history(), config: () => speaker.router.tables.config },
    own: () => ({ cluster, control, followers, http, log, mirrors, nsr, record }),
    apply: async (next, octets, about) => {
      await goesOn;
      return changesOf(await speaker.configure(next, octets, about), []);
    },
    inTurn: (work) => {
      const done = turn.then(work);
      turn = done.catch(() => {});
      return done;
    },
  });
  await speaker.configure(configWith("second"), null, ABOUT);
});

afterEach(() => speaker.stop(null));

const history = () => speaker.journal.machine.history;

test("what is going back is not confirmed any more", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  goesOn = promise;
  const back = trials.rollback("user 2", null);
  const confirmed = expect(trials.confirm("user 1")).rejects.toThrow(
    "no configuration waits to be confirmed",
  );
  resolve();
  expect(await back).toMatchObject({ changed: ["127.1.0.1"], to: ["1"] });
  await confirmed;
  const { past, trial } = history();
  expect(trial).toBe(null);
  expect(past.map(({ how, confirmedBy }) => [how, confirmedBy])).toEqual([
    ["start", null],
    ["reload", null],
    ["rollback", null],
  ]);
});

test("what is confirmed first does not go back by itself", async () => {
  const { number } = await trials.confirm("user 1");
  trials.look();
  expect(number).toBe(2);
  expect(history()).toMatchObject({ trial: null, past: [{}, { confirmedBy: "user 1" }] });
});

test("a standby that would not go back is no standby for a trial", () => {
  trials.note(ABOUT, NEXT);
  speaker.active.join("b", speaker.now(), { needsNames: true });
  expect(() => trials.note(ABOUT, NEXT)).toThrow("a standby is of an older version");
  trials.note({ ...ABOUT, trySeconds: null }, NEXT);
});

test("nor is one that comes while an address is being opened", async () => {
  const port = await freePort();
  const next = { ...NEXT, listen: [...NEXT.listen, { address: "127.0.0.1", port }] };
  const tried = speaker.configure(next, null, ABOUT);
  speaker.active.join("b", speaker.now(), { needsNames: true });
  await expect(tried).rejects.toThrow("a standby is of an older version");
  expect(speaker.router.tables.config).toEqual(configWith("second"));
  expect(speaker.transport.listeners.has({ address: "127.0.0.1", port })).toBe(false);
});
