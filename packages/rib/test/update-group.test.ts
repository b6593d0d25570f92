import { decodeMessages } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { advertisedCount, GROUP_LIMITS, UpdateGroup } from "../src/index.ts";
import {
  type Attributes,
  acceptAll,
  attributeOctets,
  FORM,
  type ModelPath,
  newWorld,
  nlri,
  PEER_AS,
  preferred,
  prefixText,
  TestMember,
  TestRules,
  UNLIMITED,
  type World,
} from "./model.ts";

/** Of one group; members may move between two that differ in these. */
interface GroupOptions {
  mitigates: boolean;
  pathsMax: number;
}

interface Options {
  byAs: boolean;
  addPath: boolean;
  groups: readonly GroupOptions[];
}

/** A group, and the rules it goes by. */
interface TestGroup {
  readonly options: GroupOptions;
  readonly rules: TestRules;
  readonly group: UpdateGroup;
}

/** Everything under test, and beside it what must come of it. */
class Scene {
  readonly world: World = newWorld();
  readonly model: Map<number, ModelPath[]> = new Map();
  readonly options: Options;
  readonly groups: readonly TestGroup[];
  readonly members: TestMember[] = [];
  private joined = 0;
  /** The group of each member, by place. */
  readonly groupOf: Map<TestMember, TestGroup> = new Map();

  constructor(options: Options) {
    this.options = options;
    this.groups = options.groups.map((own) => this.newGroup(own));
  }

  private newGroup(own: GroupOptions): TestGroup {
    const { addPath, byAs } = this.options;
    const rules = new TestRules(this.world, { ...own, byAs });
    const group = new UpdateGroup(this.world.rib, { ...FORM, addPath }, rules, {
      chunk: (chunk, members) => {
        for (const member of members as TestMember[]) member.take(chunk);
      },
      synced: (member) => {
        (member as TestMember).syncs++;
      },
      limited: () => {},
    });
    return { options: own, rules, group };
  }

  join(cls: number, groupIndex: number): TestMember {
    const { byAs, addPath } = this.options;
    const host = 100 + this.joined++;
    const address = [0, 0, 0xffff, 0x0a090000 + host] as const;
    const row = this.world.peers.add({ as: 65009, external: true, address });
    const member = new TestMember(byAs ? 1000 + cls : cls, addPath, row, `10.9.0.${host}`);
    const group = this.groups[groupIndex % this.groups.length]!;
    this.members.push(member);
    this.groupOf.set(member, group);
    group.group.join(member);
    return member;
  }

  leave(member: TestMember): void {
    this.members.splice(this.members.indexOf(member), 1);
    this.groupOf.get(member)!.group.leave(member);
  }

  /** Moves a member to the other group, when that is possible now. */
  move(member: TestMember, resend: boolean): void {
    const from = this.groupOf.get(member)!;
    const to = this.groups.find((group) => group !== from);
    if (to === undefined || !to.group.isComplete) return;
    if (to.group.takeOver(member, from.group, member, resend)) this.groupOf.set(member, to);
  }

  announce(peer: number, prefix: number, pathId: number, attributes: Attributes): void {
    const { attrs, rib, rows } = this.world;
    const octets = attributeOctets(attributes);
    const attr = attrs.intern(octets, 0, octets.length);
    const route = nlri(prefix, pathId);
    rib.announce(rows[peer]!, route, 0, route.length, true, attr, acceptAll(attr), UNLIMITED, 0, 0);
    attrs.release(attr);
    this.withdrawFromModel(peer, prefix, pathId);
    this.model.get(prefix)!.push({ peer, pathId, attributes });
  }

  withdraw(peer: number, prefix: number, pathId: number): void {
    const route = nlri(prefix, pathId);
    this.world.rib.withdraw(this.world.rows[peer]!, route, 0, route.length, true);
    this.withdrawFromModel(peer, prefix, pathId);
  }

  withdrawFromModel(peer: number, prefix: number, pathId: number): void {
    const paths = this.model.get(prefix) ?? [];
    this.model.set(
      prefix,
      paths.filter((p) => p.peer !== peer || p.pathId !== pathId),
    );
  }

  peerDown(peer: number): void {
    while (this.world.rib.removePeer(this.world.rows[peer]!, 2)) this.slice(1);
    for (const [prefix, paths] of this.model) {
      this.model.set(
        prefix,
        paths.filter((p) => p.peer !== peer),
      );
    }
  }

