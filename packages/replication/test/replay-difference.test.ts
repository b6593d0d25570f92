/** Which routes a bracket is about that gives something else when it is replayed. */

import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { differingRoute } from "../src/replay-difference.ts";
import { Followed } from "./followed-router.ts";

const [A, B] = ["192.0.2.1", "192.0.2.2"];

function noted(neighbors: string) {
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
neighbors: [ ${neighbors} ]
`),
    {
      routerOf: (...args) => {
        followed = new Noted(...args);
        return followed.router;
      },
    },
  );
  return { lab, calls, routerOf: () => followed.journal.machine.router };
}

const TWO = `{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002 }`;

test("it is one that is sent now, else the last one that came", () => {
  const { lab, calls, routerOf } = noted(TWO);
  const [a] = [A, B].map((address, k) => lab.peer(address, { as: 65001 + k }).up());
  const router = routerOf();
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

test("a message that comes in pieces is one of the bracket that has its end", () => {
  const { lab, calls, routerOf } = noted(TWO);
  const [a] = [A, B].map((address, k) => lab.peer(address, { as: 65001 + k }).up());
  a!.announce(["10.9.0.0/16"]);
  lab.run();
  const update = a!.updateOf(["10.1.0.0/16"], { path: [65001] });
  // What was kept begins in the middle of the message before.
  calls.length = 0;
  const next = a!.updateOf(["10.2.0.0/16"], { path: [65001] });
  const all = Buffer.concat([update, next]);
  for (const piece of [all.subarray(0, 10), all.subarray(10, 30)]) {
    a!.send(piece);
    lab.run();
  }
  const received = () => differingRoute(routerOf(), [], calls);
  expect(received()).toBe(null);
  a!.send(all.subarray(30, update.length + 5));
  lab.run();
  expect(received()).toMatchObject({ prefix: "10.1.0.0/16", neighbor: A, more: 0 });
  calls.splice(0, calls.findIndex((octets) => octets.length > 0) + 1);
  a!.send(all.subarray(update.length + 5));
  lab.run();
  expect(received()).toMatchObject({ prefix: "10.2.0.0/16", neighbor: A, more: 0 });
});

test("families are read with path identifiers where they have them", () => {
  const { lab, calls, routerOf } = noted(
    `{ address: ${A}, as: 65001, families: [ ipv4-unicast, ipv6-unicast ], add-path: { receive: true } }`,
  );
  const families = ["ipv4", "ipv6"] as const;
  const options = { as: 65001, families, addPath: "send", addPathFamilies: ["ipv6"] } as const;
  const a = lab.peer(A, options).up();
  expect(lab.neighbor(A).session!.negotiated.addPathReceive).toBe(2);
  for (const prefix of ["10.1.0.0/16", "2001:db8::/32"]) {
    calls.length = 0;
    a.announce([prefix.includes(":") ? { path_id: 7, prefix } : prefix]);
    lab.run();
    expect(differingRoute(routerOf(), [], calls)).toMatchObject({ prefix, more: 0 });
  }
});
