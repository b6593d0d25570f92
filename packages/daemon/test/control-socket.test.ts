/** Who has a control socket, when more than one would. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControlServer } from "../src/control.ts";

let folder: string;
let servers: ControlServer[];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tsbgp-control-"));
  servers = [];
});
afterEach(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
});

const within = (name: string) => path.join(folder, name);

function serverOf(name: string, file = within("c.sock")): ControlServer {
  const server = new ControlServer(file, async function* () {
    yield name;
    return {};
  });
  servers.push(server);
  return server;
}

/** @returns the name of the server that answers */
function answerAt(file = within("c.sock")): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(file, () => socket.write('{"command":"x"}\n'));
    socket.once("error", reject);
    socket.once("data", (octets) => {
      socket.destroy();
      resolve(JSON.parse(octets.toString().split("\n")[0]!).item);
    });
  });
}

/** Leaves a socket to which nobody listens. */
function leaveBehind(name: string): void {
  const file = JSON.stringify(within(name));
  const script = `require("net").createServer().listen(${file}, () => process.kill(process.pid, 9))`;
  spawnSync(process.execPath, ["-e", script]);
  expect(readdirSync(folder)).toContain(name);
}

test("of two that come up together the second is refused, and the first goes on", async () => {
  const [a, b] = [serverOf("a"), serverOf("b")];
  await a.prepare();
  await b.prepare();
  a.publish();
  expect(() => b.publish()).toThrow("c.sock is in use: another speaker runs with this control");
  b.close();
  expect(await answerAt()).toBe("a");
  expect(readdirSync(folder)).toEqual(["c.sock"]);
});

test("one that is in use is refused before anything is made", async () => {
  await serverOf("a").listen();
  await expect(serverOf("b").listen()).rejects.toThrow("c.sock is in use");
  expect(await answerAt()).toBe("a");
  expect(readdirSync(folder)).toEqual(["c.sock"]);
});

test("what killed speakers left is replaced, or removed", async () => {
  leaveBehind("c.sock");
  leaveBehind(".c-aB3_-xyz");
  const waiting = serverOf("waiting", within("other.sock"));
  await waiting.prepare();
  await serverOf("a").listen();
  expect(await answerAt()).toBe("a");
  waiting.publish();
  expect(await answerAt(within("other.sock"))).toBe("waiting");
  expect(readdirSync(folder).sort()).toEqual(["c.sock", "other.sock"]);
});

test("a socket that has taken its place stays when it is closed", async () => {
  const a = serverOf("a");
  await a.listen();
  rmSync(within("c.sock"));
  await serverOf("b").listen();
  a.close();
  expect(await answerAt()).toBe("b");
});

test("a path may have the 107 octets that one can have", async () => {
  const file = within(`${"x".repeat(107 - folder.length - 6)}.sock`);
  expect(file).toHaveLength(107);
  await serverOf("a", file).listen();
  expect(await answerAt(file)).toBe("a");
});
