import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Importer,
  PATHS_PER_PREFIX_MAX,
  type PeerLimits,
  Rib,
  type UpdateCounts,
} from "../src/index.ts";
import {
  type Attributes,
  acceptAll,
  attributeOctets,
  type ModelPath,
  newWorld,
  nlri,
  PEER_AS,
  preferred,
  stateOf,
  UNLIMITED,
} from "./model.ts";

const PREFIXES = 5;
const LIMIT_REASON = 9;
const NO_COUNTS: UpdateCounts = {
  ...{ added: 0, changed: 0, unchanged: 0, withdrawn: 0, blocked: 0 },
  ...{ rejected: 0, dropped: 0, unknown: 0 },
};

/**
 * Import policy of the tests: some prefixes are rejected, with the prefix as the reason, and some get
 * attributes of their own.
 */
interface Policy {
  readonly rejects: readonly number[];
  readonly rewrites: readonly number[];
  readonly keepsRejected: boolean;
}

/** A path as the model holds it; attributes by their place in `ATTRIBUTES`. */
interface NaivePath extends ModelPath {
  prefix: number;
  attrIn: number;
  /** Null when rejected. */
  attr: number | null;
  reason: number;
  round: number;
  since: number;
  sentPathId: number;
}

const ATTRIBUTES: readonly Attributes[] = [
  { localPref: 100, path: [65001], origin: "IGP", med: 0 },
  { localPref: 100, path: [65001, 65002], origin: "IGP", med: 0 },
  { localPref: 100, path: [65002], origin: "INCOMPLETE", med: 5 },
  { localPref: 200, path: [65003], origin: "IGP", med: 7 },
];
/** What policy rewrites attributes to. */
const REWRITTEN = 3;

/** A RIB, and the plainest thing that does the same: a list of paths. */
class Scene {
  readonly world = newWorld();
  private readonly rib: Rib = this.world.rib;
  readonly attrIds: readonly number[];
  private paths: NaivePath[] = [];
  private readonly changed: Set<number> = new Set();
  private readonly cursor = this.rib.log.open();
  private readonly expected: UpdateCounts = { ...NO_COUNTS };
  private now = 1000;

  constructor() {
    this.attrIds = ATTRIBUTES.map((attributes) => {
      const octets = attributeOctets(attributes);
      return this.world.attrs.intern(octets, 0, octets.length);
    });
  }

  private importer(attrIn: number, policy: Policy): Importer {
    const { attrIds } = this;
    return {
      attr: 0,
      reason: 0,
      perPrefix: true,
      keepsRejected: policy.keepsRejected,
      judge(w0) {
        const { attr, reason } = verdictOf((w0 >>> 16) & 255, attrIn, policy);
        this.attr = attr === null ? 0 : attrIds[attr]!;
        this.reason = reason;
      },
    };
  }

  private find(peer: number, prefix: number, pathId: number): NaivePath | undefined {
    return this.paths.find(
      (path) => path.peer === peer && path.prefix === prefix && path.pathId === pathId,
    );
  }

  private of(peer: number): NaivePath[] {
    return this.paths.filter((path) => path.peer === peer);
  }

  private drop(path: NaivePath): void {
    this.paths.splice(this.paths.indexOf(path), 1);
    if (path.attr !== null) this.changed.add(path.prefix);
  }

  announce(
    peer: number,
    prefixes: readonly number[],
    pathId: number,
    attrIn: number,
    policy: Policy,
    limits: PeerLimits,
    round: number,
  ): void {
    this.now++;
    const buf = Uint8Array.from(prefixes.flatMap((prefix) => [...nlri(prefix, pathId)]));
    this.rib.announce(
      this.world.rows[peer]!,
      buf,
      0,
      buf.length,
      true,
      this.attrIds[attrIn]!,
      this.importer(attrIn, policy),
      limits,
      round,
      this.now,
    );
    for (const prefix of prefixes) {
      this.announceOne(peer, prefix, pathId, attrIn, policy, limits, round);
    }
  }

