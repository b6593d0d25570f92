/** What the schema says of a key that a file does not have is what comes of it. */
import { expect, test } from "vitest";
import schema from "../schema/ts-bgp.schema.json" with { type: "json" };
import { type Config, formatMistakes, loadConfig } from "../src/index.ts";
import { CERTIFICATE, KEY } from "./sources.ts";

type Json = Readonly<Record<string, unknown>>;

/** A file in which each section stands that has a key with a default. */
const BASE = {
  router: { as: 64500, id: "192.0.2.1" },
  listen: [{ address: "192.0.2.1" }],
  control: {},
  http: { port: 9790 },
  log: {},
  nsr: {
    cluster: "rs1",
    listen: "/run/nsr.sock",
    peer: "/run/nsr.sock",
    arbiter: { etcd: { endpoints: "https://192.0.2.101:2379" } },
  },
  mirrors: { cluster: "rs1-mirrors", listen: "/run/mirrors.sock" },
  rpki: { caches: [{ address: "192.0.2.53" }] },
  bmp: { stations: [{ address: "192.0.2.54" }] },
  mrt: { dir: "/var/lib/mrt" },
  record: { dir: "/var/lib/record" },
  webhook: { url: "http://192.0.2.55" },
  followers: { listen: "/run/followers.sock" },
  neighbors: [
    {
      address: "192.0.2.11",
      as: 64501,
      "add-path": {},
      "graceful-restart": {},
      "long-lived-graceful-restart": {},
      "max-prefix": {},
      "max-prefix-accepted": {},
      "max-prefix-out": {},
      blackhole: {},
      bfd: { auth: { type: "keyed-md5", secret: "x" } },
    },
  ],
  "dynamic-neighbors": [{ prefix: "192.0.2.128/25", "as-numbers": 64502 }],
  static: [{ prefix: "198.51.100.0/24", "next-hop": "192.0.2.1" }],
  kernel: { protocols: "static", import: "accept-all" },
  policies: { one: { rules: [{ set: { prepend: { as: 64500 } } }] } },
};

/** As the schema says it. */
const WEBHOOK_DEFAULT = (
  schema.properties.webhook.properties.events.description.split(": ")[1] ?? ""
)
  .replace(/\.$/, "")
  .split(", ");

interface Described {
  /** Keys from the top of the file, with the first item of a list, and "one" for a name. */
  readonly path: readonly string[];
  /** What stands behind "Default" in the description. */
  readonly text: string;
}

/** @returns all keys whose description names a default; groups have the options of neighbors */
function collect(part: Json, path: readonly string[] = [], seen: readonly string[] = []) {
  const found: Described[] = [];
  const into = (inner: unknown, key: string | null, more: readonly string[] = seen) =>
    found.push(...collect(inner as Json, key === null ? path : [...path, key], more));
  const text = /\bDefault(:? .+?)\.$/.exec(String(part["description"] ?? ""))?.[1];
  if (text !== undefined) found.push({ path, text: text.trim() });
  const name = String(part["$ref"] ?? "").replace("#/definitions/", "") as "rule";
  if (name in schema.definitions && !seen.includes(name)) {
    const { description: _, ...definition } = schema.definitions[name] as Json;
    into(definition, null, [...seen, name]);
  }
  for (const inner of (part["allOf"] ?? []) as Json[]) into(inner, null);
  // What may be a list or a section with the same items is looked at as a section.
  if (part["items"] !== undefined && !("properties" in part)) into(part["items"], "0");
  if (part["propertyNames"] !== undefined) into(part["additionalProperties"], "one");
  for (const [key, inner] of Object.entries((part["properties"] ?? {}) as Json)) {
    if (path.length > 0 || !["defaults", "groups"].includes(key)) into(inner, key);
  }
  return found;
}

const DESCRIBED = collect(schema);
const LITERAL = DESCRIBED.filter(({ text }) => !text.startsWith(":"));
const IN_WORDS = DESCRIBED.filter(({ text }) => text.startsWith(":"));

/** A cluster excludes dynamic neighbors. */
const MEMBERS = {
  cluster: { self: "a", members: { a: "/run/a.sock", b: "/run/b.sock" } },
  defaults: { speaker: "a" },
  "dynamic-neighbors": [],
};

