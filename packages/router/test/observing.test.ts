/** Those who observe know at any time, from what they were told, what the router knows. */

import { type RouteRun, runsOf, TABLE } from "@ts-bgp/feeds-codec";
import type { AttrId, AttrStore } from "@ts-bgp/rib";
import {
  AFI,
  ATTR,
  attributeValueAt,
  findAttribute,
  formatAddress,
  nextAttribute,
} from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ADDRESSES,
  KINDS,
  type Step,
  step,
  type Variant,
  variant,
  World,
} from "../../../testkit/churn.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { FAMILIES, type Observed, type Router, receivedSet } from "../src/index.ts";

const OBSERVED = KINDS["an observed route server"]!;
const PRE_AND_POST = [TABLE.ADJ_IN_PRE, TABLE.ADJ_IN_POST] as const;

/** Tables as they come of what was told: by table and neighbor, attributes by route. */
class Model {
  readonly tables: Map<string, Map<string, string>> = new Map();
  readonly sessions: Map<number, number> = new Map();

  take(event: Observed): void {
    if (event.kind === "up") {
      expect(this.sessions.has(event.peer)).toBe(false);
      expect([event.sentOpen[18], event.receivedOpen[18]]).toEqual([1, 1]);
      this.sessions.set(event.peer, event.connection);
    } else if (event.kind === "down") {
      expect(this.sessions.get(event.peer)).toBe(event.connection);
      this.sessions.delete(event.peer);
      for (const table of PRE_AND_POST) this.tables.delete(`${table} ${event.peer}`);
    } else if (event.kind === "routes") for (const run of runsOf(event.octets)) this.run(run);
  }

  private run(run: RouteRun): void {
    const isBest = run.table === TABLE.LOC_RIB || run.table === TABLE.NEXT_HOPS;
    if (!isBest && !this.sessions.has(run.peer)) return;
    const key = isBest ? `best ${run.table}` : `${run.table} ${run.peer}`;
    const table = this.tables.get(key) ?? new Map<string, string>();
    this.tables.set(key, table);
    for (const route of routesOf(run)) {
      if (run.attributes === null) table.delete(route);
      else table.set(route, hexOf(run.attributes.buf, run.attributes.at, run.attributes.end));
    }
  }

  get text(): string[] {
    return [...this.tables]
      .flatMap(([key, table]) =>
        [...table].map(([route, attributes]) => `${key} ${route} ${attributes}`),
      )
      .sort();
  }
}

function routesOf({ routes: { buf, at, end }, addPath }: RouteRun): string[] {
  const found: string[] = [];
  for (let i = at; i < end; ) {
    const next = i + (addPath ? 4 : 0) + 1 + ((buf[i + (addPath ? 4 : 0)]! + 7) >> 3);
    found.push(hexOf(buf, i, next));
    i = next;
  }
  return found;
}

function hexOf(buf: Uint8Array, at: number, end: number): string {
  return Buffer.from(buf.subarray(at, end)).toString("hex");
}

/** @returns next hops of a run, with the interface behind each */
function nextHopsOf({ attributes }: RouteRun): string[] {
  if (attributes === null) return [];
  const found: string[] = [];
  const { buf, end } = attributes;
  for (let at = attributes.at; at < end; at = nextAttribute(buf, at)) {
    const value = buf.subarray(attributeValueAt(buf, at), nextAttribute(buf, at));
    const addresses = value.length & ~15;
    const words: string[] = [];
    for (let i = 0; i < addresses; i += 16) words.push(formatAddress(AFI.IPV6, value, i));
    const name = Buffer.from(value.subarray(addresses)).toString("latin1");
    found.push([...words, name].join(" ").trim());
  }
  return found;
}

/** @returns the NEXT_HOP attribute of a set */
function nextHopOf(attrs: AttrStore, attr: AttrId): string {
  const buf = attrs.bytesOf(attr);
  const at = attrs.offsetOf(attr);
  const found = findAttribute(buf, at, at + attrs.lengthOf(attr), ATTR.NEXT_HOP);
  return hexOf(buf, found, nextAttribute(buf, found));
}

