/** Sets of classes of members, small mostly; see `audience.ts` for what a class is. */

import { grown } from "./columns.ts";

/** A set of classes in the order in which they came; each operation takes constant time. */
export class ClassSet {
  /** The classes are `items[0..count)`; the array is replaced when it grows. */
  items: Uint16Array = new Uint16Array(16);
  count = 0;
  /** By class: where `items` has it, if it has it. */
  private place: Uint16Array = new Uint16Array(64);

  /** @returns where `items` has a class, or -1 */
  indexOf(cls: number): number {
    if (this.count === 0 || cls >= this.place.length) return -1;
    const at = this.place[cls]!;
    return at < this.count && this.items[at] === cls ? at : -1;
  }

  /** @returns whether the class was not there yet */
  add(cls: number): boolean {
    if (this.indexOf(cls) >= 0) return false;
    if (cls >= this.place.length) {
      this.place = grown(this.place, Math.max(cls + 1, 2 * this.place.length));
    }
    if (this.count === this.items.length) this.items = grown(this.items, 2 * this.count);
    this.place[cls] = this.count;
    this.items[this.count++] = cls;
    return true;
  }

  clear(): void {
    this.count = 0;
  }
}
