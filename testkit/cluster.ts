/** Members of a cluster around the same four clients, with what they tell each other, at random. */

import { checkedRuns } from "@ts-bgp/feeds-codec";
import { UpdateReader } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { Copy, NO_OCTETS, type Told, toldOf } from "../packages/daemon/src/cluster/telling.ts";
import {
  ADDRESSES,
  type Kind,
  type Step,
  step,
  type Variant,
  variant,
  World,
  yamlFor,
} from "./churn.ts";
import type { LabOptions } from "./router.ts";

const NAMES = ["a", "b", "c"];
const reader = new UpdateReader();

/** Besides what happens in one speaker. */
export type ClusterStep =
  | Step
  /** What a member tells is lost from now on; another one may have given it up already. */
  | { readonly do: "cut"; readonly from: number; readonly isGone: boolean }
  /** It tells again: so many pieces of a copy before anything else happens, or all. */
  | { readonly do: "join"; readonly from: number; readonly pieces: number }
  /** A client has its session with another member from now on. */
  | { readonly do: "move"; readonly peer: number; readonly to: number };

/** Several routers, each with sessions of some of the four clients, and the links between them. */
export class Cluster {
  readonly worlds: World[];
  private readonly owners: number[];
  private readonly kinds: (Kind & { own: string[] })[];
  private readonly copies: (Copy | null)[];
  private readonly told: number[];
  private readonly isCut: boolean[];
  private readonly kind: Kind;
  private variant: Variant;

  /** @param optionsOf - of the router of a member */
  constructor(
    count: number,
    owners: readonly number[],
    first: Variant,
    kind: Kind,
    budget: number,
    optionsOf: (member: number) => LabOptions = () => ({}),
  ) {
    this.kind = kind;
    this.variant = first;
    this.owners = owners.map((owner) => owner % count);
    const names = NAMES.slice(0, count);
    const members = names.map((name) => `${name}: /run/${name}.sock`).join(", ");
    this.kinds = names.map((self) => {
      const cluster = `cluster: { self: ${self}, members: { ${members} } }`;
      return { ...kind, own: this.own(), sections: `${kind.sections ?? ""}\n${cluster}\n` };
    });
    this.worlds = this.kinds.map((each, m) => new World(first, each, budget, optionsOf(m)));
    const routes = this.worlds[0]!.routes;
    for (const world of this.worlds) for (const i of ADDRESSES.keys()) world.routes[i] = routes[i]!;
    this.copies = names.map(() => null);
    this.told = names.map(() => 0);
    this.isCut = names.map(() => false);
    for (const from of names.keys()) this.join(from, 0);
  }

  act(each: ClusterStep): void {
    if (each.do === "cut") this.cut(each.from % this.worlds.length, each.isGone);
    else if (each.do === "join") this.join(each.from % this.worlds.length, each.pieces);
    else if (each.do === "move") this.move(each.peer, each.to % this.worlds.length);
    else if ("peer" in each) this.worldOf(each.peer).act(each);
    else {
      if (each.do === "reload") this.variant = each.variant;
      for (const world of this.worlds) world.act(each);
    }
    this.pass();
  }

  raise(i: number): void {
    this.worldOf(i).raise(i);
    this.pass();
  }

  settle(): void {
    for (const from of this.isCut.keys()) if (this.isCut[from]) this.join(from, 0);
    for (const world of this.worlds) {
      for (const { wire } of world.peers) wire?.drain();
      world.lab.run();
      world.lab.advance(3_000);
    }
    this.pass();
    for (const i of ADDRESSES.keys()) this.raise(i);
    this.rest();
  }

  /** Passes all on that members have to tell, until nobody has anything. */
  rest(): void {
    for (const [from, copy] of this.copies.entries()) if (copy !== null) this.goOn(from, 1000);
    for (let round = 0; round < 3; round++) {
      for (const world of this.worlds) world.lab.run();
      this.pass();
      this.copyWanted();
    }
    for (const world of this.worlds) world.lab.run();
  }

  get tables(): (string[] | null)[] {
    return ADDRESSES.map((_, i) => this.worldOf(i).tables[i]!);
  }

  private worldOf(peer: number): World {
    return this.worlds[this.owners[peer]!]!;
  }

  private own(): string[] {
    return this.kind.own.map((own, i) => `${own} speaker: ${NAMES[this.owners[i]!]},`);
  }

