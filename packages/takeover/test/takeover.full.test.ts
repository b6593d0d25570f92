/**
 * Live connections taken over from a killed or a frozen process, seen from a peer that knows
 * nothing of it.
 */

import { afterEach, describe, expect, test } from "vitest";
import { createLab, type Lab, type LabNode } from "../../../test/lab/netns.ts";
import type { ConnectionReport, TakeRequest } from "./support/end.ts";
import { End, noLabReason, type Outcome, SegmentCounter, until } from "./support/ends.ts";

const PORT = 1790;
const QUEUE = 7;
const SETTLE_MS = 150;

interface Case {
  readonly family: 4 | 6;
  readonly where: "same namespace" | "other namespace";
  readonly protection: { readonly password?: string; readonly ttlSecurity?: number };
  readonly count: number;
}

const CASES: readonly Case[] = [
  { family: 4, where: "same namespace", protection: {}, count: 3 },
  { family: 6, where: "same namespace", protection: {}, count: 3 },
  { family: 4, where: "same namespace", protection: { password: "secret" }, count: 2 },
  { family: 6, where: "other namespace", protection: { password: "secret" }, count: 2 },
  { family: 4, where: "other namespace", protection: { ttlSecurity: 1 }, count: 2 },
  { family: 6, where: "other namespace", protection: {}, count: 3 },
  { family: 4, where: "same namespace", protection: {}, count: 200 },
];

describe.skipIf(noLabReason !== null)(`a takeover (${noLabReason ?? "in namespaces"})`, () => {
  let lab: Lab | null = null;
  afterEach(() => {
    lab?.remove();
    lab = null;
  });

  /** A peer, and a process with connections to it from a service address behind a gate. */
  async function start(one: Case) {
    lab = createLab();
    const nodes = { peer: lab.node("peer"), first: lab.node("first"), second: lab.node("second") };
    const addresses = addressesOf(one.family, nodes.peer);
    const peer = new End(nodes.peer);
    await peer.command("protection", one.protection);
    await peer.command("listen", { ...addresses.listen, peers: [addresses.service.address] });
    const segments = await SegmentCounter.start(nodes.peer, PORT);
    const active = new End(nodes.first);
    await active.command("addAddress", { services: [addresses.service] });
    await active.command("gate", { queue: QUEUE, port: PORT, rules: true, bind: true });
    await active.command("protection", one.protection);
    await active.command("replicate", { release: true });
    const { listen, service } = addresses;
    // Timestamps of connections begin to count now.
    const began = performance.now();
    await active.command("connect", {
      ...listen,
      localAddress: service.address,
      count: one.count,
    });
    return { nodes, service, peer, segments, active, began };
  }

  async function standBy(one: Case, nodes: { first: LabNode; second: LabNode }): Promise<End> {
    const isShared = one.where === "same namespace";
    const standby = new End(isShared ? nodes.first : nodes.second);
    // In a namespace of its own its gate is ready before; a shared queue is free when the other is
    // dead.
    const bind = !isShared;
    await standby.command("gate", { queue: QUEUE, port: PORT, rules: true, bind });
    await standby.command("protection", one.protection);
    await standby.command("replicate", { release: true });
    return standby;
  }

  /** The moment of takeover. */
  async function take(
    one: Case,
    nodes: { first: LabNode },
    standby: End,
    service: object,
    requests: TakeRequest[],
  ) {
    await standby.command("expect", { states: requests });
    if (one.where === "same namespace") await standby.command("bindGate");
    else {
      // Two hosts with one address would both answer for it.
      await nodes.first.run(["ip", "link", "set", "eth0", "down"]);
      await standby.command("addAddress", { services: [service] });
    }
    const taken = await standby.command<{ outcomes: Outcome[]; durationMs: number }>("take", {
      requests,
    });
    await standby.command("openGate");
    return taken;
  }

  test.each(CASES)(
    "after SIGKILL goes on where the peer is: IPv$family, $where, $protection, $count connections",
    async (one) => {
      const { nodes, service, peer, segments, active, began } = await start(one);
      const octets = one.count > 10 ? 500 : 5000;
      const everyMs = one.count > 10 ? 50 : 2;
      await active.command("stream", { octets, everyMs });
      await peer.command("stream", { octets, everyMs });
      const standby = await standBy(one, nodes);
      await sleep(SETTLE_MS);
      // One for each connection, and more where a busy machine did not answer within a second.
      const syns = await segments.count("syn");
      await active.kill();
      const requests = active.requests(performance.now() - began);
      expect(requests).toHaveLength(one.count);
      const { outcomes, durationMs } = await take(one, nodes, standby, service, requests);
      for (const { error, how } of outcomes)
        expect(error ?? how, error).toMatch(/^(spliced|exact|unanswered)$/);
      await standby.command("stream", { octets, everyMs });
      await bothCatchUp(peer, standby);
      expect(await segments.count("fin", "rst")).toBe(0);
      expect(syns).toBeGreaterThanOrEqual(one.count);
      expect(await segments.count("syn")).toBe(syns);
      const times = outcomes.map((outcome) => outcome.durationMs ?? 0);
      console.info(
        `${one.count} connections taken over in ${durationMs.toFixed(0)} ms, one in at most ` +
          `${Math.max(...times).toFixed(1)} ms, ${JSON.stringify(countBy(outcomes))}`,
      );
    },
  );

  test("from a frozen process hands over what it has not read, while the peer goes on", async () => {
    const one: Case = { family: 4, where: "same namespace", protection: {}, count: 60 };
    const { nodes, service, peer, active } = await start(one);
    const standby = await standBy(one, nodes);
    await peer.command("stream", { octets: 40, everyMs: 1 });
    await sleep(SETTLE_MS);
    await active.command("pause");
    await peer.command("write", { octets: 40 });
    await until("octets that wait", () => hasUnread(nodes.first));
    const requests = await active.freeze();
    expect(requests.filter(({ unread }) => unread !== "")).not.toHaveLength(0);
    await active.command("stopGate", { end: "keep-rules" });
    await take(one, nodes, standby, service, requests);
    await bothCatchUp(peer, standby);
  });

  test.each(CASES.slice(0, 2).concat(CASES[4]!))(
    "from a frozen process is exact, with octets in every queue: IPv$family, $where",
    async (one) => {
      const { nodes, service, peer, segments, active } = await start(one);
      const standby = await standBy(one, nodes);
      await active.command("write", { octets: 1000 });
      await until("first octets", async () => (await peer.report()).every((c) => c.received > 0));
      // The peer reads no more, so octets stay in the send queue, unsent ones too.
      await peer.command("pause");
      await active.command("pause");
      await peer.command("write", { octets: 3000 });
      await active.command("write", { octets: 20_000_000 });
      await sleep(SETTLE_MS);
      const requests = await active.freeze();
      await active.command("stopGate", { end: "keep-rules" });
      for (const { inFlight, appended, acknowledged } of requests) {
        expect(inFlight).toBeGreaterThanOrEqual(0);
        expect(appended).toBeGreaterThan(acknowledged);
      }
      const { outcomes } = await take(one, nodes, standby, service, requests);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ how: "exact" });
      await peer.command("resume");
      await peer.command("write", { octets: 1000 });
      await bothCatchUp(peer, standby);
      expect(await segments.count("fin", "rst")).toBe(0);
    },
  );

  test("resumes at the octet the peer expects when the rest never left", async () => {
    const one = CASES[0]!;
    const { nodes, peer, active } = await start(one);
    const standby = await standBy(one, nodes);
    await active.command("write", { octets: 4000 });
    await until("octets", async () => (await peer.report()).every((c) => c.received === 4000));
    await nodes.first.run(["nft", "-f", "-"], {
      input: [
        "table inet cut {",
        "chain output {",
        "type filter hook postrouting priority 0;",
        `tcp dport ${PORT} drop`,
        "}",
        "}\n",
      ].join("\n"),
    });
    await active.command("write", { octets: 30_000 });
    await sleep(SETTLE_MS);
    await active.kill();
    await nodes.first.run(["nft", "delete", "table", "inet", "cut"]);
    const { outcomes } = await take(one, nodes, standby, {}, active.requests(5000));
    for (const { how, resumedAt, durationMs } of outcomes) {
      console.info(`probe, then splice: ${how} in ${durationMs?.toFixed(1)} ms`);
      // More where the dead one's kernel had the time to send some of the rest again.
      if (how === "spliced") expect(resumedAt).toBeGreaterThanOrEqual(4000);
    }
    await bothCatchUp(peer, standby);
  });
});

