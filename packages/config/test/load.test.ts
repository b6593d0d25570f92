import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Policies, ReasonTable } from "@ts-bgp/policy";
import { describe, expect, test } from "vitest";
import schema from "../schema/ts-bgp.schema.json" with { type: "json" };
import {
  CHANGE_EFFECTS,
  type Config,
  type ConfigSources,
  fileKind,
  formatMistakes,
  loadConfig,
  type NeighborConfig,
} from "../src/index.ts";
import { YamlFile } from "../src/yaml-file.ts";

const HERE = import.meta.dirname;
const CONFIGS = join(HERE, "../../../configs");

/** Files of a folder, and one environment variable. */
function sourcesIn(folder: string): ConfigSources {
  return {
    readFile: (path) => {
      if (!existsSync(join(folder, path))) throw new Error("no such file");
      return readFileSync(join(folder, path), "utf8");
    },
    env: (name) => (name === "SECRET" ? "from the environment" : undefined),
  };
}

const CERTIFICATE = "-----BEGIN CERTIFICATE-----\n";
const KEY = "-----BEGIN PRIVATE KEY-----\n";
const SLURM = `{
  "slurmVersion": 1,
  "validationOutputFilters": { "prefixFilters": [ { "prefix": "10.0.0.0/8" } ], "bgpsecFilters": [] },
  "locallyAddedAssertions": { "prefixAssertions": [ { "asn": 64496, "prefix": "198.51.100.0/24" } ] }
}`;
const FILES: Readonly<Record<string, string>> = {
  "etcd.password": "SECRET\n",
  secret: "from a file\n",
  "noc.token": "0123456789abcdef\n",
  "member.token": "fedcba9876543210\n",
  "registry.txt": "# registry\n198.51.100.0/24   # one\r\n\n 203.0.113.0/24 le 25",
  "as.txt": "65001\n65002-65003\n",
  "none.yaml": "",
  "info.txt": "ro:*:7\n",
  "a.crt": CERTIFICATE,
  "a.key": KEY,
  "ca.crt": CERTIFICATE,
  "slurm.json": SLURM,
};
const SOURCES: ConfigSources = {
  ...sourcesIn(HERE),
  readFile: (path) => {
    if (!Object.hasOwn(FILES, path)) throw new Error("no such file");
    return FILES[path]!;
  },
};

function loadText(lines: string): ReturnType<typeof loadConfig> {
  return loadConfig("test.yaml", `router: { as: 64500, id: 192.0.2.1 }\n${lines}`, SOURCES);
}

/** One neighbor with these options, and what it becomes. */
function neighborOf(options: string, more = ""): NeighborConfig {
  const text = `neighbors: [ { address: 192.0.2.11, as: 64501, ${options} } ]\n${more}`;
  const { config, mistakes } = loadText(text);
  expect(formatMistakes(mistakes)).toEqual([]);
  return config!.neighbors[0]!;
}

