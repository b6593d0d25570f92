/** Routes of the kernel are on the side that follows as well, and in the image, whatever happens. */

import { machineFromImage, machineImage } from "@ts-bgp/replication";
import fc from "fast-check";
import { expect, test } from "vitest";
import { kernelRuns, tellKernel } from "../../../testkit/kernel-routes.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { difference } from "./difference.ts";
import { Followed } from "./followed-router.ts";

const PREFIXES = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.3.1.0/24"];
const [CLIENT, OTHER] = ["192.0.2.1", "192.0.2.2"];

const SECTIONS = [
  "{ protocols: static, import: accept-all }",
  "{ protocols: static, import: some }",
  "{ table: 7, protocols: [static, dhcp], import: marks }",
  null,
] as const;

const yaml = (section: number) =>
  yamlOf(`
defaults: { import: accept-all, export: accept-all, route-server-client: true }
neighbors: [ { address: ${CLIENT}, as: 65001 }, { address: ${OTHER}, as: 65002 } ]
policies:
  some: [ { if: { prefix: 10.0.0.0/8 le 16 }, then: accept } ]
  marks: [ { set: { community: { add: ["65000:1"] } }, then: accept } ]
${SECTIONS[section] === null ? "" : `kernel: ${SECTIONS[section]}`}
`);

const prefixes = fc.subarray(PREFIXES);
const step = fc.oneof(
  fc.record({ do: fc.constant("copy" as const), prefixes }),
  fc.record({ do: fc.constant("begin" as const), prefixes }),
  fc.record({ do: fc.constant("come" as const), prefixes }),
  fc.record({ do: fc.constant("go" as const), prefixes }),
  fc.record({ do: fc.constant("announce" as const), prefixes }),
  fc.record({ do: fc.constant("reload" as const), section: fc.nat(SECTIONS.length - 1) }),
  fc.record({ do: fc.constant("slice" as const) }),
  fc.record({ do: fc.constant("join" as const) }),
);

class World {
  followed!: Followed;
  readonly lab: Lab;

  constructor(section: number) {
    this.lab = new Lab(yaml(section), {
      routerOf: (...args) => {
        this.followed = new Followed(...args);
        return this.followed.router;
      },
    });
    for (const [k, address] of [CLIENT, OTHER].entries()) {
      this.lab.peer(address, { as: 65001 + k }).up();
    }
    this.rest();
  }

  rest(): void {
    while (this.lab.deliver());
  }

  act(each: typeof step extends fc.Arbitrary<infer T> ? T : never): void {
    const { lab } = this;
    const { router, nowMs } = lab;
    const none = new Uint8Array(0);
    if (each.do === "copy") tellKernel(router, each.prefixes, nowMs);
    else if (each.do === "begin") {
      router.kernel("begin", none, nowMs);
      router.kernel("routes", kernelRuns(each.prefixes), nowMs);
    } else if (each.do === "come") router.kernel("routes", kernelRuns(each.prefixes), nowMs);
    else if (each.do === "go") router.kernel("routes", kernelRuns(each.prefixes, true), nowMs);
    else if (each.do === "announce") lab.peers.get(OTHER)!.announce(each.prefixes);
    else if (each.do === "reload") lab.reload(yaml(each.section));
    else if (each.do === "slice") lab.slice();
    else {
      this.rest();
      this.followed.join();
    }
  }
}

test("whoever follows has the same, and an image of it is the same", () => {
  fc.assert(
    fc.property(
      fc.nat(SECTIONS.length - 1),
      fc.array(step, { maxLength: 20 }),
      (section, steps) => {
        const world = new World(section);
        world.followed.join();
        for (const each of steps) world.act(each);
        world.lab.run();
        world.rest();
        world.followed.compare();
        const { machine } = world.followed.journal;
        expect(difference(machine, machineFromImage(machineImage(machine)))).toBeNull();
      },
    ),
    { numRuns: 40 },
  );
});

test("after a copy clients have what the kernel has, whatever was before", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), prefixes, (steps, last) => {
      const world = new World(0);
      for (const each of steps) if (each.do !== "announce") world.act(each);
      world.lab.reload(yaml(0));
      tellKernel(world.lab.router, last, world.lab.nowMs);
      world.lab.run();
      expect(Object.keys(world.lab.peers.get(CLIENT)!.table)).toEqual([...last].sort());
    }),
    { numRuns: 40 },
  );
});
