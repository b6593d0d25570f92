import { describe, expect, test } from "vitest";
import {
  CHANGE_EFFECTS,
  type Config,
  diffConfig,
  loadConfig,
  reloadRefusal,
} from "../src/index.ts";

function load(text: string): Config {
  const sources = { readFile: () => "10.0.0.0/8\n", env: () => "secret" };
  const { config, mistakes } = loadConfig("test.yaml", text, sources);
  expect(mistakes).toEqual([]);
  return config!;
}

const BASE = `
router: { as: 64500, id: 192.0.2.1 }
groups:
  clients: { import: in, export: out }
neighbors:
  - { address: 192.0.2.11, as: 64501, group: clients }
  - { address: 192.0.2.12, as: 64502, group: clients }
  - { address: 192.0.2.13, as: 64503, group: clients, import: other }
prefix-lists: { bogons: [ 10.0.0.0/8 ] }
policies:
  in:
    - { name: bogons, if: { not: { any: [ { prefix: bogons } ] } }, then: reject }
    - { then: accept }
  other: [ { then: accept } ]
  out: [ { then: accept } ]
`;
const NOTHING = { added: [], removed: [], changed: [], policies: [], global: [] };

test("a file that only looks different changes nothing", () => {
  const moved = `# comment\n\n${BASE}`.replace(
    "as: 64501, group: clients",
    "group: clients, as: 64501",
  );
  expect(diffConfig(load(BASE), load(moved))).toEqual(NOTHING);
});

test("neighbors come and go", () => {
  const next = load(BASE.replace("192.0.2.12", "192.0.2.99"));
  const diff = { ...NOTHING, added: ["192.0.2.99"], removed: ["192.0.2.12"] };
  expect(diffConfig(load(BASE), next)).toEqual(diff);
});

test("a list changes the policies that use it, and the neighbors that use those", () => {
  const next = load(BASE.replace("10.0.0.0/8", "10.0.0.0/9"));
  const change = { options: [], reset: false, import: true, export: false };
  expect(diffConfig(load(BASE), next)).toEqual({
    ...NOTHING,
    policies: ["in"],
    changed: ["192.0.2.11", "192.0.2.12"].map((address) => ({ address, ...change })),
  });
});

test("a policy for export changes what is sent", () => {
  const next = load(BASE.replace("out: [ { then", "out: [ { set: { med: 5 }, then"));
  const { changed, policies } = diffConfig(load(BASE), next);
  expect(policies).toEqual(["out"]);
  expect(changed.map((change) => [change.import, change.export, change.reset])).toEqual([
    [false, true, false],
    [false, true, false],
    [false, true, false],
  ]);
});

test("another router id resets all sessions", () => {
  const { changed, global } = diffConfig(
    load(BASE),
    load(BASE.replace("192.0.2.1 ", "192.0.2.2 ")),
  );
  expect(global).toEqual(["router"]);
  expect(changed.map(({ reset }) => reset)).toEqual([true, true, true]);
});

test.each(["listen: []", "control: { socket: /x }", "http: { port: 1 }", "log: { level: warn }"])(
  "%s touches no session",
  (line) => {
    const key = line.split(":")[0]!;
    expect(diffConfig(load(BASE), load(`${BASE}${line}\n`))).toEqual({ ...NOTHING, global: [key] });
  },
);

describe("a pair is what it was at the start", () => {
  const pair = "nsr: { cluster: rs1, listen: /run/a.sock, peer: /run/a.sock }\n";
  const other = "nsr: { cluster: rs2, listen: /run/a.sock, peer: /run/b.sock, patience-ms: 10 }\n";
  test.each([
    ["", "", null],
    [pair, pair, null],
    ["", pair, /^the section nsr is new: /],
    [pair, "", /^the section nsr is gone: /],
    [pair, other, /^the section nsr has another cluster, peer, patience-ms: that takes a restart/],
  ])("%j, then %j", (before, after, refusal) => {
    const [old, next] = [load(BASE + before), load(BASE + after)];
    const global = refusal === null ? [] : ["nsr"];
    expect(diffConfig(old, next)).toEqual({ ...NOTHING, global });
    if (refusal === null) expect(reloadRefusal(old, next)).toBeNull();
    else expect(reloadRefusal(old, next)).toMatch(refusal);
  });
});

