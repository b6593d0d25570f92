/** The section of nonstop routing: what is filled in, and what does not go together. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type ConfigSources,
  formatMistakes,
  type LoadedConfig,
  loadConfig,
  type NsrConfig,
} from "../src/index.ts";

const PEM: Readonly<Record<string, string>> = {
  "a.crt": "-----BEGIN CERTIFICATE-----\n",
  "a.key": "-----BEGIN EC PRIVATE KEY-----\n",
  secret: "from a file\n",
  "locked.key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
};
const SOURCES = { readFile: (path: string) => PEM[path] ?? "", env: () => undefined };

function load(nsr: string, more = ""): LoadedConfig {
  const text = `router: { as: 64500, id: 192.0.2.1 }\n${more}\nnsr: { ${nsr} }\n`;
  return loadConfig("test.yaml", text, SOURCES);
}

function accepted(nsr: string): NsrConfig {
  const { config, mistakes } = load(nsr);
  expect(formatMistakes(mistakes)).toEqual([]);
  return config!.nsr!;
}

const SOCKET = "cluster: rs1, listen: /run/nsr.sock, peer: /run/nsr.sock";
const TCP =
  "cluster: rs1, listen: { address: 127.0.0.1, port: 1 }, peer: { address: ::1, port: 2 }";
const ADDRESS = "mode: address, service-addresses: [ { address: 192.0.2.1/24, interface: eth0 } ]";
const TLS = "tls: { cert: a.crt, key: a.key, ca: a.crt }";

test("a pair on one host needs a name and a path", () => {
  expect(accepted(SOCKET)).toEqual({
    cluster: "rs1",
    self: "",
    listen: { path: "/run/nsr.sock" },
    peers: [{ name: null, ways: [{ path: "/run/nsr.sock" }] }],
    mode: "shared",
    serviceAddresses: [],
    arbiter: { kind: "local", file: "/run/nsr.sock.role" },
    tls: null,
    heartbeatMs: 30,
    heartbeatMisses: 3,
    log: null,
    patienceMs: 300,
  });
});

test.each<[string, Partial<NsrConfig>]>([
  [`${SOCKET}, arbiter: local`, { arbiter: { kind: "local", file: "/run/nsr.sock.role" } }],
  [`${SOCKET}, arbiter: { file: /x }`, { arbiter: { kind: "local", file: "/x" } }],
  [
    `${TCP}, ${TLS}, arbiter: { etcd: http://127.0.0.1:2379/ }`,
    {
      arbiter: {
        ...{ kind: "etcd", endpoints: ["http://127.0.0.1:2379"], ttlSeconds: 3 },
        ...{ tls: null, user: null },
      },
    },
  ],
  [
    `${TCP}, ${TLS}, arbiter: { file: /x }`,
    {
      listen: { address: "127.0.0.1", port: 1 },
      peers: [{ name: null, ways: [{ address: "::1", port: 2 }] }],
    },
  ],
  [`${SOCKET}, ${TLS}`, { tls: { cert: PEM["a.crt"]!, key: PEM["a.key"]!, ca: PEM["a.crt"]! } }],
  [
    `${SOCKET}, ${ADDRESS}`,
    { serviceAddresses: [{ address: "192.0.2.1", bits: 24, interface: "eth0" }] },
  ],
])("{ %s } is accepted", (nsr, want) => {
  expect(accepted(nsr)).toMatchObject(want);
});

describe("several standbys", () => {
  const way = (address: string) => ({ address, port: 1791 });

  test("are named as docs/nonstop-routing.md shows it", () => {
    const docs = readFileSync(
      join(import.meta.dirname, "../../../docs/nonstop-routing.md"),
      "utf8",
    );
    const [, example = ""] = /```yaml\n(nsr:[^`]*)```/.exec(docs) ?? [];
    const text = `router: { as: 64500, id: 192.0.2.1 }\n${example}`;
    const readFile = (path: string) => PEM[path.endsWith(".key") ? "a.key" : "a.crt"]!;
    const { config, mistakes } = loadConfig("test.yaml", text, { ...SOURCES, readFile });
    expect(formatMistakes(mistakes)).toEqual([]);
    expect(config?.nsr?.peers).toEqual([
      { name: "b", ways: [way("10.9.0.2")] },
      { name: "c", ways: [way("10.9.0.3"), way("10.8.0.3")] },
    ]);
  });

  test("may all have one socket", () => {
    const { peers } = accepted("cluster: rs1, self: b, listen: /a, peers: { a: /a, b: /a, c: /a }");
    expect(peers).toEqual([
      { name: "a", ways: [{ path: "/a" }] },
      { name: "c", ways: [{ path: "/a" }] },
    ]);
  });

  test.each([
    ["cluster: rs1, listen: /a", /^"peer" is missing$/],
    [
      "cluster: rs1, listen: /a, peer: /a, peers: { b: /a }",
      /^"peer" and "peers" exclude each other$/,
    ],
    ["cluster: rs1, self: a, listen: /a, peers: { a: /a }", /^"peers" has no other side than a$/],
    ["cluster: rs1, listen: /a, peers: {}", /^"peers" must be .*not an empty section$/],
    ["cluster: rs1, listen: /a, peers: { 1: /a }", /^"1" is not a name/],
    ["cluster: rs1, listen: /a, peers: { b: [ /b, /b ] }", /^\/b appears twice$/],
    [
      "cluster: rs1, listen: /a, peers: { b: { address: 10.9.0.2, port: 1 } }",
      /^a TCP link needs .* --side a --side b makes certificates/,
    ],
  ])("{ %s }: %s", (nsr, message) => {
    const { config, mistakes } = load(nsr);
    expect(config).toBeNull();
    expect(mistakes[0]!.message).toMatch(message);
  });
});

describe("what does not go together is told in a sentence", () => {
  test.each([
    [`${SOCKET}, mode: address`, /^mode address needs "service-addresses"/],
    [`${SOCKET}, mode: address, service-addresses: []`, /must be a list .*, not an empty list$/],
    [`${SOCKET}, ${ADDRESS.replace("mode: address, ", "")}`, /^in mode shared both sides have all/],
    [`${SOCKET}, arbiter: { file: x }`, /^"x" must be a path from the root/],
    [
      `${SOCKET}, arbiter: { file: /x, etcd: "https://h" }`,
      /^"file" and "etcd" exclude each other$/,
    ],
    [`${SOCKET}, arbiter: {}`, /^"arbiter" must be local, or a section .*, not an empty section$/],
    [`${SOCKET}, arbiter: remote`, /^"arbiter" must be local, or a section .*, not "remote"$/],
    [
      `${SOCKET}, heartbeat-ms: 500, arbiter: { etcd: "https://h", ttl: 1 }`,
      /^"ttl" must be longer than 3 heartbeats of 500 ms, and is 1 s$/,
    ],
    [
      `${TCP}, ${TLS}`,
      /^"arbiter" must say more when the link is TCP: \{ file: \/run\/ts-bgp\/rs1\.role \}/,
    ],
    [`${TCP}, ${TLS}, arbiter: local`, /^"arbiter" must say more/],
    [
      "cluster: rs1, listen: /a, peer: { address: 10.9.0.2, port: 1 }",
      /^a TCP link needs "tls", also on one host/,
    ],
    [
      `${TCP}, self: b, arbiter: { file: /x }`,
      /^a TCP link needs .* \(tsbgp keys DIR --cluster rs1 --side b --side a makes certificates\)/,
    ],
    ["cluster: rs1, listen: /a, peer: [ /b, /b ]", /^\/b appears twice$/],
    ["cluster: rs1, listen: /a, peer: []", /^"peer" must be a path, .*, not an empty list$/],
    ["listen: /a, peer: /a", /^"cluster" is missing$/],
    [`${SOCKET}, tls: { cert: a.crt, key: a.crt, ca: a.crt }`, /^a\.crt has no private key/],
    [`${SOCKET}, tls: { cert: a.key, key: a.key, ca: a.crt }`, /^a\.key has no certificate/],
    [`${SOCKET}, tls: { cert: a.crt, key: locked.key, ca: a.crt }`, /^locked\.key is encrypted/],
    [`${SOCKET}, tls: { cert: a.crt }`, /^"(key|ca)" is missing$/],
  ])("{ %s }: %s", (nsr, message) => {
    const { config, mistakes } = load(nsr);
    expect(config).toBeNull();
    expect(mistakes[0]!.message).toMatch(message);
    if (!nsr.includes("tls: { cert: a.crt }")) expect(mistakes).toHaveLength(1);
  });
});

describe("etcd", () => {
  const etcd = (text: string) => `${SOCKET}, arbiter: { etcd: ${text} }`;
  const MEMBER = "endpoints: https://192.0.2.1:2379";

  test.each<[string, object]>([
    ["https://etcd.example.net:2379", { tls: null, user: null }],
    ["http://localhost:2379", { endpoints: ["http://localhost:2379"] }],
    ['"http://[::1]:2379/"', { endpoints: ["http://[::1]:2379"] }],
    ["[ http://127.0.0.9:2379, https://h ]", { endpoints: ["http://127.0.0.9:2379", "https://h"] }],
    ["{ endpoints: http://192.0.2.1:2379, insecure: true }", { tls: null, user: null }],
    [
      `{ ${MEMBER}, tls: { ca: a.crt } }`,
      { tls: { ca: PEM["a.crt"], cert: null, key: null, serverName: null } },
    ],
    [
      `{ ${MEMBER}, tls: { cert: a.crt, key: a.key, server-name: etcd } }`,
      { tls: { ca: null, cert: PEM["a.crt"], key: PEM["a.key"], serverName: "etcd" } },
    ],
    [
      `{ ${MEMBER}, user: u, password: { file: secret } }`,
      { user: { name: "u", password: "from a file" } },
    ],
  ])("%s is accepted", (text, want) => {
    expect(accepted(etcd(text)).arbiter).toMatchObject({ kind: "etcd", ...want });
  });

  test.each<[string, string, RegExp]>([
    [
      "http://192.0.2.1:2379",
      "http://192",
      /^http:\/\/192\.0\.2\.1:2379 is plain HTTP and leaves this host/,
    ],
    [
      "[ http://127.0.0.1:1, http://h ]",
      "http://h",
      /^http:\/\/h is plain HTTP.*insecure: true \}$/,
    ],
    ["{ endpoints: [ http://127.0.0.1.example.net ] }", "http://127", /is plain HTTP/],
    ["{ endpoints: http://h, insecure: false }", "http://h", /is plain HTTP/],
    ["https://:2379", "https://:", /^"https:\/\/:2379" is no URL/],
    ["https://h:port", "https://h", /^"https:\/\/h:port" is no URL/],
    ["https://user@h", "https://u", /must be a URL/],
    ["{}", "{}", /^"endpoints" is missing$/],
    ["{ insecure: true }", "{ insecure", /^"endpoints" is missing$/],
    ["{ endpoints: [] }", "[]", /not an empty list$/],
    [`{ ${MEMBER}, tls: {} }`, "{} }", /^"tls" must be a section with ca.*not an empty section$/],
    [`{ ${MEMBER}, tls: { cert: a.crt } }`, "cert:", /^"cert" needs "key"$/],
    [`{ ${MEMBER}, tls: { key: a.key } }`, "key:", /^"key" needs "cert"$/],
    [`{ ${MEMBER}, tls: { ca: a.key } }`, "a.key", /^a\.key has no certificate/],
    [
      "{ endpoints: http://127.0.0.1:1, tls: { ca: a.crt } }",
      "tls:",
      /^"tls" needs endpoints of https$/,
    ],
    [`{ ${MEMBER}, user: u }`, "user:", /^"user" needs "password"$/],
    [`{ ${MEMBER}, password: { file: secret } }`, "password:", /^"password" needs "user"$/],
    [`{ ${MEMBER}, user: u, password: { file: none } }`, "{ file: none", /^the secret is empty$/],
    [
      `{ ${MEMBER}, user: u, password: { env: NONE } }`,
      "{ env",
      /^environment variable NONE is not set/,
    ],
  ])("%s is refused, at %s", (text, at, message) => {
    const { config, mistakes } = load(etcd(text));
    expect(config).toBeNull();
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatchObject({ line: 3, message: expect.stringMatching(message) });
    expect(`nsr: { ${etcd(text)} }`.slice(mistakes[0]!.column - 1).startsWith(at)).toBe(true);
  });

  test("a password in clear is warned of", () => {
    const { warnings } = load(etcd(`{ ${MEMBER}, user: u, password: clear }`));
    expect(warnings.at(-1)?.message).toMatch(/stands in clear/);
  });
});

describe("what the host says of it", () => {
  const NSR = `${SOCKET}, arbiter: { file: /tmp/rs1.role }`;
  const at = (nsr: string, sources: Partial<ConfigSources>) =>
    loadConfig("test.yaml", `router: { as: 64500, id: 192.0.2.1 }\nnsr: { ${nsr} }\n`, {
      ...SOURCES,
      ...sources,
    });

  test("a folder that others can write to is told once for each path", () => {
    const { mistakes } = at(NSR, { folderProblem: (path) => `${path} is open` });
    expect(formatMistakes(mistakes)).toEqual([
      "test.yaml:2:30: /run/nsr.sock is open",
      "test.yaml:2:83: /tmp/rs1.role is open",
    ]);
  });

  test("so it is with the control socket, where the file names one", () => {
    const load = (control: string) => {
      const text = `router: { as: 64500, id: 192.0.2.1 }\n${control}`;
      const folderProblem = (path: string) => `${path} is open`;
      return formatMistakes(loadConfig("test.yaml", text, { ...SOURCES, folderProblem }).mistakes);
    };
    expect(load("control: { socket: /tmp/x.sock }\n")).toEqual([
      "test.yaml:2:20: /tmp/x.sock is open",
    ]);
    expect(load("control: { socket: x.sock }\n")).toEqual([]);
    expect(load("")).toEqual([]);
  });

  test("a certificate that cannot be used is a mistake, one that is old is warned of", () => {
    const old = at(`${SOCKET}, ${TLS}`, {
      certificateProblem: (_, cluster) => ({ mistake: "", warning: `old, of ${cluster}` }),
    });
    expect(formatMistakes(old.warnings)).toContain("test.yaml:2:79: old, of rs1");
    const none = at(`${SOCKET}, ${TLS}`, {
      certificateProblem: () => ({ mistake: "of no use", warning: "" }),
    });
    expect(formatMistakes(none.mistakes)).toEqual(["test.yaml:2:79: of no use"]);
  });
});

describe("in mode address", () => {
  const neighbor = (options: string) =>
    `neighbors: [ { address: 10.0.0.9, as: 64501, ebgp-requires-policy: false, ${options} } ]`;

  test.each([
    ["local-address: 192.0.2.1", null],
    ["local-address: 192.0.2.2", /^192\.0\.2\.2 is not one of the service addresses/],
    ["local-address: 192.0.2.2, nsr: required", /^192\.0\.2\.2 is not one of the service/],
    ["local-address: 192.0.2.2, nsr: off", null],
    ["nsr: required", null],
  ])("a neighbor with %s: %s", (options, message) => {
    const { mistakes } = load(`${SOCKET}, ${ADDRESS}`, neighbor(options));
    const messages = mistakes.map((mistake) => mistake.message);
    expect(messages).toEqual(message === null ? [] : [expect.stringMatching(message)]);
  });

  test("an address to listen on that does not move is warned of", () => {
    const listen = `listen: [ 192.0.2.1, 192.0.2.2, "::" ]\n${neighbor("passive: true")}`;
    const found = load(`${SOCKET}, ${ADDRESS}`, listen);
    expect(formatMistakes(found.warnings)).toEqual([
      "test.yaml:2:22: 192.0.2.2 is not a service address: sessions with it end with this side",
    ]);
    expect(load(SOCKET, listen).warnings).toEqual([]);
  });
});

describe("the option nsr of a neighbor", () => {
  const layers = (option: string) =>
    `defaults: { import: accept-all, export: accept-all, nsr: required }
groups: { g: { nsr: off } }
neighbors: [ { address: 10.0.0.9, as: 64501${option} } ]`;

  test.each([
    ["", "required"],
    [", group: g", "off"],
    [", group: g, nsr: preferred", "preferred"],
  ])("comes from the nearest section: {%s} is %s", (option, want) => {
    expect(load(SOCKET, layers(option)).config?.neighbors[0]?.nsr).toBe(want);
  });
});

describe("the log of a standby", () => {
  const at = (more: string, sources: object = {}) => {
    const text = `router: { as: 64500, id: 192.0.2.1 }\nnsr: { ${SOCKET}, ${more} }\n`;
    const { config, mistakes, warnings } = loadConfig("test.yaml", text, {
      ...SOURCES,
      ...sources,
    });
    return { log: config?.nsr?.log, told: formatMistakes([...mistakes, ...warnings]) };
  };

  test("has a folder, and a bound", () => {
    expect(at("log: /var/lib/ts-bgp").log).toEqual({
      directory: "/var/lib/ts-bgp",
      octetsMax: 256_000_000,
    });
    expect(at("log: /log, log-mb: 1").log?.octetsMax).toBe(1_000_000);
  });

  test.each([
    ["log: var/lib", '"var/lib" must be a path from the root, such as /var/lib/ts-bgp'],
    ["log-mb: 5", '"log-mb" has no meaning without "log"'],
    ["log: /log, log-mb: 0", '"log-mb" must be a number of megabytes (1 to 100000), not 0'],
  ])("%s is told of", (more, mistake) => {
    expect(at(more).told.join()).toContain(mistake);
  });

  test("a folder that is open to others is a mistake", () => {
    const { told } = at("log: /log/", { folderProblem: (file: string) => `${file} is open` });
    expect(told.join()).toContain("/log/log is open");
  });

  test("a folder that cannot be written is told of", () => {
    const { log, told } = at("log: /log", { cannotWrite: (path: string) => `not to ${path}` });
    expect(told.join()).toContain("not to /log");
    expect(log).not.toBe(null);
  });
});
