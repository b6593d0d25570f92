import { describe, expect, test } from "vitest";
import { FLAG, PcapReader } from "../../chaos/pcap.ts";
import { distributionOf, isFlowing, type Sign, silenceOf } from "../../chaos/silence.ts";
import { WireWatch } from "../../chaos/wire-watch.ts";
import { bgp, captureFile, frame, update } from "./packets.ts";

const OURS = "10.0.0.1";
const PEER = "10.0.0.2";
const OPEN = bgp(1, [4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 1, 0]);
const KEEPALIVE = bgp(4);

/** A conversation, as packets at the peer, a millisecond apart. */
class Conversation {
  readonly packets: { timeMs: number; frame: Uint8Array }[] = [];
  private forgotten = 0;
  private clockMs = 0xffff_fff0;
  private readonly next = { us: 1000, peer: 0xffff_fff0 };

  /** A segment of either side; without `at` it follows on. */
  send(by: "us" | "peer", payload: Uint8Array, flags: number = FLAG.ACK, at?: number): this {
    const sequence = (at ?? this.next[by]) >>> 0;
    const isOurs = by === "us";
    const timeMs = 1_700_000_000_000 + this.packets.length;
    const octets = frame({
      timeMs,
      from: isOurs ? OURS : PEER,
      to: isOurs ? PEER : OURS,
      ports: isOurs ? [179, 4000] : [4000, 179],
      sequence,
      acknowledgement: (isOurs ? this.next.peer - this.forgotten : this.next.us) >>> 0,
      flags,
      payload,
      timestamp: (this.clockMs + this.packets.length) >>> 0,
    });
    this.packets.push({ timeMs, frame: octets });
    if (at === undefined) this.skip(by, payload.length + ((flags & FLAG.SYN) === 0 ? 0 : 1));
    return this;
  }

  /** What our next packets acknowledge does not count this many octets. */
  forget(count: number): this {
    this.forgotten = count;
    return this;
  }

  /** The clock of the timestamps is set, by so much. */
  setClock(ms: number): this {
    this.clockMs += ms;
    return this;
  }

  /** Octets that never come. */
  skip(by: "us" | "peer", count: number): this {
    this.next[by] += count;
    return this;
  }

  position(by: "us" | "peer"): number {
    return this.next[by];
  }
}

/** A session that is up and has some routes. */
function session(): Conversation {
  const nothing = new Uint8Array(0);
  return new Conversation()
    .send("peer", nothing, FLAG.SYN)
    .send("us", nothing, FLAG.SYN | FLAG.ACK)
    .send("peer", nothing)
    .send("peer", OPEN)
    .send("us", Buffer.concat([OPEN, KEEPALIVE]))
    .send("peer", KEEPALIVE)
    .send("us", update(1, 1))
    .send("us", Buffer.concat([update(2, 1), update(3, null)]));
}

/** What is found after the session came up, as "who fault". */
function found(more: (conversation: Conversation) => void): string[] {
  const conversation = session();
  const before = conversation.packets.length;
  more(conversation);
  const watch = new WireWatch([OURS]);
  const segments = [...new PcapReader().read(captureFile(conversation.packets))];
  for (const segment of segments.slice(0, before)) watch.take(segment);
  const events = watch.events.length;
  for (const segment of segments.slice(before)) watch.take(segment);
  watch.finish();
  return watch.events.slice(events).map(({ by, fault }) => `${by} ${fault}`);
}