const FULL: NeighborConfig = {
  address: "192.0.2.11",
  group: "clients",
  source: { file: "everything.yaml", line: 26 },
  dynamic: null,
  as: 64501,
  description: "all options",
  enabled: false,
  passive: true,
  port: 1790,
  localAddress: "192.0.2.1",
  localAs: 64499,
  holdTime: 0,
  holdTimeMin: 0,
  requireCapabilities: [],
  connectRetry: 5,
  delayOpen: 2,
  families: ["ipv6-unicast"],
  routeServerClient: false,
  routeReflectorClient: false,
  nextHop: "unchanged",
  import: ["accept-all"],
  export: ["accept-all"],
  blackhole: null,
  ebgpRequiresPolicy: false,
  enforceFirstAs: false,
  allowOwnAs: 1,
  asSet: "accept",
  pathAttribute: { discard: [], treatAsWithdraw: [] },
  addPath: { receive: true, send: "all" },
  extendedNextHop: true,
  extendedMessage: true,
  gracefulRestart: { mode: "full", restartTimeMax: 600 },
  ownRestart: { time: 60, notification: false, deferSeconds: 30 },
  longLivedGracefulRestart: {
    mode: "full",
    staleTime: { ipv4Unicast: 0, ipv6Unicast: 3600 },
    staleTimeMax: { ipv4Unicast: 7200, ipv6Unicast: 7200 },
    partial: false,
  },
  role: "peer",
  strictRole: true,
  password: "from the environment",
  ttlSecurity: 0,
  congestionControl: null,
  bfd: null,
  multihop: 3,
  maxPrefix: {
    ipv4Unicast: 7,
    ipv6Unicast: 50,
    action: "restart",
    warnPercent: 50,
    restartAfter: 60,
    count: "accepted",
  },
  maxPrefixAccepted: {
    ipv4Unicast: null,
    ipv6Unicast: null,
    action: "shutdown",
    warnPercent: 80,
    restartAfter: 900,
    count: "accepted",
  },
  maxPrefixOut: { ipv4Unicast: null, ipv6Unicast: null, action: "shutdown", restartAfter: 900 },
  maxAsPath: null,
  maxCommunities: null,
  honorWellKnownCommunities: false,
  honorGracefulShutdown: true,
  pathHiding: "off",
  nextBest: false,
  sendSameAs: false,
  sendRpkiState: true,
  acceptRpkiState: true,
  keepRejected: false,
  nsr: "required",
  vars: { alias: ["64501"], lists: ["bogons", "10.0.0.0/8"], pref: ["120"] },
};

const BLACKHOLES = "blackhole(registry;192.0.2.66,2001:db8::66;64500:666;export;)";
const BLACKHOLE_SOURCE = { file: "everything.yaml", line: 66 };
const ASKS = { community: { anyOf: ["blackhole", "64500:666"] } };
const MARKS = { community: { add: ["blackhole"] } };

