/** Rules of gates in one network namespace: whose packets each has, and whose not. */
import { once } from "node:events";
import { createServer, connect as dial, type Server } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { enterOwnNetwork, removeRules as removeAll } from "../../../testkit/own-network.ts";
import { installRules, removeRules, rulesInPlace } from "../src/gate-rules.ts";
import { type ToolAnswer, ToolShell } from "../src/tool-shell.ts";

const REASON = enterOwnNetwork();
const QUEUE = 4321;
const PORTS = [1790, 1791];
/** Nothing comes in that time of what is dropped. */
const A_WHILE_MS = 300;

class WithoutNft extends ToolShell {
  override run(words: readonly string[], input?: string): Promise<ToolAnswer> {
    if (words[0] === "nft") return Promise.resolve({ code: 1, output: "no nft here" });
    return super.run(words, input);
  }
}

/** @returns whether a connection comes about */
async function connects(from: string, to: string, port: number): Promise<boolean> {
  const socket = dial({ host: to, port, localAddress: from });
  const timer = setTimeout(() => socket.destroy(), A_WHILE_MS);
  const isUp = await Promise.race([
    once(socket, "connect").then(
      () => true,
      () => false,
    ),
    once(socket, "close").then(() => false),
  ]);
  clearTimeout(timer);
  socket.destroy();
  return isUp;
}

describe.skipIf(REASON !== null)(`rules for some addresses (${REASON ?? "in a namespace"})`, () => {
  const shells: ToolShell[] = [];
  const servers: Server[] = [];

  beforeAll(async () => {
    for (const host of ["127.0.0.1", "::1"]) {
      for (const port of PORTS) {
        const server = createServer((socket) => socket.on("error", () => {})).listen(port, host);
        servers.push(server);
        await once(server, "listening");
      }
    }
  });
  afterEach(() => {
    for (const shell of shells.splice(0)) shell.end();
    removeAll();
  });
  afterAll(() => {
    for (const server of servers) server.close();
  });

  const kinds = [
    ["nft", ToolShell],
    ["iptables", WithoutNft],
  ] as const;
  test.each(kinds)("by %s hold back packets from these alone", async (_, Shell) => {
    const shell = new Shell();
    shells.push(shell);
    const wanted = { queue: QUEUE, ports: PORTS, addresses: ["127.0.0.9", "::1"] };
    const { rules } = await installRules(wanted, null, shell);
    expect(await rulesInPlace(rules, shell)).toBe(true);
    // Nobody serves the queue: what goes there is lost.
    for (const port of PORTS) {
      expect(await connects("127.0.0.9", "127.0.0.1", port)).toBe(false);
      expect(await connects("::1", "::1", port)).toBe(false);
      expect(await connects("127.0.0.8", "127.0.0.1", port)).toBe(true);
    }
    const others = { ...rules, addresses: ["127.0.0.9", "127.0.0.10"] };
    expect(await rulesInPlace(others, shell)).toBe(false);
    // Those of another pair come and go beside them.
    const other = { queue: QUEUE + 1, ports: PORTS, addresses: ["127.0.0.8"] };
    const beside = await installRules(other, null, shell);
    expect(await connects("127.0.0.8", "127.0.0.1", PORTS[0]!)).toBe(false);
    await removeRules(rules, shell);
    expect(await connects("127.0.0.9", "127.0.0.1", PORTS[0]!)).toBe(true);
    expect(await connects("127.0.0.8", "127.0.0.1", PORTS[0]!)).toBe(false);
    await removeRules(beside.rules, shell);
    expect(await connects("127.0.0.8", "127.0.0.1", PORTS[0]!)).toBe(true);
  });
});
