/** What another configuration would do, by a copy of a machine, is what it does. */

import { canaryConfig } from "@ts-bgp/config";
import type { Router } from "@ts-bgp/router";
import { type ShownWhatIf, showRoutes, whatIf } from "@ts-bgp/views";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ADDRESSES,
  KINDS,
  type Kind,
  step,
  type Variant,
  variant,
  World,
  yamlFor,
} from "../../../testkit/churn.ts";
import { configOf, Lab, yamlOf } from "../../../testkit/router.ts";
import {
  configFrom,
  configOctets,
  Machine,
  machineFromImage,
  machineImage,
  replicated,
} from "../src/index.ts";

/** A world whose router is that of a machine. */
function worldOf(first: Variant, kind: Kind, budget: number): { world: World; machine: Machine } {
  let machine!: Machine;
  const routerOf = (...args: ConstructorParameters<typeof Machine>) => {
    machine = new Machine(...args);
    return machine.router;
  };
  const world = new World(first, kind, budget, { routerOf });
  return { world, machine };
}

/** What peers see, and why routes of theirs are not used. */
function looked(world: World) {
  const { router } = world.lab;
  return ADDRESSES.map((address, i) => {
    const session = router.neighbors.get(address)?.session ?? null;
    if (session === null) return null;
    return { session, table: world.peers[i]!.table, judged: judgedOf(router, address) };
  });
}

function judgedOf(router: Router, neighbor: string): Map<string, string | null> {
  const query = { family: 1, prefix: null, match: "exact", neighbor, bestOnly: false } as const;
  const { routes } = showRoutes(router, { ...query, view: "received" }, null);
  const found = routes.map(
    (one) => [`${one.prefix} ${one.path_id}`, one.reason?.text ?? null] as const,
  );
  return new Map(found);
}

type Looked = ReturnType<typeof looked>[number];

/** What was otherwise for a neighbor, as `ShownWhatIf` says it; null for nothing. */
function measured(before: Looked, after: Looked): Partial<ShownWhatIf> | null {
  if (before === null) return null;
  const stays = before.session === after?.session;
  const counts = { gained: 0, lost: 0, changed: 0, newly_rejected: 0, newly_accepted: 0 };
  const is = stays ? after!.table : {};
  for (const [key, seen] of Object.entries(before.table)) {
    if (!Object.hasOwn(is, key)) counts.lost++;
    else if (JSON.stringify(is[key]) !== JSON.stringify(seen)) counts.changed++;
  }
  for (const key of Object.keys(is)) if (!Object.hasOwn(before.table, key)) counts.gained++;
  const reasons = new Map<string, number>();
  for (const [prefix, reason] of stays ? before.judged : []) {
    const now = after!.judged.get(prefix);
    if (now === null && reason !== null) counts.newly_accepted++;
    if (now === null || reason !== null) continue;
    counts.newly_rejected++;
    reasons.set(now ?? NOT_KEPT, (reasons.get(now ?? NOT_KEPT) ?? 0) + 1);
  }
  const isAny = !stays || Object.values(counts).some((count) => count > 0);
  return isAny ? { ...counts, rejected_by: byText(reasons) as never } : null;
}

const NOT_KEPT = "rejected and not kept (keep-rejected), so that it is not known by what";

