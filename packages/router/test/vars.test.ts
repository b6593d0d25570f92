/** Values of neighbors (`vars:`) in policies, and neighbors that come once routes were sent. */

import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";

const CLIENTS = [1, 2, 3, 4].map((n) => `192.0.2.${n}`);

/** Route server clients of AS 65001 and up, each with its own vars; the last two share an AS. */
function fileOf(vars: string[], policies: string, more = ""): string {
  const neighbors = vars.map((each, k) => {
    const as = k === 3 ? 65003 : 65001 + k;
    return `  - { address: 192.0.2.${k + 1}, as: ${as}, vars: { ${each} } }`;
  });
  return yamlOf(`
defaults: { route-server-client: true, import: in, export: out }
neighbors:
${neighbors.join("\n")}
${more}
prefix-lists: { one: [ 10.1.0.0/16 ], two: [ 10.2.0.0/16 ] }
policies:
${policies}`);
}

function upAll(lab: Lab, count = 4): Peer[] {
  const clients = CLIENTS.slice(0, count).map((address, k) =>
    lab.peer(address, { as: k === 3 ? 65003 : 65001 + k }).up(),
  );
  lab.run();
  return clients;
}

const tableOf = ({ table }: Peer) => Object.keys(table).sort();
const groupsOf = (lab: Lab) => lab.router.tables.groups.entries.length;

const OUT = `
  in: [ { then: accept } ]
  out:
    - { if: { community: "0:$alias" }, then: reject }
    - { if: { community: "64510:$rtt" }, set: { prepend: 1 }, then: accept }
    - then: accept
`;

describe("export", () => {
  const vars = [
    "alias: 64601, rtt: [ 5, 10 ]",
    "alias: 64602, rtt: [ 5 ]",
    "alias: 64603, rtt: [ 20 ]",
    "alias: 64603, rtt: [ 20 ]",
  ];

  test("tells members of one update group apart by their values", () => {
    const lab = new Lab(fileOf(vars, OUT));
    const [a, b, c, d] = upAll(lab) as [Peer, Peer, Peer, Peer];
    a.announce(["10.1.0.0/16"], { communities: ["0:64602"] });
    a.announce(["10.2.0.0/16"], { communities: ["64510:20", "64510:10"] });
    c.announce(["10.3.0.0/16"], { communities: ["64510:5", "0:64601"] });
    lab.run();
    expect(groupsOf(lab)).toBe(1);
    expect([a, b, c, d].map(tableOf)).toEqual([
      [],
      ["10.2.0.0/16", "10.3.0.0/16"],
      ["10.1.0.0/16", "10.2.0.0/16"],
      ["10.1.0.0/16", "10.2.0.0/16"],
    ]);
    const paths = [b, c, d].map(({ table }) => table["10.2.0.0/16"]!["path"]);
    expect(paths).toEqual(["65001", "64500 65001", "64500 65001"]);
    expect(b.table["10.3.0.0/16"]!["path"]).toBe("64500 65003");
  });

  test("follows a value that changes, without another group or a reset", () => {
    const lab = new Lab(fileOf(vars, OUT));
    const [a, b, c] = upAll(lab) as [Peer, Peer, Peer];
    a.announce(["10.1.0.0/16"], { communities: ["0:64602"] });
    lab.run();
    lab.reload(fileOf([vars[0]!, "alias: 64777, rtt: 5", "alias: 64602", "alias: 64602"], OUT));
    lab.run();
    expect([a, b, c].map(tableOf)).toEqual([[], ["10.1.0.0/16"], []]);
    expect(groupsOf(lab)).toBe(1);
    expect(b.isUp).toBe(true);
  });

  test("sessions of an AS that differ have groups of their own", () => {
    const lab = new Lab(fileOf([...vars.slice(0, 3), "alias: 64604, rtt: 20"], OUT));
    const [a, , c, d] = upAll(lab) as [Peer, Peer, Peer, Peer];
    expect(groupsOf(lab)).toBe(3);
    a.announce(["10.1.0.0/16"], { communities: ["0:64604"] });
    a.announce(["10.2.0.0/16"], { communities: ["0:64603"] });
    lab.run();
    expect([c, d].map(tableOf)).toEqual([["10.1.0.0/16"], ["10.2.0.0/16"]]);
    lab.reload(fileOf(vars, OUT));
    lab.run();
    expect(groupsOf(lab)).toBe(1);
    expect([c, d].map(tableOf)).toEqual([["10.1.0.0/16"], ["10.1.0.0/16"]]);
  });

  test("asks for the neighbor that a route was learned from", () => {
    const policies = `
  in: [ { then: accept } ]
  out:
    - { if: { source: { as: 65001, vars: { site: $site } } }, set: { med: 1 }, then: accept }
    - { if: { source: { as: $refuses } }, then: reject }
    - { then: accept }
`;
    const sites = [
      "site: fra",
      "site: fra",
      "site: ber, refuses: 65002",
      "site: ber, refuses: 65002",
    ];
    const lab = new Lab(fileOf(sites, policies));
    const [a, b, c] = upAll(lab) as [Peer, Peer, Peer];
    a.announce(["10.1.0.0/16"]);
    b.announce(["10.2.0.0/16"]);
    lab.run();
    expect(groupsOf(lab)).toBe(1);
    expect([b, c].map(({ table }) => table["10.1.0.0/16"]!["med"])).toEqual([1, undefined]);
    expect([a, c].map(tableOf)).toEqual([["10.2.0.0/16"], ["10.1.0.0/16"]]);
    // Another value of the source is one for everybody who is sent its routes.
    lab.reload(fileOf(["site: ber", ...sites.slice(1)], policies));
    lab.run();
    expect([b, c].map(({ table }) => table["10.1.0.0/16"]!["med"])).toEqual([undefined, 1]);
  });
});

