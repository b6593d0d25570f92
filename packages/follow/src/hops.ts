/**
 * Next hops by number: few in comparison with the routes that have them. Counted, and forgotten with the last.
 * Packets of a route with several go to all of them.
 */

/** Number of a next hop, or of several; 0 is none. */
export type HopId = number;

/**
 * Of one: an address of 4 or 16 octets, or a global and a link-local one (RFC 2545 section 3); behind a link-local one,
 * alone or not, may stand the name of the interface that it is on.
 */
export type NextHops = readonly Uint8Array[];

const ADDRESS_OCTETS = 16;
const INTERFACE_OCTETS_MAX = 15;
/** Of one next hop. */
const OCTETS_MAX = 2 * ADDRESS_OCTETS + INTERFACE_OCTETS_MAX;

/** Whether there can be a next hop of so many octets. */
export function isHopLength(octets: number): boolean {
  return octets === 4 || (octets >= ADDRESS_OCTETS && octets <= OCTETS_MAX);
}

/** @returns how many octets of a next hop are addresses; what is behind them is the name of an interface */
export function addressesOctets({ length }: Uint8Array): number {
  return length < ADDRESS_OCTETS ? length : length & ~(ADDRESS_OCTETS - 1);
}

export class Hops {
  private readonly hops: NextHops[] = [[]];
  private readonly uses: number[] = [0];
  private readonly ids: Map<string, HopId> = new Map();
  private readonly free: HopId[] = [];

  /** How many numbers there may be; numbers are below this. */
  get limit(): number {
    return this.hops.length;
  }

  /** @returns the number of next hops, the most preferred one first, which lives until the next `release` unless it is held */
  intern(...hops: NextHops): HopId {
    if (hops.length === 0) return 0;
    const key = keyOf(hops);
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = this.free.pop() ?? this.hops.length;
    this.hops[id] = hops.map((octets) => octets.slice());
    this.uses[id] = 0;
    this.ids.set(key, id);
    return id;
  }

  get(id: HopId): NextHops {
    return this.hops[id]!;
  }

  /** How many routes have it. */
  usesOf(id: HopId): number {
    return this.uses[id]!;
  }

  hold(id: HopId): void {
    this.uses[id]!++;
  }

  release(id: HopId): void {
    if (id === 0 || --this.uses[id]! > 0) return;
    this.ids.delete(keyOf(this.hops[id]!));
    this.free.push(id);
  }
}

function keyOf(hops: NextHops): string {
  return hops.map((octets) => octets.join()).join("|");
}