const EVERYTHING: Omit<Config, "neighbors" | "dynamicNeighbors"> = {
  staticRoutes: [
    {
      prefix: "198.51.100.0/24",
      nextHop: "192.0.2.9",
      origin: "incomplete",
      asPath: [64510, 64511],
      med: 5,
      localPref: 90,
      communities: ["65535:65281", "64500:1"],
      largeCommunities: ["64500:1:2"],
      extendedCommunities: ["rt:64500:3"],
    },
  ],
  rejectReasons: "ixp-manager",
  router: { as: 64500, id: "192.0.2.1", clusterId: "192.0.2.2" },
  listen: [
    { address: "192.0.2.1", port: 179 },
    { address: "2001:db8::1", port: 1179 },
  ],
  control: { socket: "/tmp/control.sock" },
  http: {
    address: "::1",
    port: 9790,
    anonymous: "none",
    tokens: [
      { name: "noc", role: "operator", as: null, secret: "0123456789abcdef" },
      { name: "as64501", role: "member", as: 64501, secret: "fedcba9876543210" },
    ],
    reasonCommunities: { "max-prefix": "64500:65520:1", default: "64500:1" },
  },
  log: { level: "debug", file: "/var/log/ts-bgp.log" },
  nsr: {
    cluster: "rs1",
    self: "a",
    listen: { address: "2001:db8:9::1", port: 1790 },
    peers: [
      {
        name: null,
        ways: [{ address: "2001:db8:9::2", port: 1790 }, { path: "/run/ts-bgp/nsr.sock" }],
      },
    ],
    mode: "address",
    serviceAddresses: [
      { address: "192.0.2.1", bits: 24, interface: "eth0" },
      { address: "2001:db8::1", bits: 64, interface: "eth0.100" },
    ],
    arbiter: {
      kind: "etcd",
      endpoints: ["http://192.0.2.101:2379", "https://etcd.example.net:2379"],
      ttlSeconds: 5,
      tls: { ca: CERTIFICATE, cert: CERTIFICATE, key: KEY, serverName: "etcd" },
      user: { name: "ts-bgp", password: "SECRET" },
    },
    tls: { cert: CERTIFICATE, key: KEY, ca: CERTIFICATE },
    heartbeatMs: 50,
    heartbeatMisses: 4,
    log: { directory: "/var/lib/ts-bgp", octetsMax: 512_000_000 },
    patienceMs: 500,
  },
  mirrors: {
    cluster: "rs1-mirrors",
    listen: { address: "2001:db8:9::1", port: 1793 },
    tls: { cert: CERTIFICATE, key: KEY, ca: CERTIFICATE },
    names: ["m1", "m2"],
    max: 2,
  },
  bmp: {
    stations: [
      {
        name: "192.0.2.54:1790",
        connect: { address: "192.0.2.54", port: 1790 },
        listen: null,
        from: [],
        tables: ["loc-rib"],
        neighbors: ["2001:db8::4"],
        statisticsSeconds: 0,
        mirrorMalformed: true,
        queueOctetsMax: 1 << 20,
      },
      {
        name: "[::1]:11019",
        connect: null,
        listen: { address: "::1", port: 11019 },
        from: ["::1"],
        tables: ["adj-in-pre", "adj-out-post"],
        neighbors: [],
        statisticsSeconds: 60,
        mirrorMalformed: false,
        queueOctetsMax: 64 << 20,
      },
    ],
  },
  mrt: {
    dir: "/var/lib/mrt",
    tablesSeconds: 3600,
    routes: "accepted",
    updatesSeconds: 300,
    compress: "none",
  },
  webhook: {
    url: "https://alerts.example.net/x?y=z",
    secret: "0123456789abcdef",
    events: ["session-up", "quarantine"],
  },
  followers: {
    name: "exchange",
    listen: { address: "::1", port: 1799 },
    tls: { ca: CERTIFICATE, cert: CERTIFICATE, key: KEY },
    max: 3,
  },
  rpki: {
    caches: [
      {
        name: "[2001:db8:9::53]:3323",
        address: "2001:db8:9::53",
        port: 3323,
        preference: 1,
        password: "from the environment",
        tls: null,
      },
      {
        name: "192.0.2.53:323",
        address: "192.0.2.53",
        port: 323,
        preference: 100,
        password: null,
        tls: { ca: CERTIFICATE, cert: CERTIFICATE, key: KEY, serverName: "rtr" },
      },
    ],
    files: [
      { file: "/var/lib/rpki-client/json", preference: 100 },
      { file: "/run/roas.json", preference: 2 },
    ],
    slurm: {
      filters: [{ prefix: { isWide: false, words: [0x0a000000, 0, 0, 0], bits: 8 }, as: null }],
      assertions: [
        {
          isAnnounced: true,
          isWide: false,
          w0: 0xc6336400,
          w1: 0,
          w2: 0,
          w3: 0,
          bits: 24,
          maxLength: 24,
          as: 64496,
        },
      ],
    },
    startLimitSeconds: 30,
  },
  routeLists: { objects: ["198.51.100.0/24 le 25 65001", "203.0.113.0/24 65002"] },
  prefixLists: {
    bogons: Uint32Array.of(0x080820, 0x0a000000),
    registry: Uint32Array.of(
      ...[0x181818, 0xc6336400, 0x181819, 0xcb007100],
      ...[0x1303140, 0x20010db8, 0x00010000, 0, 0],
    ),
    "within:registry": Uint32Array.of(
      ...[0x181820, 0xc6336400, 0x181820, 0xcb007100],
      ...[0x1303080, 0x20010db8, 0x00010000, 0, 0],
    ),
  },
  asLists: {
    transit: Uint32Array.of(174, 174, 64512, 65534),
    registered: Uint32Array.of(65001, 65003),
  },
  communityLists: { actions: ["0:$peer-as", "$local-as:*"], info: ["ro:*:7", "rt:64500:*"] },
  policies: {
    in: {
      name: "in",
      source: { file: "everything.yaml", line: 82 },
      default: "next",
      rules: [
        {
          name: "one of each",
          source: { file: "everything.yaml", line: 83 },
          if: {
            prefix: ["bogons", "registry", "203.0.113.0/24"],
            prefixLength: { min: 8, max: 24 },
            family: "ipv4-unicast",
            asPath: {
              first: ["$peer-as"],
              origin: ["65001", "transit"],
              contains: ["registered"],
              length: { max: 50 },
              regex: "^65001_",
            },
            neighborAs: ["64501"],
            peer: ["192.0.2.11", "clients"],
            community: { anyOf: ["actions"] },
            largeCommunity: { anyOf: ["1:2:3"], allOf: ["1:2:*", "*:*:*"] },
            extendedCommunity: { anyOf: ["info"] },
            communityCount: { min: 3, max: 3 },
            nextHop: ["peer-address", "same-as", "192.0.2.0/24"],
            localPref: { min: 100 },
            med: "none",
            origin: ["igp"],
            routeType: ["ebgp", "ibgp"],
            any: [{ med: { min: 5, max: 5 } }, { med: { min: 7, max: 9 } }],
            not: {
              origin: ["egp", "incomplete"],
              rpki: ["invalid"],
              aspa: ["unknown", "valid"],
            },
          },
          set: {
            localPref: { add: 10 },
            med: 5,
            origin: "incomplete",
            nextHop: "self",
            community: { set: [], remove: ["actions"], add: ["1:1"] },
            largeCommunity: { add: ["1:2:3"] },
            extendedCommunity: { remove: ["info"] },
            prepend: { as: "first", count: 2 },
          },
          action: "accept",
        },
        {
          name: "rule 2",
          source: { file: "everything.yaml", line: 117 },
          if: {},
          set: {
            localPref: { subtract: 1 },
            med: "none",
            prepend: { as: "$local-as", count: 3 },
          },
          action: "next",
        },
        {
          name: "rule 3",
          source: { file: "everything.yaml", line: 118 },
          if: { prefix: ["bogons"], all: [{ med: { min: 1, max: 1 } }, { med: "none" }] },
          set: {},
          action: "reject",
        },
      ],
    },
    words: {
      name: "words",
      source: { file: "everything.yaml", line: 120 },
      default: "next",
      rules: [
        {
          name: "rule 1",
          source: { file: "everything.yaml", line: 121 },
          if: {
            prefix: ["$lists"],
            source: { as: ["$peer-as"], peer: ["clients"], vars: { alias: ["1", "$alias"] } },
            route: ["objects"],
            nextHop: ["bogons"],
            asPath: { behindFirst: ["transit"], beforeOrigin: ["1-5"], regex: "_<transit>_" },
            community: { count: { min: 3 } },
            largeCommunity: { anyOf: ["1-5,7:*:$alias"] },
            extendedCommunity: { anyOf: ["soo:1:1", "0x4302:*"] },
          },
          set: {
            localPref: { set: "$pref" },
            med: { add: 5 },
            asPath: { removePrivate: true, replace: ["$peer-as"] },
            removeAttributes: [40, 128],
          },
          action: "next",
        },
      ],
    },
    last: {
      name: "last",
      source: { file: "everything.yaml", line: 135 },
      default: "accept",
      rules: [
        {
          name: "rule 1",
          source: { file: "everything.yaml", line: 135 },
          if: { prefix: ["bogons"] },
          set: { med: 1 },
          action: "reject",
          why: "bogon-prefix",
          log: true,
        },
        {
          name: "rule 2",
          source: { file: "everything.yaml", line: 135 },
          if: {},
          set: {},
          action: "return",
        },
      ],
    },
    out: {
      name: "out",
      source: { file: "everything.yaml", line: 136 },
      default: "next",
      rules: [
        {
          name: "rule 1",
          source: { file: "everything.yaml", line: 136 },
          if: {},
          set: { localPref: { set: 200 } },
          action: "accept",
        },
      ],
    },
    [BLACKHOLES]: {
      name: BLACKHOLES,
      source: BLACKHOLE_SOURCE,
      default: "next",
      rules: [
        {
          name: "not within the neighbor's prefixes",
          source: BLACKHOLE_SOURCE,
          if: { ...ASKS, not: { prefix: ["within:registry"] } },
          set: {},
          action: "reject",
        },
        {
          name: "blackhole by 192.0.2.66",
          source: BLACKHOLE_SOURCE,
          if: { ...ASKS, family: "ipv4-unicast" },
          set: { nextHop: "192.0.2.66", ...MARKS },
          action: "accept",
        },
        {
          name: "blackhole by 2001:db8::66",
          source: BLACKHOLE_SOURCE,
          if: { ...ASKS, family: "ipv6-unicast" },
          set: { nextHop: "2001:db8::66", ...MARKS },
          action: "accept",
        },
        {
          name: "blackhole",
          source: BLACKHOLE_SOURCE,
          if: ASKS,
          set: MARKS,
          action: "accept",
        },
      ],
    },
  },
};