/** @returns what the router has, in the same form; routes that no session stands behind are left out */
function tablesOf(router: Router): string[] {
  const { tables, neighbors } = router;
  const up = new Map([...neighbors.values()].map((each) => [each.row, each]));
  const found: string[] = [];
  for (const family of FAMILIES) {
    const { prefixes, paths, attrs, decision } = tables.rib(family);
    const text = (attr: number) => {
      const at = attrs.offsetOf(attr);
      return hexOf(attrs.bytesOf(attr), at, at + attrs.lengthOf(attr));
    };
    for (let row = 1; row < prefixes.limit; row++) {
      if (prefixes.isFree(row)) continue;
      const octets = (prefixes.bits[row]! + 7) >> 3;
      const words = Buffer.alloc(4);
      words.writeUInt32BE(prefixes.w0[row]!);
      const route = hexOf(
        Buffer.from([prefixes.bits[row]!, ...words.subarray(0, octets)]),
        0,
        1 + octets,
      );
      const best = prefixes.best[row]!;
      if (best !== 0) {
        found.push(`best ${TABLE.LOC_RIB} ${route} ${text(paths.attr[best]!)}`);
        const equals = decision.equal(prefixes.head[row]!).map((path) => paths.attr[path]!);
        const hops = [...new Set(equals.map((attr) => nextHopOf(attrs, attr)))].slice(0, 2);
        found.push(`best ${TABLE.NEXT_HOPS} ${route} ${hops.join("")}`);
      }
      for (let path = prefixes.head[row]!; path !== 0; path = paths.next[path]!) {
        const peer = paths.peer[path]!;
        const neighbor = up.get(peer);
        if (neighbor?.session == null) continue;
        if (neighbor.stale.staleness(family, paths.round[path]!) !== null) continue;
        const received = receivedSet(attrs, paths.attrIn[path]!);
        const accepted = paths.attr[path]!;
        if (received !== 0) found.push(`${TABLE.ADJ_IN_PRE} ${peer} ${route} ${text(received)}`);
        if (accepted !== 0) found.push(`${TABLE.ADJ_IN_POST} ${peer} ${route} ${text(accepted)}`);
      }
    }
  }
  return found.sort();
}

/** The row of a path that is withdrawn is at once that of another neighbor's path to the same prefix. */
const TAKEN_ROW: [Variant, Step[], number] = (() => {
  const accepts = { import: "accept-all", export: "accept-all", enabled: true } as const;
  const plain = { ...accepts, sendSameAs: false, honors: false, keepsRejected: false };
  const sketch = { tail: [], communities: [], large: [] };
  return [
    { neighbors: [null, plain, null, plain], hidden: 0, bogon: 0, mark: 0, mitigates: false },
    [
      { do: "announce", peer: 1, prefixes: [2, 0], sketch },
      { do: "withdraw", peer: 1, prefixes: [2] },
      { do: "announce", peer: 3, prefixes: [2], sketch },
    ],
    1,
  ];
})();

