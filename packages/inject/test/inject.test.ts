import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeNotification, encodeNotification, shutdownText } from "@ts-bgp/wire-codec";
import { afterEach, describe, expect, test } from "vitest";
import type { InjectEvent, InjectResult } from "../src/events.ts";
import { type InjectOptions, inject } from "../src/inject.ts";
import { update } from "./mrt-octets.ts";
import { apply, EXTERNAL, pathOf, type Table } from "./routes-of.ts";
import { type ScriptedOptions, ScriptedPeer } from "./scripted-peer.ts";

const IPV4 = { afi: 1, safi: 1 };
const FAMILIES = [
  { code: 1, name: "multiprotocol", ...IPV4 },
  { code: 1, name: "multiprotocol", afi: 2, safi: 1 },
] as const;

const FORM = { ...EXTERNAL, localAs: 65001 };

const open: ScriptedPeer[] = [];
const running: AbortController[] = [];
afterEach(async () => {
  for (const controller of running.splice(0)) controller.abort();
  await Promise.all(open.splice(0).map((peer) => peer.close()));
});

interface Run {
  peer: ScriptedPeer;
  events: InjectEvent[];
  result: Promise<InjectResult>;
  stop(): Promise<InjectResult>;
  table(form?: typeof FORM): Table;
}

type Changes = Partial<Omit<InjectOptions, "session">> & {
  session?: Partial<InjectOptions["session"]>;
};

function optionsFor(port: number, changes: Changes): InjectOptions {
  return {
    source: { kind: "synthetic", prefixes: 500, seed: 1, families: 3 },
    nextHop4: Uint8Array.of(192, 0, 2, 7),
    nextHop6: FORM.nextHop6,
    keepNextHop: false,
    rate: null,
    flap: null,
    once: false,
    withdraw: false,
    ...changes,
    session: {
      host: "127.0.0.1",
      port,
      localAddress: null,
      localAs: null,
      identifier: null,
      holdTimeSeconds: 90,
      families: 3,
      addPath: false,
      reconnect: false,
      ...changes.session,
    },
  };
}

async function start(changes: Changes = {}, script: ScriptedOptions = {}): Promise<Run> {
  const peer = await ScriptedPeer.listen(script);
  open.push(peer);
  const controller = new AbortController();
  running.push(controller);
  const events: InjectEvent[] = [];
  const options = optionsFor(peer.port, changes);
  const result = inject(options, (event) => events.push(event), controller.signal);
  return {
    peer,
    events,
    result,
    stop() {
      controller.abort();
      return result;
    },
    table(form = FORM) {
      const table: Table = new Map();
      for (const octets of peer.updates) apply(octets, form, table);
      return table;
    },
  };
}

/** End-of-RIB markers: 23 octets for IPv4, 29 for IPv6. */
function endsOfRib(peer: ScriptedPeer): number {
  return peer.updates.filter(({ length }) => length === 23 || length === 29).length;
}

const KIND = (event: InjectEvent) => event.kind;

