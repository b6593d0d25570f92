/** Which routes a bracket is about that gives something else when it is replayed. */

import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { differingRoute } from "../src/replay-difference.ts";
import { Followed } from "./followed-router.ts";

const [A, B] = ["192.0.2.1", "192.0.2.2"];

test("it is one that is sent now, else the last one that came", () => {
  const calls: Uint8Array[] = [];
  let followed!: Followed;
  class Noted extends Followed {
    protected override bracket() {
      const made = this.journal.take();
      calls.push(made.calls);
      return made.outputs;
    }
  }
  const lab = new Lab(
    yamlOf(`
defaults: { passive: true, import: accept-all, export: accept-all, route-server-client: true }
neighbors: [ { address: ${A}, as: 65001 }, { address: ${B}, as: 65002 } ]
`),
    {
      routerOf: (...args) => {
        followed = new Noted(...args);
        return followed.router;
      },
    },
  );
  const [a] = [A, B].map((address, k) => lab.peer(address, { as: 65001 + k }).up());
  const { router } = followed.journal.machine;
  expect(differingRoute(router, lab.outputs, calls)).toBe(null);

  const found = (act: () => unknown) => {
    lab.outputs.length = 0;
    calls.length = 0;
    act();
    lab.run();
    return {
      sent: differingRoute(router, lab.outputs, []),
      received: differingRoute(router, [], calls),
    };
  };
  const first = { prefix: "10.1.0.0/16", more: 1 };
  expect(found(() => a!.announce(["10.1.0.0/16", "10.2.0.0/16"]))).toEqual({
    sent: { ...first, neighbor: B, way: "sent" },
    received: { ...first, neighbor: A, way: "received" },
  });
  expect(found(() => a!.announce(["2001:db8::/32"]))).toMatchObject({
    received: { prefix: "2001:db8::/32", more: 0 },
  });
  const gone = { prefix: "10.2.0.0/16", more: 0 };
  expect(found(() => a!.withdraw(["10.2.0.0/16"]))).toMatchObject({ sent: gone, received: gone });
});