function byText(reasons: Iterable<readonly [string, number]>) {
  return [...reasons].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The part of a prediction that is measured; null where nothing but a question to the peer is foreseen. */
function foreseen(one: ShownWhatIf | undefined): Partial<ShownWhatIf> | null {
  if (one === undefined || one.session === "begins" || one.session === "none") return null;
  const { session, gained, lost, changed, newly_rejected, newly_accepted, rejected_by } = one;
  const counts = { gained, lost, changed, newly_rejected, newly_accepted };
  if (session === "stays" && Object.values(counts).every((count) => count === 0)) return null;
  const reasons = byText(rejected_by.map(({ text, count }) => [text, count] as const));
  return { ...counts, rejected_by: reasons as never };
}

describe.each(Object.entries(KINDS))("%s", (_title, kind) => {
  test("does what was foreseen, for all or for some, whatever happened before", () => {
    let differing = 0;
    fc.assert(
      fc.property(
        variant,
        fc.array(step, { maxLength: 20 }),
        variant,
        fc.constantFrom(0, 1, 1000),
        fc.constantFrom(...ADDRESSES),
        fc.option(fc.subarray([...ADDRESSES], { minLength: 1 })),
        (first, steps, next, budget, wanted, canary) => {
          const { world, machine } = worldOf(first, kind, budget);
          for (const i of ADDRESSES.keys()) world.raise(i);
          for (const each of steps) world.act(each);
          world.lab.deliver();
          const image = machineImage(machine);
          const file = configOf(yamlFor(next, kind));
          const tried =
            canary === null ? file : canaryConfig(machine.router.tables.config, file, canary);
          const octets = configOctets(replicated(tried));
          const copy = machineFromImage(image).router;
          const { neighbors, routes } = whatIf(copy, configFrom(octets), wanted);

          for (const peer of world.peers) {
            peer.asked = null;
            peer.wire?.drain();
          }
          world.lab.run();
          const before = looked(world);
          world.lab.router.configure(tried, world.lab.nowMs);
          world.lab.run();
          const after = looked(world);

          for (const [i, address] of ADDRESSES.entries()) {
            const found = measured(before[i]!, after[i]!);
            const one = neighbors.find(({ neighbor }) => neighbor === address);
            expect(foreseen(one), address).toEqual(found);
            if (found !== null) differing++;
            if (address !== wanted) continue;
            const named = (change: string) => routes.filter((route) => route.change === change);
            expect(named("lost").length).toBe(one?.lost ?? 0);
            expect(named("gained").length).toBe(one?.gained ?? 0);
          }
        },
      ),
      { numRuns: 50 },
    );
    expect(differing).toBeGreaterThan(0);
  });
});

const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";

/** Neighbors of AS 65001, 65002 and 65003, with options of each. */
function yaml(own: Readonly<Record<string, string>> = {}, policies = ""): string {
  const lines = [A, B, C].map(
    (address, i) => `  - { address: ${address}, as: ${65001 + i}, ${own[address] ?? ""} }`,
  );
  return yamlOf(`
defaults: { passive: true, import: accept-all, export: accept-all, route-server-client: true }
neighbors:
${lines.join("\n")}
policies:
  in:
    - { name: bogon, if: { prefix: 10.66.0.0/16 }, then: reject }
    - { then: accept }
  ${policies}
`);
}

function three(first = yaml()) {
  let machine!: Machine;
  const lab = new Lab(first, {
    routerOf: (...args) => {
      machine = new Machine(...args);
      return machine.router;
    },
  });
  const peers = [A, B, C].map((address, i) => lab.peer(address, { as: 65001 + i }).up());
  peers[0]!.announce(["10.1.0.0/16", "10.66.0.0/16"]);
  peers[1]!.announce(["10.1.0.0/16", "10.2.0.0/16"]);
  lab.run();
  const tried = (next: string, wanted: string | null = null) => {
    const copy = machineFromImage(machineImage(machine)).router;
    return whatIf(copy, configFrom(configOctets(replicated(configOf(next)))), wanted);
  };
  return { lab, peers, tried };
}

describe("what is told", () => {
  test("nothing, of a file that means the same", () => {
    const { tried } = three();
    expect(tried(`# a comment\n${yaml()}`).neighbors).toEqual([]);
  });

  test("the rule that rejects, with its line, and who has the route no more", () => {
    const { tried } = three();
    const { neighbors, routes } = tried(yaml({ [A]: "import: in" }), A);
    expect(neighbors).toMatchObject([
      {
        neighbor: A,
        session: "stays",
        newly_rejected: 1,
        rejected_by: [
          { code: "policy-rule", policy: "in", rule: "bogon", source: "lab.yaml:10", count: 1 },
        ],
        ...{ gained: 0, lost: 0, changed: 0 },
      },
      { neighbor: B, session: "stays", lost: 1, newly_rejected: 0, while_away: 0 },
      { neighbor: C, session: "stays", lost: 1 },
    ]);
    expect(routes).toMatchObject([
      { prefix: "10.66.0.0/16", change: "rejected", reason: { rule: "bogon" } },
    ]);
  });

  test("sessions that begin anew, and what others lack meanwhile", () => {
    const { tried } = three();
    expect(tried(yaml({ [A]: "hold-time: 30" }), C)).toMatchObject({
      neighbors: [
        { neighbor: A, session: "resets", why: "hold-time", lost: 2 },
        { neighbor: B, session: "stays", lost: 2, while_away: 2 },
        // It gets the other path of 10.1.0.0/16.
        { neighbor: C, session: "stays", lost: 1, changed: 1, while_away: 2 },
      ],
      routes: [
        { prefix: "10.1.0.0/16", change: "changed" },
        { prefix: "10.66.0.0/16", change: "lost" },
      ],
    });
  });

  test("neighbors that come and go", () => {
    const { tried } = three();
    const next = yaml().replace(`address: ${B}, as: 65002`, "address: 192.0.2.9, as: 65009");
    expect(tried(next).neighbors).toMatchObject([
      { neighbor: A, session: "stays", lost: 2 },
      { neighbor: C, session: "stays", lost: 1 },
      { neighbor: "192.0.2.9", as: 65009, session: "begins", lost: 0 },
      { neighbor: B, as: 65002, session: "ends", why: "the neighbor is removed", lost: 2 },
    ]);
  });

  test("a limit that ends a session", () => {
    const { tried } = three();
    const next = yaml({ [B]: "max-prefix: { ipv4-unicast: 1, action: shutdown }" });
    expect(tried(next).neighbors).toMatchObject([
      { neighbor: A, lost: 2, while_away: 1 },
      { neighbor: B, session: "ends", why: expect.stringContaining("Maximum Number of Prefixes") },
      { neighbor: C },
    ]);
  });

  test("that a neighbor would be asked for what was not kept", () => {
    const { tried } = three(yaml({ [A]: "import: in, keep-rejected: false" }));
    expect(tried(yaml({ [A]: "keep-rejected: false" })).neighbors).toMatchObject([
      { neighbor: A, session: "stays", asked_again: true, newly_accepted: 0 },
    ]);
  });
});
