/** Which of the kernel's next-hop objects are whose, and what is to be done for a group. */
import { expect, test } from "vitest";
import { NextHopGroups } from "../src/index.ts";
import { type NextHopObject, readNextHop } from "../src/next-hop-object.ts";

const PLACE = { table: 254, metric: 32 };
const A = { gateway: Uint8Array.of(192, 0, 2, 1), interface: 5 };
const B = { gateway: Uint8Array.of(192, 0, 2, 2), interface: 5 };
const NOTHING: ReadonlySet<number> = new Set();

function reread(groups: NextHopGroups, objects: readonly NextHopObject[]): void {
  groups.beginReading();
  for (const each of objects) groups.take(each);
  groups.endReading();
}

const single = (id: number, hop = A, more: Partial<NextHopObject> = {}): NextHopObject => ({
  ...{ id, protocol: 186, hop, members: [], isOther: false },
  ...more,
});
const group = (id: number, ...members: number[]): NextHopObject => ({
  ...{ id, protocol: 186, hop: null, members, isOther: false },
});

/** Does all of it. @returns what it makes: members of groups, gateways of others */
function make(groups: NextHopGroups, id: number, hops: readonly (typeof A)[], isNew: boolean) {
  const change = groups.set(id, hops, isNew)!;
  groups.done(change);
  expect(change.messages.map((octets) => octets.readUInt32LE(8))).toEqual(
    change.messages.map((_, k) => k),
  );
  return change.messages.map((octets) => readNextHop(octets.subarray(16))!);
}

test("a next hop is made once, however many groups have it", () => {
  const groups = new NextHopGroups(PLACE);
  const first = groups.newId();
  const made = make(groups, first, [A], true);
  expect(made).toMatchObject([{ hop: A }, { id: first, members: [made[0]!.id] }]);
  const second = groups.newId();
  const [b, both] = make(groups, second, [A, B], true);
  expect(b!.hop).toEqual(B);
  expect(both).toMatchObject({ id: second, members: [made[0]!.id, b!.id] });
  expect(make(groups, first, [B], false)).toMatchObject([{ id: first, members: [b!.id] }]);
  expect(groups.hopsOf(second)).toEqual([A, B]);
  expect(groups.sweep(new Set([first, second]), 100).deleted).toEqual([]);
  expect(groups.sweep(new Set([first]), 100).deleted).toEqual([second, made[0]!.id]);
});

test("numbers that others have in the range are not given away", () => {
  const other = new NextHopGroups(PLACE).newId();
  const groups = new NextHopGroups(PLACE);
  reread(groups, [single(other, A, { protocol: 11 })]);
  expect(groups.newId()).toBeGreaterThan(other);
  expect(groups.isInRange(other)).toBe(true);
  expect(groups.isOwn(other)).toBe(false);
  const elsewhere = new NextHopGroups({ table: 1000, metric: 32 });
  expect(elsewhere.isInRange(other)).toBe(false);
});

test.each([
  [false, 1 << 11],
  [true, 16],
])(
  "in compat mode %s there are %i groups at most, and they can be made again when some have gone",
  (isCompat, max) => {
    const groups = new NextHopGroups(PLACE);
    groups.isCompat = isCompat;
    let count = 0;
    for (let id = groups.newId(); id !== 0; id = groups.newId()) {
      make(groups, id, [A], true);
      count++;
    }
    // Their next hop does not count.
    expect(count).toBe(max);
    groups.done(groups.sweep(NOTHING, 100));
    expect(groups.newId()).not.toBe(0);
  },
);

test("an earlier process's are used where own routes lead by them, and go where none does", () => {
  const before = new NextHopGroups(PLACE);
  const [one, other] = [before.newId(), before.newId()];
  const objects = [...make(before, one, [A], true), ...make(before, other, [B], true)];
  const groups = new NextHopGroups(PLACE);
  reread(groups, objects);
  expect(groups.adopt(one)).toEqual([A]);
  expect(groups.sweep(new Set([one]), 100).deleted).toEqual([]);
  const left = groups.doubtful(new Set([one]));
  expect(left).toEqual([other, objects[2]!.id]);
  // It is looked whether routes of other tables lead by them.
  groups.claim(left, NOTHING);
  expect(groups.sweep(new Set([one]), 100).deleted).toEqual(left);
});

/** @returns groups of a module that has found one of another module's, by which routes of that lead */
function besideAnother() {
  const theirs = new NextHopGroups(PLACE);
  const id = theirs.newId();
  const objects = make(theirs, id, [A], true);
  const groups = new NextHopGroups(PLACE);
  reread(groups, objects);
  groups.claim(groups.doubtful(NOTHING), new Set([id]));
  return { groups, id, objects };
}