  private announceOne(
    peer: number,
    prefix: number,
    pathId: number,
    attrIn: number,
    policy: Policy,
    limits: PeerLimits,
    round: number,
  ): void {
    const old = this.find(peer, prefix, pathId);
    let verdict = verdictOf(prefix, attrIn, policy);
    if (verdict.attr === null) this.expected.rejected++;
    if (verdict.attr === null && !policy.keepsRejected) {
      if (old !== undefined) this.drop(old);
      this.expected.dropped++;
      return;
    }
    if (old === undefined && this.isOneTooMany(peer, prefix, limits.received, () => true)) {
      this.expected.blocked++;
      return;
    }
    verdict = this.limited(peer, prefix, old, verdict, limits);
    if (verdict.reason === LIMIT_REASON) this.expected.blocked++;
    const { attr, reason } = verdict;
    const since = this.now;
    if (old === undefined) {
      const sentPathId = this.freePathId(prefix);
      const attributes = ATTRIBUTES[attr ?? attrIn]!;
      const own = { peer, prefix, pathId, attributes, attrIn, attr, reason, round, since };
      this.paths.push({ ...own, sentPathId });
      if (attr !== null) this.changed.add(prefix);
      this.expected.added++;
    } else if (old.attrIn === attrIn && old.attr === attr && old.reason === reason) {
      old.round = round;
      this.expected.unchanged++;
    } else {
      this.replace(old, attrIn, attr, reason);
      Object.assign(old, { round, since });
      this.expected.changed++;
    }
  }

  private replace(path: NaivePath, attrIn: number, attr: number | null, reason: number): void {
    if (path.attr !== attr) this.changed.add(path.prefix);
    Object.assign(path, { attrIn, attr, reason, attributes: ATTRIBUTES[attr ?? attrIn]! });
  }

  /** Whether one more prefix with such a path is too many; further paths of one are not. */
  private isOneTooMany(
    peer: number,
    prefix: number,
    limit: number,
    counts: (path: NaivePath) => boolean,
  ): boolean {
    const known = new Set(
      this.of(peer)
        .filter(counts)
        .map((path) => path.prefix),
    );
    return !known.has(prefix) && known.size >= limit;
  }

  private limited(
    peer: number,
    prefix: number,
    old: NaivePath | undefined,
    verdict: { attr: number | null; reason: number },
    limits: PeerLimits,
  ): { attr: number | null; reason: number } {
    if (verdict.attr === null || (old !== undefined && old.attr !== null)) return verdict;
    const isAccepted = ({ attr }: NaivePath) => attr !== null;
    const isOver = this.isOneTooMany(peer, prefix, limits.accepted, isAccepted);
    return isOver ? { attr: null, reason: limits.reason } : verdict;
  }

  private freePathId(prefix: number): number {
    const taken = this.paths.filter((path) => path.prefix === prefix);
    let free = 1;
    while (taken.some(({ sentPathId }) => sentPathId === free)) free++;
    return free;
  }

  withdraw(peer: number, prefixes: readonly number[], pathId: number): void {
    const buf = Uint8Array.from(prefixes.flatMap((prefix) => [...nlri(prefix, pathId)]));
    this.rib.withdraw(this.world.rows[peer]!, buf, 0, buf.length, true);
    for (const prefix of prefixes) {
      const path = this.find(peer, prefix, pathId);
      if (path === undefined) this.expected.unknown++;
      else {
        this.drop(path);
        this.expected.withdrawn++;
      }
    }
  }

  /** Policy is another one from now on. */
  rejudge(peer: number, policy: Policy, limits: PeerLimits): void {
    for (const path of this.of(peer)) {
      const { attr, reason } = this.limited(
        peer,
        path.prefix,
        path,
        verdictOf(path.prefix, path.attrIn, policy),
        limits,
      );
      const isSame = path.attr === attr && path.reason === reason;
      const importer = this.importer(path.attrIn, policy);
      expect(this.rib.rejudge(this.rowOf(path), importer, limits)).toBe(!isSame);
      this.replace(path, path.attrIn, attr, reason);
    }
  }

  peerDown(peer: number, max: number): void {
    const row = this.world.rows[peer]!;
    for (let left = this.of(peer).length; left > max; left -= max) {
      expect(this.rib.removePeer(row, max)).toBe(true);
      expect(this.rib.paths.received[row]).toBe(left - max);
    }
    expect(this.rib.removePeer(row, max)).toBe(false);
    for (const path of this.of(peer)) this.drop(path);
  }

  /** A slice of work, after which a reader reads the whole log. */
  slice(): void {
    expect(this.rib.pending).toBe(this.changed.size);
    this.rib.decide();
    expect(this.rib.pending).toBe(0);
    this.checkBest();
    const read: number[] = [];
    for (;;) {
      const row = this.rib.log.next(this.cursor);
      if (row === 0) break;
      read.push((this.rib.prefixes.w0[row]! >>> 16) & 255);
    }
    expect(read.toSorted()).toEqual([...this.changed].sort());
    this.changed.clear();
    this.rib.trim();
    expect(this.rib.prefixes.size).toBe(new Set(this.paths.map(({ prefix }) => prefix)).size);
  }

