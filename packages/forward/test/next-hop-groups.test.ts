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
  expect(groups.sweep(new Set([first, second])).deleted).toEqual([]);
  expect(groups.sweep(new Set([first])).deleted).toEqual([second, made[0]!.id]);
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

test("there are so many groups at most, and they can be made again when some have gone", () => {
  const groups = new NextHopGroups(PLACE);
  let count = 0;
  for (let id = groups.newId(); id !== 0; id = groups.newId()) {
    make(groups, id, [A], true);
    count++;
  }
  // All of them lead to the same next hop, which is one more.
  expect(count).toBe((1 << 15) - 1);
  groups.done(groups.sweep(NOTHING));
  expect(groups.newId()).not.toBe(0);
});

test("an earlier process's are used where own routes lead by them, and go where none does", () => {
  const before = new NextHopGroups(PLACE);
  const [one, other] = [before.newId(), before.newId()];
  const objects = [...make(before, one, [A], true), ...make(before, other, [B], true)];
  const groups = new NextHopGroups(PLACE);
  reread(groups, objects);
  expect(groups.adopt(one)).toEqual([A]);
  expect(groups.sweep(new Set([one])).deleted).toEqual([]);
  const left = groups.leftBehind(new Set([one]));
  expect(left).toEqual([other, objects[2]!.id]);
  // It is looked whether routes of other tables lead by them.
  groups.claim(left, NOTHING);
  expect(groups.sweep(new Set([one])).deleted).toEqual(left);
});

test("those of another module whose numbers are in the same range stay", () => {
  const theirs = new NextHopGroups(PLACE);
  const id = theirs.newId();
  const objects = make(theirs, id, [A], true);
  const groups = new NextHopGroups(PLACE);
  reread(groups, objects);
  groups.claim(groups.leftBehind(NOTHING), new Set([id]));
  expect(groups.sweep(NOTHING).deleted).toEqual([]);
  expect(groups.leftBehind(NOTHING)).toEqual([]);
  const own = groups.newId();
  // Its next hop is not shared either, or it would go with the other module's.
  expect(make(groups, own, [A], true)).toMatchObject([{ hop: A }, { id: own }]);
  groups.done(groups.sweep(NOTHING));
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
