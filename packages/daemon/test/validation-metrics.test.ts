/** How often routes are counted by origin validation, and who waits for that. */
import { expect, test } from "vitest";
import { say } from "../../../testkit/payloads.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { ValidationMetrics } from "../src/validation-metrics.ts";

const CACHE = "{ caches: [ { address: 192.0.2.53 } ], start-limit: 0 }";

function labOf(rpki: string): Lab {
  const lab = new Lab(
    yamlOf(`${rpki}
neighbors: [ { address: 192.0.2.1, as: 65001, passive: true, import: accept-all } ]
`),
  );
  lab.peer("192.0.2.1", { as: 65001 }).up();
  return lab;
}

/** Does all steps once it may, and counts how often that was asked for. */
function gated() {
  const gate = Promise.withResolvers<void>();
  const asked = { count: 0 };
  const inSteps = async <T>(steps: Iterator<void, T>): Promise<T> => {
    asked.count++;
    await gate.promise;
    for (;;) {
      const { value, done } = steps.next();
      if (done === true) return value as T;
    }
  };
  return { open: () => gate.resolve(), asked, inSteps };
}

test("routes are counted once for all who ask within a minute", async () => {
  const lab = labOf(`rpki: ${CACHE}`);
  say(lab, "192.0.2.53:323", ["10.1.0.0/16-24 AS65001"]);
  lab.peers.get("192.0.2.1")!.announce(["10.1.0.0/16", "10.2.0.0/16"], { path: [65001] });
  lab.run();
  const metrics = new ValidationMetrics();
  const { open, asked, inSteps } = gated();
  open();
  const [record] = await metrics.of(lab.router, inSteps);
  const of = (state: string) =>
    record!.values.find(
      ({ labels }) => labels!["state"] === state && labels!["family"] === "ipv4-unicast",
    );
  expect(["valid", "invalid", "not-found"].map((state) => of(state)?.value)).toEqual([1, 0, 1]);
  await metrics.of(lab.router, inSteps);
  expect(asked.count).toBe(1);
  // After a takeover it is another one's.
  await metrics.of(labOf(`rpki: ${CACHE}`).router, inSteps);
  expect(asked.count).toBe(2);
});

test("nobody waits for a count that takes long: it is told the next time", async () => {
  const { router } = labOf(`rpki: ${CACHE}`);
  const metrics = new ValidationMetrics();
  const { open, asked, inSteps } = gated();
  expect(await metrics.of(router, inSteps)).toEqual([]);
  open();
  expect(await metrics.of(router, inSteps)).toHaveLength(1);
  expect(asked.count).toBe(1);
});

test("without a section rpki nothing is counted", async () => {
  const { asked, inSteps } = gated();
  expect(await new ValidationMetrics().of(labOf("").router, inSteps)).toEqual([]);
  expect(asked.count).toBe(0);
});
