/** The packet rules of a pair's gate: removed by someone, left by a crash, removed by a stop. */
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork, removeRules } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  PORT,
  untilNsr,
  untilProtected,
  untilReady,
  withPair,
} from "../../../testkit/pair.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();

/** @returns the rules that lead to the gate of the pair's packets */
function rules(): string[] {
  const listed = [
    spawnSync("nft", ["list", "ruleset"]),
    spawnSync("iptables", ["-w", "5", "-t", "mangle", "-S"]),
  ];
  const text = listed.map(({ stdout }) => stdout?.toString() ?? "").join("\n");
  return text.split("\n").filter((line) => /queue/i.test(line));
}

describe.skipIf(REASON !== null)(`the rules of a gate (${REASON ?? "on one host"})`, () => {
  test("are put back when someone removes them, with the standby joined anew", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      removeRules();
      const line = await a.untilLogged("what happened", ({ id }) => id === "nsr-simplex");
      expect(line.msg).toMatch(/rules of the gate were removed/);
      await until(() => rules().length > 0, WAIT_MS, "the rules are back");
      await a.untilLogged("the standby is lost", ({ id }) => id === "standby-lost");
      await untilProtected(a, 1);
      await untilReady(b, "standby");
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("are looked at by an active side that has taken over, too", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      await a.ask({ command: "switchover" });
      await untilReady(b, "active");
      removeRules();
      await until(() => rules().length > 0, WAIT_MS, "the rules are back");
      await untilProtected(b, 1);
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("follow a reload that adds a port, on both sides", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      const listen = [PORT, PORT + 1].map((port) => ({ address: "127.0.0.1", port }));
      a.configure(pair.config("a", { listen }));
      await a.ask({ command: "reload" });
      const isGuarded = () =>
        rules()
          .join()
          .includes(`port ${PORT + 1}`);
      expect(isGuarded()).toBe(true);
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      await pair.startStandby("a");
      await untilProtected(b, 1);
      expect(isGuarded()).toBe(true);
      removeRules();
      await until(isGuarded, WAIT_MS, "the rules are back");
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("that a crash has left are taken over by a new process, and removed by its stop", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      await pair.peer(1);
      await untilProtected(a, 1);
      b.signal("SIGSTOP");
      a.signal("SIGKILL");
      await a.exited();
      b.signal("SIGKILL");
      await b.exited();
      expect(rules().length).toBeGreaterThan(0);
      const next = await pair.startActive("a");
      const peer = await pair.peer(1);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 10 }));
      next.signal("SIGTERM");
      expect(await peer.untilClosed()).toMatchObject({ code: 6, subcode: 2 });
      expect(await next.exited()).toBe("exit 0");
      expect(rules()).toEqual([]);
    }));

  test("are there as long as there is a standby, which nobody notices", () =>
    withPair({}, async (pair) => {
      const gone = () => until(() => rules().length === 0, WAIT_MS, "the rules are gone");
      const a = await pair.startActive("a");
      const peer = await pair.peer(1);
      await gone();
      for (const last of [false, true]) {
        const b = await pair.startStandby("b");
        await untilProtected(a, 1);
        expect(rules().length).toBeGreaterThan(0);
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 10 }));
        (last ? a : b).signal("SIGTERM");
        expect(await (last ? a : b).exited()).toBe("exit 0");
        if (last) await untilNsr(b, "b is active", ({ role }) => role === "active");
        await gone();
        if (!last) continue;
        expect(isUndisturbed(peer)).toBe(true);
        b.signal("SIGTERM");
        expect(await b.exited()).toBe("exit 0");
      }
      await peer.untilClosed();
    }));
});
