/** What a member is told of an explanation and of a route: nothing of others that it is not sent. */

import { expect, test } from "vitest";
import { explain } from "../../../testkit/asking.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { explainedToMember, routeToMember } from "../src/index.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const PREFIX = "10.1.0.0/16";
const HIDDEN = "10.2.0.0/16";
const REJECTED = "10.3.0.0/25";

/** B sends what policy takes communities from on the way to A, and what it does not send to A. */
function exchange(ofA: number[] = [65001, 65100]) {
  const lab = new Lab(
    yamlOf(`
defaults: { import: checked, export: to-clients, passive: true, route-server-client: true }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002 }]
policies:
  checked: [{ name: too long, if: { prefix-length: { min: 25 } }, then: reject }, { then: accept }]
  to-clients:
    - { name: not to it, if: { community: "0:$peer-as" }, then: reject }
    - { set: { community: { remove: [ "64500:*" ] } } }
    - { then: accept }
`),
  );
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  const communities = ["64500:777"];
  b.announce([PREFIX], { path: [65002], communities });
  b.announce([HIDDEN], { path: [65002], communities: ["0:65001"] });
  a.announce([PREFIX], { path: ofA });
  a.announce([REJECTED], { path: [65001] });
  lab.run();
  return { lab, a };
}

test("of what it is sent it sees nothing that policy takes away", () => {
  const { lab, a } = exchange();
  expect(Object.keys(a.table)).toEqual([PREFIX]);
  expect(JSON.stringify(a.table)).not.toContain("64500:777");
  const all = explain(lab, "export", PREFIX, A);
  expect(JSON.stringify(all)).toContain("64500:777");
  const told = explainedToMember(all);
  expect(told.verdict).toBe("advertised (1 path)");
  expect(told.paths).toEqual([
    {
      path: {
        ...{ prefix: PREFIX, neighbor: B, neighbor_as: 65002, status: "advertised" },
        ...{ as_path: "65002", next_hop: expect.any(String) },
      },
      steps: [
        { step: "policy", passed: true, text: "accepted by policy" },
        { step: "advertised", passed: true, text: "sent to this neighbor, or on its way" },
      ],
    },
  ]);
});

test("what others have for others is as if it were not there", () => {
  const { lab } = exchange();
  const ofPrefix = (prefix: string) => {
    const { prefix: _, ...told } = explainedToMember(explain(lab, "export", prefix, A));
    return told;
  };
  expect(explain(lab, "export", HIDDEN, A).paths).toHaveLength(1);
  expect(ofPrefix(HIDDEN)).toEqual(ofPrefix("10.9.0.0/16"));
  expect(ofPrefix(HIDDEN)).toMatchObject({ verdict: "not advertised", paths: [] });
});

test.each([
  ["shorter AS_PATH", [65001, 65100]],
  ["lower BGP Identifier", [65001]],
])("of the path that is preferred to its own it learns the step alone: %s", (step, ofA) => {
  // Where both are equally long, A's is preferred.
  const about = step === "shorter AS_PATH" ? A : B;
  const explained = explain(exchange(ofA).lab, "import", PREFIX, about);
  expect(JSON.stringify(explained)).toContain(`${step} (`);
  const decision = explainedToMember(explained).paths[0]?.steps.at(-1);
  expect(decision).toEqual({
    ...{ step: "decision", passed: false, text: `another path is preferred: ${step}` },
  });
});

test("a rule that rejects has no place in a file", () => {
  const explained = explain(exchange().lab, "import", REJECTED, A);
  expect(JSON.stringify(explained)).toContain("lab.yaml");
  const told = explainedToMember(explained);
  expect(JSON.stringify(told)).not.toContain("lab.yaml");
  expect(told.verdict).toMatch(/^rejected: .*rule "too long" of policy "checked"$/);
  expect(told.paths[0]?.steps.at(-1)).toMatchObject({
    ...{ step: "policy", reason: { policy: "checked", rule: "too long" } },
    rules: [{ policy: "checked", rule: "too long" }],
  });
  const { path } = explained.paths[0]!;
  expect(JSON.stringify(routeToMember(path))).not.toContain("lab.yaml");
});
