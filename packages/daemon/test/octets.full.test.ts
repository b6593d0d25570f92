/** Octets that are no BGP, or BGP at the wrong time: what they cost whom. */
import { describe, expect, test } from "vitest";
import { attribute, four, message } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import {
  KEEPALIVE,
  NOTIFICATION,
  OPEN,
  Peer,
  ROUTE_REFRESH,
  UPDATE,
} from "../../../testkit/peer.ts";
import {
  neighborAddress,
  type SpeakerProcess,
  WAIT_MS,
  withSpeaker,
} from "../../../testkit/speaker.ts";
import { routeOctets, updateMessage } from "../../../testkit/updates.ts";

const GOOD = neighborAddress(1);
const AS = 65002;
const DEFAULTS = { passive: true, import: "accept-all", export: "accept-all" };

/** Octets with a marker, a length of one's own choice, and a type. */
function header(length: number, type: number, body: readonly number[] = []): number[] {
  return [...new Array(16).fill(0xff), length >>> 8, length & 0xff, type, ...body];
}

interface Fault {
  readonly name: string;
  readonly octets: readonly number[];
  readonly code: number;
  readonly subcode: number;
  /** Data of the NOTIFICATION, where the RFC says what it is. */
  readonly data?: readonly number[];
}

/** RFC 4271 section 6.1: answered alike in every state. */
const HEADER_FAULTS: readonly Fault[] = [
  { name: "zeros", octets: new Array(19).fill(0), code: 1, subcode: 1 },
  { name: "HTTP", octets: [...Buffer.from("GET / HTTP/1.1\r\n\r\n.")], code: 1, subcode: 1 },
  { name: "TLS", octets: [22, 3, 1, 2, ...new Array(30).fill(1)], code: 1, subcode: 1 },
  { name: "length 0", octets: header(0, KEEPALIVE), code: 1, subcode: 2, data: [0, 0] },
  { name: "length 18", octets: header(18, KEEPALIVE), code: 1, subcode: 2, data: [0, 18] },
  { name: "length 4097", octets: header(4097, UPDATE), code: 1, subcode: 2, data: [16, 1] },
  { name: "length 65535", octets: header(65535, UPDATE), code: 1, subcode: 2, data: [255, 255] },
  {
    name: "a KEEPALIVE of 20",
    octets: message(KEEPALIVE, [0]),
    code: 1,
    subcode: 2,
    data: [0, 20],
  },
  {
    name: "an UPDATE of 22",
    octets: message(UPDATE, [0, 0, 0]),
    code: 1,
    subcode: 2,
    data: [0, 22],
  },
  { name: "an OPEN of 28", octets: message(OPEN, new Array(9).fill(4)), code: 1, subcode: 2 },
  { name: "a NOTIFICATION of 20", octets: message(NOTIFICATION, [6]), code: 1, subcode: 2 },
  { name: "type 0", octets: message(0, []), code: 1, subcode: 3, data: [0] },
  { name: "type 6", octets: message(6, []), code: 1, subcode: 3, data: [6] },
  { name: "type 255", octets: message(255, [1, 2, 3]), code: 1, subcode: 3, data: [255] },
];

const EMPTY_UPDATE = message(UPDATE, [0, 0, 0, 0]);
const REFRESH = message(ROUTE_REFRESH, [0, 1, 0, 1]);

/** RFC 6608 section 4: the subcode names the state, the data the message. */
const OPEN_SENT_FAULTS: readonly Fault[] = [
  ...HEADER_FAULTS,
  { name: "a KEEPALIVE", octets: message(KEEPALIVE, []), code: 5, subcode: 1, data: [KEEPALIVE] },
  { name: "an UPDATE", octets: EMPTY_UPDATE, code: 5, subcode: 1, data: [UPDATE] },
  { name: "a ROUTE-REFRESH", octets: REFRESH, code: 5, subcode: 1, data: [ROUTE_REFRESH] },
];

const OPEN_CONFIRM_FAULTS: readonly Fault[] = [
  { name: "an UPDATE", octets: EMPTY_UPDATE, code: 5, subcode: 2, data: [UPDATE] },
  { name: "a ROUTE-REFRESH", octets: REFRESH, code: 5, subcode: 2, data: [ROUTE_REFRESH] },
];

const ESTABLISHED_FAULTS: readonly Fault[] = [
  ...HEADER_FAULTS,
  {
    name: "withdrawn routes longer than the message",
    octets: message(UPDATE, [255, 255, 0, 0]),
    code: 3,
    subcode: 1,
  },
  {
    name: "attributes longer than the message",
    octets: message(UPDATE, [0, 0, 255, 255]),
    code: 3,
    subcode: 1,
  },
  {
    name: "a prefix of length 255",
    octets: message(UPDATE, [0, 1, 255, 0, 0]),
    code: 3,
    subcode: 10,
  },
  {
    name: "a BoRR of 24",
    octets: message(ROUTE_REFRESH, [0, 1, 1, 1, 0]),
    code: 7,
    subcode: 1,
  },
];

/** Brings a connection to a state. */
const REACH: Readonly<Record<string, (peer: Peer) => Promise<unknown>>> = {
  OpenSent: (peer) => until(() => peer.count(OPEN) === 1, WAIT_MS, "the OPEN is there"),
  OpenConfirm: (peer) => {
    peer.send(peer.openMessage({ as: AS }));
    return until(() => peer.count(KEEPALIVE) === 1, WAIT_MS, "the KEEPALIVE is there");
  },
  Established: (peer) => peer.open({ as: AS }),
};