const BY_ETCD = {
  ...MEMBERS,
  cluster: {
    ...{ self: "a", listen: { address: "10.9.0.1", port: 1795 } },
    etcd: { endpoints: "https://192.0.2.101:2379" },
    tls: { cert: "a.crt", key: "a.key", ca: "ca.crt" },
  },
};

/** @returns the base with a value at a place, or with nothing there when it is undefined */
function fileWith(path: readonly string[], value: unknown): Json {
  const cluster = path[1] === "etcd" ? BY_ETCD : MEMBERS;
  const file: Json = structuredClone(path[0] === "cluster" ? { ...BASE, ...cluster } : BASE);
  let section = file as Record<string, unknown>;
  for (const key of path.slice(0, -1)) section = section[key] as Record<string, unknown>;
  section[path.at(-1)!] = value;
  return file;
}

function load(file: Json): Config {
  const text = JSON.stringify(file);
  const pem = (path: string) => {
    if (/^(a|ca)\.(crt|key)$/.test(path)) return path.endsWith("key") ? KEY : CERTIFICATE;
    throw new Error("no such file");
  };
  const { config, mistakes } = loadConfig("test.yaml", text, {
    readFile: pem,
    env: () => undefined,
  });
  expect(formatMistakes(mistakes)).toEqual([]);
  return config!;
}

test.each(LITERAL.map(({ path, text }) => [path.join(" "), text.split(":")[0]!, path] as const))(
  "%s is %s when it is not given",
  (_, text, path) => {
    const value = /^(true|false|\d+)$/.test(text) ? JSON.parse(text) : text;
    expect(load(fileWith(path, undefined))).toEqual(load(fileWith(path, value)));
  },
);

test("most defaults are values that can be written", () => {
  expect(LITERAL.length).toBeGreaterThan(35);
});

const NEIGHBOR = BASE.neighbors[0]!;
const neighborWith = (options: Json, config = load({ ...BASE, neighbors: [options] })) =>
  config.neighbors[0]!;
const external = neighborWith(NEIGHBOR);
const client = neighborWith({ ...NEIGHBOR, "route-server-client": true });
const internal = neighborWith({ ...NEIGHBOR, as: 64500 });

