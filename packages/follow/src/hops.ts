/** Next hops by number: few in comparison with the routes that have them. Counted, and forgotten with the last. */

/** Number of a next hop; 0 is none. */
export type HopId = number;

export class Hops {
  private readonly octets: Uint8Array[] = [new Uint8Array(0)];
  private readonly uses: number[] = [0];
  private readonly ids: Map<string, HopId> = new Map();
  private readonly free: HopId[] = [];

  /** How many numbers there may be; numbers are below this. */
  get limit(): number {
    return this.octets.length;
  }

  /** @returns the number of a next hop of 4 or 16 octets, which lives until the next `release` unless it is held */
  intern(octets: Uint8Array): HopId {
    if (octets.length === 0) return 0;
    const key = octets.join();
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = this.free.pop() ?? this.octets.length;
    this.octets[id] = octets.slice();
    this.uses[id] = 0;
    this.ids.set(key, id);
    return id;
  }

  get(id: HopId): Uint8Array {
    return this.octets[id]!;
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
    this.ids.delete(this.octets[id]!.join());
    this.free.push(id);
  }
}