describe("import", () => {
  const policies = `
  in:
    - { if: { prefix: $nets }, set: { local-pref: $pref }, then: accept }
    - { if: { source: { vars: { any: 1 } } }, then: accept }
  out: [ { then: accept } ]
`;
  const none = ["any: 1", "any: 1", "any: 1"];

  test("has the lists of the neighbor, and follows them", () => {
    const lab = new Lab(fileOf(["nets: one, pref: 150", ...none], policies));
    const [a, b] = upAll(lab) as [Peer, Peer];
    a.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    lab.run();
    expect(tableOf(b)).toEqual(["10.1.0.0/16"]);
    lab.reload(fileOf(["nets: [ one, two ], pref: 150", ...none], policies));
    lab.run();
    expect(tableOf(b)).toEqual(["10.1.0.0/16", "10.2.0.0/16"]);
    const both = fileOf(["nets: two, pref: 150", ...none], policies);
    lab.reload(both);
    lab.run();
    expect(tableOf(b)).toEqual(["10.2.0.0/16"]);
    lab.reload(both.replace("two: [ 10.2.0.0/16 ]", "two: [ 10.1.0.0/16 ]"));
    lab.run();
    expect(tableOf(b)).toEqual(["10.1.0.0/16"]);
  });
});

describe("a neighbor that comes once routes were sent", () => {
  const policies = `
  in: [ { then: accept } ]
  out:
    - { if: { community: "0:$peer-as" }, then: reject }
    - { if: { community: "1:$alias" }, then: reject }
    - then: accept
`;
  const plain = ["alias: 1", "alias: 2"];

  test("is told apart by its AS and its values like those that were there", () => {
    const lab = new Lab(fileOf(plain, policies));
    const [a, b] = upAll(lab, 2) as [Peer, Peer];
    a.announce(["10.1.0.0/16"], { communities: ["0:65009"] });
    a.announce(["10.2.0.0/16"], { communities: ["1:9"] });
    a.announce(["10.3.0.0/16"]);
    lab.run();
    expect(tableOf(b)).toHaveLength(3);
    const more = "  - { address: 192.0.2.9, as: 65009, vars: { alias: 9 } }";
    lab.reload(fileOf(plain, policies, more));
    const c = lab.peer("192.0.2.9", { as: 65009 }).up();
    lab.run();
    expect(groupsOf(lab)).toBe(1);
    expect(tableOf(c)).toEqual(["10.3.0.0/16"]);
  });

  test("is not taken for one that was there and has gone", () => {
    const lab = new Lab(fileOf([...plain, "alias: 3"], policies));
    const [a, , c] = upAll(lab, 3) as [Peer, Peer, Peer];
    a.announce(["10.1.0.0/16"], { communities: ["0:65003"] });
    lab.run();
    expect(tableOf(c)).toEqual([]);
    lab.reload(fileOf(plain, policies));
    lab.run();
    const more = "  - { address: 192.0.2.9, as: 65009, vars: { alias: 9 } }";
    lab.reload(fileOf(plain, policies, more));
    const d = lab.peer("192.0.2.9", { as: 65009 }).up();
    lab.run();
    expect(tableOf(d)).toEqual(["10.1.0.0/16"]);
  });
});

