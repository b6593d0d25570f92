/** Ordinary external neighbors that get the next path where policy rejects the best one. */

import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";

const [A, B, C, D] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] as const;
const ONE = "10.1.0.0/16";

const yaml = (options: string) =>
  yamlOf(`
defaults: { import: accept-all, export: out }
neighbors:
  - { address: ${A}, as: 65001 }
  - { address: ${B}, as: 65002 }
  - { address: ${C}, as: 65003, ${options} }
  - { address: ${D}, as: 65004 }
policies:
  out: [ { if: { community: "0:$peer-as" }, then: reject }, { then: accept } ]
`);

test("with next-best, and nothing without it", () => {
  const lab = new Lab(yaml("next-best: true"));
  const [a, b, c, d] = [A, B, C, D].map((address, k) => lab.peer(address, { as: 65001 + k }).up());
  a!.announce([ONE], { communities: ["0:65003", "0:65004"] });
  b!.announce([ONE], { path: [65002, 64510] });
  lab.run();
  expect(c!.table[ONE]).toMatchObject({ path: "64500 65002 64510" });
  expect(d!.table).toEqual({});
  b!.withdraw([ONE]);
  lab.run();
  expect(c!.table).toEqual({});
  b!.announce([ONE], { path: [65002, 64510] });
  lab.run();
  const { establishedCount } = lab.neighbor(C);
  lab.reload(yaml("next-best: false")).run();
  expect(c!.table).toEqual({});
  lab.reload(yaml("next-best: true")).run();
  expect(c!.table[ONE]).toMatchObject({ path: "64500 65002 64510" });
  expect(lab.neighbor(C).establishedCount).toBe(establishedCount);
});
