/** A cluster whose members find each other by etcd. */
import { expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";
import { SOURCES } from "./sources.ts";

const NEIGHBORS = `
router: { as: 64500, id: 192.0.2.1 }
defaults: { import: accept-all, export: accept-all }
neighbors:
  - { address: 192.0.2.11, as: 64501, speaker: a }
  - { address: 192.0.2.12, as: 64502, speaker: somebody }
`;
const TLS = "tls: { cert: a.crt, key: a.key, ca: ca.crt }";
const LISTEN = "listen: { address: 10.9.0.1, port: 1795 }";
const ETCD = "etcd: { endpoints: https://192.0.2.101:2379 }";
const NSR = `
nsr: { cluster: rs1, self: x, listen: /run/x.sock, peers: { y: /run/y.sock, z: /run/z.sock } }`;

function load(text: string) {
  const { config, mistakes } = loadConfig("t.yaml", NEIGHBORS + text, SOURCES);
  return { config: config!, mistakes: formatMistakes(mistakes) };
}

test("any member may have a neighbor, and nothing more has to be said than where", () => {
  const { config, mistakes } = load(`cluster: { self: a, ${LISTEN}, ${ETCD}, ${TLS} }`);
  expect(mistakes).toEqual([]);
  expect(config.cluster).toMatchObject({
    ...{ name: "cluster", self: "a", members: [], listen: { address: "10.9.0.1", port: 1795 } },
    etcd: {
      ...{ endpoints: ["https://192.0.2.101:2379"], tls: null, user: null },
      ...{ prefix: "/ts-bgp/cluster/cluster", ttlSeconds: 10, sides: 1 },
    },
  });
  expect(config.neighbors.map(({ speaker }) => speaker)).toEqual([null, "somebody"]);
});

test("all that may be said is taken, and a pair has as many entries as sides", () => {
  const etcd = `etcd:
    endpoints: [ "http://192.0.2.101:2379/", "https://etcd.example.net:2379" ]
    prefix: /x/rs1/
    ttl-seconds: 30
    tls: { ca: ca.crt, server-name: etcd }
    user: ts-bgp
    password: { file: etcd.password }
    insecure: true`;
  const section = `cluster:\n  self: a\n  name: rs-cluster\n  ${LISTEN}\n  ${TLS}\n  ${etcd}${NSR}`;
  const { config, mistakes } = load(section);
  expect(mistakes).toEqual([]);
  expect(config.cluster!.etcd).toMatchObject({
    endpoints: ["http://192.0.2.101:2379", "https://etcd.example.net:2379"],
    ...{ prefix: "/x/rs1", ttlSeconds: 30, sides: 3 },
    user: { name: "ts-bgp", password: "SECRET" },
    tls: { serverName: "etcd", cert: null },
  });
});

test.each<[string, string, readonly string[]]>([
  [
    "members stand in the file as well",
    `members: { a: /run/a.sock }, ${LISTEN}, ${ETCD}, ${TLS}`,
    ['t.yaml:7:93: "members" and "etcd" exclude each other'],
  ],
  [
    "nothing says who is a member",
    `${LISTEN}, ${TLS}`,
    [
      't.yaml:7:10: "members" is missing: where each is followed; or "etcd", which has a list of them',
    ],
  ],
  [
    "nobody can know where this one is",
    `${ETCD}, ${TLS}`,
    ['t.yaml:7:10: "listen" is missing: { address, port } where others follow this process'],
  ],
  [
    "there is no certificate",
    `${LISTEN}, ${ETCD}`,
    [
      't.yaml:7:29: TCP needs "tls", also on one host (tsbgp keys DIR --cluster cluster makes certificates)',
    ],
  ],
  [
    "a socket has no certificates",
    `listen: /run/a.sock, ${ETCD}, ${TLS}`,
    [
      't.yaml:7:29: "listen" must have an address and a port: certificates say who members are that find each other by etcd',
    ],
  ],
  [
    "others cannot come to an address",
    `listen: { address: "::", port: 1795 }, ${ETCD}, ${TLS}`,
    ["t.yaml:7:40: :: is nobody's address, and others are told to come there"],
  ],
  [
    "etcd is reached in clear",
    `${LISTEN}, etcd: { endpoints: [ http://192.0.2.101:2379 ] }, ${TLS}`,
    [
      "t.yaml:7:85: http://192.0.2.101:2379 is plain HTTP and leaves this host: whoever is on the way could hide members; use https, or { endpoints: ..., insecure: true }",
    ],
  ],
  [
    "a prefix is none",
    `${LISTEN}, etcd: { endpoints: https://x:1, prefix: "a b", ttl-seconds: 2, user: x }, ${TLS}`,
    [
      't.yaml:7:104: "prefix" must be the beginning of keys, such as /ts-bgp/cluster/rs1 (letters, digits, dots, slashes, dashes and underscores, at most 200), not "a b"',
      't.yaml:7:124: "ttl-seconds" must be a number of seconds from 3 to 600, not 2',
      't.yaml:7:127: "user" needs "password"',
    ],
  ],
  ...["ts-bgp", "ts-bgp/", "ts-bgp/rs1", "ts-bgp/rs1/list/"].map(
    (prefix): [string, string, string[]] => [
      `members would stand among the roles of pairs (${prefix})`,
      `${LISTEN}, etcd: { endpoints: https://x:1, prefix: ${prefix} }, ${TLS}`,
      [
        `t.yaml:7:104: "${prefix.replace(/\/$/, "")}" is where arbiters of pairs have their keys: take /${prefix.replace(/\/$/, "")}, or another one`,
      ],
    ],
  ),
])("a mistake is told where %s", (_what, section, messages) => {
  expect(load(`cluster: { self: a, ${section} }`).mistakes).toEqual(messages);
});

test.each(["/ts-bgp", "/ts-bgp/rs1", "ts-bgp-cluster/rs1", "lists/ts-bgp/rs1"])(
  "no arbiter has keys under %s",
  (prefix) => {
    const etcd = `etcd: { endpoints: https://x:1, prefix: ${prefix} }`;
    expect(load(`cluster: { self: a, ${LISTEN}, ${etcd}, ${TLS} }`).mistakes).toEqual([]);
  },
);

test("a neighbor without a member is one that nobody has", () => {
  const { mistakes } = load(
    `  - { address: 192.0.2.13, as: 64503 }\ncluster: { self: a, ${LISTEN}, ${ETCD}, ${TLS} }`,
  );
  expect(mistakes).toEqual(['t.yaml:7:5: "speaker" is missing: which member has the session']);
});
