import fc from "fast-check";
import { expect, test } from "vitest";
import { AttrStore, PathTable, type PeerWalk } from "../src/index.ts";
import { stateOf } from "./model.ts";

const PEERS = 3;

interface Path {
  readonly row: number;
  readonly peer: number;
  attrIn: number;
  attr: number;
}

interface Walk {
  readonly walk: PeerWalk;
  readonly peer: number;
  readonly start: readonly Path[];
  readonly met: Path[];
}

/** Paths and walks over them, and beside them lists that say what they must be. */
class Scene {
  readonly attrs: AttrStore = new AttrStore(1);
  readonly table: PathTable = new PathTable(this.attrs);
  readonly sets: readonly number[] = [1, 2, 3].map((n) =>
    this.attrs.intern(Uint8Array.of(0x40, 200, 1, n), 0, 4),
  );
  readonly paths: Path[] = [];
  readonly walks: Walk[] = [];

  constructor() {
    for (let peer = 1; peer <= PEERS; peer++) this.table.addPeer(peer);
  }

  /** A set, or none when that is allowed. */
  private set(n: number, orNone: boolean): number {
    return orNone && n % 4 === 3 ? 0 : this.sets[n % this.sets.length]!;
  }

  add(a: number, b: number): void {
    const peer = 1 + (a % PEERS);
    const attrIn = this.set(a, false);
    const attr = this.set(b, true);
    const row = this.table.add(peer, 1 + b, attrIn, attr);
    expect(this.paths.some((path) => path.row === row)).toBe(false);
    this.paths.push({ row, peer, attrIn, attr });
  }

  replace(a: number, b: number): void {
    const path = this.paths[a % this.paths.length];
    if (path === undefined) return;
    path.attrIn = this.set(b, false);
    path.attr = this.set(b + 1, true);
    this.table.replace(path.row, path.attrIn, path.attr);
  }

  remove(a: number): void {
    if (this.paths.length === 0) return;
    const [path] = this.paths.splice(a % this.paths.length, 1);
    this.table.remove(path!.row);
    expect(this.table.attrIn[path!.row]).toBe(0);
  }

  walk(a: number): void {
    const peer = 1 + (a % PEERS);
    const start = this.paths.filter((path) => path.peer === peer);
    this.walks.push({ walk: this.table.walk(peer), peer, start, met: [] });
  }

  /** @returns whether a walk went on */
  step(index: number): boolean {
    const { walk, peer, met } = this.walks[index]!;
    if (walk.at === 0) return false;
    const path = this.paths.find(({ row }) => row === walk.at);
    expect(path?.peer).toBe(peer);
    expect(met).not.toContain(path);
    met.push(path!);
    walk.at = this.table.peerNext[walk.at]!;
    return true;
  }

  end(index: number): void {
    while (this.step(index));
    const [{ walk, start, met }] = this.walks.splice(index, 1) as [Walk];
    this.table.endWalk(walk);
    for (const path of start) if (this.paths.includes(path)) expect(met).toContain(path);
  }

  check(): void {
    const { table, paths } = this;
    expect(table.size).toBe(paths.length);
    for (let peer = 1; peer <= PEERS; peer++) {
      const own = paths.filter((path) => path.peer === peer);
      expect(table.received[peer]).toBe(own.length);
      expect(table.accepted[peer]).toBe(own.filter(({ attr }) => attr !== 0).length);
    }
    for (const set of this.sets) {
      const ins = paths.filter(({ attrIn }) => attrIn === set).length;
      const outs = paths.filter(({ attr }) => attr === set).length;
      expect(this.attrs.refsOf(set)).toBe(1 + ins + outs);
    }
    for (const { row, peer, attrIn, attr } of paths) {
      expect(stateOf(table, row)).toMatchObject({ peer, attrIn, attr });
      expect(row).toBeLessThan(table.limit);
    }
  }
}

test("walks over a peer's paths meet each that stays, once, whatever comes and goes", () => {
  const kind = fc.constantFrom("add", "add", "add", "replace", "remove", "remove", "walk", "step");
  const event = fc.tuple(kind, fc.nat(), fc.nat(1000));
  fc.assert(
    fc.property(fc.array(event, { maxLength: 120, size: "max" }), (events) => {
      const scene = new Scene();
      for (const [what, a, b] of events) {
        if (what === "add") scene.add(a, b);
        else if (what === "replace") scene.replace(a, b);
        else if (what === "remove") scene.remove(a);
        else if (what === "walk") scene.walk(a);
        else if (scene.walks.length > 0) scene.step(a % scene.walks.length);
      }
      while (scene.walks.length > 0) scene.end(scene.walks.length - 1);
      scene.check();
      while (scene.paths.length > 0) scene.remove(0);
      scene.check();
    }),
    { numRuns: 200 },
  );
});

test("a peer that has no row yet has nothing to walk over", () => {
  const table = new PathTable(new AttrStore(1));
  const walk = table.walk(7);
  expect(walk.at).toBe(0);
  table.endWalk(walk);
});