  private prefixRow(prefix: number): number {
    return this.rib.prefixes.find((10 << 24) | (prefix << 16), 0, 0, 0, 16);
  }

  private rowOf({ peer, prefix, pathId }: NaivePath): number {
    return this.rib.find(this.prefixRow(prefix), this.world.rows[peer]!, pathId);
  }

  private checkBest(): void {
    for (let prefix = 0; prefix < PREFIXES; prefix++) {
      const row = this.prefixRow(prefix);
      if (row === 0) continue;
      const accepted = this.paths.filter((path) => path.prefix === prefix && path.attr !== null);
      const [best] = preferred(accepted, this.world) as NaivePath[];
      const expected = best === undefined ? 0 : this.rowOf(best);
      expect(this.rib.prefixes.best[row]).toBe(expected);
    }
  }

  check(): void {
    const { paths, counts } = this.rib;
    expect(counts).toEqual(this.expected);
    expect(paths.size).toBe(this.paths.length);
    for (const path of this.paths) {
      const { pathId, sentPathId, reason, round } = path;
      expect(stateOf(paths, this.rowOf(path))).toEqual({
        peer: this.world.rows[path.peer],
        pathId,
        sentPathId,
        attrIn: this.attrIds[path.attrIn],
        attr: path.attr === null ? 0 : this.attrIds[path.attr],
        reason,
        round,
        sinceSeconds: path.since,
      });
    }
    for (const [peer, row] of this.world.rows.entries()) {
      const own = this.of(peer);
      expect(paths.received[row]).toBe(own.length);
      const accepted = own.filter(({ attr }) => attr !== null);
      expect(paths.accepted[row]).toBe(accepted.length);
      expect(paths.prefixesOf(row)).toBe(new Set(own.map((path) => path.prefix)).size);
      expect(paths.acceptedPrefixesOf(row)).toBe(new Set(accepted.map((path) => path.prefix)).size);
    }
  }
}

function verdictOf(
  prefix: number,
  attrIn: number,
  { rejects, rewrites }: Policy,
): { attr: number | null; reason: number } {
  if (rejects.includes(prefix)) return { attr: null, reason: 1 + prefix };
  return { attr: rewrites.includes(prefix) ? REWRITTEN : attrIn, reason: 0 };
}

