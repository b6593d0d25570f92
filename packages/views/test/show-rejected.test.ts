/** Rejected routes as looking glasses show them: with what policy and reject-reasons put on them. */

import { rejectCommunities } from "@ts-bgp/policy";
import { expect, test } from "vitest";
import { explain, keyOf } from "../../../testkit/asking.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { type RouteView, showRoutes } from "../src/index.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const FILE = (more = "") => `
neighbors:
  - { address: ${A}, as: 65001, import: members, export: accept-all }
  - { address: ${B}, as: 65002, import: members, export: accept-all }
${more}
policies:
  members:
    - set: { large-community: { remove: [ "$local-as:1101:*" ] } }
    - name: bogons
      if: { prefix: 10.0.0.0/8 le 32 }
      set: { large-community: { add: [ "$local-as:1101:3", "$local-as:7:$peer-as" ] }, local-pref: 1 }
      then: reject
      reason: bogon-prefix
    - { name: too long, if: { prefix-length: { min: 25 } }, then: reject, reason: prefix-too-long }
    - then: accept
`;

function shown(lab: Lab, view: RouteView, text: string) {
  const { key } = keyOf(text);
  const query = { family: 1, prefix: key, match: "exact", neighbor: A, bestOnly: false } as const;
  const { routes } = showRoutes(lab.router, { ...query, view }, null);
  return routes[0];
}

function labOf(more = ""): Lab {
  const lab = new Lab(yamlOf(FILE(more)));
  const a = lab.peer(A, { as: 65001 }).up();
  a.announce(["10.1.0.0/16", "203.0.113.128/25", "203.0.113.0/24"], {
    large: ["64500:1101:9", "1:2:3"],
  });
  lab.run();
  return lab;
}

test("a rule that rejects marks the route where rejected ones are shown, and nowhere else", () => {
  const lab = labOf();
  const b = lab.peer(B, { as: 65002 }).up();
  lab.run();
  expect(Object.keys(b.table)).toEqual(["203.0.113.0/24"]);
  expect(shown(lab, "rejected", "10.1.0.0/16")).toMatchObject({
    status: "rejected",
    reason: { code: "policy-rule", rule: "bogons", kind: "bogon-prefix" },
    local_pref: 1,
    large_communities: ["1:2:3", "64500:1101:3", "64500:7:65001"],
  });
  const came = shown(lab, "received", "10.1.0.0/16")!;
  expect(came.large_communities).toEqual(["64500:1101:9", "1:2:3"]);
  expect(came).not.toHaveProperty("local_pref");
  // What the rules before did is seen as well.
  expect(shown(lab, "rejected", "203.0.113.128/25")!.large_communities).toEqual(["1:2:3"]);
  const { rules } = explain(lab, "import", "10.1.0.0/16", A).paths[0]!.steps.at(-1)!;
  expect(rules!.at(-1)).toMatchObject({ action: "reject", modifications: expect.any(Array) });
  expect(rules!.at(-1)!.modifications).toHaveLength(2);
});

const PRESETS = [
  ["ixp-manager", ["64500:1101:3"], ["64500:1101:1"], ["64500:1101:7"]],
  [
    "arouteserver",
    ["64500:65520:2", "64500:65521:65001"],
    ["64500:65520:13", "64500:65521:65001"],
    ["64500:65520:6", "64500:65521:65001"],
  ],
] as const;

test.each(PRESETS)("reject-reasons: %s", (preset, bogon, long, firstAs) => {
  const lab = labOf(`reject-reasons: ${preset}`);
  lab.peers.get(A)!.announce(["198.51.100.0/24"], { path: [65009] });
  lab.run();
  const large = (prefix: string) => shown(lab, "rejected", prefix)!.large_communities;
  expect(large("10.1.0.0/16")).toEqual(expect.arrayContaining([...bogon]));
  expect(large("203.0.113.128/25")).toEqual(["1:2:3", ...long]);
  expect(large("198.51.100.0/24")).toEqual(firstAs);
  expect(shown(lab, "accepted", "203.0.113.0/24")!.large_communities).toEqual(["1:2:3"]);
});

test("reasons without a number have none, or the one for unknown", () => {
  const reason = { code: "policy-rule", why: "blacklist" } as const;
  expect(rejectCommunities("ixp-manager", reason, 1, 2)).toEqual([]);
  expect(rejectCommunities("arouteserver", reason, 1, 2)).toEqual(["1:65520:3", "1:65521:2"]);
  const unknown = rejectCommunities("arouteserver", { code: "max-prefix" }, 1, 2);
  expect(unknown[0]).toBe("1:65520:65535");
});