/** Options of the second neighbor, in place of `as: 64502, group: clients`, with one changed. */
const OTHER: Readonly<Record<keyof typeof CHANGE_EFFECTS, string>> = {
  group: "as: 64502, import: in, export: out",
  as: "as: 64509, group: clients",
  description: "as: 64502, group: clients, description: x",
  enabled: "as: 64502, group: clients, enabled: false",
  passive: "as: 64502, group: clients, passive: true",
  port: "as: 64502, group: clients, port: 1179",
  localAddress: "as: 64502, group: clients, local-address: 192.0.2.1",
  localAs: "as: 64502, group: clients, local-as: 64499",
  speaker: "as: 64502, group: clients, speaker: b",
  holdTime: "as: 64502, group: clients, hold-time: 30",
  holdTimeMin: "as: 64502, group: clients, hold-time-min: 20",
  requireCapabilities: "as: 64502, group: clients, require-capabilities: route-refresh",
  connectRetry: "as: 64502, group: clients, connect-retry: 7",
  delayOpen: "as: 64502, group: clients, delay-open: 2",
  families: "as: 64502, group: clients, families: [ ipv6-unicast ]",
  routeServerClient:
    "as: 64502, group: clients, route-server-client: true, next-hop: self, " +
    "honor-well-known-communities: true, honor-graceful-shutdown: true, send-same-as: true",
  routeReflectorClient:
    "as: 64502, group: clients, route-reflector-client: true, local-as: 64502, next-hop: self",
  nextHop: "as: 64502, group: clients, next-hop: unchanged",
  import: "as: 64502, group: clients, import: other",
  export: "as: 64502, group: clients, export: other",
  blackhole: "as: 64502, group: clients, blackhole: { prefixes: bogons }",
  ebgpRequiresPolicy: "as: 64502, group: clients, ebgp-requires-policy: false",
  enforceFirstAs: "as: 64502, group: clients, enforce-first-as: false",
  allowOwnAs: "as: 64502, group: clients, allow-own-as: 1",
  asSet: "as: 64502, group: clients, as-set: accept",
  pathAttribute: "as: 64502, group: clients, path-attribute: { discard: 40 }",
  addPath: "as: 64502, group: clients, add-path: { send: 2 }",
  extendedNextHop: "as: 64502, group: clients, extended-next-hop: true",
  extendedMessage: "as: 64502, group: clients, extended-message: true",
  gracefulRestart: "as: 64502, group: clients, graceful-restart: off",
  ownRestart: "as: 64502, group: clients, graceful-restart: { notification: true }",
  longLivedGracefulRestart: "as: 64502, group: clients, long-lived-graceful-restart: helper",
  role: "as: 64502, group: clients, role: peer",
  strictRole: "as: 64502, group: clients, strict-role: true, role: peer",
  password: "as: 64502, group: clients, password: { env: X }",
  ttlSecurity: "as: 64502, group: clients, ttl-security: 1",
  congestionControl: "as: 64502, group: clients, congestion-control: reno",
  bfd: "as: 64502, group: clients, bfd: true",
  multihop: "as: 64502, group: clients, multihop: 2",
  maxPrefix: "as: 64502, group: clients, max-prefix: 10",
  maxPrefixAccepted: "as: 64502, group: clients, max-prefix-accepted: 10",
  maxPrefixOut: "as: 64502, group: clients, max-prefix-out: 10",
  maxAsPath: "as: 64502, group: clients, max-as-path: 64",
  maxCommunities: "as: 64502, group: clients, max-communities: 100",
  honorWellKnownCommunities: "as: 64502, group: clients, honor-well-known-communities: false",
  honorGracefulShutdown: "as: 64502, group: clients, honor-graceful-shutdown: false",
  pathHiding: 'as: 64502, group: clients, path-hiding: "off"',
  nextBest: "as: 64502, group: clients, next-best: true",
  sendSameAs: "as: 64502, group: clients, send-same-as: false",
  sendRpkiState: "as: 64502, group: clients, send-rpki-state: true",
  acceptRpkiState: "as: 64502, group: clients, accept-rpki-state: true",
  keepRejected: "as: 64502, group: clients, keep-rejected: false",
  nsr: 'as: 64502, group: clients, nsr: "off"',
  vars: "as: 64502, group: clients, vars: { x: 1 }",
};
/** Options that cannot change alone. */
const TOGETHER: Readonly<Record<string, string[]>> = {
  routeReflectorClient: ["localAs"],
  strictRole: ["role"],
};

