/** The file of a spare: what is filled in, what pairs must not have in common, and where that stands. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  fileKind,
  formatMistakes,
  type LoadedConfig,
  loadConfig,
  loadSpare,
} from "../src/index.ts";

const PEM = "-----BEGIN CERTIFICATE-----\n";
const KEY = "-----BEGIN EC PRIVATE KEY-----\n";

interface SideText {
  cluster?: string;
  socket?: string;
  listen?: string;
  http?: string;
  log?: string;
  link?: string;
  service?: string;
  arbiter?: string;
  mode?: string;
}

/** @returns the file of a side that has nothing in common with one of another number */
function side(number: number, more: SideText = {}): string {
  const text = {
    cluster: `rs${number}`,
    socket: `/run/ts-bgp/rs${number}.sock`,
    listen: `192.0.2.${number}`,
    http: `{ port: ${9000 + number} }`,
    log: `{ file: /var/log/rs${number} }`,
    link: `{ address: 10.9.0.1, port: ${1000 + 10 * number} }`,
    service: `192.0.2.${number}/24`,
    arbiter: `{ etcd: "http://127.0.0.1:2379" }`,
    mode: "address",
    ...more,
  };
  const service =
    text.mode === "address" ? [`service-addresses: [{ address: ${text.service} }]`] : [];
  const nsr = [
    `cluster: ${text.cluster}, listen: ${text.link}, peer: { address: 10.9.0.9, port: 1 }`,
    `mode: ${text.mode}, tls: { cert: c.crt, key: c.key, ca: c.crt }, arbiter: ${text.arbiter}`,
    ...service,
  ];
  return [
    "router: { as: 64500, id: 192.0.2.1 }",
    `listen: [ ${text.listen} ]`,
    `control: { socket: ${text.socket} }`,
    `http: ${text.http}`,
    `log: ${text.log}`,
    `nsr: { ${nsr.join(", ")} }`,
    "neighbors: [{ address: 192.0.2.76, as: 64501, import: accept-all, export: accept-all }]",
  ].join("\n");
}

function load(text: string, files: Readonly<Record<string, string>>) {
  const readFile = (path: string) => (path.endsWith(".key") ? KEY : PEM);
  return loadSpare("spare.yaml", text, {
    load: (path): LoadedConfig => {
      const found = files[path];
      if (found === undefined) throw new Error(`cannot read ${path}: no such file`);
      return loadConfig(path, found, { readFile, env: () => undefined });
    },
    queueOf: (cluster) => (cluster.startsWith("same") ? 7 : 1000 + cluster.charCodeAt(2)),
    controlSocket: "/run/ts-bgp/ts-bgp.sock",
  });
}

const FILES = { "1.yaml": side(1), "2.yaml": side(2) };

test("what a file does not say is filled in", () => {
  const { config, mistakes, warnings } = load("protects: [ 1.yaml, { file: 2.yaml } ]\n", FILES);
  expect(formatMistakes([...mistakes, ...warnings])).toEqual([]);
  expect(config).toEqual({
    control: { socket: "/run/ts-bgp/ts-bgp.sock" },
    http: null,
    pairs: [1, 2].map((number) => ({
      cluster: `rs${number}`,
      file: `${number}.yaml`,
      socket: `/run/ts-bgp/rs${number}.sock`,
      nice: 0,
      memoryMaxMb: null,
    })),
  });
});

test("what it says is taken", () => {
  const text = [
    "control: { socket: /x/spare.sock }",
    "http: { address: '::1', port: 9 }",
    "protects: [ { file: 1.yaml, nice: 5, memory-max-mb: 4000 } ]",
  ].join("\n");
  expect(load(text, FILES).config).toMatchObject({
    control: { socket: "/x/spare.sock" },
    http: { address: "::1", port: 9 },
    pairs: [{ nice: 5, memoryMaxMb: 4000 }],
  });
});

test("what is strange in the file of a pair is a warning", () => {
  const { warnings } = load("protects: [ 1.yaml ]", {
    "1.yaml": side(1).replace("import: accept-all, ", ""),
  });
  expect(formatMistakes(warnings)).toEqual([
    expect.stringMatching(/^1\.yaml:7:\d+: neighbor 192\.0\.2\.76 has no import/),
  ]);
});

describe("a mistake in the file itself", () => {
  test.each([
    ["", ["spare.yaml:1:1: the file is empty"]],
    ["control: {}", ['spare.yaml:1:1: "protects" is missing']],
    [
      "protects: []",
      ['spare.yaml:1:11: "protects" must be a list of configuration files, not an empty list'],
    ],
    [
      "protects: [ 5 ]",
      ["spare.yaml:1:13: must be the path of a file, or a section with file, not 5"],
    ],
    ["protects: [ { nice: 5 } ]", ['spare.yaml:1:13: "file" is missing']],
    [
      "protects: [ { file: 1.yaml, nise: 5 } ]",
      ['spare.yaml:1:29: unknown key "nise", did you mean "nice"?'],
    ],
    [
      "protects: [ { file: 1.yaml, nice: 20, memory-max-mb: 5 } ]",
      [
        'spare.yaml:1:35: "nice" must be a number from 0 to 19, not 20',
        'spare.yaml:1:54: "memory-max-mb" must be a number of megabytes from 100, not 5',
      ],
    ],
    [
      "http: { address: here, port: 1 }\nprotects: [ 1.yaml ]",
      ['spare.yaml:1:18: "here" is not an IP address'],
    ],
    ["protects: [ 1.yaml, 3.yaml ]", ["spare.yaml:1:21: cannot read 3.yaml: no such file"]],
    ["protects: [ 1.yaml", [expect.stringMatching(/^spare\.yaml:1:\d+: /)]],
  ])("%s", (text, lines) => {
    const { config, mistakes } = load(text, FILES);
    expect([config, formatMistakes(mistakes)]).toEqual([null, lines]);
  });
});