  /** A slice as the router does it, with up to `steps` steps of each group. */
  slice(steps: number): void {
    this.world.rib.decide();
    for (const { group } of this.groups) for (let i = 0; i < steps && group.step(); i++);
    this.world.rib.trim();
  }

  settle(): void {
    for (const member of this.members) member.backlogOctets = 0;
    this.slice(Infinity);
  }

  /** What a member must hold. */
  expected(member: TestMember): Map<string, string> {
    const held = new Map<string, string>();
    const { options } = this.groupOf.get(member)!;
    for (const [prefix, paths] of this.model) {
      const order = preferred(paths, this.world);
      if (this.options.addPath) this.expectPaths(prefix, order, member, options, held);
      else this.expectBest(prefix, order, member, options, held);
    }
    return held;
  }

  /** Classes do not depend on the group. */
  private classOf(path: ModelPath): number {
    return this.groups[0]!.rules.sourceClass(this.world.rows[path.peer]!);
  }

  private sees(path: ModelPath, cls: number): boolean {
    return this.classOf(path) !== cls && this.groups[0]!.rules.allows(path.attributes.med, cls);
  }

  private expectBest(
    prefix: number,
    order: ModelPath[],
    { cls, address }: TestMember,
    options: GroupOptions,
    held: Map<string, string>,
  ): void {
    const candidates = options.mitigates ? order : order.slice(0, 1);
    const path = candidates.find((p) => this.sees(p, cls));
    // No other path takes the place of one whose next hop is the member itself.
    if (path === undefined || path.attributes.nextHop === address) return;
    held.set(JSON.stringify(prefixText(prefix)), sent(path.attributes));
  }

  private expectPaths(
    prefix: number,
    order: ModelPath[],
    { cls, address }: TestMember,
    options: GroupOptions,
    held: Map<string, string>,
  ): void {
    const { paths, prefixes } = this.world.rib;
    const row = prefixes.find(((10 << 24) | (prefix << 16)) >>> 0, 0, 0, 0, 16);
    let count = 0;
    for (const path of order) {
      const { med } = path.attributes;
      if (count === options.pathsMax) break;
      // A path that nobody may have does not count; one that some may have does.
      if (med === 1 || med - 2000 === this.classOf(path)) continue;
      count++;
      if (!this.sees(path, cls) || path.attributes.nextHop === address) continue;
      const real = this.world.rib.find(row, this.world.rows[path.peer]!, path.pathId);
      const route = { path_id: paths.sentPathId[real], prefix: prefixText(prefix) };
      held.set(JSON.stringify(route), sent(path.attributes));
    }
  }
}

function sent(attributes: Attributes): string {
  const octets = attributeOctets(attributes);
  const message = new Uint8Array(23 + octets.length).fill(0xff, 0, 16);
  message.set(
    [message.length >> 8, message.length, 2, 0, 0, octets.length >> 8, octets.length],
    16,
  );
  message.set(octets, 23);
  const options = { fourOctetAs: true, addPath: false, external: false };
  return JSON.stringify(decodeMessages(message, options)[0]!["attributes"]);
}

const attributes = fc.record({
  localPref: fc.constantFrom(100, 200),
  path: fc.array(fc.constantFrom(65001, 65002, 65003), { minLength: 1, maxLength: 3 }),
  origin: fc.constantFrom("IGP" as const, "INCOMPLETE" as const),
  nextHop: fc.constantFrom("192.0.2.1", "192.0.2.1", "10.9.0.100", "10.9.0.101", "10.9.0.102"),
  med: fc.constantFrom(0, 0, 1, 7, 2000 + 3, 2000 + 1003, 4000 + 3, 4000 + 1003),
});
const peer = fc.nat(PEER_AS.length - 1);
const prefix = fc.nat(5);
const pathId = fc.constantFrom(0, 0, 0, 7);
const who = fc.nat(7);

const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constant("announce" as const), peer, prefix, pathId, attributes),
  },
  { weight: 4, arbitrary: fc.tuple(fc.constant("withdraw" as const), peer, prefix, pathId) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("peer-down" as const), peer) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("slice" as const), fc.nat(3)) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constant("join" as const), fc.constantFrom(1, 2, 3, 4, 900), fc.nat(1)),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant("leave" as const), who) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("refresh" as const), who) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("move" as const), who, fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("stall" as const), who) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("block" as const), who) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("recover" as const), who) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("rescan" as const), fc.nat(1), fc.boolean()) },
);

