/** What is told as a first rejection, and that a configuration on trial makes none. */
import { canaryConfig } from "@ts-bgp/config";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { configOf, Lab, yamlOf } from "../../../testkit/router.ts";
import { watchRejections } from "../src/rejections.ts";

const A = "192.0.2.1";
const WAIT_MS = 10_000;
const LOOK_MS = 20;

/** @param more - in the list @param rules - that come first */
const fileOf = (more: string, rules = "") =>
  yamlOf(`
defaults: { route-server-client: true, import: clean, export: accept-all }
neighbors: [ { address: ${A}, as: 65001 } ]
prefix-lists: { hidden: [ 10.1.0.0/24${more} ] }
policies:
  clean: [ ${rules} { name: hidden, if: { prefix: hidden }, then: reject }, { then: accept } ]
`);

test("a rule that is the same in a configuration on trial is no new one", async () => {
  const lab = new Lab(fileOf(""));
  const a = lab.peer(A, { as: 65001 }).up();
  a.announce(["10.1.0.0/24", "10.2.0.0/24"]);
  lab.run();
  let looks = 0;
  const told: (string | null)[] = [];
  const router = () => {
    looks++;
    return lab.router;
  };
  const end = watchRejections(router, ({ fields }) => void told.push(fields.rule), LOOK_MS);
  // Another look begins: those before are over.
  const looked = async (more: number) => {
    const wanted = looks + more;
    await until(() => looks >= wanted, WAIT_MS, "it is looked at again");
  };
  await looked(1);
  const added = "{ name: added, if: { prefix: 10.2.0.0/24 }, then: reject },";
  const next = configOf(fileOf(", 10.9.0.0/24", added));
  lab.router.configure(canaryConfig(lab.router.tables.config, next, [A]), lab.nowMs);
  lab.run();
  await looked(2);
  expect(told).toEqual(["added"]);
  lab.router.configure(next, lab.nowMs);
  lab.run();
  await looked(2);
  end();
  expect(told).toEqual(["added"]);
});
