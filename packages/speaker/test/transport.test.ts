/** The shell's own connections, where a session as a whole does not show what goes wrong. */
import { once } from "node:events";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { freePort } from "../../../testkit/speaker.ts";
import { Transport, type TransportEvents } from "../src/transport.ts";

const OCTETS = 4 << 20;
/** What the router takes before it wants no more. */
const QUEUE_OCTETS = 256 << 10;
const WAIT_MS = 20_000;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Octets that tell their place. */
function pattern(octets: number): Buffer {
  const all = Buffer.alloc(octets);
  for (let at = 0; at < octets; at += 4) all.writeUInt32BE(at, at);
  return all;
}

test("what is read no more stays with the kernel, and is read once when reading goes on", async () => {
  const pieces: Buffer[] = [];
  let octetsRead = 0;
  let octetsMax = QUEUE_OCTETS;
  const nothing = () => {};
  const events: TransportEvents = {
    ...{ connected: nothing, connectFailed: nothing, unanswered: nothing, sent: nothing },
    ...{
      closed: nothing,
      roomMade: nothing,
      refused: nothing,
      lacking: nothing,
      turnedAway: nothing,
    },
    accepted: () => 1,
    opened: () => true,
    refusalOf: () => null,
    handOver: () => false,
    protection: () => ({ password: null, ttlSecurity: 0, ttl: 64, congestionControl: null }),
    received(_, octets) {
      pieces.push(Buffer.from(octets));
      octetsRead += octets.length;
      return octetsRead < octetsMax;
    },
  };
  const transport = new Transport(events);
  ends.push(() => transport.abandon());
  const port = await freePort();
  await transport.listeners.use({ listen: [{ address: "127.0.0.1", port }], cluster: null }, null);
  const peer = net.connect(port, "127.0.0.1");
  ends.push(() => peer.destroy());
  await once(peer, "connect");
  const sent = pattern(OCTETS);
  peer.write(sent);
  await until(() => octetsRead >= QUEUE_OCTETS, WAIT_MS, "the queue is full");
  await delay(50);
  for (let round = 0; round < 3; round++) {
    transport.stopReading();
    const stoppedAt = octetsRead;
    transport.resume(() => true);
    await delay(50);
    expect(octetsRead).toBe(stoppedAt);
    // The kernel has the rest, none of it is in between.
    expect(transport.descriptors().size).toBe(1);
    transport.goOnReading();
    octetsMax = octetsRead + QUEUE_OCTETS;
    transport.resume(() => true);
    await until(() => octetsRead >= octetsMax, WAIT_MS, "reading goes on");
  }
  octetsMax = Number.POSITIVE_INFINITY;
  transport.resume(() => true);
  await until(() => octetsRead >= OCTETS, WAIT_MS, "all is read");
  expect(Buffer.concat(pieces).equals(sent)).toBe(true);
});

test("what is written to many leaves in turns, each connection's octets in their order", async () => {
  const nothing = () => {};
  let accepted = 0;
  const transport = new Transport({
    ...{ connected: nothing, connectFailed: nothing, unanswered: nothing, sent: nothing },
    ...{
      closed: nothing,
      roomMade: nothing,
      refused: nothing,
      lacking: nothing,
      turnedAway: nothing,
    },
    accepted: () => ++accepted,
    opened: () => true,
    refusalOf: () => null,
    handOver: () => false,
    protection: () => ({ password: null, ttlSecurity: 0, ttl: 64, congestionControl: null }),
    received: () => true,
  });
  ends.push(() => transport.abandon());
  const port = await freePort();
  await transport.listeners.use({ listen: [{ address: "127.0.0.1", port }], cluster: null }, null);
  const heard: string[] = ["", "", ""];
  for (const [at] of heard.entries()) {
    const peer = net.connect(port, "127.0.0.1");
    ends.push(() => peer.destroy());
    peer.on("data", (octets: Buffer) => {
      heard[at] += octets.toString();
    });
    await until(() => accepted === at + 1, WAIT_MS, "the connection is accepted");
  }
  const write = (text: string) => {
    for (const id of [1, 2, 3]) transport.write(id, Buffer.from(text));
  };

  write("a");
  expect(transport.flush(() => false)).toBe(true);
  write("b");
  let asked = 0;
  expect(transport.flush(() => ++asked < 2)).toBe(true);
  expect(transport.flush()).toBe(false);
  expect(transport.flush()).toBe(false);
  await until(() => heard.every((text) => text === "ab"), WAIT_MS, "all have heard all");
  // The first of what is for one may leave alone.
  const much = "m".repeat(1 << 16);
  for (const text of [much, much, "n"]) write(text);
  transport.flushFirst(2);
  await until(() => heard[1] === `ab${much}`, WAIT_MS, "one has heard the first");
  expect(heard[0]).toBe("ab");
  expect(transport.flush()).toBe(false);
  const before = `ab${much}${much}n`;
  await until(() => heard.every((text) => text === before), WAIT_MS, "all have heard all");
  // One that is closed takes with it what was written before, though its turn has not come.
  write("c");
  transport.close(3);
  expect(transport.flush(() => false)).toBe(true);
  expect(transport.flush()).toBe(false);
  await until(() => heard.every((text) => text === `${before}c`), WAIT_MS, "all have heard all");
});