const NOTHING = new Uint8Array(0);
const PLAIN: readonly [string, (conversation: Conversation) => void][] = [
  ["nothing more", () => {}],
  ["KEEPALIVE messages", (c) => c.send("us", KEEPALIVE).send("peer", KEEPALIVE)],
  [
    "a changed route and one withdrawn",
    (c) => c.send("us", update(1, 2)).send("us", update(2, null)),
  ],
  [
    "a route that was withdrawn before",
    (c) => c.send("us", update(1, null)).send("us", update(1, 1)),
  ],
  [
    "a message in two segments",
    (c) => c.send("us", update(4, 4).subarray(0, 30)).send("us", update(4, 4).subarray(30)),
  ],
  [
    "a retransmission",
    (c) => {
      const at = c.position("us");
      c.send("us", update(5, 5)).send("us", update(5, 5), FLAG.ACK, at);
    },
  ],
  ["a clock that is set forward by a minute", (c) => c.setClock(60_000).send("us", KEEPALIVE)],
  ["a window probe", (c) => c.send("us", NOTHING, FLAG.ACK, c.position("us") - 1)],
  [
    "segments out of order",
    (c) => {
      const at = c.position("us");
      c.skip("us", 19).send("us", update(6, 6)).send("us", KEEPALIVE, FLAG.ACK, at);
    },
  ],
  [
    "the peer's own repetition of an UPDATE",
    (c) => c.send("peer", update(1, 1)).send("peer", update(1, 1)),
  ],
];

const FAULTY: readonly [string, string[], (conversation: Conversation) => void][] = [
  ["a FIN", ["us FIN"], (c) => c.send("us", NOTHING, FLAG.FIN | FLAG.ACK)],
  ["a FIN of the peer", ["peer FIN"], (c) => c.send("peer", NOTHING, FLAG.FIN | FLAG.ACK)],
  ["an RST", ["us RST"], (c) => c.send("us", NOTHING, FLAG.RST)],
  ["a new OPEN", ["us OPEN"], (c) => c.send("us", OPEN)],
  ["a NOTIFICATION", ["us NOTIFICATION"], (c) => c.send("us", bgp(3, [6, 2]))],
  ["a NOTIFICATION of the peer", ["peer NOTIFICATION"], (c) => c.send("peer", bgp(3, [4, 0]))],
  ["a new connection", ["us SYN"], (c) => c.send("us", NOTHING, FLAG.SYN)],
  ["an UPDATE twice", ["us duplicate"], (c) => c.send("us", update(2, 1))],
  ["a withdrawal twice", ["us duplicate"], (c) => c.send("us", update(3, null))],
  [
    "a lost octet that nobody misses",
    ["us malformed", "us cut"],
    (c) =>
      c
        .send("us", update(7, 7).subarray(0, 40))
        .send("us", Buffer.concat([update(7, 7).subarray(41), KEEPALIVE])),
  ],
  [
    "an octet too many",
    ["us malformed"],
    (c) => c.send("us", Uint8Array.of(255, ...KEEPALIVE, ...KEEPALIVE)),
  ],
  ["lost octets", ["us hole"], (c) => c.skip("us", 19).send("us", KEEPALIVE)],
  [
    "a message that ends in the middle",
    ["us cut"],
    (c) => c.send("us", update(8, 8).subarray(0, 30)),
  ],
  [
    "other octets at the same place",
    ["us rewritten"],
    (c) => {
      const at = c.position("us");
      c.send("us", update(9, 9)).send("us", update(9, 8), FLAG.ACK, at);
    },
  ],
  [
    "a packet of somebody who does not know what was acknowledged",
    ["us stale"],
    (c) => {
      c.send("peer", KEEPALIVE).send("us", NOTHING);
      for (let ms = 0; ms < 60; ms++) c.send("peer", NOTHING);
      c.forget(19).send("us", KEEPALIVE);
    },
  ],
  [
    "a timestamp of another clock",
    ["us clock", "us clock"],
    (c) => c.setClock(1e9).send("us", NOTHING).setClock(-1e9).send("us", KEEPALIVE),
  ],
  [
    "a clock that is set back",
    ["us clock"],
    (c) => {
      for (let ms = 0; ms < 60; ms++) c.send("peer", NOTHING);
      c.setClock(-200).send("us", KEEPALIVE);
    },
  ],
  ["a length that cannot be", ["us malformed"], (c) => c.send("us", bgp(4).fill(0, 16, 18))],
  ["an unknown type", ["us malformed"], (c) => c.send("us", bgp(9))],
  ["attributes beyond the end", ["us malformed"], (c) => c.send("us", bgp(2, [0, 0, 0, 9, 0]))],
];

