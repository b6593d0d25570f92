/** Neighbors that are held down for what a message of theirs did, and the notes that say whose it was. */
import { CEASE, encodeUpdate, FAMILY, KEEPALIVE_OCTETS } from "@ts-bgp/wire-codec";
import { afterEach, describe, expect, test } from "vitest";
import { heldFor, quarantined } from "../src/quarantine.ts";
import {
  beginSlice,
  endSlice,
  lastReadIn,
  noteReadingIn,
  READERS_MAX,
  READING_OCTETS,
  readingFrom,
  readingMessage,
  readMessage,
} from "../src/reading.ts";
import { EBGP, EBGP2, labOf, OTHER, OUTSIDE } from "./cast.ts";

const communitiesOf = (n: number, i: number) =>
  Array.from({ length: 40 }, (_, k) => `${1 + n}:${250 * k + i}`);
const ORDER = { do: "quarantine", cause: "SIGABRT", count: 1, file: null } as const;
const HOUR_MS = 3_600_000;

describe("a neighbor is held down", () => {
  test("for twice as long each time, up to an hour", () => {
    let last = quarantined(null, ORDER, 0);
    const seconds = [heldFor(last).seconds];
    for (let time = 1; time < 9; time++) {
      last = quarantined(last, ORDER, last.untilMs);
      seconds.push(heldFor(last).seconds);
    }
    expect(seconds).toEqual([60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
  });

  test("anew after a day, and for longer where somebody else has counted", () => {
    const first = quarantined(null, ORDER, 0);
    expect(quarantined(first, ORDER, 24 * HOUR_MS)).toMatchObject({ count: 1 });
    expect(quarantined(first, ORDER, 23 * HOUR_MS)).toMatchObject({ count: 2 });
    expect(quarantined(null, { ...ORDER, count: 3 }, 0)).toMatchObject({ untilMs: 240_000 });
  });

  test("for no shorter than it is, and not for longer next time, where the time is given", () => {
    const first = quarantined(null, { ...ORDER, count: 2 }, 0);
    const among = quarantined(first, { ...ORDER, seconds: 60 }, 1000);
    expect(among).toMatchObject({ count: 2, untilMs: 120_000 });
    expect(quarantined(among, { ...ORDER, seconds: 60 }, 100_000)).toMatchObject({
      ...{ count: 2, untilMs: 160_000 },
    });
  });

  test("and its routes go piece by piece, before anything looks at them", () => {
    const { lab, peers } = labOf({ [OUTSIDE]: EBGP, [OTHER]: EBGP2 });
    const prefixesOf = (n: number) => Array.from({ length: 250 }, (_, i) => `11.${n}.${i}.0/24`);
    for (let n = 0; n < 40; n++) peers[OUTSIDE]!.announce(prefixesOf(n));
    lab.run();
    for (let n = 0; n < 40; n++) {
      peers[OUTSIDE]!.announce(prefixesOf(n), { communities: ["65001:1"] });
    }
    // What was read in it was not sent on.
    lab.router.slice(lab.nowMs, () => false);
    const { row } = lab.router.neighbors.get(OUTSIDE)!;
    const rib = lab.router.tables.rib(FAMILY.IPV4_UNICAST);
    const left = () => rib.paths.received[row]!;
    expect(left()).toBe(10_000);
    let asked = 0;
    for (const { exporter } of lab.router.tables.groups.entries) {
      const evaluate = exporter.evaluate.bind(exporter);
      exporter.evaluate = (...of) => {
        if (rib.paths.peer[of[0]] === row) asked++;
        return evaluate(...of);
      };
    }
    const decide = rib.decide.bind(rib);
    rib.decide = (...of) => {
      asked += left();
      decide(...of);
    };
    lab.router.operate(OUTSIDE, ORDER, lab.nowMs);
    lab.budget = () => 0;
    // Others are heard meanwhile, and wait until then.
    peers[OTHER]!.announce(["10.1.0.0/16"]);
    let slices = 0;
    for (let before = left(); before > 0; before = left(), slices++) {
      lab.slice();
      expect(before - left()).toBeLessThanOrEqual(4096);
      expect(rib.paths.received[lab.router.neighbors.get(OTHER)!.row]).toBe(1);
    }
    expect(slices).toBeGreaterThan(2);
    lab.run();
    expect(asked).toBe(0);
    expect(peers[OTHER]!.table).toEqual({});
    expect(rib.pending).toBe(0);
  });

  test("and what its routes were the best of is decided piece by piece, before others are told", () => {
    const { lab, peers } = labOf({ [OUTSIDE]: EBGP, [OTHER]: EBGP2 });
    const count = 160 * 250;
    for (let n = 0; n < 160; n++) {
      peers[OUTSIDE]!.announce(Array.from({ length: 250 }, (_, i) => `11.${n}.${i}.0/24`));
    }
    lab.run();
    expect(Object.keys(peers[OTHER]!.table)).toHaveLength(count);
    const rib = lab.router.tables.rib(FAMILY.IPV4_UNICAST);
    const decided: number[] = [];
    const decide = rib.decide.bind(rib);
    rib.decide = (...of) => {
      const before = rib.pending;
      decide(...of);
      if (before > 0) decided.push(before - rib.pending);
    };
    lab.router.operate(OUTSIDE, ORDER, lab.nowMs);
    lab.budget = () => 0;
    while (rib.paths.received[lab.router.neighbors.get(OUTSIDE)!.row]! > 0) lab.slice();
    // A small message meanwhile is not lost, and not the reason for all to be urgent.
    peers[OTHER]!.announce(["10.1.0.0/16"]);
    lab.run();
    expect(decided.length).toBeGreaterThan(2);
    expect(Math.max(...decided)).toBe(1 << 14);
    expect(decided.reduce((all, one) => all + one)).toBe(count + 1);
    expect(peers[OTHER]!.table).toEqual({});
    expect(rib.pending).toBe(0);
  });

  test("for the rest of its time after a start", () => {
    const again = quarantined(null, { ...ORDER, count: 3, seconds: 7 }, 1000);
    expect(again).toMatchObject({ count: 3, untilMs: 8000 });
  });

  test("with a text that fits into a NOTIFICATION", () => {
    const { text } = heldFor(quarantined(null, { ...ORDER, count: 16 }, 0));
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(128);
    expect(CEASE.ADMINISTRATIVE_SHUTDOWN).toBe(2);
  });
});

describe("what a process was reading", () => {
  const memory = new Uint8Array(READING_OCTETS);
  const update = encodeUpdate({});
  const message = Uint8Array.of(9, ...update, 9);
  afterEach(() => {
    noteReadingIn(null);
    memory.fill(0);
  });

  function read(address: string, isDone: boolean): void {
    readingFrom(address);
    readingMessage(message, 1, 1 + update.length);
    if (isDone) readMessage();
  }
  const LONG = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff";
  const keepAlive = () => readingMessage(KEEPALIVE_OCTETS, 0, KEEPALIVE_OCTETS.length);

  test.each<[string, () => void, readonly string[]]>([
    ["nothing yet", () => {}, []],
    ["the message at hand", () => read("192.0.2.1", false), ["192.0.2.1"]],
    ["the only one of the slice", () => read("192.0.2.1", true), ["192.0.2.1"]],
    [
      "all that may be at work",
      () => {
        for (const address of ["192.0.2.1", LONG, "192.0.2.1"]) read(address, true);
      },
      ["192.0.2.1", LONG],
    ],
    [
      "the message at hand, after others",
      () => {
        read("192.0.2.1", true);
        read(LONG, false);
      },
      [LONG],
    ],
    [
      "no UPDATE in this slice",
      () => {
        readingFrom("192.0.2.1");
        keepAlive();
        readMessage();
      },
      [],
    ],
    [
      "what a slice before has left to be passed on",
      () => {
        read("192.0.2.1", true);
        endSlice(() => false);
        beginSlice();
      },
      ["192.0.2.1"],
    ],
    [
      "nothing between two slices",
      () => {
        read("192.0.2.1", true);
        endSlice(() => false);
      },
      [],
    ],
    [
      "nothing that was passed on",
      () => {
        read("192.0.2.1", true);
        endSlice(() => true);
        beginSlice();
      },
      [],
    ],
  ])("%s", (_, doWork, addresses) => {
    noteReadingIn(memory);
    beginSlice();
    doWork();
    const found = lastReadIn(memory);
    expect(found.map(({ address }) => address)).toEqual(addresses);
    for (const one of found) expect(one.message).toEqual(update);
  });

  test("another message at hand, and the newest UPDATE of each once it was read", () => {
    noteReadingIn(memory);
    beginSlice();
    read("192.0.2.1", true);
    keepAlive();
    expect(lastReadIn(memory)).toMatchObject([{ message: new Uint8Array(KEEPALIVE_OCTETS) }]);
    readMessage();
    expect(lastReadIn(memory)).toMatchObject([{ address: "192.0.2.1", message: update }]);
  });

  test("the last ones of many", () => {
    noteReadingIn(memory);
    beginSlice();
    const addresses = Array.from({ length: READERS_MAX + 2 }, (_, k) => `192.0.2.${k}`);
    for (const address of addresses) read(address, true);
    const found = lastReadIn(memory).map(({ address }) => address);
    expect(new Set(found)).toEqual(new Set(addresses.slice(2)));
  });

  test("one that was read from first and again at last is among them", () => {
    noteReadingIn(memory);
    beginSlice();
    const addresses = Array.from({ length: READERS_MAX }, (_, k) => `192.0.2.${k}`);
    for (const address of [...addresses, "192.0.2.0", LONG]) read(address, true);
    const found = lastReadIn(memory).map(({ address }) => address);
    expect(new Set(found)).toEqual(new Set(["192.0.2.0", LONG, ...addresses.slice(2)]));
  });

  test("is remembered until those who do not take it now were sent it", () => {
    noteReadingIn(memory);
    // In a group of its own, which waits for it.
    const other = ["as: 65002, next-hop: unchanged", { as: 65002 }] as const;
    const { lab, peers } = labOf({ [OUTSIDE]: EBGP, [OTHER]: other });
    const found = () => {
      beginSlice();
      return lastReadIn(memory).map(({ address }) => address);
    };
    peers[OTHER]!.wire.reads = false;
    for (let n = 0; n < 40; n++) {
      // Attributes of each route of their own take the more octets.
      const prefixes = Array.from({ length: 250 }, (_, i) => `11.${n}.${i}.0/24`);
      for (const [i, prefix] of prefixes.entries()) {
        peers[OUTSIDE]!.announce([prefix], { communities: communitiesOf(n, i) });
      }
    }
    lab.run();
    expect(found()).toEqual([OUTSIDE]);
    peers[OTHER]!.wire.drain();
    // What it takes of the one run makes room for the next one.
    lab.run().run();
    expect(found()).toEqual([]);
  });

  test("is not taken from what is no such memory", () => {
    expect(lastReadIn(memory.subarray(1))).toEqual([]);
    expect(lastReadIn(new Uint8Array(READING_OCTETS).fill(0xff))).toEqual([]);
    expect(lastReadIn(new Uint8Array(READING_OCTETS).fill(1))).toEqual([]);
  });

  test("costs nothing, and is kept nowhere, where nobody wants to know", () => {
    read("192.0.2.1", false);
    expect(memory.every((octet) => octet === 0)).toBe(true);
  });
});
