/** Roles of a pair: who has which, how they change, and what each side is asked and told. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  PEER_AS,
  PORT,
  saidBy,
  untilNsr,
  untilProtected,
  untilReady,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import { KEEPALIVE, Peer } from "../../../testkit/peer.ts";
import { neighborAddress, type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
/** Starts of both sides at the same instant. */
const STARTS = 5;
const HOUR_MS = 3_600_000;
const HOLD_TIME_SECONDS = 9;
const WITHOUT_NET_ADMIN = ["setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin"];

const routesOf = async (side: SpeakerProcess): Promise<number> =>
  (await side.ask({ command: "show-routes", view: "accepted" })).items.length;

/** Time on the clock of a process, as if its host's clock had been set. */
function clockAhead(ms: number): readonly string[] {
  const code = `Object.defineProperty(performance, "timeOrigin", {
    value: performance.timeOrigin + ${ms} })`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}

describe.skipIf(REASON !== null)(`a pair (${REASON ?? "on one host"})`, () => {
  test("has one active side when both start at the same instant", async () => {
    for (let n = 0; n < STARTS; n++) {
      await withPair({}, async (pair) => {
        const sides = [await pair.side("a"), await pair.side("b")];
        const seen: string[] = [];
        for (const side of sides) side.spawn();
        await until(
          async () => {
            const shown = await Promise.all(sides.map((side) => nsrOf(side).catch(() => null)));
            const roles = shown.map((one) => one?.role);
            if (roles.every((role) => role === "active")) seen.push("two active sides");
            return roles.includes("active") && shown.every((one) => one?.ready);
          },
          WAIT_MS,
          "the pair is ready",
        );
        expect(seen).toEqual([]);
        const lines = () => sides.flatMap((side) => saidBy(side, "nsr-active"));
        await until(() => lines().length > 0, WAIT_MS, "the log names the active side");
        expect(lines()).toHaveLength(1);
      });
    }
  });

  test("answers questions on the standby with the active's routes, and refuses orders", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      expect((await nsrOf(b)).epoch).toBe((await nsrOf(a)).epoch);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 200 }));
      await until(async () => (await routesOf(a)) === 200, WAIT_MS, "a has the routes");
      await until(async () => (await routesOf(b)) === 200, WAIT_MS, "b has the routes");
      expect((await b.neighbor(neighborAddress(1))).state).toBe("Established");
      expect((await b.ask({ command: "show-status" })).items.length).toBeGreaterThan(0);
      const order = { neighbor: neighborAddress(1) };
      for (const command of ["explain-import", "explain-export"]) {
        const question = { command, ...order, prefix: "16.0.0.0/24" };
        expect((await b.ask(question)).items).toEqual((await a.ask(question)).items);
      }
      for (const command of ["reset", "disable", "enable", "refresh", "switchover", "reload"]) {
        const answer = b.ask({ command, ...order, prefix: "16.0.0.0/24", type: "in" });
        await expect(answer, command).rejects.toThrow(/standby|not the active/);
      }
      expect(isUndisturbed(peer)).toBe(true);
      await untilReady(a, "active");
    }));

  test("has a new configuration in force on both sides, and after a kill", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      const address = neighborAddress(9);
      const neighbors = [
        { address: neighborAddress(1), as: PEER_AS, description: "changed" },
        { address, as: 65_009 },
      ];
      a.configure(pair.config("a", { neighbors }));
      b.configure(pair.config("b", { neighbors }));
      const before = await b.ask({ command: "reload" }).catch((error: Error) => error.message);
      expect(before).toMatch(/standby/);
      await a.ask({ command: "reload" });
      await until(() => b.neighbor(address), WAIT_MS, "the standby knows the new neighbor");
      await expect(b.neighbor(neighborAddress(2))).rejects.toThrow();
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      const added = await Peer.establish({ port: PORT, localAddress: address, as: 65_009 });
      added.end();
      expect(await b.neighbor(neighborAddress(1))).toMatchObject({ description: "changed" });
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("tells peers of a SIGTERM when there is no standby", () =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a");
      const peer = await pair.peer(1);
      a.signal("SIGTERM");
      expect(await peer.untilClosed()).toMatchObject({ code: 6, subcode: 2 });
      expect(await a.exited()).toBe("exit 0");
    }));

  test("goes on without a standby that gets SIGTERM, and has it back", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      b.signal("SIGTERM");
      expect(await b.exited()).toBe("exit 0");
      const alone = await untilNsr(a, "a is not ready", ({ ready }) => !ready);
      expect(alone.reason).toMatch(/this side stops/);
      await pair.startStandby("b");
      await untilProtected(a, 1);
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("ends on SIGTERM a side that finds no role", () =>
    withPair({ only: { b: { cluster: "other" } } }, async (pair) => {
      await pair.startActive("a");
      const b = await pair.side("b");
      await b.start();
      await b.untilLogged("a refusal", ({ id }) => id === "nsr-link");
      b.signal("SIGTERM");
      expect(await b.exited()).toBe("exit 0");
    }));

  test("refuses a switchover that nobody is ready for, with the reason", () =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a");
      await expect(a.ask({ command: "switchover" })).rejects.toThrow(/no standby has joined/);
      expect(await nsrOf(a)).toMatchObject({ role: "active", ready: false });
    }));

  test("switches over to and fro, with several orders at once", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      let [active, standby] = [a, b];
      for (let n = 0; n < 3; n++) {
        const orders = [1, 2, 3].map(() => active.ask({ command: "switchover" }));
        const results = await Promise.allSettled(orders);
        expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
        [active, standby] = [standby, active];
        await untilReady(standby, "standby");
        await untilReady(active, "active");
        await untilProtected(active, 1);
      }
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("ends with a SIGTERM in the middle of a switchover, and no peer notices", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      const order = a.ask({ command: "switchover" }).catch(() => {});
      a.signal("SIGTERM");
      expect(await a.exited()).toBe("exit 0");
      await order;
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      await delay(200);
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test.each([-HOUR_MS, HOUR_MS])(
    "takes over where the clock was set by %i ms between the starts",
    (ms) =>
      withPair({}, async (pair) => {
        const a = await pair.startActive("a");
        const b = await pair.startStandby("b", { nodeOptions: clockAhead(ms) });
        const localAddress = neighborAddress(1);
        const options = {
          port: PORT,
          localAddress,
          as: PEER_AS,
          holdTimeSeconds: HOLD_TIME_SECONDS,
        };
        const peer = await Peer.establish(options);
        await untilProtected(a, 1);
        a.signal("SIGKILL");
        await untilNsr(b, "b is active", ({ role }) => role === "active");
        // More than two thirds of the hold time are between the first and the last of them.
        const heard = peer.count(KEEPALIVE);
        await until(() => peer.count(KEEPALIVE) >= heard + 4, WAIT_MS, "KEEPALIVEs go on");
        expect(isUndisturbed(peer)).toBe(true);
        expect(peer.longestSilenceMs).toBeLessThan(1000 * HOLD_TIME_SECONDS);
        expect((await b.neighbor(localAddress)).state).toBe("Established");
        peer.end();
      }),
  );
});