test("those of another module whose numbers are in the same range stay", () => {
  const { groups, id, objects } = besideAnother();
  expect(groups.sweep(NOTHING, 100).deleted).toEqual([]);
  expect(groups.doubtful(NOTHING)).toEqual([]);
  const own = groups.newId();
  // Its next hop is not shared either, or it would go with the other module's.
  expect(make(groups, own, [A], true)).toMatchObject([{ hop: A }, { id: own }]);
  groups.done(groups.sweep(NOTHING, 100));
  reread(groups, objects);
  expect(groups.adopt(id)).toBeNull();
});

test("where packets go is not known of groups with members that do something else", () => {
  const groups = new NextHopGroups(PLACE);
  reread(groups, [
    ...[single(1), single(2, B), single(3, A, { isOther: true })],
    ...[group(10, 1, 2), group(11, 1, 3), group(12, 1, 4), { ...group(13, 1), isOther: true }],
  ]);
  expect([10, 11, 12, 13, 14, 2].map((id) => groups.hopsOf(id))).toEqual([
    ...[[A, B], null, null, null, null, [B]],
  ]);
});

test("groups come to have so many next hops at most, however often they lead elsewhere", () => {
  const groups = new NextHopGroups(PLACE);
  const id = groups.newId();
  make(groups, id, [A], true);
  let made = 1;
  for (let n = 0; ; n++) {
    const change = groups.set(id, [{ ...A, interface: 1000 + n }], false);
    if (change === null) break;
    groups.done(change);
    made++;
  }
  expect(made).toBe((1 << 12) - 1);
  // What is not made takes no number: there is room when the others have gone.
  groups.done(groups.sweep(new Set([id]), 1 << 12));
  expect(groups.set(id, [B], false)).not.toBeNull();
});

test("what the kernel refuses takes no number", () => {
  const groups = new NextHopGroups(PLACE);
  for (let n = 0; n < 1 << 12; n++) {
    const id = groups.newId();
    expect(id).not.toBe(0);
    groups.giveUp(groups.set(id, [A], true)!);
  }
});

test("those that nothing leads by go some at a time, groups before their next hops", () => {
  const groups = new NextHopGroups(PLACE);
  const ids = Array.from({ length: 5 }, () => groups.newId());
  for (const [k, id] of ids.entries()) make(groups, id, [{ ...A, interface: k + 1 }], true);
  const counts: number[] = [];
  const order: number[] = [];
  for (;;) {
    const change = groups.sweep(NOTHING, 3);
    groups.done(change);
    if (change.deleted.length === 0) break;
    counts.push(change.deleted.length);
    order.push(...change.deleted);
  }
  expect(counts).toEqual([3, 3, 3, 1]);
  expect(order.slice(0, 5)).toEqual(ids);
});

test("a group that somebody has changed stays while routes of anybody lead by it", () => {
  const groups = new NextHopGroups(PLACE);
  const id = groups.newId();
  const [one] = make(groups, id, [A], true);
  const changed = [single(one!.id), single(1, B, { protocol: 4, isOther: true }), group(id, 1)];
  reread(groups, changed);
  expect(groups.hopsOf(id)).toBeNull();
  // The route table knows it no more, so it is not among those that own routes lead by.
  expect(groups.doubtful(NOTHING)).toEqual([id]);
  groups.claim([id], new Set([id]));
  expect(groups.sweep(NOTHING, 100).deleted).toEqual([one!.id]);
  reread(groups, changed);
  expect(groups.doubtful(NOTHING)).toEqual([]);
  expect(groups.adopt(id)).toBeNull();
  const other = new NextHopGroups(PLACE);
  make(other, other.newId(), [A], true);
  reread(other, changed);
  other.claim(other.doubtful(NOTHING), NOTHING);
  // All routes are read once for it, also where it goes later than others.
  expect(other.doubtful(NOTHING)).toEqual([]);
  expect(other.sweep(NOTHING, 100).deleted).toEqual([id, one!.id]);
});

test("what was another's is forgotten when it is gone, and what was an own one too", () => {
  const { groups, id, objects } = besideAnother();
  reread(groups, []);
  // The first numbers are free again, and are this module's now.
  const own = groups.newId();
  expect(objects.map((each) => each.id)).toContain(own);
  make(groups, own, [B], true);
  expect(groups.adopt(own)).toEqual([B]);
  reread(groups, []);
  reread(groups, objects);
  expect(groups.doubtful(NOTHING)).toEqual(expect.arrayContaining([id]));
});
