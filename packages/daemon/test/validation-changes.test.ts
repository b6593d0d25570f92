/** What is told of routes whose state is another one since other payloads count: once for a neighbor. */

import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { say } from "../../../testkit/payloads.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { type ValidationChange, watchValidation } from "../src/validation-changes.ts";

const CACHE = "192.0.2.53:323";
const WAIT_MS = 10_000;
const NEIGHBORS = 60;
const LOOK_MS = 20;

test("of very many neighbors those with the most changes are told one by one, and of the rest how many", async () => {
  const neighbors = Array.from(
    { length: NEIGHBORS },
    (_, k) => `  - { address: 192.0.2.${k + 1}, as: ${65001 + k} }`,
  );
  const lab = new Lab(
    yamlOf(`
rpki: { caches: [ { address: 192.0.2.53 } ], start-limit: 0 }
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
${neighbors.join("\n")}
`),
  );
  for (let k = 0; k < NEIGHBORS; k++) {
    const peer = lab.peer(`192.0.2.${k + 1}`, { as: 65001 + k }).up();
    const more = k === 33 ? [`10.${k}.1.0/24`] : [];
    peer.announce([`10.${k}.0.0/16`, ...more], { path: [65001 + k] });
  }
  lab.run();
  const told: ValidationChange[] = [];
  let looks = 0;
  const router = () => {
    looks++;
    return lab.router;
  };
  const end = watchValidation(router, (change) => void told.push(change), LOOK_MS);
  const looked = async () => {
    const wanted = looks + 2;
    await until(() => looks >= wanted, WAIT_MS, "it is looked at again");
  };
  await looked();
  expect(told).toEqual([]);
  say(lab, CACHE, ["10.0.0.0/8 AS64999"]);
  lab.run();
  await looked();
  end();
  expect(told).toHaveLength(51);
  const change = { from: "not-found", to: "invalid" };
  expect(told[0]).toEqual({
    neighbor: "192.0.2.34",
    message: "other ROAs count, which changes the state of 2 routes: 2 from not-found to invalid",
    fields: { routes: 2, changes: [{ ...change, routes: 2 }] },
  });
  expect(told.at(-1)).toEqual({
    neighbor: null,
    message:
      "other ROAs count, which changes the state of 10 routes of 10 more neighbors: 10 from not-found to invalid",
    fields: { routes: 10, neighbors: 10, changes: [{ ...change, routes: 10 }] },
  });
});
