/**
 * ASPAs: which ASes a customer AS has as its providers, by who says so, and what that makes of a path
 * (draft-ietf-sidrops-aspa-verification-28). There are far fewer of them than VRPs. As with these, a change
 * is not seen before `show`.
 */

import { Digest, mixIn } from "@ts-bgp/rib";
import { readU32, SEGMENT } from "@ts-bgp/wire-codec";

/** States of a path, the best one first. */
export const PATH_STATE = { valid: 0, unknown: 1, invalid: 2 } as const;
export type PathStateName = keyof typeof PATH_STATE;
export type PathState = (typeof PATH_STATE)[PathStateName];
/** Names by number. */
export const PATH_STATE_NAMES: readonly PathStateName[] = ["valid", "unknown", "invalid"];

/** What is said of a pair of ASes. */
const NO_ATTESTATION = 0;
const PROVIDER = 1;
const NOT_PROVIDER = 2;
type Hop = typeof NO_ATTESTATION | typeof PROVIDER | typeof NOT_PROVIDER;

interface Customer {
  /** Providers by the bit of who says so. */
  readonly said: Map<number, Uint32Array>;
  /** Of all that count together, once all of the change at hand is shown; null when none of them does. */
  used: Uint32Array | null;
}

export class AspaTable {
  private readonly customers: Map<number, Customer> = new Map();
  /** Customers that others count of than before, and those of them that were taken. */
  private changed: Set<number> = new Set();
  private taken: Set<number> = new Set();
  /** What counted before the change at hand of customers that it is for. */
  private before: Map<number, Uint32Array | null> = new Map();
  /** Customers of whom something counts once all of the change at hand is shown. */
  used = 0;
  /** Of them, with their providers. */
  readonly digest: Digest = new Digest();

  get size(): number {
    return this.customers.size;
  }

  /** For a pass over all of them. */
  keys(): number[] {
    return [...this.customers.keys()];
  }

  /** @param providers - null for none any more. @returns whether there was something of that source */
  put(customer: number, bit: number, providers: Uint32Array | null): boolean {
    let row = this.customers.get(customer);
    const had = row?.said.has(bit) ?? false;
    if (providers === null) {
      row?.said.delete(bit);
      return had;
    }
    if (row === undefined) {
      row = { said: new Map(), used: null };
      this.customers.set(customer, row);
    }
    row.said.set(bit, providers);
    return had;
  }

  /** Whether a source says just these providers of a customer, in any order. */
  says(customer: number, bit: number, providers: Uint32Array): boolean {
    const said = this.customers.get(customer)?.said.get(bit);
    return said !== undefined && areSame(said.toSorted(), providers.toSorted());
  }

  /** Says anew what counts of a customer from the next `show` on: what those say together whose bits are set. */
  settle(customer: number, counting: number, dead = 0): void {
    const row = this.customers.get(customer);
    if (row === undefined) return;
    const all = new Set<number>();
    let counts = false;
    for (const [bit, providers] of row.said) {
      if ((bit & dead) !== 0) row.said.delete(bit);
      else if ((bit & counting) !== 0) {
        counts = true;
        for (const as of providers) all.add(as);
      }
    }
    const used = counts ? Uint32Array.from(all).sort() : null;
    if (!areSame(used, row.used)) {
      this.changed.add(customer);
      if (!this.before.has(customer)) this.before.set(customer, row.used);
      this.count(customer, row.used, -1);
      this.count(customer, used, 1);
    }
    this.used += Number(used !== null) - Number(row.used !== null);
    row.used = used;
    if (row.said.size === 0) this.customers.delete(customer);
  }

  /** Whether something was settled that is not shown. */
  get isAhead(): boolean {
    return this.before.size > 0;
  }

  /** Has all that was settled count. */
  show(): void {
    this.before = new Map();
  }

  /** Has what an image of an older program does not have. */
  complete(): void {
    this.before ??= new Map();
  }

  private count(customer: number, used: Uint32Array | null, sign: 1 | -1): void {
    if (used !== null) this.digest.count(used.reduce(mixIn, mixIn(0, customer)), sign);
  }