describe("between the speaker and a peer", () => {
  test.each(PLAIN)("nothing is wrong with %s", (_, more) => {
    expect(found(more)).toEqual([]);
  });

  test.each(FAULTY)("%s is found", (_, expected, more) => {
    expect(found(more)).toEqual(expected);
  });

  test("what the peer holds is known at any time", () => {
    const conversation = session().send("us", update(1, 7)).send("us", update(2, null));
    const watch = new WireWatch([OURS]);
    for (const one of new PcapReader().read(captureFile(conversation.packets))) watch.take(one);
    const held = watch.sessions.get(PEER)!.us.messages.held;
    expect([...held.keys()]).toEqual(["192.0.1.0/24"]);
    expect(held.get("192.0.1.0/24")?.shown).toBe(
      "via 10.0.0.9 path 65001 origin igp med 7 pref null communities  large ",
    );
  });

  test("a packet that only follows on the peer's retransmission is told apart", () => {
    const conversation = session();
    const at = conversation.position("peer");
    conversation.send("peer", KEEPALIVE).send("peer", KEEPALIVE, FLAG.ACK, at).send("us", NOTHING);
    conversation.send("us", KEEPALIVE);
    const watch = new WireWatch([OURS]);
    for (const one of new PcapReader().read(captureFile(conversation.packets))) watch.take(one);
    const [after, sent] = watch.sessions.get(PEER)!.signs.slice(-2);
    expect([after?.afterRepeat, sent?.afterRepeat]).toEqual([true, false]);
  });
});

describe("silence", () => {
  const sign = (timeMs: number, kind: "data" | "probe" | "repeat" = "data"): Sign => ({
    timeMs,
    progress: kind !== "probe",
    sent: kind === "data",
    afterRepeat: kind === "repeat",
  });
  test.each<[string, Sign[], [longest: number, repeat: number, first: number]]>([
    ["of a steady flow", [90, 95, 105, 115, 125, 195, 205].map((t) => sign(t)), [70, 0, 5]],
    ["that began before the window", [sign(60), sign(140), sign(200)], [80, 0, 40]],
    ["that lasts beyond it", [sign(99), sign(110), sign(400)], [90, 0, 10]],
    ["without an end", [sign(99), sign(120)], [80, 0, 20]],
    ["without anything", [], [100, 0, 100]],
    ["with a probe in it", [sign(99), sign(120, "probe"), sign(199), sign(201)], [100, 0, 99]],
    [
      "behind a retransmission",
      [sign(99), sign(180, "repeat"), sign(199), sign(201)],
      [19, 81, 80],
    ],
  ])("%s has its length", (_, signs, [longestMs, repeatMs, firstMs]) => {
    expect(silenceOf(signs, 100, 200)).toMatchObject({ longestMs, repeatMs, firstMs });
  });

  test("counts where the speaker sends, not where it only acknowledges", () => {
    const dense = Array.from({ length: 50 }, (_, i) => sign(2 * i));
    expect(isFlowing(dense, 0, 100, 20)).toBe(true);
    const acknowledging = dense.map(({ timeMs }) => sign(timeMs, "repeat"));
    expect(isFlowing(acknowledging, 0, 100, 20)).toBe(false);
    expect(isFlowing(dense, 0, 100, 1)).toBe(false);
  });

  test("is told by median, 99th percentile and maximum", () => {
    const values = Array.from({ length: 200 }, (_, i) => 200 - i);
    expect(distributionOf(values)).toEqual({ count: 200, median: 100, p99: 198, max: 200 });
    expect(distributionOf([7])).toEqual({ count: 1, median: 7, p99: 7, max: 7 });
  });
});