const groupOptions = fc.record({
  mitigates: fc.boolean(),
  pathsMax: fc.constantFrom(1, 2, 100),
});

const options = fc.record({
  byAs: fc.boolean(),
  addPath: fc.boolean(),
  groups: fc.array(groupOptions, { minLength: 1, maxLength: 2 }),
});

function apply(scene: Scene, step: readonly unknown[]): void {
  const [kind, a, b, c, d] = step as [string, number, number, number, Attributes];
  if (kind === "announce") scene.announce(a, b, c, d);
  else if (kind === "withdraw") scene.withdraw(a, b, c);
  else if (kind === "peer-down") scene.peerDown(a);
  else if (kind === "slice") scene.slice(a);
  else if (kind === "join") scene.join(a, b);
  else if (kind === "rescan") {
    const { group, rules } = scene.groups[a % scene.groups.length]!;
    group.setRules(rules, true, Boolean(b));
  } else applyToMember(scene, kind, scene.members[a % Math.max(1, scene.members.length)], b);
}

function applyToMember(
  scene: Scene,
  kind: string,
  member: TestMember | undefined,
  b: number,
): void {
  if (member === undefined) return;
  if (kind === "stall") member.backlogOctets = 2 * GROUP_LIMITS.backlogOctetsMax;
  else if (kind === "block") member.backlogOctets = GROUP_LIMITS.readyOctets;
  else if (kind === "recover") member.backlogOctets = 0;
  else if (kind === "refresh") scene.groupOf.get(member)!.group.refresh(member);
  else if (kind === "move") scene.move(member, Boolean(b));
  else scene.leave(member);
}

const PLAIN: GroupOptions = { mitigates: true, pathsMax: 1 };
const ROUTE: Attributes = { localPref: 100, path: [65001], origin: "IGP", med: 0 };

