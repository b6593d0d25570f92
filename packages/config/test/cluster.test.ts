/** Members of a cluster, and who has the session with each neighbor. */
import { expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";

const SOURCES = { readFile: () => "", env: () => "" };
const NEIGHBORS = `
router: { as: 64500, id: 192.0.2.1 }
defaults: { import: accept-all, export: accept-all }
groups: { far: { speaker: b } }
neighbors:
  - { address: 192.0.2.11, as: 64501, speaker: a }
  - { address: 192.0.2.12, as: 64502, group: far }
`;
const MEMBERS = "members: { a: /run/a.sock, b: [ /run/b1.sock, /run/b2.sock ] }";

function load(text: string) {
  const { config, mistakes } = loadConfig("t.yaml", text, SOURCES);
  return { config: config!, mistakes: formatMistakes(mistakes) };
}

test("each member has the others, and neighbors that are its own or another one's", () => {
  const { config, mistakes } = load(`${NEIGHBORS}cluster: { self: a, ${MEMBERS} }`);
  expect(mistakes).toEqual([]);
  expect(config.cluster).toEqual({
    ...{ name: "cluster", self: "a", listen: { path: "/run/a.sock" }, holdSeconds: 90, tls: null },
    ...{ etcd: null, sharesAddress: false },
    members: [{ name: "b", links: [{ path: "/run/b1.sock" }, { path: "/run/b2.sock" }] }],
  });
  expect(config.neighbors.map(({ speaker }) => speaker)).toEqual([null, "b"]);
  const other = load(`${NEIGHBORS}cluster: { self: b, listen: /run/b2.sock, ${MEMBERS} }`);
  expect(other.config.cluster!.listen).toEqual({ path: "/run/b2.sock" });
  expect(other.config.neighbors.map(({ speaker }) => speaker)).toEqual(["a", null]);
});

test("members of one host share an address where the file says so", () => {
  const members = "members: { a: /run/a.sock, b: /run/b.sock }";
  const { config, mistakes } = load(
    `${NEIGHBORS}cluster: { self: a, share-address: true, ${members} }`,
  );
  expect([mistakes, config.cluster!.sharesAddress]).toEqual([[], true]);
  const withBfd = load(
    `${NEIGHBORS.replace("speaker: a }", "speaker: a, bfd: true }")}cluster: { self: a, share-address: true, ${members} }`,
  );
  expect(withBfd.mistakes.join("\n")).toContain(
    "t.yaml:6:56: members that share an address have no BFD",
  );
});

test.each<[string, string, string]>([
  [
    "a member that shares an address is a pair",
    `cluster: { self: a, share-address: true, ${MEMBERS} }`,
    "t.yaml:8:21: members cannot share an address: a member that is a pair",
  ],
  [
    "members that share an address are elsewhere",
    `cluster: { self: a, share-address: true, members: { a: /run/a.sock, b: { address: 192.0.2.1, port: 1795 } } }`,
    "t.yaml:8:21: members cannot share an address: each must be followed at the path of a Unix socket",
  ],
  [
    "the second socket has too long a path",
    `cluster: { self: a, share-address: true, members: { a: /run/a.sock, b: /run/${"b".repeat(95)} } }`,
    "would be another socket, and has more than 107 octets",
  ],
  ["self is no member", `cluster: { self: c, ${MEMBERS} }`, '"c" is not one of "members"'],
  ["a member is alone", "cluster: { self: a, members: { a: /run/a.sock } }", "has no other than a"],
  ["a side does not say which it is", `cluster: { self: b, ${MEMBERS} }`, '"listen" is missing'],
  [
    "TCP is open",
    "cluster: { self: a, members: { a: { address: 192.0.2.1, port: 1795 }, b: /run/b.sock } }",
    'TCP needs "tls"',
  ],
  [
    "certificates are those of followers",
    `followers: { listen: /run/f.sock, name: x }\ncluster: { self: a, name: x, ${MEMBERS} }`,
    '"x" is the name of followers',
  ],
  [
    "neighbors are dynamic",
    `dynamic-neighbors: [ { prefix: 10.0.0.0/8, as-numbers: 64503 } ]\ncluster: { self: a, ${MEMBERS} }`,
    "a cluster has no dynamic neighbors",
  ],
  ["there is no cluster", "", '"speaker" needs a section "cluster"'],
])("a mistake is told where %s", (_what, section, message) => {
  expect(load(NEIGHBORS + section).mistakes.join("\n")).toContain(message);
});

test.each<[string, string, string]>([
  [
    "of two members",
    "members: { a: /run/a.sock, b: /run/a.sock }",
    "t.yaml:8:51: /run/a.sock is an address of a already",
  ],
  [
    "twice",
    "members: { a: /run/a.sock, b: [ /run/b.sock, /run/b.sock ] }",
    "t.yaml:8:66: /run/b.sock is an address of b already",
  ],
  [
    "of the control socket",
    "members: { a: /run/a.sock, b: /run/control.sock }",
    "t.yaml:8:51: /run/control.sock is the control socket",
  ],
  [
    "that is listened on, of another member",
    "listen: /run/b.sock, members: { a: /run/a.sock, b: /run/b.sock }",
    "/run/b.sock is an address of b",
  ],
])("a mistake is told where an address is one %s", (_what, rest, message) => {
  const neighbors = NEIGHBORS.replace("\nrouter", "control: { socket: /run/control.sock }\nrouter");
  const { mistakes } = load(`${neighbors}cluster: { self: a, ${rest} }`);
  expect(mistakes).toEqual([expect.stringContaining(message)]);
});

test("a mistake is told where a neighbor has nobody, or somebody who is not there", () => {
  const cluster = `cluster: { self: a, ${MEMBERS} }`;
  const nobody = load(NEIGHBORS.replace(", speaker: a", "") + cluster).mistakes;
  expect(nobody).toEqual(['t.yaml:6:5: "speaker" is missing: which of a, b has the session']);
  const other = load(NEIGHBORS.replace("speaker: a", "speaker: c") + cluster).mistakes;
  expect(other).toEqual(['t.yaml:6:48: "c" is not a member of the cluster, did you mean "a"?']);
});
