/** Groups that keep to a limit, beside one that does not. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Chunk, GROUP_LIMITS, type Member, UpdateGroup } from "../src/index.ts";
import {
  acceptAll,
  attributeOctets,
  FORM,
  newWorld,
  nlri,
  PEER_AS,
  TestMember,
  TestRules,
  UNLIMITED,
} from "./model.ts";

/** Routes from this one are not sent back to the member. */
const CLS = 3;
const LIMITS = [Number.POSITIVE_INFINITY, 2, 4] as const;

class Scene {
  readonly world = newWorld();
  readonly groups: readonly UpdateGroup[];
  /** In the group of the same place; the last one moves. */
  readonly members: TestMember[] = [];
  private readonly addPath: boolean;
  private movesFrom = 1;
  /** Times that a group said that it leaves routes out, or no longer. */
  told = 0;

  constructor(addPath: boolean, pathsMax: number) {
    this.addPath = addPath;
    const { rib } = this.world;
    this.groups = LIMITS.map((routes) => {
      const options = { mitigates: !addPath, pathsMax, byAs: false };
      const limit = Number.isFinite(routes) ? { limit: { routes, cls: CLS } } : {};
      const rules = new TestRules(this.world, { ...options, ...limit });
      return new UpdateGroup(rib, { ...FORM, addPath }, rules, {
        chunk: (chunk, members) => {
          for (const member of members as TestMember[]) member.take(chunk);
        },
        synced: () => {},
        limited: () => this.told++,
      });
    });
    for (const group of [...this.groups, this.groups[1]!]) {
      const member = new TestMember(CLS, addPath);
      this.members.push(member);
      group.join(member);
    }
  }

  act([kind, a, b, c]: readonly [string, number, number, number]): void {
    const { rib, attrs, rows } = this.world;
    const route = nlri(b, this.addPath ? c % 2 : 0);
    const octets = attributeOctets({
      localPref: 100 + (c & 1),
      path: [PEER_AS[a]!],
      origin: "IGP",
      // Some that nobody may have, or not the member.
      med: [0, 0, 0, 0, 0, 0, 1, 4000 + CLS][c]!,
    });
    const rest = [route, 0, route.length, true] as const;
    if (kind === "announce") {
      const attr = attrs.intern(octets, 0, octets.length);
      rib.announce(rows[a]!, ...rest, attr, acceptAll(attr), UNLIMITED, 0, 0);
      attrs.release(attr);
    } else if (kind === "withdraw") rib.withdraw(rows[a]!, ...rest);
    else if (kind === "peer-down") while (rib.removePeer(rows[a]!, 2)) this.slice(1);
    else if (kind === "slice") this.slice(c);
    else if (kind === "refresh") this.groups[1]!.refresh(this.members[1]!);
    else if (kind === "move") this.move();
    else {
      const { backlogOctetsMax, readyOctets } = GROUP_LIMITS;
      const backlog = kind === "stall" ? 2 * backlogOctetsMax : kind === "block" ? readyOctets : 0;
      this.members[1 + (a % 3)]!.backlogOctets = backlog;
    }
  }

  /** One that is sent as the limit of another group says goes from there to here and back. */
  private move(): void {
    const member = this.members[3]!;
    const [from, to] = [this.movesFrom, 3 - this.movesFrom];
    if (!this.groups[to]!.isComplete) return;
    if (!this.groups[to]!.takeOver(member, this.groups[from]!, member, false)) return;
    this.movesFrom = to;
  }

  get limitOfLast(): number {
    return LIMITS[this.movesFrom]!;
  }

  slice(steps: number): void {
    this.world.rib.decide();
    for (const group of this.groups) for (let i = 0; i < steps && group.step(); i++);
    this.world.rib.trim();
  }

  settle(): void {
    for (const member of this.members) member.backlogOctets = 0;
    this.slice(Number.POSITIVE_INFINITY);
  }
}

const step = fc.tuple(
  fc.constantFrom(
    ...(["announce", "announce", "announce", "announce", "withdraw", "withdraw", "slice"] as const),
    ...(["slice", "peer-down", "refresh", "move", "stall", "block", "recover"] as const),
  ),
  fc.nat(PEER_AS.length - 1),
  fc.nat(9),
  fc.nat(7),
);

test("members never have more than the limit, and as much of what there is as it allows", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.constantFrom(2, 100),
      fc.array(step, { maxLength: 80, size: "max" }),
      (addPath, pathsMax, steps) => {
        const scene = new Scene(addPath, pathsMax);
        for (const each of steps) scene.act(each);
        scene.settle();
        const [all, ...limited] = scene.members;
        for (const [k, limit] of [2, 4, scene.limitOfLast].entries()) {
          const { held, most } = limited[k]!;
          expect(held.size).toBe(Math.min(limit, all!.held.size));
          for (const [route, attributes] of held) expect(all!.held.get(route)).toBe(attributes);
          // One that moves has had the other limit as well.
          if (k < 2) expect(most).toBeLessThanOrEqual(limit);
        }
        expect(scene.groups[2]!.adjRibOut.beyond.size > 0).toBe(all!.held.size > 4);
      },
    ),
    { numRuns: 300 },
  );
});

const MANY = 9000;

test("what goes leaves before what comes in its place, however much it is", () => {
  const world = newWorld();
  const { rib, attrs, rows } = world;
  const announce = (first: number, med: number) => {
    const octets = attributeOctets({ localPref: 100, path: [65001], origin: "IGP", med });
    const attr = attrs.intern(octets, 0, octets.length);
    for (let k = first; k < first + MANY; k++) {
      const route = Uint8Array.of(24, 10, k >> 8, k & 0xff);
      rib.announce(rows[0]!, route, 0, 4, false, attr, acceptAll(attr), UNLIMITED, 0, 0);
    }
    attrs.release(attr);
  };
  const newGroup = () => {
    const options = { mitigates: true, pathsMax: 1, byAs: false };
    const rules = new TestRules(world, { ...options, limit: { routes: MANY, cls: CLS } });
    const chunk = (of: Chunk, members: readonly Member[]) => {
      for (const member of members as readonly TestMember[]) member.take(of);
    };
    return new UpdateGroup(rib, FORM, rules, { chunk, synced: () => {}, limited: () => {} });
  };
  const settle = (...groups: UpdateGroup[]) => {
    rib.decide();
    for (const group of groups) while (group.step());
    rib.trim();
  };
  const members = [1, 2, 3].map(() => new TestMember(CLS, false));
  const [moves, waits] = members as [TestMember, TestMember];
  const group = newGroup();
  for (const member of members) group.join(member);
  announce(0, 1);
  announce(MANY, 0);
  settle(group);
  announce(0, 0);
  settle(group);
  // It takes the first ones of the table; the other group has those that it could have first.
  const other = newGroup();
  settle(other);
  expect(other.takeOver(moves, group, moves, false)).toBe(true);
  settle(other);
  waits.backlogOctets = 2 * GROUP_LIMITS.backlogOctetsMax;
  announce(MANY, 1);
  settle(group);
  expect(group.adjRibOut.beyond.size).toBe(0);
  waits.backlogOctets = 0;
  settle(group);
  for (const { held, most } of members) {
    expect(held.size).toBe(MANY);
    expect(most).toBe(MANY);
  }
});