describe("an injection", () => {
  test("announces a table, says what it does, and ends with a word", async () => {
    const { peer, events, stop, table } = await start();
    await peer.until(() => endsOfRib(peer) === 2);
    expect(table().size).toBe(500);
    expect([...table().values()].some(({ NEXT_HOP }) => NEXT_HOP === "192.0.2.7")).toBe(true);
    const result = await stop();
    expect(result).toMatchObject({ exitCode: 0, error: null, routesSent: 500 });
    const [octets] = peer.notifications;
    const notification = decodeNotification(octets!, 0, octets!.length);
    expect(shutdownText(notification)).toBe("the injection is over");
    const kinds = events.map(KIND);
    expect(kinds.slice(0, 3)).toEqual(["source", "connecting", "established"]);
    expect(kinds).toContain("sent");
    expect(events.find(({ kind }) => kind === "established")).toMatchObject({
      localAs: 65001,
      peerAs: 64999,
      localAddress: "127.0.0.1",
      families: ["ipv4-unicast", "ipv6-unicast"],
    });
  });

  test("withdraws everything before it ends when asked to", async () => {
    const { peer, stop, table } = await start({ withdraw: true });
    await peer.until(() => endsOfRib(peer) === 2);
    await stop();
    expect(table().size).toBe(0);
    expect(peer.notifications.length).toBe(1);
  });

  test("ends by itself when told to do its work once", async () => {
    const { result, table } = await start({ once: true });
    expect(await result).toMatchObject({ exitCode: 0, routesSent: 500 });
    expect(table().size).toBe(500);
  });

  test("sends a family again when the peer asks for it", async () => {
    const { peer, events, stop } = await start();
    await peer.until(() => endsOfRib(peer) === 2);
    peer.updates = [];
    peer.requestRefresh(2);
    await peer.until(() => endsOfRib(peer) === 1);
    const table: Table = new Map();
    for (const octets of peer.updates) apply(octets, FORM, table);
    expect(table.size).toBe(100);
    expect(events.find(({ kind }) => kind === "refresh")).toMatchObject({ family: "ipv6-unicast" });
    expect(await stop()).toMatchObject({ exitCode: 0, routesSent: 600 });
  });

  test("does without what the peer does not know", async () => {
    const { peer, stop } = await start({}, { capabilities: [FAMILIES[0]] });
    await peer.until(() => endsOfRib(peer) === 1);
    expect((await stop()).routesSent).toBe(400);
  });

  test("sends internal routes to a peer of its own AS", async () => {
    const { peer, table, stop } = await start({ session: { localAs: 64999 } });
    await peer.until(() => endsOfRib(peer) === 2);
    const routes = [...table({ ...FORM, internal: true }).values()];
    expect(routes.every((attributes) => attributes["LOCAL_PREF"] === 100)).toBe(true);
    await stop();
  });

  test("keeps to its rate", async () => {
    const changes = { rate: 200, once: true, source: { ...SMALL, prefixes: 100 } };
    const { result, events } = await start(changes);
    await result;
    const sent = events.find(({ kind }) => kind === "sent") as {
      messages: number;
      seconds: number;
    };
    // Not before the last message is due; how long after that is the machine's affair.
    expect(sent.seconds).toBeGreaterThan((sent.messages - 2) / 200);
  });

  test("flaps routes and leaves every other one alone", async () => {
    const changes = { flap: { rate: 500, seed: 4 }, source: { ...SMALL, prefixes: 50 } };
    const { peer, table, stop } = await start(changes);
    await peer.until(() => endsOfRib(peer) === 1);
    const whole = table();
    await peer.until(() => peer.updates.length > 150);
    await stop();
    const after = table();
    expect(after.size).toBeLessThan(50);
    for (const [prefix, attributes] of after) expect(whole.get(prefix)).toEqual(attributes);
  });

  test("waits for a peer that does not read", async () => {
    const source = { kind: "synthetic", prefixes: 300_000, seed: 1, families: 1 } as const;
    const { peer, events, stop } = await start({ source });
    await peer.until(() => peer.updates.length > 0);
    peer.pause();
    const sentOctets = () => events.findLast(({ kind }) => kind === "sending");
    for (let before = null as unknown; ; ) {
      const now = sentOctets();
      if (now !== undefined && now === before) break;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(events.some(({ kind }) => kind === "sent")).toBe(false);
    peer.resume();
    await peer.until(() => endsOfRib(peer) === 1);
    expect((await stop()).routesSent).toBe(300_000);
  });

  test("counts what the peer sends", async () => {
    const { peer, stop } = await start();
    await peer.until(() => endsOfRib(peer) === 2);
    peer.send(update([64999, 1], ["10.0.0.0/8", "11.0.0.0/8"]));
    // The answer to the refresh tells that what was sent before it has been read.
    peer.updates = [];
    peer.requestRefresh(1);
    await peer.until(() => endsOfRib(peer) === 1);
    expect((await stop()).received).toEqual({ messages: 1, announced: 2, withdrawn: 0 });
  });

  test("begins again after the session was lost when told to reconnect", async () => {
    const { peer, events, stop } = await start({ session: { reconnect: true } });
    await peer.until(() => endsOfRib(peer) === 2);
    peer.hangUp();
    await peer.until(() => endsOfRib(peer) === 4);
    expect(peer.sessions).toBe(2);
    expect(events.find(({ kind }) => kind === "retrying")).toMatchObject({
      reason: "connection lost",
    });
    expect(await stop()).toMatchObject({ exitCode: 0, routesSent: 1000 });
  });

  test("takes its AS from the paths of a file, and keeps their next hops when asked to", async () => {
    const directory = mkdtempSync(join(tmpdir(), "ts-bgp-inject-"));
    const path = join(directory, "updates");
    writeFileSync(path, update([64777, 1], ["10.0.0.0/8"]));
    const source = { kind: "updates", path, families: 3, partial: false } as const;
    const { peer, table, stop } = await start({ source, keepNextHop: true });
    await peer.until(() => endsOfRib(peer) === 2);
    const form = { ...FORM, localAs: 64777 };
    expect(pathOf(table(form), "10.0.0.0/8")).toBe("64777 1");
    expect(table(form).get("10.0.0.0/8")?.["NEXT_HOP"]).toBe("192.0.2.9");
    expect(peer.open?.as).toBe(64777);
    await stop();
    rmSync(directory, { recursive: true });
  });
});

const SMALL = { kind: "synthetic", prefixes: 500, seed: 1, families: 1 } as const;

describe("an injection that cannot be", () => {
  const notified = (code: number, subcode: number, data?: Uint8Array) =>
    encodeNotification(code, subcode, data);

  test.each([
    ["the peer expects another AS", notified(2, 2), /Bad Peer AS: .*another AS than 65001/],
    ["the peer refuses the identifier", notified(2, 3), /--router-id/],
    ["the peer has no family in common", notified(2, 7), /--family/],
    ["the peer rejects the connection", notified(6, 5), /Connection Rejected: .*not know this/],
    ["the peer says why", notified(6, 2, Uint8Array.of(2, 111, 107)), /Shutdown: "ok"/],
    ["the peer is no BGP speaker", new TextEncoder().encode("SSH-2.0-OpenSSH_9.2p1\r\n"), /Synch/],
  ])("says so: %s", async (_, greeting, message) => {
    const { result } = await start({}, { greeting });
    const { exitCode, error } = await result;
    expect(exitCode).toBe(1);
    expect(error).toMatch(message);
  });

  test("says so: nothing listens there", async () => {
    const peer = await ScriptedPeer.listen();
    const { port } = peer;
    await peer.close();
    const result = await inject(optionsFor(port, {}), () => {}, new AbortController().signal);
    expect(result.exitCode).toBe(1);
    expect(result.error).toBe(
      `127.0.0.1:${port}: connection refused: nothing listens on port ${port} there`,
    );
  });

  test("says so: the peer hangs up in the session", async () => {
    const { peer, result } = await start();
    await peer.until(() => endsOfRib(peer) === 2);
    peer.hangUp();
    expect(await result).toMatchObject({ exitCode: 1, error: expect.stringContaining("lost") });
  });

  test.each([
    ["no such file", { kind: "mrt", path: "/no/such", peer: null, families: 3, partial: false }],
    ["no family", { ...SMALL, families: 1 }],
  ] as const)("is refused before it begins: %s", async (_, source) => {
    const session = { families: 2 };
    const { result, peer } = await start({ source, session });
    expect((await result).exitCode).toBe(2);
    expect(peer.open).toBeNull();
  });

  test("ends when it is told to while there is no session", async () => {
    const { peer, stop } = await start(
      { session: { reconnect: true } },
      { greeting: notified(6, 4) },
    );
    await peer.until(() => peer.sessions > 0);
    expect(await stop()).toMatchObject({ exitCode: 0, routesSent: 0 });
  });
});
