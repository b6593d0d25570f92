/** The protocol of caches, PDU by PDU: what is said, what is done, and what is wrong. */

import { readU32 } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import {
  isAspa,
  newVrp,
  type RtrAction,
  RtrClient,
  readAspa,
  readVrp,
  type SourceEnd,
} from "../src/index.ts";

/** A PDU: version, type, the field of 16 bits, and what is behind the header in hexadecimal. */
function pdu(version: number, type: number, field: number, hex = ""): Uint8Array {
  const body = Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (x) =>
    Number.parseInt(x, 16),
  );
  const length = 8 + body.length;
  return Uint8Array.of(
    version,
    type,
    field >> 8,
    field & 255,
    0,
    0,
    length >> 8,
    length & 255,
    ...body,
  );
}

const RESPONSE = (version = 2, session = 7) => pdu(version, 3, session);
/** 192.0.2.0/24-24 AS 64496 */
const IPV4 = (version = 2, flags = "01") => pdu(version, 4, 0, `${flags}181800 c0000200 0000fbf0`);
/** 2001:db8::/32-48 AS 64497 */
const IPV6 = (version = 2) =>
  pdu(version, 6, 0, "01203000 20010db8 00000000 00000000 00000000 0000fbf1");
const END = (version = 2, session = 7, serial = "00000005") =>
  pdu(version, 7, session, version === 0 ? serial : `${serial} 00000e10 00000258 00001c20`);
const RESET_QUERY = (version = 2) => pdu(version, 2, 0);
const SERIAL_QUERY = (version = 2, session = 7, serial = "00000005") =>
  pdu(version, 1, session, serial);