  private move(peer: number, to: number): void {
    this.owners[peer] = to;
    for (const [m, world] of this.worlds.entries()) {
      this.kinds[m]!.own.splice(0, ADDRESSES.length, ...this.own());
      world.lab.reload(yamlFor(this.variant, this.kinds[m]!));
    }
    this.copyWanted();
  }

  private cut(from: number, isGone: boolean): void {
    this.isCut[from] = true;
    this.copies[from] = null;
    if (isGone) this.tell(from, { news: { what: "gone" }, octets: NO_OCTETS });
  }

  /** @param pieces - of the copy, before other things happen; 0 for all */
  private join(from: number, pieces: number): void {
    this.isCut[from] = false;
    const { lab } = this.worlds[from]!;
    this.told[from] = lab.observed.length;
    const copy = new Copy(lab.router);
    this.copies[from] = copy;
    this.tell(from, { news: { what: "begin" }, octets: NO_OCTETS });
    for (const each of copy.head) this.tell(from, each);
    this.goOn(from, pieces === 0 ? 1000 : pieces);
  }

  private goOn(from: number, pieces: number): void {
    for (let n = 0; n < pieces; n++) {
      const copy = this.copies[from];
      if (copy == null) return;
      const piece = copy.next(() => false);
      if (piece === null) this.copies[from] = null;
      this.tell(from, piece ?? { news: { what: "complete" }, octets: NO_OCTETS });
    }
  }

  private copyWanted(): void {
    for (const [from, name] of NAMES.slice(0, this.worlds.length).entries()) {
      const wants = this.worlds.some(
        ({ lab }) => lab.router.tables.members?.get(name)?.wantsCopy === true,
      );
      if (wants && !this.isCut[from]) this.join(from, 0);
    }
  }

  /** Tells what has happened since the last time. */
  private pass(): void {
    for (const [from, { lab }] of this.worlds.entries()) {
      const events = lab.observed.slice(this.told[from]);
      this.told[from] = lab.observed.length;
      if (this.isCut[from]) continue;
      for (const event of events) {
        const told = toldOf(event);
        if (told !== null) this.tell(from, told);
      }
    }
  }

  private tell(from: number, { news, octets }: Told): void {
    const checked = checkedRuns(octets, reader);
    if (checked?.octets !== octets || checked.faulty.length > 0) {
      throw new Error("others take this for broken");
    }
    for (const [to, { lab }] of this.worlds.entries()) {
      if (to !== from) lab.router.member(NAMES[from]!, news, octets, lab.nowMs);
    }
  }
}

const peer = fc.integer({ min: 0, max: 3 });
export const member: fc.Arbitrary<number> = fc.integer({ min: 0, max: 2 });
const prefixes = fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 3 });
const clusterStep: fc.Arbitrary<ClusterStep> = fc.oneof(
  { weight: 12, arbitrary: step },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("withdraw" as const), peer, prefixes }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ do: fc.constant("cut" as const), from: member, isGone: fc.boolean() },
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ do: fc.constant("join" as const), from: member, pieces: fc.integer({ min: 0, max: 2 }) },
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("move" as const), peer, to: member }) },
);
/** All clients are there, and few routes are rejected: what goes wrong is seen. */
const open = fc
  .tuple(
    variant,
    fc.tuple(...ADDRESSES.map(() => fc.constantFrom("accept-all", "marks", "sets"))),
    fc.tuple(...ADDRESSES.map(() => fc.constantFrom("accept-all", "peers", "actions"))),
  )
  .map(([some, imports, exports]): Variant => {
    const rest = { enabled: true, sendSameAs: true, honors: false, keepsRejected: true };
    const neighbors = imports.map((each, i) => ({ import: each, export: exports[i]!, ...rest }));
    return { ...some, neighbors };
  });
/** What a configuration says at first, and what happens. */
export interface Program {
  readonly first: Variant;
  readonly steps: ClusterStep[];
}

export const programs: fc.Arbitrary<Program> = fc.oneof(
  fc.record({ first: variant, steps: fc.array(clusterStep, { maxLength: 30 }) }),
  fc.record({
    first: open,
    steps: fc.array(
      clusterStep.filter((each) => each.do !== "reload" && each.do !== "shut-down"),
      { minLength: 10, maxLength: 40 },
    ),
  }),
);
