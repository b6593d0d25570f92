import { Prng } from "@ts-bgp/inject";
import { describe, expect, test } from "vitest";
import { parseArguments, UsageError } from "../../chaos/arguments.ts";
import { Expectation } from "../../chaos/expectation.ts";
import { bulkOf, type Change, IS_RECORDED, tableFeed } from "../../chaos/feed.ts";
import {
  DISTURBING,
  MOMENTS,
  makePlans,
  type Peers,
  pairOf,
  SCENES,
  sceneOf,
} from "../../chaos/plan.ts";
import { reportLines } from "../../chaos/report.ts";
import type { TrialResult } from "../../chaos/trial.ts";
import {
  addressOctets,
  addressText,
  encodeUpdate,
  HEADER_OCTETS,
  parseUpdate,
  routeText,
} from "../../chaos/updates.ts";

const BOTH: Peers = { scenes: SCENES, clients: 100 };

describe("the plan", () => {
  const plans = (seed: number, peers = BOTH) =>
    makePlans(8 * DISTURBING.length, DISTURBING, new Prng(seed), peers);

  test("follows from the seed", () => {
    expect(plans(7)).toEqual(plans(7));
    expect(plans(7)).not.toEqual(plans(8));
  });

  test("gives every mode its share, and runs trials of one kind of pair together", () => {
    const modes = plans(7).map(({ mode }) => mode);
    for (const mode of DISTURBING) expect(modes.filter((one) => one === mode)).toHaveLength(8);
    const kinds = modes.map(pairOf);
    expect(kinds.lastIndexOf("shared")).toBeLessThan(kinds.indexOf("namespace"));
  });

  test("has many clients in a share of the trials of each mode, those together", () => {
    const all = plans(7);
    for (const mode of DISTURBING) {
      const own = all.filter((one) => one.mode === mode).map(({ clients }) => clients);
      expect(own.toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 100, 100, 100]);
    }
    const scenes = all.map((plan) => `${pairOf(plan.mode)} ${sceneOf(plan)}`);
    const changes = scenes.filter((scene, i) => scene !== scenes[i - 1]);
    expect(changes).toEqual([
      ...["shared daemons", "shared clients"],
      ...["namespace daemons", "namespace clients"],
    ]);
    expect(all.find(({ clients }) => clients > 0)?.detail).toMatch(/^100 clients, /);
  });

  test("makes the same choices for whoever the peers are", () => {
    const choices = (peers: Peers) =>
      plans(7, peers)
        .map(({ clients: _, detail: __, ...choice }) => choice)
        .sort((a, b) => a.trial - b.trial);
    const alone = choices({ scenes: ["clients"], clients: 300 });
    expect(alone).toEqual(choices(BOTH));
    expect(alone).toEqual(choices({ scenes: ["daemons"], clients: 100 }));
    expect(plans(7, { scenes: ["clients"], clients: 300 }).map(({ clients }) => clients)).toEqual(
      alone.map(() => 300),
    );
  });

  test("kills clients' pairs in a bulk and in a join as well", () => {
    const moments = plans(7, { scenes: ["clients"], clients: 100 }).map(({ moment }) => moment);
    expect(new Set(moments)).toEqual(new Set(MOMENTS));
  });
});

describe("the command line", () => {
  test("has defaults", () => {
    const { modes, ...rest } = parseArguments([], 123)!;
    expect(modes).toEqual(DISTURBING);
    expect(rest).toEqual({
      ...{
        trials: 20,
        seed: 123,
        scenes: SCENES,
        clients: 100,
        prefixes: 20_000,
        alone: false,
        standbys: 1,
        keep: null,
        nice: -10,
        json: false,
      },
    });
  });

  test.each([
    [["--mode", "none,link", "--mode", "pause"], { modes: ["none", "link", "pause"] }],
    [["--trials", "5", "--seed", "0"], { trials: 5, seed: 0 }],
    [["--scene", "clients", "--clients", "300"], { scenes: ["clients"], clients: 300 }],
    [["--standbys", "2"], { standbys: 2, scenes: ["daemons"] }],
    [["--clients", "150"], { scenes: SCENES, clients: 150 }],
    [["--alone"], { scenes: ["daemons"] }],
  ])("%j is understood", (argv, expected) => {
    expect(parseArguments(argv, 1)).toMatchObject(expected);
  });

  test.each([
    [["--mode", "war"]],
    [["--trials", "0"]],
    [["--seed", "x"]],
    [["more"]],
    [["--scene", "crowd"]],
    [["--clients", "1"]],
    [["--scene", "daemons", "--clients", "100"]],
    [["--alone", "--clients", "100"]],
  ])("%j is refused", (argv) => {
    expect(() => parseArguments(argv, 1)).toThrow(UsageError);
  });
});

describe("updates", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["2001:db8:0:0:0:0:0:0", "2001:db8::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["fd00:0:0:1:0:0:0:2", "fd00:0:0:1::2"],
    ["1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"],
    ["fe80::a:0:0:b", "fe80::a:0:0:b"],
  ])("%s is written %s", (written, text) => {
    expect(addressText(addressOctets(written))).toBe(text);
    expect(addressOctets(text)).toEqual(addressOctets(written));
  });

  test.each(["ipv4-unicast", "ipv6-unicast"] as const)("of %s are read as written", (family) => {
    const nextHop = family === "ipv4-unicast" ? "10.0.0.9" : "fd00::9";
    const { table } = tableFeed(family, 200, 1);
    for (const { nlri, prefixes, attributes } of table) {
      const octets = encodeUpdate(family, nlri, attributes, nextHop).subarray(HEADER_OCTETS);
      const read = parseUpdate(octets);
      if (typeof read === "string") throw new Error(read);
      expect(read).toMatchObject({ family, announced: prefixes, withdrawn: [], nextHop });
      expect(routeText(read.attributes, nextHop)).toEqual(routeText(attributes ?? [], nextHop));
      const gone = encodeUpdate(family, nlri, null, nextHop).subarray(HEADER_OCTETS);
      expect(parseUpdate(gone)).toMatchObject({ family, announced: [], withdrawn: prefixes });
    }
  });
});

