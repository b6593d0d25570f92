/** The file of a forwarding module, and the section of those who follow. */
import { describe, expect, test } from "vitest";
import { fileKind, formatMistakes, loadConfig, loadForward } from "../src/index.ts";

const SOURCES = {
  readFile: (path: string) =>
    path.endsWith(".key") ? "-----BEGIN PRIVATE KEY-----" : "-----BEGIN CERTIFICATE-----",
  env: () => undefined,
};

const load = (text: string) => loadForward("forward.yaml", text, SOURCES);
const mistakesIn = (text: string) => formatMistakes(load(text).mistakes);

test("what a file does not say is filled in", () => {
  expect(load("{ servers: /run/rs1.sock, forward: {} }").config).toEqual({
    servers: [{ path: "/run/rs1.sock" }],
    name: "followers",
    tls: null,
    table: 254,
    nextHopTable: 254,
    linkLocalInterface: "",
    metric: 32,
    nextHopGroups: false,
    families: ["ipv4", "ipv6"],
    keepSeconds: 3600,
    control: { socket: "/run/ts-bgp/forward.sock" },
    log: { level: "info", file: null },
  });
});

test("everything that a file says is taken", () => {
  const text = `
servers: [ /run/a.sock, { address: 192.0.2.1, port: 1799 } ]
name: rs1
tls: { cert: a.crt, key: a.key, ca: ca.crt }
forward:
  { table: 1000, next-hop-table: 1001, link-local-interface: eth1, metric: 7,
    next-hop-groups: auto, families: [ ipv6 ], keep-seconds: 0 }
control: { socket: /run/f.sock }
log: { level: warn, file: /var/log/f }
`;
  expect(load(text).config).toEqual({
    servers: [{ path: "/run/a.sock" }, { address: "192.0.2.1", port: 1799 }],
    name: "rs1",
    tls: {
      cert: "-----BEGIN CERTIFICATE-----",
      key: "-----BEGIN PRIVATE KEY-----",
      ca: "-----BEGIN CERTIFICATE-----",
    },
    linkLocalInterface: "eth1",
    nextHopGroups: true,
    ...{ table: 1000, nextHopTable: 1001, metric: 7, families: ["ipv6"], keepSeconds: 0 },
    control: { socket: "/run/f.sock" },
    log: { level: "warn", file: "/var/log/f" },
  });
});

test.each([
  ["{ forward: {} }", ['forward.yaml:1:1: "servers" is missing']],
  ["{ servers: /run/a.sock }", ['forward.yaml:1:1: "forward" is missing']],
  [
    "{ servers: [ { address: 192.0.2.1, port: 1 } ], forward: {} }",
    [
      'forward.yaml:1:14: TCP needs "tls", also on one host (tsbgp keys DIR --cluster followers makes certificates)',
    ],
  ],
  [
    "{ servers: a.sock, forward: { table: 255 } }",
    [
      'forward.yaml:1:12: "a.sock" must be a path from the root, such as /run/ts-bgp/nsr.sock',
      'forward.yaml:1:38: "table" must be the number of a routing table (1 to 4294967295, but 255), not 255',
    ],
  ],
  [
    "{ servers: /run/a.sock, forward: { families: [ ipv5 ], keep: 1 } }",
    [
      'forward.yaml:1:48: must be ipv4 or ipv6, not "ipv5", did you mean "ipv4"?',
      'forward.yaml:1:56: unknown key "keep", did you mean "keep-seconds"?',
    ],
  ],
])("%s has mistakes", (text, mistakes) => {
  expect(mistakesIn(text)).toEqual(mistakes);
});

test.each([
  ["{ servers: /run/a.sock, forward: {} }", true],
  ["router: { as: 1, id: 192.0.2.1 }\n# servers: none", false],
])("%s is told from other files", (text, is) => {
  expect(fileKind(text) === "forward").toBe(is);
});

describe("a section followers", () => {
  const mistakes = (followers: string) => {
    const text = `router: { as: 1, id: 192.0.2.1 }\nfollowers: ${followers}`;
    return formatMistakes(loadConfig("rs.yaml", text, SOURCES).mistakes);
  };

  const LOST =
    'rs.yaml:2:1: followers lose all routes when this speaker restarts: a pair ("nsr") or neighbors with ' +
    '"graceful-restart: full" keep them';

  test.each([
    ["helper", "", [LOST]],
    ["off", "", [LOST]],
    ["{ mode: full }, enabled: false", "", [LOST]],
    ["full", "", []],
    ["helper", "nsr: { cluster: rs1, listen: /run/n, peer: /run/m }", []],
  ])("of a speaker whose neighbor has %s %s is warned of where a restart loses all", (...row) => {
    const [mode, nsr, expected] = row;
    const neighbor = `{ address: 192.0.2.11, as: 2, graceful-restart: ${mode} }`;
    const text = [
      "router: { as: 1, id: 192.0.2.1 }",
      "followers: { listen: /run/f.sock }",
      "defaults: { import: accept-all, export: accept-all }",
      `neighbors: [ ${neighbor} ]`,
      nsr,
    ];
    const { warnings, mistakes: none } = loadConfig("rs.yaml", text.join("\n"), SOURCES);
    expect(none).toEqual([]);
    expect(formatMistakes(warnings)).toEqual(expected);
  });

  test.each([
    ["{ listen: /run/f.sock }", []],
    ["{}", ['rs.yaml:2:12: "listen" is missing']],
    [
      "{ listen: { address: 127.0.0.1, port: 1799 }, name: rs1 }",
      [
        'rs.yaml:2:22: TCP needs "tls", also on one host (tsbgp keys DIR --cluster rs1 makes certificates)',
      ],
    ],
    [
      "{ listen: /run/f.sock, name: pair }\nnsr: { cluster: pair, listen: /run/n, peer: /run/n }",
      [
        `rs.yaml:2:41: "pair" is the pair's own name: certificates of followers would open its link`,
      ],
    ],
    [
      "{ listen: /run/f.sock, max: 0 }",
      ['rs.yaml:2:40: "max" must be a number of followers (1 to 64), not 0'],
    ],
  ])("%s", (text, expected) => {
    expect(mistakes(text)).toEqual(expected);
  });
});