describe("an update group", () => {
  test("leaves every member with what the decision process and policy give it", () => {
    fc.assert(
      fc.property(options, fc.array(event, { maxLength: 60 }), (choice, events) => {
        const scene = new Scene(choice);
        for (const step of events) apply(scene, step);
        scene.settle();
        for (const member of scene.members) {
          const { group } = scene.groupOf.get(member)!;
          const expected = Object.fromEntries(scene.expected(member));
          expect(Object.fromEntries(member.held)).toEqual(expected);
          expect(member.syncs).toBeGreaterThan(0);
          expect(advertisedCount(group, member)).toBe(member.held.size);
          expect(group.standing.catchingUp).toBe(0);
        }
      }),
      { numRuns: 600 },
    );
  });

  test("gives every reference and row back when all routes and members are gone", () => {
    fc.assert(
      fc.property(options, fc.array(event, { maxLength: 60 }), (choice, events) => {
        const scene = new Scene(choice);
        for (const step of events) apply(scene, step);
        for (let i = 0; i < PEER_AS.length; i++) scene.peerDown(i);
        scene.settle();
        expect(scene.world.rib.prefixes.size).toBe(0);
        expect(scene.world.attrs.size).toBe(0);
        for (const member of scene.members) expect([...member.held]).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test("gives its references back when it is closed with routes in it", () => {
    const scene = new Scene({ byAs: false, addPath: false, groups: [PLAIN] });
    const { group } = scene.groups[0]!;
    scene.join(900, 0);
    scene.announce(0, 1, 0, ROUTE);
    scene.announce(1, 1, 0, { ...ROUTE, localPref: 200 });
    scene.slice(Infinity);
    group.close();
    while (group.adjRibOut.dispose(1));
    for (let i = 0; i < PEER_AS.length; i++) scene.peerDown(i);
    scene.slice(0);
    expect(scene.world.attrs.size).toBe(0);
    expect(scene.world.rib.prefixes.size).toBe(0);
  });

  test("keeps a prefix that a refreshed member has to hear the withdrawal of", () => {
    const scene = new Scene({ byAs: false, addPath: false, groups: [PLAIN] });
    const { group } = scene.groups[0]!;
    const member = scene.join(900, 0);
    scene.announce(0, 1, 0, ROUTE);
    scene.slice(Infinity);
    scene.join(901, 0);
    member.backlogOctets = 2 * GROUP_LIMITS.backlogOctetsMax;
    scene.announce(0, 2, 0, ROUTE);
    scene.slice(Infinity);
    scene.withdraw(0, 1, 0);
    scene.slice(Infinity);
    group.refresh(member);
    // The row of the withdrawn prefix must not be given to another one.
    scene.announce(0, 3, 0, ROUTE);
    scene.settle();
    expect([...member.held.keys()]).toEqual([...scene.expected(member).keys()]);
    scene.peerDown(0);
    scene.settle();
    expect(scene.world.rib.prefixes.size).toBe(0);
  });

  test("tells a member that fell behind, or asks again, nothing of its own routes", () => {
    const scene = new Scene({ byAs: false, addPath: false, groups: [PLAIN] });
    const { group, rules } = scene.groups[0]!;
    const source = scene.join(rules.sourceClass(scene.world.rows[0]!), 0);
    const other = scene.join(900, 0);
    scene.announce(0, 1, 0, ROUTE);
    scene.announce(1, 2, 0, ROUTE);
    scene.settle();
    for (const member of scene.members) {
      member.backlogOctets = 2 * GROUP_LIMITS.backlogOctetsMax;
    }
    scene.announce(0, 1, 0, { ...ROUTE, med: 7 });
    scene.slice(Infinity);
    scene.settle();
    group.refresh(source);
    group.refresh(other);
    scene.settle();
    expect(source.held.size).toBe(1);
    expect(other.held.size).toBe(2);
    expect(source.idle).toBe(0);
  });

  test("does not let a member that comes up wait for one that does not read", () => {
    const scene = new Scene({ byAs: false, addPath: false, groups: [PLAIN] });
    scene.join(900, 0);
    scene.announce(0, 1, 0, ROUTE);
    scene.slice(Infinity);
    const blocked = scene.join(901, 0);
    blocked.backlogOctets = GROUP_LIMITS.readyOctets;
    for (let i = 0; i < 100; i++) scene.slice(Infinity);
    const late = scene.join(902, 0);
    for (let i = 0; i < 100; i++) scene.slice(Infinity);
    expect(late.syncs).toBe(1);
    expect(late.held.size).toBe(1);
    expect(blocked.held.size).toBe(0);
  });

  test("looks at all again for one that comes up, also when no other can be given more", () => {
    const scene = new Scene({ byAs: false, addPath: false, groups: [PLAIN] });
    const { group, rules } = scene.groups[0]!;
    const blocked = scene.join(900, 0);
    scene.announce(0, 1, 0, ROUTE);
    scene.slice(Infinity);
    blocked.backlogOctets = GROUP_LIMITS.readyOctets;
    group.setRules(rules, true, true);
    scene.slice(1);
    expect(group.isComplete).toBe(false);
    const late = scene.join(901, 0);
    for (let i = 0; i < 100; i++) scene.slice(Infinity);
    expect(group.isComplete).toBe(true);
    expect([late.syncs, late.held.size]).toEqual([1, 1]);
  });

  test("tells a member that it took over that everything was sent", () => {
    const scene = new Scene({ byAs: false, addPath: false, groups: [PLAIN, PLAIN] });
    const member = scene.join(900, 0);
    scene.announce(0, 1, 0, ROUTE);
    while (scene.groups[1]!.group.step());
    expect(member.syncs).toBe(0);
    scene.move(member, false);
    scene.settle();
    expect(member.syncs).toBe(1);
  });

  test("withdraws the path identifiers that only the group before had sent", () => {
    const groups = [
      { mitigates: false, pathsMax: 100 },
      { mitigates: false, pathsMax: 1 },
    ];
    const scene = new Scene({ byAs: false, addPath: true, groups });
    const member = scene.join(900, 0);
    scene.announce(0, 1, 0, ROUTE);
    scene.announce(1, 1, 0, { ...ROUTE, localPref: 200 });
    scene.slice(Infinity);
    expect(member.held.size).toBe(2);
    scene.move(member, false);
    scene.settle();
    expect(Object.fromEntries(member.held)).toEqual(Object.fromEntries(scene.expected(member)));
  });
});