function addressesOf(family: 4 | 6, peer: LabNode) {
  const address = family === 4 ? peer.address4 : peer.address6;
  const service =
    family === 4
      ? { address: "10.0.0.100", prefixLength: 24, interface: "eth0" }
      : { address: "fd00::100", prefixLength: 64, interface: "eth0" };
  return { listen: { address, port: PORT }, service };
}

/**
 * Waits until each end has all that the other has written, and asserts that every octet was right.
 */
async function bothCatchUp(peer: End, end: End): Promise<void> {
  let lasting = "";
  const isDone = async () => {
    const [theirs, ours] = await Promise.all([peer.report(), end.report()]);
    const sent = new Map(ours.map((connection) => [connection.localPort, connection]));
    for (const connection of [...theirs, ...ours]) {
      expect(connection.wrongAt, "wrong octets").toBeNull();
      expect(connection.end, "end of a connection").toBeNull();
    }
    lasting = JSON.stringify({ theirs, ours }).slice(0, 2000);
    return theirs.every((connection) => {
      const other = sent.get(connection.remotePort);
      return other !== undefined && isBeyond(connection, other) && isBeyond(other, connection);
    });
  };
  await peer.command("quiet");
  await end.command("quiet");
  try {
    await until("all octets on both sides", isDone);
  } catch (error) {
    throw new Error(`${error}: ${lasting}`);
  }
}

/** Whether the kernel has octets that the process with the connections has not read. */
async function hasUnread(node: LabNode): Promise<boolean> {
  const { stdout } = await node.run(["ss", "-tnH", "state", "established"]);
  return stdout.split("\n").some((line) => Number(line.trim().split(/\s+/)[0]) > 0);
}

function isBeyond(reader: ConnectionReport, writer: ConnectionReport): boolean {
  return reader.received === writer.sent;
}

function countBy(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { how = "failed" } of outcomes) counts[how] = (counts[how] ?? 0) + 1;
  return counts;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
