/** What is held for routes goes with them, and a peer that does not read costs no more for it. */

import { GROUP_LIMITS } from "@ts-bgp/rib";
import { showTables } from "@ts-bgp/views";
import { expect, test } from "vitest";
import { isEmpty, Lab, yamlOf } from "../../../testkit/router.ts";

const ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

function yaml(defaults: string, rest = ""): string {
  const lines = ADDRESSES.map((address, i) => `  - { address: ${address}, as: ${65001 + i} }`);
  return yamlOf(
    `defaults: { ${defaults}, passive: true }\nneighbors:\n${lines.join("\n")}\n${rest}`,
  );
}

const POLICIES = `
policies:
  mark: [{ set: { community: { add: ["64500:1"] }, med: 5 }, then: accept }]
  hop: [{ if: { community: "64500:1" }, set: { next-hop: self, community: { remove: ["*:*"] } }, then: accept }]
`;

test.each([
  ["an ordinary router", "import: accept-all, export: accept-all"],
  ["policies that change routes", "import: mark, export: hop"],
  ["a route server", "import: mark, export: accept-all, route-server-client: true"],
  ["roles", "import: accept-all, export: accept-all, role: peer"],
  ["ADD-PATH", "import: accept-all, export: accept-all, add-path: { send: all }"],
])("all is given back after all sessions are down: %s", (_title, defaults) => {
  const lab = new Lab(yaml(defaults, POLICIES));
  const options = defaults.includes("role") ? { role: 4 } : { addPath: "receive" as const };
  const peers = ADDRESSES.map((address, i) =>
    lab.peer(address, { as: 65001 + i, ...options }).up(),
  );
  for (let n = 0; n < 50; n++) {
    for (const [i, peer] of peers.entries()) {
      peer.announce([`10.${n}.0.0/16`, `10.${n}.${i}.0/24`], { path: [65001 + i, 65100 + n] });
    }
  }
  lab.run();
  expect(showTables(lab.router).families[0]!.paths).toBe(300);
  lab.reload(yaml("import: accept-all, export: hop", POLICIES)).run();
  for (const peer of peers) peer.hangUp();
  lab.run();
  expect(isEmpty(lab)).toBe(true);
});

test("policies of earlier configurations are let go of once nobody uses them", () => {
  const lab = new Lab(yaml("import: mark, export: accept-all", POLICIES));
  const [a, b] = ADDRESSES.map((address, i) => lab.peer(address, { as: 65001 + i }).up());
  a!.announce(["10.1.0.0/16"]);
  b!.announce(["10.2.0.0/16"]);
  lab.run();
  for (let n = 0; n < 20; n++) {
    const export_ = n % 2 === 0 ? "mark" : "hop";
    lab.reload(
      yaml(`import: accept-all, export: ${export_}`, POLICIES.replaceAll("64500:1", `64500:${n}`)),
    );
    a!.announce(["10.1.0.0/16"], { path: [65001, n + 1] });
    lab.slice();
  }
  lab.run();
  expect(Reflect.get(lab.router.tables, "oldPolicies")).toEqual([]);
  expect(lab.router.tables.groups.entries).toHaveLength(1);
});

test("a peer that does not read costs bounded memory while others churn", () => {
  const lab = new Lab(yaml("import: accept-all, export: accept-all"));
  const [a, b, c] = ADDRESSES.map((address, i) => lab.peer(address, { as: 65001 + i }).up());
  const routes = Array.from({ length: 200 }, (_, i) => `10.0.${i}.0/24`);
  c!.wire.reads = false;
  const blob = "00".repeat(1000);
  for (let n = 0; n < 24_000; n++) {
    // Each set is 1 kB, so that what a follower of every change had to take would be 24 MB.
    if (n % 100 === 0) b!.wire.forget();
    a!.announce([routes[n % 200]!], {
      more: [{ type: 200, value: `${blob}${n.toString(16).padStart(8, "0")}` }],
    });
    if (n % 50 === 0) lab.run();
  }
  lab.run();
  const waiting = c!.wire.waiting.reduce((sum, octets) => sum + octets.length, 0);
  expect(waiting).toBeLessThan(GROUP_LIMITS.backlogOctetsMax + 2 * GROUP_LIMITS.stepOctets);
  expect(lab.router.tables.attrs.size).toBeLessThan(1000);
  expect(b!.wire.table.size).toBe(200);
  c!.wire.drain();
  lab.run();
  expect(c!.table).toEqual(b!.table);
});