const NOTIFY = (version = 2, session = 7, serial = "00000006") => pdu(version, 0, session, serial);
const ERROR = (version: number, code: number, text = "") => {
  const hex = Array.from(text, (c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  return pdu(version, 10, code, `00000000${text.length.toString(16).padStart(8, "0")}${hex}`);
};

class Side {
  end: SourceEnd | null = null;
  misfit: Uint8Array | null = null;
  now = 0;
  readonly written: Uint8Array[] = [];
  readonly did: string[] = [];
  readonly client: RtrClient = new RtrClient(
    () => this.end,
    () => this.misfit,
  );

  do(actions: readonly RtrAction[]): this {
    for (const action of actions) {
      if (action.do === "write") this.written.push(action.octets);
      if (action.do === "end") this.end = action.end;
      if (action.do !== "vrps") this.did.push(action.do);
      else {
        const vrp = newVrp();
        for (let at = 0; at < action.octets.length; ) {
          if (isAspa(action.octets, at)) {
            const [{ isAnnounced, customer, providers }, next] = readAspa(action.octets, at);
            this.did.push(`${isAnnounced ? "+" : "-"}AS${customer}: ${providers.join(" ")}`);
            at = next;
            continue;
          }
          at = readVrp(action.octets, at, vrp);
          const { isAnnounced, bits, maxLength, as } = vrp;
          this.did.push(`${isAnnounced ? "+" : "-"}${bits}-${maxLength} AS${as}`);
        }
      }
    }
    return this;
  }

  after(ms: number): this {
    this.now += ms;
    return this.do(this.client.tick(this.now));
  }

  connect(): this {
    this.do(this.client.tick(this.now));
    return this.do(this.client.connected(this.now));
  }

  says(...pdus: Uint8Array[]): this {
    for (const octets of pdus) this.do(this.client.received(octets, this.now));
    return this;
  }

  /** What was done since the last time. */
  take(): string[] {
    return this.did.splice(0);
  }

  asked(): Uint8Array | undefined {
    return this.written.splice(0).at(-1);
  }
}

const synced = (version = 2) => {
  const side = new Side().connect().says(RESPONSE(version), IPV4(version), END(version));
  side.take();
  side.asked();
  return side;
};

test.each([0, 1, 2])("a cache of version %i sends everything, and then what is new", (version) => {
  const side = new Side().connect();
  expect(side.asked()).toEqual(RESET_QUERY());
  side.says(RESPONSE(version), IPV4(version), IPV6(version), END(version));
  const data = ["+24-24 AS64496", "+32-48 AS64497"];
  expect(side.take()).toEqual(["connect", "write", "begin", ...data, "end"]);
  const times = { refreshSeconds: 3600, retrySeconds: 600, expireSeconds: 7200 };
  expect(side.end).toEqual({ version, session: 7, serial: 5, ...times, isWhole: true });
  expect(side.client.state).toBe("synced");
  side.after(3_600_000);
  expect(side.asked()).toEqual(SERIAL_QUERY(version));
  side.says(RESPONSE(version), IPV4(version, "00"), END(version, 7, "00000009"));
  expect(side.take()).toEqual(["write", "begin", "-24-24 AS64496", "end"]);
  expect(side.end).toMatchObject({ serial: 9, isWhole: false });
});

test("a notice has news asked for, once, and not when they are known", () => {
  const side = synced()
    .says(NOTIFY(2, 7, "00000005"))
    .after(2000);
  expect(side.asked()).toBeUndefined();
  side.says(NOTIFY(), NOTIFY()).after(100);
  expect(side.asked()).toEqual(SERIAL_QUERY());
  side.says(NOTIFY()).after(2000);
  expect(side.asked()).toBeUndefined();
});

test("after the connection is lost it goes on where it was", () => {
  const side = synced();
  side.do(side.client.closed("reset", side.now)).after(9_999);
  expect(side.take()).toEqual([]);
  side.after(1).do(side.client.connected(side.now));
  expect(side.take()).toEqual(["connect", "write"]);
  expect(side.asked()).toEqual(SERIAL_QUERY());
});

test("another one goes on with the same cache by what it has, in its version", () => {
  const { end } = synced(1);
  const other = new Side();
  other.end = end;
  const client = new RtrClient(
    () => end,
    () => null,
  );
  other.do(client.tick(0)).do(client.connected(0));
  expect(other.asked()).toEqual(SERIAL_QUERY(1));
});

describe("everything is asked for", () => {
  test("when the cache does not know what is new", () => {
    const side = synced()
      .after(3_600_000)
      .says(pdu(2, 8, 0));
    expect(side.asked()).toEqual(RESET_QUERY());
    side.says(RESPONSE(), IPV4(), END());
    expect(side.end).toMatchObject({ isWhole: true });
  });

  test("when the cache has begun another session", () => {
    const side = synced().says(NOTIFY(2, 8)).after(1000);
    expect(side.asked()).toEqual(RESET_QUERY());
  });

  test("when another session answers", () => {
    const side = synced().after(3_600_000).says(RESPONSE(2, 8));
    expect(side.client.problem).toBe("session 8 in place of 7");
    side.after(10_000).do(side.client.connected(side.now));
    expect(side.asked()).toEqual(RESET_QUERY());
  });

  test.each<[string, (end: SourceEnd) => SourceEnd | null]>([
    ["when who has the payloads has lost them", () => null],
    ["when they are not what the cache has", (end) => ({ ...end, session: null })],
  ])("%s, at once, and then no more often than it retries", (_, lost) => {
    const side = synced();
    const end = lost(side.end!);
    side.end = end;
    side.after(100);
    expect(side.asked()).toEqual(RESET_QUERY());
    side.says(RESPONSE(), END());
    side.end = end;
    side.after(599_900);
    expect(side.asked()).toBeUndefined();
    side.after(100);
    expect(side.asked()).toEqual(RESET_QUERY());
  });
});

test("what is new is asked for in time before all of it expires", () => {
  const times = "00000005 00015180 00000258 00000258";
  const side = new Side().connect().says(RESPONSE(), pdu(2, 7, 7, times));
  expect(side.end).toMatchObject({ refreshSeconds: 86_400, expireSeconds: 600 });
  side.asked();
  side.after(300_000);
  expect(side.asked()).toEqual(SERIAL_QUERY());
});

describe("an older cache", () => {
  test("says which version it has", () => {
    const side = new Side().connect().says(ERROR(1, 4));
    side.after(0).do(side.client.connected(side.now));
    expect(side.asked()).toEqual(RESET_QUERY(1));
    side.says(RESPONSE(1), END(1));
    expect(side.client.state).toBe("synced");
  });

  test("hangs up without a word", () => {
    const side = new Side().connect();
    side.do(side.client.closed("closed", 0)).after(10_000).do(side.client.connected(10_000));
    expect(side.asked()).toEqual(RESET_QUERY(1));
  });

  test("or one that restarts, which is asked with the highest version again", () => {
    const versions: (number | undefined)[] = [];
    const side = new Side();
    for (let k = 0; k < 4; k++) {
      side.after(10_000).do(side.client.connected(side.now));
      versions.push(side.asked()?.[0]);
      side.do(side.client.closed("closed", side.now));
    }
    expect(versions).toEqual([2, 1, 0, 2]);
  });

  test("is asked with the highest version after a connection whose version was a guess", () => {
    const side = new Side().connect();
    side.do(side.client.closed("closed", side.now)).after(10_000);
    side.do(side.client.connected(side.now)).says(RESPONSE(1), END(1));
    side.do(side.client.closed("closed", side.now)).after(10_000);
    side.do(side.client.connected(side.now));
    expect(side.asked()).toEqual(RESET_QUERY(2));
    side.do(side.client.closed("closed", side.now)).after(10_000);
    side.do(side.client.connected(side.now));
    expect(side.asked()).toEqual(SERIAL_QUERY(1));
  });

  test("that has said its version is asked with it again", () => {
    const side = synced(1);
    side.do(side.client.closed("closed", side.now)).after(10_000);
    side.do(side.client.connected(side.now));
    expect(side.asked()).toEqual(SERIAL_QUERY(1));
  });

  test.each<[string, (side: Side) => Side]>([
    ["in a session", (side) => side.after(3_600_000)],
    [
      "on another connection",
      (side) => {
        side.do(side.client.closed("closed", side.now)).after(10_000);
        return side.do(side.client.connected(side.now));
      },
    ],
  ])("does not say what is new of another version %s", (_, again) => {
    const side = again(synced()).says(RESPONSE(1));
    expect(side.client.problem).toBe("version 1 in a session of version 2");
    expect(side.asked()?.[3]).toBe(8);
    side.after(10_000).do(side.client.connected(side.now));
    expect(side.asked()).toEqual(RESET_QUERY());
  });

  test("changes its version in the middle", () => {
    const side = new Side().connect().says(RESPONSE(1), IPV4(0));
    expect(side.client.problem).toBe("version 0 in a session of version 1");
    expect(side.asked()?.[3]).toBe(8);
  });
});

describe("a cache that does not answer", () => {
  test("is left after a minute, and another attempt made", () => {
    const side = new Side().connect().after(60_000);
    expect(side.take()).toEqual(["connect", "write", "close"]);
    expect(side.after(10_000).take()).toEqual(["connect"]);
  });

  test("in the middle of its data has said nothing", () => {
    const side = synced().after(3_600_000).says(RESPONSE(), IPV4());
    side.take();
    expect(side.after(60_000).take()).toEqual(["close", "begin"]);
    expect(side.end).toMatchObject({ serial: 5 });
  });

  test("has time when what it has sent waited for this side", () => {
    const side = synced().after(3_600_000).says(RESPONSE(), IPV4());
    side.take();
    side.now += 300_000;
    side.client.resumed(side.now);
    expect(side.after(59_999).take()).toEqual([]);
    expect(side.after(1).take()).toEqual(["close", "begin"]);
  });

  test("and one that has no data yet is asked again", () => {
    const side = new Side().connect().says(ERROR(2, 2, "wait\u0007"));
    expect(side.client.problem).toBe("no data available: wait");
    side.take();
    expect(side.after(10_000).take()).toEqual(["connect"]);
  });
});

describe("what is wrong is said, and ends the connection", () => {
  test.each<[string, Uint8Array[], number, string]>([
    [
      "length too short",
      [Uint8Array.of(2, 3, 0, 7, 0, 0, 0, 7)],
      0,
      "a PDU of type 3 with 7 octets",
    ],
    ["length too long", [Uint8Array.of(2, 9, 0, 0, 255, 0, 0, 0)], 0, "with 4278190080 octets"],
    ["an unknown type", [pdu(2, 99, 0)], 5, "PDU type 99 is not one of version 2"],
    ["ASPA in version 1", [pdu(1, 11, 0, "00000001")], 5, "PDU type 11 is not one of version 1"],
    ["an unknown version", [pdu(9, 3, 7)], 4, "version 9 is not known"],
    ["data that was not asked for", [IPV4()], 0, "data that was not asked for"],
    ["an end without a beginning", [END()], 0, "an End of Data that was not asked for"],
    ["a Cache Reset that resets nothing", [pdu(2, 8, 0)], 0, "that answers a Reset Query"],
    ["an end of another session", [RESPONSE(), END(2, 9)], 0, "session 9 in place of 7"],
    ["a withdrawal of nothing", [RESPONSE(), IPV4(2, "00")], 0, "a withdrawal in a whole set"],
    [
      "a prefix longer than its longest length",
      [RESPONSE(), pdu(2, 4, 0, "01181700 c0000200 0000fbf0")],
      0,
      "a prefix of 24 bits with the longest length 23",
    ],
    [
      "a longest length beyond the family's",
      [RESPONSE(), pdu(2, 4, 0, "01182100 c0000200 0000fbf0")],
      0,
      "a prefix of 24 bits with the longest length 33",
    ],
    [
      "bits behind the prefix",
      [RESPONSE(), pdu(2, 4, 0, "01181800 c0000201 0000fbf0")],
      0,
      "a prefix with bits behind its length",
    ],
  ])("%s", (_, pdus, code, problem) => {
    const side = new Side().connect().says(...pdus);
    const report = side.asked()!;
    expect([report[1], report[3]]).toEqual([10, code]);
    expect(side.client.problem).toContain(problem);
    expect(side.take()).toContain("close");
    expect(side.client.state).toBe("idle");
    expect(side.end).toBeNull();
  });
});

describe("what does not fit to what was said before is told, and ends the connection", () => {
  const misfitOf = (announced: Uint8Array) => {
    const client = new Side().connect().says(RESPONSE()).client;
    const [vrps] = client.received(announced, 0);
    return vrps?.do === "vrps" ? vrps.octets : null;
  };
  const withdrawn = (octets: Uint8Array) => {
    const copy = octets.slice();
    copy[0]! &= ~1;
    return copy;
  };
  const ASPA = pdu(2, 11, 0x100, "0000fbf0 0000fbf1");

  test.each<[string, Uint8Array, Uint8Array, number, string]>([
    ["IPv4", misfitOf(IPV4())!, IPV4(), 7, "192.0.2.0/24-24 AS64496 is announced twice"],
    ["IPv6", misfitOf(IPV6())!, IPV6(), 7, "2001:db8::/32-48 AS64497 is announced twice"],
    [
      "IPv4, withdrawn",
      withdrawn(misfitOf(IPV4())!),
      IPV4(2, "00"),
      6,
      "192.0.2.0/24-24 AS64496 is withdrawn and was not there",
    ],
    [
      "ASPA, withdrawn",
      Uint8Array.of(4, 0, 0, 0, 0, 0, 0xfb, 0xf0),
      pdu(2, 11, 0, "0000fbf0"),
      6,
      "the ASPA of AS64496 is withdrawn and was not there",
    ],
  ])("%s", (_, misfit, cause, code, problem) => {
    const side = synced();
    side.end = { ...side.end!, session: null, isWhole: false };
    side.misfit = misfit;
    side.after(100);
    const report = side.asked()!;
    expect([report[0], report[1], report[3]]).toEqual([2, 10, code]);
    expect(report.subarray(12, 12 + readU32(report, 8))).toEqual(cause);
    expect([side.client.problem, side.client.state]).toEqual([problem, "idle"]);
    expect(side.take()).toEqual(["write", "close"]);
    side.after(10_000).do(side.client.connected(side.now));
    expect(side.asked()).toEqual(RESET_QUERY());
    // All that it has makes up for it, though it is known still what did not fit.
    side.says(RESPONSE(), ASPA, END()).after(100);
    expect(side.client.state).toBe("synced");
  });

  test("in a whole set, which is asked for no more often than it retries", () => {
    const side = synced();
    side.end = { ...side.end!, session: null };
    side.misfit = misfitOf(IPV4())!;
    side.after(100);
    expect(side.asked()?.[3]).toBe(7);
    expect(side.take()).toEqual(["write", "close"]);
    expect(side.after(599_999).take()).toEqual([]);
    expect(side.after(1).take()).toEqual(["connect"]);
  });
});

test("an Error Report that is none ends the connection, and is not answered", () => {
  const side = new Side().connect();
  side.asked();
  side.says(pdu(2, 10, 0, "00000000"));
  expect(side.take().at(-1)).toBe("close");
  expect(side.asked()).toBeUndefined();
  expect(side.client.problem).toBe("a PDU of type 10 with 12 octets");
});

test("keys of routers are read over", () => {
  const key = pdu(2, 9, 0x100, "00".repeat(24 + 91));
  const side = new Side().connect().says(RESPONSE(), key, IPV4(), END());
  expect(side.take()).toEqual(["connect", "write", "begin", "+24-24 AS64496", "end"]);
});

test.each([
  ["of the draft", "0000fbf0 0000fbf1 0000fbf2", "0000fbf0", 0x100, 0],
  ["of an earlier one", "01000002 0000fbf0 0000fbf1 0000fbf2", "00000000 0000fbf0", 0, 0],
])("ASPAs %s come and go", (_, comes, goes, announced, withdrawn) => {
  const side = new Side().connect().says(RESPONSE(), pdu(2, 11, announced, comes), END());
  expect(side.take()).toEqual(["connect", "write", "begin", "+AS64496: 64497 64498", "end"]);
  side.after(3_600_000).says(RESPONSE(), pdu(2, 11, withdrawn, goes), END());
  expect(side.take()).toEqual(["write", "begin", "-AS64496: ", "end"]);
});

test("times that nobody could mean are taken as the nearest that one could", () => {
  const end = pdu(2, 7, 7, "00000005 00000000 ffffffff ffffffff");
  const side = new Side().connect().says(RESPONSE(), end);
  expect(side.end).toMatchObject({
    refreshSeconds: 1,
    retrySeconds: 7200,
    expireSeconds: 172_800,
  });
});

test("a cache that does not stop is cut off, and nothing is kept", () => {
  const side = new Side().connect().says(RESPONSE());
  const piece = new Uint8Array(20 * 50_000);
  for (let at = 0; at < piece.length; at += 20) piece.set(IPV4(), at);
  let octets = 0;
  while (side.client.state === "receiving" && octets < 70_000_000) {
    for (const action of side.client.received(piece, 0)) {
      if (action.do === "vrps") octets += action.octets.length;
    }
  }
  expect(side.client.problem).toBe("more than 60000000 octets of payloads");
  expect(octets).toBeLessThan(61_000_000);
});

test("it does not matter how the octets are cut", () => {
  const all = [RESPONSE(), IPV4(), IPV6(), END(), NOTIFY()].flatMap((octets) => [...octets]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 }), (cuts) => {
      const side = new Side().connect();
      side.take();
      let at = 0;
      for (const cut of [...cuts, all.length]) {
        side.says(Uint8Array.from(all.slice(at, at + cut)));
        at += cut;
      }
      expect(side.take()).toEqual(["begin", "+24-24 AS64496", "+32-48 AS64497", "end"]);
    }),
    { numRuns: runs(500) },
  );
});

test("no octets throw, or are kept beyond a PDU", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.constantFrom(RESPONSE(), IPV4(), IPV6(), END(), NOTIFY(), ERROR(2, 3), pdu(2, 8, 0)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const side = new Side().connect();
      for (const octets of pieces) {
        side.says(octets);
        side.after(1000);
        if (side.client.state === "connecting") side.do(side.client.connected(side.now));
        const kept = side.client["rest"];
        if (kept.length >= 8) expect(kept.length).toBeLessThan(readU32(kept, 4));
        if (side.client.state === "idle") expect(kept.length).toBe(0);
      }
    }),
    { numRuns: runs(3000) },
  );
});
