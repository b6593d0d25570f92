/** A configuration that goes back unless it is confirmed, while the role goes to another side. */
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { PEER_AS, saidBy, untilNsr, withPair } from "../../../testkit/pair.ts";
import {
  type ConfigFile,
  neighborAddress,
  type SpeakerProcess,
  WAIT_MS,
} from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ROUTES = 2000;

/** With it, the second neighbor is sent nothing. */
const HIDING: ConfigFile = {
  neighbors: [1, 2, 3].map((k) => ({
    address: neighborAddress(k),
    as: PEER_AS + k - 1,
    ...(k === 2 ? { export: "nothing" } : {}),
  })),
  policies: JSON.parse('{ "nothing": [{ "then": "reject" }] }'),
};

async function untilSent(side: SpeakerProcess, count: number): Promise<void> {
  const isSent = async () => {
    const { families } = await side.neighbor(neighborAddress(2));
    return families[0]?.advertised === count;
  };
  await until(isSent, WAIT_MS, `the second neighbor is sent ${count} routes`);
}

const reloads = async (side: SpeakerProcess) => {
  const { items } = await side.ask({ command: "show-reloads" });
  return (items as [{ configurations: Record<string, unknown>[] }])[0].configurations;
};

describe.skipIf(REASON !== null)(`a reload on trial (${REASON ?? "on one host"})`, () => {
  test("goes back at the side that has taken over meanwhile", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const [first, second] = [await pair.peer(1), await pair.peer(2)];
      await first.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
      await untilSent(a, ROUTES);
      a.configure(pair.config("a", HIDING));
      // Nothing but the next question is to be answered within that time.
      await a.ask({ command: "reload", confirm: 15 });
      const isKnown = async () => {
        const { items } = await b.ask({ command: "show-status" });
        return (items as [{ config_trial: unknown }])[0].config_trial !== null;
      };
      await until(isKnown, WAIT_MS, "the standby knows of it");
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      await untilSent(b, ROUTES);
      await b.untilLogged("going back", ({ id }) => id === "config-rolled-back");
      const after = await reloads(b);
      expect(after[0]).toMatchObject({ number: 3, how: "expired", in_force: true, back: null });
      expect([first.closed, second.closed]).toEqual([false, false]);
    }));

  test("stays if it is confirmed at the side that was given the role", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const [first, second] = [await pair.peer(1), await pair.peer(2)];
      await first.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
      await untilSent(a, ROUTES);
      a.configure(pair.config("a", HIDING));
      await a.ask({ command: "reload", confirm: 600 });
      await untilSent(b, 0);
      const known = await reloads(a);
      expect(known[0]).toMatchObject({ how: "reload", back: 1 });
      expect(await reloads(b)).toEqual(known);
      await expect(b.ask({ command: "rollback" })).rejects.toThrow("this side is not active");
      // It has the state of the active one, and its own file.
      const { items } = await b.ask({ command: "what-if", file: b.file });
      expect(items).toMatchObject([
        { neighbors: [{ neighbor: neighborAddress(2), gained: ROUTES, lost: 0 }] },
      ]);
      await a.ask({ command: "switchover" });
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      const { end } = await b.ask({ command: "confirm" });
      expect(end).toEqual({ number: 2 });
      const [last] = await reloads(b);
      expect(last).toMatchObject({ until_ms: null, confirmed_by: expect.stringMatching(/^user /) });
      await untilSent(b, 0);
      await b.ask({ command: "rollback" });
      await untilSent(b, ROUTES);
      expect([first.closed, second.closed]).toEqual([false, false]);
    }));

  test.each([
    ["is not undone by an older file", true],
    ["needs nothing where the file says it already", false],
  ])("that was for some neighbors, and is confirmed after a takeover, %s", (_, isOld) =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const [first, second] = [await pair.peer(1), await pair.peer(2)];
      await first.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
      await untilSent(b, ROUTES);
      const [one, two, three] = HIDING["neighbors"] as ConfigFile[];
      const neighbors = [one, two, { ...three, description: "third" }];
      const next = { ...HIDING, neighbors };
      a.configure(pair.config("a", next));
      if (!isOld) b.configure(pair.config("b", next));
      await a.ask({ command: "reload", confirm: 600, canary: neighborAddress(2) });
      await untilSent(b, 0);
      await a.ask({ command: "switchover" });
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      const { end } = await b.ask({ command: "confirm" });
      expect(end).toEqual({ number: 3 });
      expect((await b.neighbor(neighborAddress(3))).description).toBe("third");
      if (isOld) {
        const problem = `${b.file} would undo what a had: `;
        await expect(b.ask({ command: "reload" })).rejects.toThrow(problem);
        await b.untilLogged("the file", ({ msg }) => msg.includes("it is not what is in force"));
      } else {
        await b.ask({ command: "reload" });
        expect(saidBy(b, "config-differs")).toEqual([]);
      }
      await untilSent(b, 0);
      expect([first.closed, second.closed]).toEqual([false, false]);
    }),
  );
});