describe.skipIf(REASON !== null)(`a session (${REASON ?? "of a pair"})`, () => {
  const neighbors = (["preferred", "off", "required"] as const).map((nsr, k) => ({
    address: neighborAddress(k + 1),
    as: PEER_AS + k,
    nsr,
  }));

  test("with nsr: off ends with the active side, and those with more go on", () =>
    withPair({ config: { neighbors } }, async (pair) => {
      const { a, b } = await pair.start();
      const [preferred, off, required] = [
        await pair.peer(1),
        await pair.peer(2),
        await pair.peer(3),
      ];
      await untilProtected(a, 2);
      const shown = await nsrOf(a);
      expect(shown.sessions).toBe(3);
      const reason = shown.neighbors.find(({ address }) => address === neighborAddress(2))?.reason;
      expect(reason).toMatch(/nsr: off/);
      a.signal("SIGKILL");
      const after = await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(after.last_switchover?.resumed).toBe(2);
      expect(after.last_switchover?.lost.map(({ address }) => address)).toEqual([
        neighborAddress(2),
      ]);
      await off.untilClosed();
      expect([preferred, required].map(isUndisturbed)).toEqual([true, true]);
      // It is not kept out.
      await pair.peer(2);
    }));

  test("with nsr: off ends with a switchover, whose answer names it", () =>
    withPair({ config: { neighbors } }, async (pair) => {
      const { a, b } = await pair.start();
      const kept = await pair.peer(1);
      const off = await pair.peer(2);
      await untilProtected(a, 1);
      const { end } = await a.ask({ command: "switchover" });
      const cause = "it was not protected";
      expect(end).toEqual({ resumed: 1, lost: [{ address: neighborAddress(2), cause }] });
      expect((await nsrOf(b)).last_switchover).toMatchObject({ planned: true, ...end });
      await off.untilClosed();
      expect(isUndisturbed(kept)).toBe(true);
    }));

  test("with nsr: required is refused where nothing can be protected, and others are served", () =>
    withPair({ config: { neighbors } }, async (pair) => {
      const side = await pair.side("a");
      await side.start({ wrapper: WITHOUT_NET_ADMIN });
      const shown = await untilNsr(side, "a serves", ({ role }) => role === "simplex");
      expect(shown).toMatchObject({ ready: false });
      expect(shown.reason).toMatch(/cannot protect connections.*tsbgp doctor/);
      const peer = await pair.peer(1);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 10 }));
      await until(async () => (await routesOf(side)) === 10, WAIT_MS, "a has the routes");
      const refused = await Peer.connect({ port: PORT, localAddress: neighborAddress(3) });
      expect(await refused.untilClosed()).toBeNull();
      const line = await side.untilLogged("a refusal", ({ id }) => id === "connection-refused");
      expect(line).toMatchObject({ neighbor: neighborAddress(3), level: "error" });
      expect(line.msg).toMatch(/nsr: required/);
      expect(await untilSaid(side, "nsr-simplex")).toHaveLength(1);
      // A standby is turned away with the same words.
      const b = await pair.side("b");
      await b.start();
      const refusal = await b.untilLogged("a refusal", ({ id }) => id === "nsr-link");
      expect(refusal.msg).toMatch(/cannot protect connections/);
      expect(isUndisturbed(peer)).toBe(true);
    }));
});