describe("a file with every key of the schema", () => {
  const text = readFileSync(join(HERE, "everything.yaml"), "utf8");
  const { config, mistakes, warnings } = loadConfig("everything.yaml", text, SOURCES);

  test("becomes exactly this value", () => {
    expect(formatMistakes(mistakes)).toEqual([]);
    const { neighbors, dynamicNeighbors, ...rest } = config!;
    expect(rest).toEqual(EVERYTHING);
    const { options: _, ...range } = dynamicNeighbors[0]!;
    expect(range).toEqual({ prefix: "2001:db8:7::/64", limit: 7, forgetAfterSeconds: 60 });
    expect(neighbors[0]).toEqual(FULL);
    expect(neighbors.map(({ address, password }) => [address, password])).toEqual([
      ["192.0.2.11", "from the environment"],
      ["192.0.2.12", null],
      ["fe80::2%eth0", "from a file"],
      ["2001:db8::3", null],
      ["2001:db8::4", "in clear"],
    ]);
  });

  test("has BFD where it is written", () => {
    const auth = { type: "keyed-sha1", keyId: 7, secret: "from the environment" };
    const times = { intervalMs: 50, multiplier: 5 };
    const bfd = { ...times, passive: true, multihop: true, auth };
    expect(config!.neighbors.map((one) => one.bfd)).toEqual([null, bfd, null, null, null]);
  });

  test("warns of what looks unintended", () => {
    expect(formatMistakes(warnings)).toEqual([
      "everything.yaml:69:5: neighbor 2001:db8::4 has no import and no export policy: " +
        "every route is rejected (RFC 8212)",
      "everything.yaml:69:50: the secret stands in clear; " +
        "{ file: PATH } or { env: NAME } keep it out",
    ]);
  });

  test("survives the way to another process", () => {
    expect(structuredClone(config)).toEqual(config);
  });

  test("leaves no key of the schema out", () => {
    const written = new Set<string>();
    collectKeys(new YamlFile("everything.yaml", text).value, written);
    const known = new Set<string>();
    collectSchemaKeys(schema, known);
    // It goes in place of another one.
    written.add("peers");
    expect([...known].filter((key) => !written.has(key))).toEqual([]);
  });
});