const MEMBERS = `
defaults: { speaker: a }
cluster: { self: a, members: { a: /run/a.sock, b: /run/b.sock } }
`;

test.each(Object.entries(OTHER))("option %s has the effect that the table says", (option, text) => {
  const base = option === "speaker" ? BASE + MEMBERS : BASE;
  const next = load(base.replace("as: 64502, group: clients", text));
  const { changed } = diffConfig(load(base), next);
  const effect = CHANGE_EFFECTS[option as keyof typeof CHANGE_EFFECTS];
  expect(changed).toHaveLength(1);
  const [change] = changed;
  expect(change!.address).toBe("192.0.2.12");
  expect([...change!.options].sort()).toEqual([option, ...(TOGETHER[option] ?? [])].sort());
  expect(change!.reset).toBe(effect === "reset");
  expect(change!.import).toBe(effect === "import" || effect === "both");
  expect(change!.export).toBe(effect === "export" || effect === "both");
});

test.each([
  ["add-path: { send: all }", "add-path: { send: 1 }", false, true],
  ["add-path: { send: 1 }", "add-path: { send: 7 }", false, true],
  ["add-path: { send: 1 }", "add-path: { receive: true, send: 1 }", true, false],
  ["add-path: { send: all }", "add-path: { send: 0 }", true, false],
  ["add-path: { send: 0 }", "add-path: { send: 2 }", true, false],
  [
    "graceful-restart: helper",
    "graceful-restart: { mode: helper, restart-time-max: 9 }",
    false,
    false,
  ],
  ["graceful-restart: { restart-time-max: 9 }", "graceful-restart: off", true, false],
  ["graceful-restart: { restart-time: 9 }", "graceful-restart: { restart-time: 8 }", false, false],
  ["graceful-restart: off", "graceful-restart: { mode: off, notification: true }", false, false],
  [
    "graceful-restart: { mode: full, restart-time: 9 }",
    "graceful-restart: { mode: full, restart-time: 8 }",
    true,
    false,
  ],
  [
    "long-lived-graceful-restart: { mode: helper, stale-time: 9 }",
    "long-lived-graceful-restart: { mode: helper, stale-time: 8 }",
    false,
    false,
  ],
  [
    "graceful-restart: full, long-lived-graceful-restart: { mode: full, stale-time: 9 }",
    "graceful-restart: full, long-lived-graceful-restart: { mode: full, stale-time: 8 }",
    true,
    false,
  ],
])("%s, then %s: only what is negotiated takes a reset", (before, after, reset, exports) => {
  const [old, next] = [before, after].map((text) =>
    load(BASE.replace("as: 64502, group: clients", `as: 64502, group: clients, ${text}`)),
  );
  const [change] = diffConfig(old!, next!).changed;
  expect(change).toMatchObject({ reset, import: false, export: exports });
});