describe("those who observe", () => {
  test("have the tables that the router has, whatever happens", () => {
    fc.assert(
      fc.property(
        variant,
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom(0, 1, 1000),
        (first, steps, budget) => {
          const world = new World(first, OBSERVED, budget);
          const { lab } = world;
          const model = new Model();
          const check = () => {
            lab.run();
            for (const event of lab.observed.splice(0)) model.take(event);
            expect(model.text).toEqual(tablesOf(lab.router));
          };
          for (const i of ADDRESSES.keys()) world.raise(i);
          for (const [i, each] of steps.entries()) {
            world.act(each);
            if (i % 3 === 0) check();
          }
          world.settle();
          check();
        },
      ),
      { numRuns: 150, examples: [TAKEN_ROW] },
    );
  });

  test("are told nothing where nobody is configured, and nothing is noted", () => {
    const lab = new Lab(
      yamlOf("neighbors: [ { address: 192.0.2.1, as: 65001, passive: true, import: accept-all } ]"),
    );
    const peer = lab.peer("192.0.2.1", { as: 65001 }).up();
    peer.announce(["10.1.0.0/16"], { path: [65001] });
    lab.run();
    peer.hangUp();
    lab.run();
    expect(lab.observed).toEqual([]);
    expect(lab.router.tables.rib(1).notes).toBe(null);
  });

  test("have no more noted than they ask for", () => {
    const lab = new Lab(
      yamlOf(`neighbors: [ { address: 192.0.2.1, as: 65001, passive: true, import: accept-all } ]
followers: { listen: /run/followers.sock }`),
    );
    const peer = lab.peer("192.0.2.1", { as: 65001 }).up();
    const rib = lab.router.tables.rib(1);
    const sizes = () => [rib.notes!.touched.size, rib.notes!.paths.length];
    const before: number[][] = [];
    const decide = rib.decide.bind(rib);
    rib.decide = (...given) => {
      before.push(sizes());
      return decide(...given);
    };
    peer.announce(["10.1.0.0/16"], { path: [65001] });
    lab.run();
    expect(before.filter(([touched]) => touched !== 0)).toEqual([[1, 0]]);
    expect(sizes()).toEqual([0, 0]);
    expect(lab.observed.map(({ kind }) => kind)).toEqual(["routes"]);
  });

  test.each([1, 2])("are told interfaces of link-local next hops, of %i", (paths) => {
    const NEIGHBORS = ["fe80::9%eth0", "fe80::9%vlan.1234", "2001:db8::7"] as const;
    const neighbor = (address: string, k: number) =>
      `{ address: "${address}", as: ${65_001 + k}, passive: true, import: accept-all }`;
    const lab = new Lab(
      yamlOf(`defaults: { families: [ ipv6-unicast ] }
neighbors: [ ${NEIGHBORS.map(neighbor).join(", ")} ]
followers: { listen: /run/followers.sock, paths: ${paths} }`),
    );
    for (const [k, address] of NEIGHBORS.entries()) {
      lab.peer(address, { as: 65_001 + k, families: ["ipv6"] }).up();
    }
    /** @returns what is told of a route that a neighbor announces */
    const told = (k: number, prefix: string, nextHop: string): string[] => {
      const peer = lab.peers.get(NEIGHBORS[k]!)!;
      lab.observed.length = 0;
      peer.announce([prefix], { nextHop });
      lab.run();
      return lab.observed.flatMap((event) =>
        event.kind === "routes" ? [...runsOf(event.octets)].flatMap(nextHopsOf) : [],
      );
    };
    expect(told(0, "2001:db8:1::/48", "fe80::9")).toEqual(["fe80::9 eth0"]);
    expect(told(0, "2001:db8:2::/48", "2001:db8::9 fe80::9")).toEqual(["2001:db8::9 fe80::9 eth0"]);
    expect(told(1, "2001:db8:3::/48", "fe80::8")).toEqual(["fe80::8 vlan.1234"]);
    expect(told(1, "2001:db8:4::/48", "2001:db8::8")).toEqual(["2001:db8::8"]);
    // It is not known where that is.
    expect(told(2, "2001:db8:5::/48", "2001:db8::7 fe80::7")).toEqual(["2001:db8::7 fe80::7"]);
    const both = ["fe80::9 vlan.1234", "fe80::9 eth0"];
    expect(told(1, "2001:db8:1::/48", "fe80::9")).toEqual(both.slice(0, paths));
    lab.peers.get(NEIGHBORS[1])!.hangUp();
    lab.observed.length = 0;
    lab.run();
    const later = lab.observed.flatMap((event) =>
      event.kind === "routes" ? [...runsOf(event.octets)].flatMap(nextHopsOf) : [],
    );
    expect(later).toContain("fe80::9 eth0");
  });

  test("are told UPDATEs as they came, and which ones were not taken as they came", () => {
    const lab = new Lab(
      yamlOf(`neighbors: [ { address: 192.0.2.1, as: 65001, passive: true, import: accept-all } ]
mrt: { dir: /nowhere }`),
    );
    const peer = lab.peer("192.0.2.1", { as: 65001 }).up();
    const good = peer.updateOf(["10.1.0.0/16"], { path: [65001] });
    const bad = peer.encode([], [{ type: 2, value: { segments: [] } }], ["10.2.0.0/16"]);
    peer.send(good).send(bad);
    lab.run();
    const updates = lab.observed.flatMap((event) => (event.kind === "update" ? [event] : []));
    expect(updates.map(({ isMalformed }) => isMalformed)).toEqual([false, true]);
    expect(updates.map(({ octets }) => [...octets])).toEqual([[...good], [...bad]]);
  });
});