function collectKeys(value: unknown, keys: Set<string>): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) keys.add(key);
    collectKeys(inner, keys);
  }
}

function collectSchemaKeys(part: unknown, keys: Set<string>): void {
  if (typeof part !== "object" || part === null) return;
  for (const [keyword, inner] of Object.entries(part)) {
    if (keyword === "properties") for (const key of Object.keys(inner)) keys.add(key);
    collectSchemaKeys(inner, keys);
  }
}

test("the schema has the options that the types have, and each has a description", () => {
  const { properties } = schema.definitions["neighbor-options"];
  const kebab = (name: string) => name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  // What a neighbor is told of own restarts stands in the section of its restarts.
  const { ownRestart: _, ...effects } = CHANGE_EFFECTS;
  const options = [...Object.keys(effects), "address"].map(kebab);
  expect(Object.keys(properties).sort()).toEqual(options.sort());
  for (const [name, option] of Object.entries(properties)) {
    expect(option.description, name).toMatch(/\.$/);
  }
});

describe("that routes of the other family would have no next hop is said of", () => {
  const others: Readonly<Record<string, string | null>> = {
    "192.0.2.1": null,
    "192.0.2.2": "2001:db8::2",
    "2001:db8::1": null,
  };
  const warningsOf = (options: string) => {
    const text = `router: { as: 64500, id: 192.0.2.1 }
neighbors: [{ as: 64501, import: accept-all, ${options} }]
defaults: { export: accept-all }
policies: { hop: [{ set: { next-hop: "2001:db8::9" }, then: accept }] }
`;
    const sources = { ...SOURCES, otherAddress: (address: string) => others[address] };
    const { mistakes, warnings } = loadConfig("test.yaml", text, sources);
    expect(mistakes).toEqual([]);
    return formatMistakes(warnings).filter((line) => line.includes("next hop"));
  };
  const both = "families: [ipv4-unicast, ipv6-unicast]";
  const over4 = `address: 192.0.2.9, ${both}`;
  const over6 = `address: "2001:db8::9", ${both}`;
  const reason = (local: string) => `the interface of ${local} has no address for their next hop`;

  test.each([
    ["an address without one beside it", `${over4}, local-address: 192.0.2.1`, "192.0.2.1"],
    ["the same over IPv6", `${over6}, local-address: "2001:db8::1"`, "2001:db8::1"],
  ])("%s", (_title, options, local) => {
    const address = options.split(/[ ,]+/)[1]!.replaceAll('"', "");
    const family = local.includes(":") ? "ipv4-unicast" : "ipv6-unicast";
    expect(warningsOf(options)).toEqual([
      `test.yaml:2:13: neighbor ${address} is sent no ${family} routes: ${reason(local)}`,
    ]);
  });

  test.each([
    ["an address that has one beside it", `${over4}, local-address: 192.0.2.2`],
    ["an address that this host does not have", `${over4}, local-address: 192.0.2.3`],
    ["no address", over4],
    ["one family", "address: 192.0.2.9, local-address: 192.0.2.1"],
    ["next hops that stay", `${over4}, local-address: 192.0.2.1, next-hop: unchanged`],
    ["next hops of policy", `${over4}, local-address: 192.0.2.1, export: hop`],
    ["IPv6 for all", `${over6}, local-address: "2001:db8::1", extended-next-hop: true`],
  ])("but not of %s", (_title, options) => {
    expect(warningsOf(options)).toEqual([]);
  });
});