  /** @returns providers of a customer that count; null when nobody says any */
  providersOf(customer: number): Uint32Array | null {
    const before = this.before.get(customer);
    return before === undefined ? (this.customers.get(customer)?.used ?? null) : before;
  }

  /**
   * What ASPAs say of a path.
   *
   * @param buf - with the value of AS_PATH at `[at, end)`, 4-octet AS numbers
   * @param isDownstream - it came from a provider: it may go down after it went up
   * @param neighborAs - that the path must begin with; 0 when it need not, as that of a route server
   */
  stateOf(
    buf: Uint8Array,
    at: number,
    end: number,
    isDownstream: boolean,
    neighborAs: number,
  ): PathState {
    const path = hopsOf(buf, at, end);
    if (path === null || path.length === 0) return PATH_STATE.invalid;
    if (neighborAs !== 0 && path[0] !== neighborAs) return PATH_STATE.invalid;
    path.reverse();
    const n = path.length;
    const [maxUp, minUp] = this.ramp(path);
    if (!isDownstream) {
      if (maxUp < n) return PATH_STATE.invalid;
      return minUp < n ? PATH_STATE.unknown : PATH_STATE.valid;
    }
    const [maxDown, minDown] = this.ramp(path.toReversed());
    if (maxUp + maxDown < n) return PATH_STATE.invalid;
    return minUp + minDown < n ? PATH_STATE.unknown : PATH_STATE.valid;
  }

  /**
   * What is found "Not Provider+" in a path, from whichever end it has to go up, for people (section 6.6).
   *
   * @returns pairs of a customer and who is none of its providers; none when something else is wrong
   */
  denied(
    buf: Uint8Array,
    at: number,
    end: number,
    isDownstream: boolean,
  ): [customer: number, other: number][] {
    const path = hopsOf(buf, at, end) ?? [];
    const ways = isDownstream ? [path.toReversed(), path] : [path.toReversed()];
    return ways.flatMap((way) => {
      const [max] = this.ramp(way);
      return max < way.length ? [[way[max - 1]!, way[max]!] as [number, number]] : [];
    });
  }

  /** Whether other providers count of some customer than before. */
  get hasChanges(): boolean {
    return this.changed.size > 0;
  }

  /** Changes so far are taken: `isChanged` says which paths they are for. */
  takeChanges(): void {
    this.taken = this.changed;
    this.changed = new Set();
  }

  /** Whether what was taken may make another state of a path. */
  isChanged(buf: Uint8Array, at: number, end: number): boolean {
    return hopsOf(buf, at, end)?.some((as) => this.taken.has(as)) ?? false;
  }

  endChanges(): void {
    this.taken = new Set();
  }

  /** @returns to how many ASes from the beginning on a path may go up at most, and does at least */
  private ramp(path: readonly number[]): [max: number, min: number] {
    let min = path.length;
    for (let i = 1; i < path.length; i++) {
      const hop = this.hop(path[i - 1]!, path[i]!);
      if (hop !== PROVIDER) min = Math.min(min, i);
      if (hop === NOT_PROVIDER) return [i, min];
    }
    return [path.length, min];
  }

  private hop(customer: number, provider: number): Hop {
    const used = this.providersOf(customer);
    if (used === null) return NO_ATTESTATION;
    return used.includes(provider) ? PROVIDER : NOT_PROVIDER;
  }
}

/** @returns the ASes of a path from the left, each once where it stands several times in a row; null for one with a set */
function hopsOf(buf: Uint8Array, at: number, end: number): number[] | null {
  const path: number[] = [];
  for (let i = at; i < end; ) {
    if (buf[i] !== SEGMENT.AS_SEQUENCE) return null;
    const next = i + 2 + 4 * buf[i + 1]!;
    for (let k = i + 2; k < next; k += 4) {
      const as = readU32(buf, k);
      if (as !== path.at(-1)) path.push(as);
    }
    i = next;
  }
  return path;
}

function areSame(a: Uint32Array | null, b: Uint32Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((as, i) => as === b[i]);
}
