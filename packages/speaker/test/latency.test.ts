/** Samples of how long routes take, with a router that does little in each slice. */
import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { Latency } from "../src/latency.ts";

const ADDRESSES = Array.from({ length: 12 }, (_, k) => `192.0.2.${k + 1}`);
const UPDATE = 2;
const TYPE_AT = 18;

test("a sample ends with the last of what came of an UPDATE, in whatever slice that leaves", () => {
  // Each neighbor is sent something else, so each has a group of its own.
  const neighbors = ADDRESSES.map(
    (address, k) => `{ address: ${address}, as: ${65001 + k}, export: p${k} }`,
  );
  const policies = ADDRESSES.map(
    (_, k) => `p${k}: [{ set: { community: { add: ["64500:${k + 1}"] } }, then: accept }]`,
  );
  const lab = new Lab(
    yamlOf(`
defaults: { passive: true, route-server-client: true, import: accept-all }
neighbors: [${neighbors.join(", ")}]
policies: { ${policies.join(", ")} }
`),
  );
  const peers = ADDRESSES.map((address, k) => lab.peer(address, { as: 65001 + k }).up());
  const latency = new Latency();
  peers[0]!.announce(["10.9.0.0/16"]);
  const { id } = lab.neighbor(ADDRESSES[0]!).session!.connection;
  const update = new Uint8Array(TYPE_AT + 1).fill(0xff);
  update[TYPE_AT] = UPDATE;
  latency.received(lab.router, id, update, 1000);
  lab.budget = () => 0;
  let at = lab.outputs.length;
  let lastOut = 0;
  let counted = 0;
  for (let slice = 1, more = true; more; slice++) {
    more = lab.slice();
    for (; at < lab.outputs.length; at++) {
      const output = lab.outputs[at]!;
      if (output.do !== "write" || output.octets[TYPE_AT] !== UPDATE) continue;
      latency.wrote(output.octets);
      lastOut = slice;
    }
    latency.sliced(lab.router, { number: slice, acked: slice });
    latency.flushed(slice, 1000 + slice);
    if (counted === 0 && latency.totalSeconds > 0) counted = slice;
  }
  expect(lastOut).toBeGreaterThan(2);
  expect(counted).toBe(lastOut);
});