describe("what a neighbor does not say comes from its group, then from the defaults", () => {
  const more =
    "groups: { g: { hold-time: 60, passive: true } }\ndefaults: { hold-time: 30, port: 99 }";

  test("in this order", () => {
    const found = neighborOf("group: g, hold-time: 0", more);
    expect([found.holdTime, found.passive, found.port]).toEqual([0, true, 99]);
    expect(neighborOf("group: g", more).holdTime).toBe(60);
    expect(neighborOf("group: g, max-prefix: 5", more).maxPrefix).toMatchObject({
      ipv4Unicast: 5,
      ipv6Unicast: 5,
      action: "shutdown",
      warnPercent: 80,
    });
  });

  test("and sections key by key; a word is the mode of graceful restart", () => {
    const layers = "groups: { g: { graceful-restart: { restart-time-max: 60 } } }";
    const found = (options: string) => neighborOf(`group: g, ${options}`, layers).gracefulRestart;
    expect(found("graceful-restart: off")).toEqual({ mode: "off", restartTimeMax: 60 });
    expect(found("graceful-restart: { restart-time-max: 90 }")).toEqual({
      mode: "helper",
      restartTimeMax: 90,
    });
    expect(neighborOf("").gracefulRestart).toEqual({ mode: "helper", restartTimeMax: 4095 });
  });

  const rows: [string, Partial<NeighborConfig>][] = [
    [
      "",
      { import: [], export: [], nextHop: "self", enforceFirstAs: true, families: ["ipv4-unicast"] },
    ],
    ["ebgp-requires-policy: false", { import: ["accept-all"], export: ["accept-all"] }],
    ["as: 64500", { import: ["accept-all"], export: ["accept-all"], nextHop: "unchanged" }],
    ["local-as: 64501", { import: ["accept-all"], nextHop: "unchanged", localAs: 64501 }],
    [
      "route-server-client: true",
      {
        nextHop: "unchanged",
        honorWellKnownCommunities: false,
        sendSameAs: false,
        pathHiding: "mitigate",
      },
    ],
    ["route-server-client: true, next-hop: self", { nextHop: "self" }],
    ["address: 2001:db8::1", { families: ["ipv6-unicast"] }],
    ["hold-time: 180", { holdTime: 180 }],
  ];
  test.each(rows)("{ %s }: %j", (options, want) => {
    const keys = ["address", "as"].filter((key) => !options.includes(`${key}:`) || key === "as");
    const own = options.startsWith("as:") ? [] : ["as: 64501"];
    const address = keys.includes("address") ? ["address: 192.0.2.11"] : [];
    const all = [...address, ...own, ...(options === "" ? [] : [options])].join(", ");
    const { config } = loadText(`neighbors: [ { ${all} } ]`);
    expect(config!.neighbors[0]).toMatchObject(want);
  });
});