test("a rule may log what it matches, some of it in a minute", () => {
  const policies = `
  in:
    - { name: odd, if: { community: 1:1 }, log: true, set: { med: 1 } }
    - { name: too long, if: { prefix-length: { min: 25 } }, log: true, then: reject }
    - { then: accept }
  out: [ { then: accept } ]
`;
  const lab = new Lab(fileOf(["x: 1"], policies));
  const [a] = upAll(lab, 1) as [Peer];
  a.announce(["10.1.1.128/25", "10.1.2.0/24"], { communities: ["1:1"] });
  a.announce(["10.1.3.0/24"]);
  lab.run();
  const logged = () => lab.logsOf("policy-rule");
  expect(
    logged().map(({ fields }) => [fields["rule"], fields["prefix"], fields["action"]]),
  ).toEqual([
    ["odd", "10.1.1.128/25", "next"],
    ["too long", "10.1.1.128/25", "reject"],
    ["odd", "10.1.2.0/24", "next"],
  ]);
  expect(logged()[1]!.message).toBe(
    'rule "too long" of policy "in" (reject): 10.1.1.128/25 with AS path "65001"',
  );
  const many = Array.from({ length: 200 }, (_, k) => `10.2.${k}.0/24`);
  a.announce(many, { communities: ["1:1"] });
  lab.run();
  expect(logged()).toHaveLength(10);
  lab.advance(61_000);
  expect(logged().at(-1)!.fields["suppressed"]).toBe(193);
});

test("a neighbor that comes in the place of another of its AS has values of its own", () => {
  const policies = `
  in: [ { then: accept } ]
  out: [ { if: { community: "0:$x" }, then: reject }, { then: accept } ]`;
  const fileWith = (last: string) =>
    yamlOf(`
defaults: { route-server-client: true, passive: true, import: in, export: out }
neighbors:
  - { address: 192.0.2.8, as: 65008, vars: { x: 18 } }
  - { address: 192.0.2.9, as: 65009, vars: { x: 19 } }
  - ${last}
policies:
${policies}`);
  const lab = new Lab(fileWith("{ address: 192.0.2.1, as: 65001, vars: { x: 10 } }"));
  const source = lab.peer("192.0.2.8", { as: 65008 }).up();
  lab.peer("192.0.2.9", { as: 65009 }).up();
  lab.peer("192.0.2.1", { as: 65001 }).up();
  source.announce(["10.1.0.0/16"], { communities: ["0:10"] });
  lab.run();
  lab.reload(fileWith("{ address: 192.0.2.2, as: 65001, vars: { x: 20 } }"));
  lab.run();
  const other = lab.peer("192.0.2.2", { as: 65001 }).up();
  source.announce(["10.2.0.0/16"], { communities: ["0:20"] });
  lab.run();
  expect(tableOf(other)).toEqual(["10.1.0.0/16"]);
});