const SOURCES = IS_RECORDED ? ["recorded", "synthetic"] : ["synthetic"];

describe.each(SOURCES)("a %s feed", (source) => {
  const made = () => tableFeed("ipv4-unicast", 500, 3, source === "recorded");
  const feed = made();
  const prefixesOf = (changes: readonly Change[]) => changes.flatMap(({ prefixes }) => prefixes);

  test("has a table in which no prefix comes twice", () => {
    const prefixes = prefixesOf(feed.table);
    expect(prefixes.length).toBeGreaterThanOrEqual(500);
    expect(new Set(prefixes).size).toBe(prefixes.length);
  });

  test("has churn of that table, with withdrawals, the same for the same seed", () => {
    const own = new Set(prefixesOf(feed.table));
    expect(prefixesOf(feed.churn).every((prefix) => own.has(prefix))).toBe(true);
    expect(feed.churn.some(({ attributes }) => attributes === null)).toBe(true);
    expect(made().churn.length).toBe(feed.churn.length);
  });

  test("can be announced again, all of it, with other attributes", () => {
    const bulk = bulkOf(feed.table, new Prng(1));
    expect(prefixesOf(bulk)).toEqual(prefixesOf(feed.table));
    expect(
      bulk.filter(({ attributes }, i) => attributes !== feed.table[i]!.attributes),
    ).not.toEqual([]);
  });
});

describe("the expectation", () => {
  const family = "ipv4-unicast" as const;
  const { table } = tableFeed(family, 100, 3);
  const [first, second] = [table[0]!, table[1]!];

  function made(): { expectation: Expectation; held: Map<string, ReturnType<typeof routeText>> } {
    const expectation = new Expectation();
    expectation.addFeed("10.0.0.5", family);
    expectation.addDaemon("10.0.0.2", family, () => [["10.1.0.0/24", "a route"]]);
    const held = new Map<string, ReturnType<typeof routeText>>();
    for (const change of [first, second]) {
      expectation.apply("10.0.0.5", change);
      for (const prefix of change.prefixes) {
        held.set(prefix, routeText(change.attributes ?? [], "10.0.0.5"));
      }
    }
    return { expectation, held };
  }

  test("is what the others announce, and not what the peer itself does", () => {
    const { expectation, held } = made();
    expect(expectation.compareTold("10.0.0.2", held).count).toBe(0);
    const own = new Map([["10.1.0.0/24", { shown: "a route", hidden: "" }]]);
    expect(expectation.compareTold("10.0.0.5", own).count).toBe(0);
    expect(expectation.compareTold("10.0.0.5", held).count).toBe(1 + held.size);
  });

  test("differs by each route that is missing, other or too many", () => {
    const { expectation, held } = made();
    const prefix = first.prefixes[0]!;
    const route = held.get(prefix)!;
    const counts = [
      () => held.set(prefix, { ...route, hidden: "99:00" }),
      () => held.set("192.0.2.0/24", route),
      () => held.delete(second.prefixes[0]!),
    ].map((change) => {
      change();
      return expectation.compareTold("10.0.0.2", held).count;
    });
    expect(counts).toEqual([1, 2, 3]);
  });

  test("forgets what was withdrawn", () => {
    const { expectation, held } = made();
    expectation.apply("10.0.0.5", { ...first, attributes: null });
    expect(expectation.compareTold("10.0.0.2", held).count).toBe(first.prefixes.length);
  });
});

test("the report ends with the lines that are asked for", () => {
  const [plan] = makePlans(1, ["process"], new Prng(1), BOTH);
  const good: TrialResult = {
    ...plan!,
    ...{ sessionsReset: 0, sessionFaults: 0, routeDifferences: 0, messageFaults: 0, notReady: 0 },
    ...{ silenceMs: 30, silentPeer: "10.0.0.2", silentAtMs: 0 },
    ...{ retransmissionMs: 0, firstMs: 29, undisturbedMs: 6, cutSilenceMs: 0, joinSilenceMs: 0 },
    ...{ problems: [], lastSwitchover: null, active: "b" },
  };
  const bad = {
    ...good,
    sessionsReset: 2,
    sessionFaults: 5,
    silenceMs: 60,
    problems: ["it broke"],
  };
  const crowd = { ...good, clients: 100, joinSilenceMs: 80 };
  expect(reportLines([good, bad, crowd])).toEqual([
    "trials 3 · sessions reset 2 · FIN/RST/OPEN/NOTIFICATION seen 5 · route differences 0 · " +
      "malformed or duplicated messages 0 · not ready 0",
    "process: silence median 30.0 ms · p99 60.0 ms · max 60.0 ms (2 trials)",
    "process:   without disturbance median 6.0 ms · p99 6.0 ms · max 6.0 ms (2 trials)",
    "process, 100 clients: silence 30.0 ms",
    "process, 100 clients:   until a standby was ready again 80.0 ms",
    "process, 100 clients:   without disturbance 6.0 ms",
    "2 passed, 1 failed",
  ]);
});