test("a minimal file listens on all addresses", () => {
  const { config, mistakes, warnings } = loadText("");
  expect(mistakes).toEqual([]);
  expect(warnings.map(({ message }) => message)).toEqual(["no neighbors"]);
  expect(config).toMatchObject({
    listen: [
      { address: "0.0.0.0", port: 179 },
      { address: "::", port: 179 },
    ],
    http: null,
    log: { level: "info", file: null },
    nsr: null,
    mirrors: null,
    rpki: null,
  });
});

test("aliases and merge keys may be used", () => {
  const { config, mistakes } = loadText(
    [
      "groups:",
      "  a: &a { hold-time: 9, passive: true }",
      "  b: { <<: *a, hold-time: 12 }",
      "neighbors:",
      "  - { address: 192.0.2.11, as: 64501, group: a }",
      "  - { address: 192.0.2.12, as: 64501, group: b }",
    ].join("\n"),
  );
  expect(mistakes).toEqual([]);
  const found = config!.neighbors.map(({ holdTime, passive }) => [holdTime, passive]);
  expect(found).toEqual([
    [9, true],
    [12, true],
  ]);
});

test("names may be those that every object has", () => {
  const text = "policies: { constructor: [ { if: { prefix: toString }, then: accept } ] }";
  const unknown = loadText(`${text}\nneighbors: [ { address: 192.0.2.1, as: 1, group: valueOf } ]`);
  expect(unknown.mistakes.map(({ message }) => message)).toEqual([
    'prefix-list "toString" is not defined',
    'group "valueOf" is not defined',
  ]);
  const known = loadText(`${text}\nprefix-lists: { toString: [] }`);
  expect(known.mistakes).toEqual([]);
});