test("mistakes in the files of pairs stand beside those of the file", () => {
  const files = { "1.yaml": "router: { as: 0, id: 192.0.2.1 }\n", "2.yaml": side(2) };
  const { mistakes } = load("protects: [ 1.yaml, 2.yaml, 2.yaml ]", files);
  expect(formatMistakes(mistakes)).toEqual([
    "spare.yaml:1:29: 2.yaml has the cluster rs2, as rs2 has",
    '1.yaml:1:15: "as" must be an AS number (1 to 4294967295), not 0',
  ]);
});

describe("a pair that a spare cannot be a side of", () => {
  test.each([
    [
      "router: { as: 64500, id: 192.0.2.1 }",
      "1.yaml has no section nsr: there is nobody to take over from",
    ],
    [
      side(1, { mode: "shared" }),
      "1.yaml has nsr: mode: shared, where no address moves; a spare needs mode: address",
    ],
  ])("%#", (text, message) => {
    const { mistakes } = load("protects: [ 1.yaml ]", { "1.yaml": text });
    expect(formatMistakes(mistakes)).toEqual([`spare.yaml:1:13: ${message}`]);
  });
});

describe("two pairs must not have in common", () => {
  test.each<[string, SideText, SideText, string]>([
    ["the cluster", {}, { cluster: "rs1" }, "the cluster rs1, as rs1 has"],
    [
      "the control socket",
      {},
      { socket: "/run/ts-bgp/rs1.sock" },
      "the control socket /run/ts-bgp/rs1.sock, as rs1 has",
    ],
    [
      "the packet queue",
      { cluster: "same1" },
      { cluster: "same2" },
      "the packet queue 7, by its name, as same1 has",
    ],
    [
      "a service address",
      {},
      { service: "192.0.2.1/24" },
      "the service address 192.0.2.1, as rs1 has",
    ],
    [
      "the log file",
      {},
      { log: "{ file: /var/log/rs1 }" },
      "the log file /var/log/rs1, as rs1 has",
    ],
    [
      "the role file",
      { arbiter: "{ file: /run/x }" },
      { arbiter: "{ file: /run/x }" },
      "the role file /run/x, as rs1 has",
    ],
    ["the link", { link: "/run/l" }, { link: "/run/l" }, "the link /run/l, as rs1 has"],
    [
      "an address of BGP",
      {},
      { listen: "192.0.2.1" },
      "192.0.2.1 port 179 (listen), which rs1 has as well (listen)",
    ],
    [
      "an address among all",
      { listen: "0.0.0.0" },
      {},
      "192.0.2.2 port 179 (listen), which rs1 has as well (listen)",
    ],
    [
      "the port of metrics",
      {},
      { http: "{ port: 9001 }" },
      "127.0.0.1 port 9001 (http), which rs1 has as well (http)",
    ],
    [
      "the port of the heartbeats",
      {},
      { link: "{ address: 10.9.0.1, port: 1011 }" },
      "10.9.0.1 port 1011 (nsr: listen), which rs1 has as well (the heartbeats)",
    ],
  ])("%s", (_, one, other, message) => {
    const files = { "1.yaml": side(1, one), "2.yaml": side(2, other) };
    const { mistakes } = load("protects:\n  - 1.yaml\n  - 2.yaml\n", files);
    expect(formatMistakes(mistakes)).toEqual([`spare.yaml:3:5: 2.yaml has ${message}`]);
  });

  test("nor any of them with the spare", () => {
    const text = [
      "control: { socket: /run/ts-bgp/rs1.sock }",
      "http: { port: 9002 }",
      "protects: [ 1.yaml, 2.yaml ]",
    ].join("\n");
    expect(formatMistakes(load(text, FILES).mistakes)).toEqual([
      "spare.yaml:3:13: 1.yaml has the control socket /run/ts-bgp/rs1.sock, as the spare itself has",
      "spare.yaml:3:21: 2.yaml has 127.0.0.1 port 9002 (http), which the spare itself has as well (http)",
    ]);
  });
});

describe("the file of a spare is told from that of a speaker", () => {
  test.each<[string, boolean]>([
    ["protects: [ 1.yaml ]", true],
    ["# a spare\ncontrol: {}\nprotects:\n  - x", true],
    ['{"protects": ["x"]}', true],
    ["protects:", true],
    [side(1), false],
    ["# protects: all\nrouter: { as: 1, id: 1.1.1.1 }", false],
    ["neighbors: [ { description: 'protects: x' } ]", false],
    ["protects: [", false],
    ["", false],
  ])("%j: %s", (text, is) => {
    expect(fileKind(text) === "spare").toBe(is);
  });
});

test("configs/spare.yaml is one", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../configs/spare.yaml"), "utf8");
  expect(fileKind(text)).toBe("spare");
  expect(load(text, { "pair-two-hosts.yaml": side(1) }).config?.pairs).toHaveLength(1);
});