/** Defaults that depend on something, or are none: what is said of them, and what comes of it. */
const WORDS: Readonly<Record<string, readonly [text: string, found: unknown, expected: unknown]>> =
  {
    "router cluster-id": ["the BGP Identifier", load(BASE).router.clusterId, "192.0.2.1"],
    listen: [
      "all addresses, port 179. An empty list accepts none",
      load(fileWith(["listen"], undefined)).listen,
      ["0.0.0.0", "::"].map((address) => ({ address, port: 179 })),
    ],
    http: ["off", load(fileWith(["http"], undefined)).http, null],
    "http anonymous": [
      "where the address is of the loopback and there are no tokens, reader for requests whose Host is localhost or a loopback address and that no proxy hands on; else none",
      [
        ...["::1", "127.0.0.2", "192.0.2.1", "0.0.0.0"].map((address) => ({ address })),
        { tokens: [{ name: "noc", role: "operator", secret: "0123456789abcdef" }] },
      ].map((http) => load({ ...BASE, http: { port: 1, ...http } }).http?.anonymous),
      ["local", "local", "none", "none", "none"],
    ],
    "webhook events": [
      "session-up, session-down, max-prefix-reached, max-prefix-out, first-rejection, quarantine, rpki-source, nsr-takeover, nsr-lost-session, nsr-simplex, config-rolled-back, config-stuck",
      load(BASE).webhook?.events.join(", "),
      load(fileWith(["webhook", "events"], WEBHOOK_DEFAULT)).webhook?.events.join(", "),
    ],
    "log file": ["standard output", load(BASE).log.file, null],
    nsr: ["the speaker runs alone", load(fileWith(["nsr"], undefined)).nsr, null],
    "nsr self": ["host name and process id", load(BASE).nsr?.self, ""],
    "nsr arbiter file": [
      "the path of listen with .role behind it",
      load(fileWith(["nsr", "arbiter"], undefined)).nsr?.arbiter,
      { kind: "local", file: "/run/nsr.sock.role" },
    ],
    "nsr arbiter etcd tls ca": [
      "the authorities that Node.js comes with",
      load(fileWith(["nsr", "arbiter", "etcd", "tls"], { "server-name": "etcd" })).nsr?.arbiter,
      expect.objectContaining({ tls: expect.objectContaining({ ca: null }) }),
    ],
    mirrors: ["none", load(fileWith(["mirrors"], undefined)).mirrors, null],
    "mirrors names": ["any", load(BASE).mirrors?.names, []],
    "nsr log": ["nowhere", load(BASE).nsr?.log, null],
    "nsr service-addresses 0 interface": [
      "the one that has an address of the same subnet, which is right in a container, " +
        "where names change",
      load({
        ...BASE,
        nsr: { ...BASE.nsr, mode: "address", "service-addresses": [{ address: "192.0.2.1/24" }] },
      }).nsr?.serviceAddresses[0]?.interface,
      "",
    ],
    "policies one rules 0 name": [
      '"rule" and its place in the policy',
      load(BASE).policies["one"]?.rules[0]?.name,
      "rule 1",
    ],
    "neighbors 0 graceful-restart notification": [
      "true in mode full, else false",
      ["full", "helper"].map(
        (mode) => neighborWith({ ...NEIGHBOR, "graceful-restart": mode }).ownRestart.notification,
      ),
      [true, false],
    ],
    "neighbors 0 local-address": ["chosen by the system", external.localAddress, null],
    "neighbors 0 local-as": ["router as", external.localAs, 64500],
    "neighbors 0 families": [
      "that of the neighbor's address",
      [external, neighborWith({ ...NEIGHBOR, address: "2001:db8::9" })].map((one) => one.families),
      [["ipv4-unicast"], ["ipv6-unicast"]],
    ],
    "neighbors 0 next-hop": [
      "self to external neighbors, unchanged to internal ones and route server clients",
      [external, internal, client].map(({ nextHop }) => nextHop),
      ["self", "unchanged", "unchanged"],
    ],
    "neighbors 0 congestion-control": [
      "cubic, whatever the host's default is; the host's own where the kernel has no cubic",
      external.congestionControl,
      null,
    ],
    cluster: ["this speaker has all sessions", external.speaker, null],
    "cluster listen": [
      "the address of self under members; a side of a pair says which of these it has",
      load({ ...BASE, ...MEMBERS }).cluster?.listen,
      { path: "/run/a.sock" },
    ],
    "cluster etcd prefix": [
      "/ts-bgp/cluster/ and the name",
      load({ ...BASE, ...BY_ETCD }).cluster?.etcd?.prefix,
      "/ts-bgp/cluster/cluster",
    ],
    "cluster etcd tls ca": [
      "the authorities that Node.js comes with",
      load(fileWith(["cluster", "etcd", "tls"], { "server-name": "etcd" })).cluster?.etcd,
      expect.objectContaining({ tls: expect.objectContaining({ ca: null }) }),
    ],
    "neighbors 0 bfd multihop": [
      "whether the neighbor has multihop",
      [0, 2].map((multihop) => neighborWith({ ...NEIGHBOR, bfd: true, multihop }).bfd?.multihop),
      [false, true],
    ],
    "neighbors 0 honor-well-known-communities": [
      "false for route server clients, else true",
      [client, external, internal].map((one) => one.honorWellKnownCommunities),
      [false, true, true],
    ],
    "neighbors 0 honor-graceful-shutdown": [
      "false for route server clients, else true",
      [client, external, internal].map((one) => one.honorGracefulShutdown),
      [false, true, true],
    ],
    "neighbors 0 send-same-as": [
      "false for route server clients, else true",
      [client, external, internal].map(({ sendSameAs }) => sendSameAs),
      [false, true, true],
    ],
  };

test("each default in words is one of those that are looked at", () => {
  const told = IN_WORDS.map(({ path, text }) => [path.join(" "), text.slice(2)]);
  expect(Object.fromEntries(told)).toEqual(
    Object.fromEntries(Object.entries(WORDS).map(([path, [text]]) => [path, text])),
  );
});

test.each(Object.entries(WORDS))("%s, in words, is what it says", (_, [, found, expected]) => {
  expect(found).toEqual(expected);
});