describe("every broken file", () => {
  const folder = join(HERE, "../../../test/broken");
  const wanted = readFileSync(join(folder, "expected.txt"), "utf8").trimEnd().split("\n");
  const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

  test.each(files)("%s is explained with file, line and column", (file) => {
    const text = readFileSync(join(folder, file), "utf8");
    const { config, mistakes } = loadConfig(file, text, sourcesIn(folder));
    expect(config).toBeNull();
    const start = wanted.indexOf(`# ${file}`);
    const end = wanted.findIndex((line, k) => k > start && line.startsWith("# "));
    expect(start).toBeGreaterThanOrEqual(0);
    const lines = wanted.slice(start + 1, end < 0 ? wanted.length : end);
    expect(formatMistakes(mistakes)).toEqual(lines);
  });
});

test("a thousand mistakes are all found, and the first hundred are printed", () => {
  const neighbors = Array.from(
    { length: 1000 },
    (_, k) => `  - { address: 10.0.${k >> 8}.${k & 255} }`,
  );
  const { mistakes } = loadText(`neighbors:\n${neighbors.join("\n")}`);
  expect(mistakes).toHaveLength(1000);
  const lines = formatMistakes(mistakes);
  expect(lines).toHaveLength(101);
  expect(lines[0]).toBe('test.yaml:3:5: neighbor 10.0.0.0 has no "as"');
  expect(lines[100]).toBe("and 900 more");
});

test("any text gives a configuration or mistakes with a place, never an exception", () => {
  const text = readFileSync(join(HERE, "everything.yaml"), "utf8");
  const texts = [
    "[".repeat(50_000),
    "{a: ".repeat(5000),
    "? [a]\n: b",
    "---\n---\n",
    "\u0000",
    "!!x y",
  ];
  for (let at = 0; at < text.length; at += 17) {
    texts.push(text.slice(0, at), `${text.slice(0, at)}${text.slice(at + 3)}`);
    if (at % 51 === 0) texts.push(`${text.slice(0, at)}: [{*%${text.slice(at)}`);
  }
  for (const broken of texts) {
    const { config, mistakes } = loadConfig("x", broken, SOURCES);
    expect(config === null).toBe(mistakes.length > 0);
    for (const { line, column } of mistakes) expect(Math.min(line, column)).toBeGreaterThan(0);
  }
});

const PEM_IN_KEYS: Readonly<Record<string, string>> = {
  "keys/a.crt": "-----BEGIN CERTIFICATE-----",
  "keys/a.key": "-----BEGIN PRIVATE KEY-----",
  "keys/ca.crt": "-----BEGIN CERTIFICATE-----",
};

describe("the files of configs/", () => {
  const all = existsSync(CONFIGS) ? readdirSync(CONFIGS).filter((f) => f.endsWith(".yaml")) : [];
  const textOf = (file: string) => readFileSync(join(CONFIGS, file), "utf8");
  const files = all.filter((file) => fileKind(textOf(file)) === "speaker");

  test.each(files)("%s names its schema, is accepted without a warning, and compiles", (file) => {
    const text = textOf(file);
    const schemaLine = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text);
    expect(existsSync(join(CONFIGS, schemaLine?.[1] ?? "none"))).toBe(true);
    const sources = sourcesIn(CONFIGS);
    const { config, mistakes, warnings } = loadConfig(file, text, {
      ...sources,
      filesLike: (pattern) => globSync(pattern, { cwd: CONFIGS }).sort(),
      // `tsbgp keys` makes them.
      readFile: (path) => PEM_IN_KEYS[path] ?? sources.readFile(path),
    });
    expect(formatMistakes([...mistakes, ...warnings])).toEqual([]);
    const policies = new Policies(config!, noSets, new ReasonTable());
    for (const neighbor of config!.neighbors) {
      policies.filter(neighbor.import, neighbor.localAs);
      policies.filter(neighbor.export, neighbor.localAs);
    }
  });
});

/** Compiling stores nothing. */
const unused = () => {
  throw new Error("no set is stored here");
};
const noSets = {
  bytesOf: unused,
  offsetOf: unused,
  lengthOf: unused,
  serialOf: unused,
  intern: unused,
  hold: unused,
  release: unused,
};