const goodPeer = (speaker: SpeakerProcess) =>
  Peer.establish({ port: speaker.port, localAddress: GOOD, as: 65001 });

describe.each([
  ["OpenSent", OPEN_SENT_FAULTS],
  ["OpenConfirm", OPEN_CONFIRM_FAULTS],
  ["Established", ESTABLISHED_FAULTS],
])("in %s", (state, faults) => {
  test("each fault has its NOTIFICATION, and no other session notices", () => {
    // A neighbor for each: after a fault one is left alone for a while.
    const address = (n: number) => neighborAddress(10 + n);
    const neighbors = faults.map((_, n) => ({ address: address(n), as: AS }));
    const config = { defaults: DEFAULTS, neighbors: [{ address: GOOD, as: 65001 }, ...neighbors] };
    return withSpeaker(config, async (speaker) => {
      const good = await goodPeer(speaker);
      for (const [n, { name, octets, code, subcode, data }] of faults.entries()) {
        const peer = await Peer.connect({ port: speaker.port, localAddress: address(n) });
        await REACH[state]!(peer);
        peer.send(octets);
        await until(() => peer.closed, WAIT_MS, `the speaker hangs up on ${name}`);
        const notification = peer.notification();
        expect(notification, name).toMatchObject({ code, subcode });
        if (data !== undefined) expect([...notification!.data], name).toEqual(data);
      }
      expect([good.closed, (await speaker.neighbor(GOOD)).established_count]).toEqual([false, 1]);
      good.end();
    });
  });
});

/** Numbers in [0, max), the same ones in each run. */
function generator(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * max);
  };
}

test("random octets on hundreds of connections bring nothing down", () => {
  const count = 300;
  const address = (n: number) => neighborAddress(10 + n);
  const neighbors = Array.from({ length: count }, (_, n) => ({ address: address(n), as: AS }));
  const config = { defaults: DEFAULTS, neighbors: [{ address: GOOD, as: 65001 }, ...neighbors] };
  return withSpeaker(config, async (speaker) => {
    const good = await goodPeer(speaker);
    const random = generator(1);
    const babble = async (n: number) => {
      const peer = await Peer.connect({ port: speaker.port, localAddress: address(n) });
      const octets = Buffer.from(Array.from({ length: 1 + random(5000) }, () => random(256)));
      // Half of them begin as a message does, and half of those have a length that may be.
      if (n % 2 === 0) octets.fill(0xff, 0, 16);
      if (n % 4 === 0 && octets.length > 18) octets.set([0, 19 + random(100), 1 + random(5)], 16);
      peer.send(octets);
      if (n % 4 !== 0 && octets.length >= 19) await peer.untilClosed();
      peer.end();
    };
    await Promise.all(Array.from({ length: count }, (_, n) => babble(n)));
    expect([good.closed, (await speaker.neighbor(GOOD)).established_count]).toEqual([false, 1]);
    good.end();
  });
});

/** UPDATEs of a session of which octets are changed. */
const UPDATES = 6;

test("of a session's octets any may be another, and nothing else comes down", () => {
  const sessions = 200;
  const address = (n: number) => neighborAddress(10 + n);
  const neighbors = Array.from({ length: sessions }, (_, n) => ({ address: address(n), as: AS }));
  const config = { defaults: DEFAULTS, neighbors: [{ address: GOOD, as: 65001 }, ...neighbors] };
  return withSpeaker(config, async (speaker) => {
    const good = await goodPeer(speaker);
    const random = generator(2);
    const attributes = [
      ...attribute(0x40, 1, [0]),
      ...attribute(0x40, 2, [2, 2, ...four(AS), ...four(65010)]),
      ...attribute(0x40, 3, [192, 0, 2, 99]),
      ...attribute(0x80, 4, four(7)),
      ...attribute(0xc0, 7, [...four(AS), 192, 0, 2, 1]),
      ...attribute(0xc0, 8, [...four(0xfde90001), ...four(0xffffff01)]),
      ...attribute(0xc0, 16, [0, 2, 0, 1, ...four(2)]),
      ...attribute(0xc0, 32, [...four(AS), ...four(1), ...four(2)]),
    ];
    const mutate = async (n: number): Promise<boolean> => {
      const peer = await Peer.establish({ port: speaker.port, localAddress: address(n), as: AS });
      for (let k = 0; k < UPDATES; k++) {
        const octets = Buffer.from(updateMessage([], attributes, routeOctets(random(1000))));
        // The header stays, so that most of the messages are read.
        for (let hit = random(3); hit >= 0; hit--) {
          octets[19 + random(octets.length - 19)] = random(256);
        }
        peer.send(octets);
      }
      const read = async () =>
        peer.closed || (await speaker.neighbor(address(n))).messages.received.update === UPDATES;
      await until(read, WAIT_MS, "the messages are read");
      const wasReset = peer.closed;
      peer.end();
      return wasReset;
    };
    const outcomes: boolean[] = [];
    // The control socket takes 64 clients at a time.
    for (let n = 0; n < sessions; n += 50) {
      outcomes.push(...(await Promise.all(Array.from({ length: 50 }, (_, k) => mutate(n + k)))));
    }
    const resets = outcomes.filter((wasReset) => wasReset).length;
    expect(resets).toBeGreaterThan(0);
    expect(resets).toBeLessThan(sessions);
    expect([good.closed, (await speaker.neighbor(GOOD)).established_count]).toEqual([false, 1]);
    good.end();
  });
});
