/** Reloads in a pair: of a standby, and of a side whose file is older than what is in force. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  PEER_AS,
  saidBy,
  type TestPair,
  untilNsr,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import {
  type ConfigFile,
  type LogLine,
  MAIN,
  neighborAddress,
  type SpeakerProcess,
  WAIT_MS,
} from "../../../testkit/speaker.ts";

const REASON = enterOwnNetwork();

const neighbor = (k: number, more: ConfigFile = {}) => ({
  address: neighborAddress(k),
  as: PEER_AS + k - 1,
  ...more,
});
/** In place of the three neighbors that both files have at first. */
const NEWER = { neighbors: [neighbor(1, { description: "renamed" }), neighbor(2), neighbor(9)] };
const UNDONE = [9, 3]
  .map((k) => `neighbor ${neighborAddress(k)}`)
  .concat(`description of neighbor ${neighborAddress(1)}`)
  .join(", ");

const knownTo = async (side: SpeakerProcess): Promise<string[]> => {
  const { items } = await side.ask({ command: "show-neighbors" });
  return (items as { address: string }[]).map(({ address }) => address);
};

/** Has `b` take over from `a`, which had another configuration in force than that of b's file. */
async function takenOver(pair: TestPair): Promise<SpeakerProcess> {
  const { a, b } = await pair.start();
  a.configure(pair.config("a", NEWER));
  await a.ask({ command: "reload" });
  await until(() => b.neighbor(neighborAddress(9)), WAIT_MS, "the standby has the new neighbor");
  a.signal("SIGKILL");
  await untilNsr(b, "b is active", ({ role }) => role === "active");
  return b;
}

const isWarning = ({ id }: LogLine) => id === "config-differs";

describe.skipIf(REASON !== null)(`a side of a pair (${REASON ?? "on one host"})`, () => {
  test("as the standby checks its file, opens its log anew, and changes nothing", () =>
    withPair({}, async (pair) => {
      const b = await pair.side("b");
      const file = join(pair.directory, "b.log");
      const own = { http: { port: b.httpPort }, log: { file } };
      b.configure(pair.config("b", own));
      await pair.start();
      const says = (log: string, id: string) => readFileSync(log, "utf8").includes(`"${id}"`);
      const isOk = async () => (await b.metrics()).get("tsbgp_config_last_reload_success");
      const logsAnew = async (id: string) => {
        renameSync(file, `${file}.1`);
        b.signal("SIGHUP");
        await until(() => existsSync(file) && says(file, id), WAIT_MS, `the new log has ${id}`);
      };
      b.configure(pair.config("b", { ...own, ...NEWER }));
      await logsAnew("config-checked");
      expect(await isOk()).toBe(1);
      await expect(b.ask({ command: "reload" })).rejects.toThrow(
        /this side is the standby: reload the active side/,
      );
      expect(await isOk()).toBe(1);
      expect(await knownTo(b)).toEqual([1, 2, 3].map(neighborAddress));
      b.configure(pair.config("b", { ...own, neighbors: [{ address: "nowhere" }] }));
      await logsAnew("reload-refused");
      expect(await isOk()).toBe(0);
      b.configure(pair.config("b", own));
      await logsAnew("config-checked");
      expect(await isOk()).toBe(1);
      const health = await fetch(`http://127.0.0.1:${b.httpPort}/healthz`);
      expect([health.status, await health.json()]).toMatchObject([
        200,
        { ok: true, role: "standby", ready: true, neighbors: 3, config_ok: true },
      ]);
    }));

  test("that has taken over undoes nothing of that by an older file, unless it is forced to", () =>
    withPair({}, async (pair) => {
      const b = await takenOver(pair);
      const { level, msg } = await b.untilLogged("the difference", isWarning);
      expect([level, msg]).toEqual(["warn", expect.stringContaining(UNDONE)]);
      expect(msg).toContain(`in force is what a had: ${b.file} differs`);
      b.signal("SIGHUP");
      const refusal = await b.untilLogged("the refusal", ({ id }) => id === "reload-refused");
      expect(refusal.msg).toContain(UNDONE);
      await expect(b.ask({ command: "reload" })).rejects.toThrow(
        `${b.file} would undo what a had: `,
      );
      // No more than a part of what has changed.
      b.configure(pair.config("b", { neighbors: [1, 2, 3, 4].map((k) => neighbor(k)) }));
      await expect(b.ask({ command: "reload" })).rejects.toThrow(/tsbgp reload --force/);
      expect(await knownTo(b)).toEqual([1, 2, 9].map(neighborAddress));
      expect((await b.neighbor(neighborAddress(1))).description).toBe("renamed");
      const words = [MAIN, "reload", "--force", "--socket", b.socket];
      const { stdout } = await promisify(execFile)(process.execPath, words);
      expect(stdout).toMatch(`added: 2 (${neighborAddress(3)} ${neighborAddress(4)})\n`);
      expect(await knownTo(b)).toEqual([1, 2, 3, 4].map(neighborAddress));
      // From here on it is as with any other side.
      b.configure(pair.config("b", { neighbors: [neighbor(1)] }));
      await b.ask({ command: "reload" });
      expect(await knownTo(b)).toEqual([neighborAddress(1)]);
      expect(await untilSaid(b, "config-differs")).toHaveLength(1);
    }));

  test("that has taken over applies a file that was brought up to date", () =>
    withPair({}, async (pair) => {
      const b = await takenOver(pair);
      await b.untilLogged("the difference", isWarning);
      b.configure(pair.config("b", { neighbors: [...NEWER.neighbors, neighbor(4)] }));
      const { end } = await b.ask({ command: "reload" });
      expect(end).toMatchObject({ added: [neighborAddress(4)], removed: [], changed: [] });
    }));

  test("that has taken over says nothing of a file that was changed like the other one", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      for (const [side, name] of [[a, "a"] as const, [b, "b"] as const]) {
        side.configure(pair.config(name, NEWER));
      }
      await a.ask({ command: "reload" });
      await a.ask({ command: "switchover" });
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      // Answered only after the file was compared.
      const { end } = await b.ask({ command: "reload" });
      expect(end).toMatchObject({ added: [], removed: [], changed: [], global: [] });
      expect(saidBy(b, "config-differs")).toEqual([]);
    }));

  test("that has taken over tells of mistakes in its file, and takes it once they are mended", () =>
    withPair({}, async (pair) => {
      await pair.start();
      const [a, b] = [await pair.side("a"), await pair.side("b")];
      b.configure(pair.config("b", { neighbors: [{ address: "nowhere" }] }));
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      const { msg, mistakes } = await b.untilLogged("the mistakes", isWarning);
      expect([msg, mistakes]).toEqual([expect.stringMatching(/mistake/), [expect.any(String)]]);
      b.configure(pair.config("b", NEWER));
      const { end } = await b.ask({ command: "reload" });
      expect(end).toMatchObject({ added: [neighborAddress(9)], removed: [neighborAddress(3)] });
    }));
});
