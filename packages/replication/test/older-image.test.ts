/** Images of programs that did not know of long-lived stale routes. */

import { prefixTexts } from "@ts-bgp/policy";
import type { Router } from "@ts-bgp/router";
import { expect, test } from "vitest";
import { configOf as configFor, Lab, yamlOf } from "../../../testkit/router.ts";
import { configOctets, Machine, machineFromImage, machineImage } from "../src/index.ts";

const A = "192.0.2.1";
const YAML = yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001 }]
`);

/** Takes out what the state of such a program does not have. */
function makeOlder(router: Router): void {
  const { stale, session } = router.neighbors.get(A)!;
  type Loose = Record<string, unknown>;
  const inner = stale as unknown as Loose & {
    kept: Map<number, Loose>;
    decides: typeof stale.import;
  };
  for (const kept of inner.kept.values()) {
    kept["isBack"] = kept["endOfRibMs"] !== null;
    if (kept["isBack"] === true) kept["deadlineMs"] = kept["endOfRibMs"];
    for (const key of ["longLivedAskedSeconds", "longLivedSeconds", "isLongLived", "endOfRibMs"]) {
      delete kept[key];
    }
  }
  for (const key of ["spent", "folds"]) delete inner[key];
  for (const decides of [inner.decides, session?.import]) {
    for (const family of decides?.families ?? []) delete (family as unknown as Loose)["freshRound"];
    const importer = decides?.importer as unknown as Loose | undefined;
    for (const key of ["marked", "isKept", "isStale", "isBarred"]) delete importer?.[key];
  }
}

test.each([false, true])(
  "routes of a neighbor that restarts stay and go as before; is back: %s",
  (isBack) => {
    let machine!: Machine;
    const lab = new Lab(YAML, {
      routerOf: (config, seed) => {
        machine = new Machine(config, seed);
        return machine.router;
      },
    });
    const a = lab.peer(A, { as: 65001, gracefulRestart: { seconds: 30 } }).up();
    a.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    lab.run();
    a.hangUp();
    lab.run();
    if (isBack) a.up().announce(["10.1.0.0/16"]);
    lab.run();
    makeOlder(machine.router);
    const { router } = machineFromImage(machineImage(machine));
    const count = () => {
      const { tables, neighbors } = router;
      return tables.rib(1).paths.received[neighbors.get(A)!.row];
    };
    const wait = (ms: number) => {
      for (const end = lab.nowMs + ms; lab.nowMs < end; ) {
        lab.nowMs += 1000;
        router.tick(lab.nowMs);
        while (router.slice(lab.nowMs, () => true));
      }
    };
    wait(29_000);
    expect(count()).toBe(2);
    if (isBack) {
      router.neighbors.get(A)!.rejudge();
      wait(1000);
      router.closed(router.neighbors.get(A)!.session!.connection.id, lab.nowMs);
      wait(29_000);
      expect(count()).toBe(1);
    }
    wait(2000);
    expect(count()).toBe(0);
  },
);

test("lists are texts for who knows no others, in images and in configurations", () => {
  let machine!: Machine;
  const text = yamlOf(`
prefix-lists: { own: [10.0.0.0/8 le 24], prefixLists: [10.0.0.0/9] }
as-lists: { known: [64512-65534] }
policies:
  in: [{ if: { prefix: own, as-path: { first: known } }, then: accept }]
defaults: { import: in, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001 }]
`);
  new Lab(text, {
    routerOf: (config, seed) => {
      machine = new Machine(config, seed);
      return machine.router;
    },
  });
  const { config } = machine.router.tables;
  for (const isForAny of [true, false]) {
    const image = Buffer.concat(machineImage(machine, isForAny));
    for (const octets of [image, Buffer.from(configOctets(config, isForAny))]) {
      const found = ["10.0.0.0/8 le 24", "64512-65534"].map((entry) => octets.includes(entry));
      expect(found).toEqual([!isForAny, !isForAny]);
    }
    const { router } = machineFromImage([image]);
    expect(router.neighbors.get(A)!.config.import).toEqual(["in"]);
    const { prefixLists } = router.tables.config.prefixLists;
    expect(prefixTexts(prefixLists!)).toEqual(["10.0.0.0/9"]);
  }
});

test("a history that a version without one carried on, or lost, begins anew", () => {
  const configOf = (as: number) =>
    configFor(yamlOf(`neighbors: [{ address: ${A}, as: ${as}, passive: true }]`));
  const machine = new Machine(configOf(65001), 1);
  const about = { by: "noc", how: "reload", trySeconds: 60 } as const;
  const configure = (as: number) =>
    machine.run({ record: "configure", config: configOctets(configOf(as)), nowMs: 1, about });
  configure(65002);
  const { history } = machine;
  expect([history.past.length, history.trial?.back]).toEqual([2, 1]);
  // Who knows histories gets it, and who does not is not burdened with it.
  const restored = machineFromImage(machineImage(machine)).history;
  expect([restored.past.length, restored.trial?.back]).toEqual([2, 1]);
  expect(machineFromImage(machineImage(machine, false)).history.past.length).toBe(1);
  // The other version went on to another configuration.
  const past = [...history.past];
  configure(65003);
  history.past = past;
  history.trial = { untilMs: 5, back: 1, by: "noc" };
  const { history: next, router } = machineFromImage(machineImage(machine));
  expect(next.trial).toBe(null);
  expect(next.past.map(({ config }) => config === router.tables.config)).toEqual([true]);
});

test("a configuration that differs in what nobody uses is the one of the history", () => {
  const configOf = (lists: string) =>
    configFor(yamlOf(`prefix-lists: { own: [${lists}] }\nneighbors: []`));
  const machine = new Machine(configOf("10.0.0.0/8"), 1);
  const config = configOctets(configOf("10.0.0.0/9"));
  machine.run({ record: "configure", config, nowMs: 1, about: null });
  const { history, router } = machine;
  expect(history.past.map(({ config: one }) => one === router.tables.config)).toEqual([true]);
  expect(machineFromImage(machineImage(machine)).history.past).toHaveLength(1);
});

test("rows that wait for room are left out for who does not know them, and found again", () => {
  let machine!: Machine;
  const lab = new Lab(
    yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true, route-server-client: true }
neighbors:
  - { address: ${A}, as: 65001 }
  - { address: 192.0.2.2, as: 65002, max-prefix-out: { ipv4-unicast: 2, action: block } }
`),
    {
      routerOf: (config, seed) => {
        machine = new Machine(config, seed);
        return machine.router;
      },
    },
  );
  const b = lab.peer("192.0.2.2", { as: 65002 }).up();
  lab.peer(A, { as: 65001 }).up().announce(["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]);
  lab.run();
  expect(Object.keys(b.table)).toHaveLength(2);
  const waiting = ({ tables }: Router) =>
    tables.groups.entries.map(({ group }) => group.adjRibOut.beyond.size).sort();
  expect(waiting(machine.router)).toEqual([0, 1]);
  expect(waiting(machineFromImage(machineImage(machine)).router)).toEqual([0, 1]);
  const { router } = machineFromImage(machineImage(machine, false));
  expect(waiting(router)).toEqual([0, 0]);
  router.reconsider();
  while (router.slice(lab.nowMs, () => true));
  expect(waiting(router)).toEqual([0, 1]);
});