const prefix = fc.nat(PREFIXES - 1);
const policy = fc.record({
  rejects: fc.array(prefix, { maxLength: 2 }),
  rewrites: fc.array(prefix, { maxLength: 2 }),
  keepsRejected: fc.boolean(),
});
const limits = fc.record({
  received: fc.constantFrom(Infinity, Infinity, 3),
  accepted: fc.constantFrom(Infinity, Infinity, 2),
  reason: fc.constant(LIMIT_REASON),
});
const peer = fc.nat(PEER_AS.length - 1);
const pathId = fc.constantFrom(0, 0, 7);
const prefixes = fc.array(prefix, { minLength: 1, maxLength: 4 });
const attrIn = fc.nat(ATTRIBUTES.length - 1);
const event: fc.Arbitrary<(scene: Scene) => void> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(peer, prefixes, pathId, attrIn, policy, limits, fc.nat(255))
      .map((step) => (scene: Scene) => scene.announce(...step)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(peer, prefixes, pathId)
      .map((step) => (scene: Scene) => scene.withdraw(...step)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(peer, policy, limits)
      .map((step) => (scene: Scene) => scene.rejudge(...step)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(peer, fc.integer({ min: 1, max: 3 }))
      .map((step) => (scene: Scene) => scene.peerDown(...step)),
  },
  { weight: 3, arbitrary: fc.constant((scene: Scene) => scene.slice()) },
);

describe("a RIB", () => {
  test("holds what peers announced and policy and limits left of it, and tells what changed", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40, size: "max" }), (events) => {
        const scene = new Scene();
        for (const step of events) {
          step(scene);
          scene.check();
        }
        scene.slice();
        for (let i = 0; i < PEER_AS.length; i++) scene.peerDown(i, 2);
        scene.slice();
        for (const attr of scene.attrIds) scene.world.attrs.release(attr);
        expect(scene.world.attrs.size).toBe(0);
        expect(scene.world.rib.prefixes.size).toBe(0);
      }),
      { numRuns: 250 },
    );
  });

  test("takes so many paths of one prefix from a peer, and no more", () => {
    const { attrs, rib, rows } = newWorld();
    const octets = attributeOctets(ATTRIBUTES[0]!);
    const attr = attrs.intern(octets, 0, octets.length);
    const announce = (from: number, id: number) => {
      const own = Uint8Array.of(0, 0, id >> 8, id, 16, 10, 1);
      rib.announce(from, own, 0, own.length, true, attr, acceptAll(attr), UNLIMITED, 0, 0);
    };
    for (let id = 0; id <= PATHS_PER_PREFIX_MAX; id++) announce(rows[0]!, id);
    expect(rib.counts).toMatchObject({ added: PATHS_PER_PREFIX_MAX, blocked: 1 });
    announce(rows[0]!, 5);
    announce(rows[1]!, 5);
    expect(rib.counts).toMatchObject({ unchanged: 1, blocked: 1, added: PATHS_PER_PREFIX_MAX + 1 });
    const gone = Uint8Array.of(0, 0, 0, 9, 16, 10, 1);
    rib.withdraw(rows[0]!, gone, 0, gone.length, true);
    announce(rows[0]!, PATHS_PER_PREFIX_MAX);
    const row = rib.prefixes.find(0x0a010000, 0, 0, 0, 16);
    // The identifier that became free is sent again.
    const path = rib.find(row, rows[0]!, PATHS_PER_PREFIX_MAX);
    expect(rib.paths.sentPathId[path]).toBe(10);
    rib.resetCounts();
    expect(rib.counts).toEqual(NO_COUNTS);
  });

  test("asks policy once for an attribute set whose verdict is the same for all prefixes", () => {
    const { attrs, rib, rows } = newWorld();
    const octets = attributeOctets(ATTRIBUTES[0]!);
    const attr = attrs.intern(octets, 0, octets.length);
    const importer: Importer = {
      ...acceptAll(attr),
      judge() {
        throw new Error("was asked");
      },
    };
    const own = nlri(1, null);
    rib.announce(rows[0]!, own, 0, own.length, false, attr, importer, UNLIMITED, 0, 0);
    expect(rib.counts.added).toBe(1);
  });

  test("holds IPv6 prefixes too", () => {
    const { attrs, peers, rows } = newWorld();
    const rib = new Rib(2, attrs, peers, 3);
    rib.paths.addPeer(rows[0]!);
    const octets = attributeOctets(ATTRIBUTES[0]!);
    const attr = attrs.intern(octets, 0, octets.length);
    const own = Uint8Array.of(48, 0x20, 1, 0x0d, 0xb8, 0, 7, 0, 33, 0x20, 1, 0x0d, 0xb8, 0x80);
    rib.announce(rows[0]!, own, 0, own.length, false, attr, acceptAll(attr), UNLIMITED, 0, 0);
    rib.decide();
    expect(rib.counts.added).toBe(3);
    for (const [w1, bits] of [
      [0x00070000, 48],
      [0x80000000, 33],
    ] as const) {
      const row = rib.prefixes.find(0x20010db8, w1, 0, 0, bits);
      expect(rib.prefixes.best[row]).toBe(rib.find(row, rows[0]!, 0));
      expect(row).toBeGreaterThan(0);
    }
    rib.withdraw(rows[0]!, own, 0, own.length, false);
    rib.decide();
    rib.trim();
    expect(rib.prefixes.size).toBe(0);
  });

  test("keeps the row of a prefix as long as a reader or a holder may need it", () => {
    const { attrs, rib, rows } = newWorld();
    const octets = attributeOctets(ATTRIBUTES[0]!);
    const attr = attrs.intern(octets, 0, octets.length);
    const own = nlri(1, null);
    const row = () => rib.prefixes.find(0x0a010000, 0, 0, 0, 16);
    const held = new Set<number>();
    rib.rowHolders.push({
      needsRow: (asked) => held.has(asked),
      isSettled: true,
      moveRow() {},
    });
    const cursor = rib.log.open();
    rib.announce(rows[0]!, own, 0, own.length, false, attr, acceptAll(attr), UNLIMITED, 0, 0);
    rib.decide();
    const first = row();
    held.add(first);
    rib.withdraw(rows[0]!, own, 0, own.length, false);
    rib.decide();
    rib.trim();
    expect(row()).toBe(first);
    expect(rib.log.next(cursor)).toBe(first);
    rib.trim();
    expect(row()).toBe(first);
    held.clear();
    rib.freeIfUnused(first);
    expect(row()).toBe(0);
  });
});

test("a table that never held a prefix is asked in vain for one", () => {
  const { rib, rows } = newWorld();
  expect(rib.find(0, rows[0]!, 0)).toBe(0);
  expect(rib.decision.collect(rib.prefixes.head[0]!)).toBe(0);
});
