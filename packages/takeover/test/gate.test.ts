/** The gate between a real kernel's TCP and a peer that knows nothing of it. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createLab, type Lab, type LabNode } from "../../../test/lab/netns.ts";
import type { GateCounters } from "../src/index.ts";
import { End, noLabReason, SegmentCounter, until } from "./support/ends.ts";

const PORT = 1790;
const QUEUE = 9;
const PEER_PORT = 50_000;
const A_WHILE_MS = 200;
const STOP_MS = 600;
/** For an answer that comes. */
const ANSWER_SECONDS = 120;

describe.skipIf(noLabReason !== null)(`a gate (${noLabReason ?? "in namespaces"})`, () => {
  let lab: Lab;
  let peerNode: LabNode;
  let node: LabNode;
  let peer: End;
  let segments: SegmentCounter;

  beforeEach(async () => {
    lab = createLab();
    peerNode = lab.node("peer");
    node = lab.node("gated");
    peer = new End(peerNode);
    segments = await SegmentCounter.start(peerNode, PORT);
  });
  afterEach(() => lab.remove());

  async function connect(family: 4 | 6, replicate: { release: boolean } | null): Promise<End> {
    const address = family === 4 ? peerNode.address4 : peerNode.address6;
    const localAddress = family === 4 ? node.address4 : node.address6;
    await peer.command("listen", { address, port: PORT, peers: [] });
    const end = new End(node);
    await end.command("gate", { queue: QUEUE, port: PORT, rules: true, bind: true });
    if (replicate !== null) await end.command("replicate", replicate);
    await end.command("connect", { address, port: PORT, localAddress, count: 1 });
    return end;
  }

  async function acknowledged(): Promise<number> {
    const [connection] = await peer.report();
    return connection?.acknowledged ?? 0;
  }

  const counters = (end: End) => end.command<GateCounters>("counters");

  test.each([4, 6] as const)(
    "holds acknowledgements until they are released, octet by octet, over IPv%i",
    async (family) => {
      const end = await connect(family, { release: false });
      await peer.command("write", { octets: 1000 });
      await until("octets", async () => (await end.report())[0]?.received === 1000);
      await until("a packet that waits", async () => (await counters(end)).waiting > 0);
      await sleep(A_WHILE_MS);
      expect(await acknowledged()).toBe(0);
      await end.command("release", { id: 0, octets: 999 });
      await sleep(A_WHILE_MS);
      expect(await acknowledged()).toBe(0);
      await end.command("release", { id: 0, octets: 1000 });
      await until("acknowledgement", async () => (await acknowledged()) === 1000);
      // What this end writes waits as well, for its acknowledgement number says the same.
      await peer.command("write", { octets: 500 });
      await until("octets", async () => (await end.report())[0]?.received === 1500);
      await end.command("write", { octets: 300 });
      await sleep(A_WHILE_MS);
      expect((await peer.report())[0]?.received).toBe(0);
      await end.command("release", { id: 0, octets: 1500 });
      await until("octets of this end", async () => (await peer.report())[0]?.received === 300);
      await until("acknowledgement", async () => (await acknowledged()) === 1500);
      await until("no packet that waits", async () => (await counters(end)).waiting === 0);
    },
  );

  test("that is opened holds nothing, and goes on to guard", async () => {
    const end = await connect(4, { release: false });
    await peer.command("write", { octets: 1000 });
    await until("octets", async () => (await end.report())[0]?.received === 1000);
    await end.command("openGate");
    await until("acknowledgement", async () => (await acknowledged()) === 1000);
    await end.command("end");
    await until("a FIN that is stopped", async () => (await counters(end)).guarded > 0);
    await sleep(A_WHILE_MS);
    expect((await peer.report())[0]?.end).toBeNull();
    // A close that is meant.
    await end.command("unprotect", { id: 0 });
    await until("end", async () => (await peer.report())[0]?.end === "end");
  });

  test("lets nothing out when its lease is over, also when its process was stopped meanwhile", async () => {
    const end = new End(node);
    const [address, localAddress] = [peerNode.address4, node.address4];
    await peer.command("listen", { address, port: PORT, peers: [] });
    const gate = { queue: QUEUE, port: PORT, rules: true, bind: true, hasLease: true };
    await end.command("gate", gate);
    await end.command("replicate", { release: true });
    await end.command("renewLease", { ms: 60_000 });
    await end.command("connect", { address, port: PORT, localAddress, count: 1 });
    await end.command("write", { octets: 100 });
    await until("octets", async () => (await peer.report())[0]?.received === 100);
    await end.command("endLease");
    await end.command("renewLease", { ms: STOP_MS / 2 });
    end.signal("SIGSTOP");
    await peer.command("write", { octets: 1000 });
    await sleep(STOP_MS);
    // The kernel's acknowledgement is in the queue, and is the first thing that the worker finds.
    end.signal("SIGCONT");
    await end.command("write", { octets: 200 });
    await until("a packet that is stopped", async () => (await counters(end)).fenced > 0);
    await sleep(A_WHILE_MS);
    expect(await acknowledged()).toBe(0);
    expect((await peer.report())[0]?.received).toBe(100);
    await end.command("renewLease", { ms: 60_000 });
    await until("octets of this end", async () => (await peer.report())[0]?.received === 300);
    await until("acknowledgement", async () => (await acknowledged()) === 1000);
  });

  test.each(["with unread octets", "with none"])(
    "lets neither FIN nor RST out when its process is killed, %s",
    async (queued) => {
      const end = await connect(4, { release: true });
      await end.command("pause");
      if (queued === "with unread octets") await peer.command("write", { octets: 50_000 });
      await sleep(A_WHILE_MS);
      await end.kill();
      await peer.command("write", { octets: 1000 });
      await sleep(2 * A_WHILE_MS);
      expect(await segments.count("fin", "rst")).toBe(0);
      expect((await peer.report())[0]?.end).toBeNull();
    },
  );

  test("guards a flow that has no socket here yet", async () => {
    const end = await connect(4, null);
    const python = (seconds: number) => [
      `import socket; s = socket.socket(); s.settimeout(${seconds})`,
      `s.bind(("${peerNode.address4}", ${PEER_PORT}))`,
      `try: s.connect(("${node.address4}", ${PORT}))`,
      "except Exception as e: print(type(e).__name__)",
    ];
    const tryToConnect = async (seconds: number) =>
      (await peerNode.run(["python3", "-c", python(seconds).join("\n")])).stdout.trim();
    // Nobody listens, so the kernel answers RST.
    expect(await tryToConnect(ANSWER_SECONDS)).toBe("ConnectionRefusedError");
    const state = {
      localAddress: node.address4,
      localPort: PORT,
      remoteAddress: peerNode.address4,
      remotePort: PEER_PORT,
      receiveSequence: 0,
    };
    await end.command("expect", { states: [{ state, received: 0 }] });
    expect(await tryToConnect(A_WHILE_MS / 1000)).toMatch(/timeout/i);
  });

  test("leaves flows that are not protected alone, their end included", async () => {
    const end = await connect(4, null);
    await peer.command("write", { octets: 1000 });
    await until("acknowledgement", async () => (await acknowledged()) === 1000);
    await end.command("end");
    await until("end", async () => (await peer.report())[0]?.end === "end");
  });

  test("takes over rules and queue of a process that was killed, and leaves nothing at its end", async () => {
    const end = await connect(4, { release: true });
    const next = new End(node);
    const options = { queue: QUEUE, port: PORT, rules: true };
    // The queue is another's: its packets are not to be had.
    await expect(next.command("gate", { ...options, bind: true })).rejects.toThrow(/E(BUSY|PERM)/);
    expect(await next.command("gate", { ...options, bind: false })).toMatchObject({
      hadLeftovers: true,
    });
    await end.kill();
    await next.command("bindGate");
    expect(await next.command("rulesInPlace")).toEqual({ inPlace: true });
    await node.run(["iptables", "-t", "mangle", "-F"]);
    await node.run(["nft", "flush", "ruleset"]);
    expect(await next.command("rulesInPlace")).toEqual({ inPlace: false });
    await next.command("gate", { ...options, queue: QUEUE + 1, bind: true });
    await next.command("stopGate", { end: "remove-rules" });
    const rules = await Promise.all(
      ["iptables-save", "ip6tables-save"].map(async (tool) => (await node.run([tool])).stdout),
    );
    expect(rules.join("\n")).not.toContain("tsbgp");
  });
});

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
