/** The same inputs give the same outputs, octet for octet: what a standby relies on. */

import { formatHex } from "@ts-bgp/wire-codec";
import { expect, test } from "vitest";
import { Lab, randomOf, yamlOf } from "../../../testkit/router.ts";

const YAMLS = ["accept-all", "out"].map((policy) =>
  yamlOf(`
defaults: { import: accept-all, export: ${policy}, route-server-client: true }
neighbors:
${[1, 2, 3, 4, 5].map((n) => `  - { address: 192.0.2.${n}, as: ${65000 + n} }`).join("\n")}
policies:
  out:
    - { if: { community: "0:$peer-as" }, then: reject }
    - { if: { prefix: 10.3.0.0/16 le 24 }, then: reject }
    - { set: { community: { add: ["64500:1"] } }, then: accept }
`),
);

/** A session of everything, drawn from `seed`, with slices of lengths drawn from `sliceSeed`. */
function outputsOf(seed: number, sliceSeed: number): { outputs: string[]; tables: unknown[] } {
  const random = randomOf(seed);
  const draw = (below: number) => Math.floor(random() * below);
  const slices = randomOf(sliceSeed);
  const lab = new Lab(YAMLS[0]!, { seed, budget: () => Math.floor(slices() * 4) });
  const peers = [1, 2, 3, 4, 5].map((n) => lab.peer(`192.0.2.${n}`, { as: 65000 + n }));
  for (const peer of peers) peer.up();
  for (let n = 0; n < 300; n++) {
    const peer = peers[draw(5)]!;
    const routes = Array.from({ length: 1 + draw(40) }, () => `10.${draw(6)}.${draw(200)}.0/24`);
    const communities = draw(3) === 0 ? [`0:${65001 + draw(5)}`] : [];
    const path = [peer.options.as, 65100 + draw(5)];
    if (draw(3) > 0) peer.announce(routes, { path, communities });
    else peer.withdraw(routes);
    if (draw(40) === 0) lab.reload(YAMLS[draw(2)]!);
    if (draw(30) === 0) peer.refresh(0);
    if (draw(20) === 0) lab.advance(100 * draw(50));
    if (draw(50) === 0) {
      peer.hangUp();
      lab.run().advance(3_000);
      peer.up();
    }
    if (draw(4) === 0) lab.slice();
  }
  lab.reload(YAMLS[1]!).run();
  const outputs = lab.outputs.map((output) =>
    output.do === "write"
      ? `${output.connection} ${formatHex(output.octets)}`
      : JSON.stringify(output),
  );
  return { outputs, tables: peers.map(({ table }) => table) };
}

test.each([1, 2, 3])("the same inputs in the same slices, script %i", (seed) => {
  const first = outputsOf(seed, 7);
  expect(first.outputs.length).toBeGreaterThan(500);
  expect(outputsOf(seed, 7)).toEqual(first);
});

test("other slices: the tables are the same in the end", () => {
  const first = outputsOf(4, 7);
  for (const sliceSeed of [8, 9, 10]) {
    const other = outputsOf(4, sliceSeed);
    expect(other.tables).toEqual(first.tables);
  }
});
