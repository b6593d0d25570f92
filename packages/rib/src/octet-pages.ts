/**
 * Octet strings of up to 64 KiB in pages that can be given back.
 *
 * A page of 64 KiB serves strings of one size class. Freed places are chained inside the page; a
 * page whose last string goes is free for any class again, so what a table needs after a change of
 * all its attribute sets is bounded by what it needed before.
 *
 *     page   | place | place | place | ...          place = class size, a multiple of 16 octets
 *     handle = page number * 4096 + place offset / 16
 */

import { readU16, writeU16 } from "@ts-bgp/wire-codec";

const PAGE_OCTETS = 1 << 16;
const UNIT_SHIFT = 4;
const UNITS_PER_PAGE = PAGE_OCTETS >> UNIT_SHIFT;
const NONE = 0xffff;
const NO_CLASS = -1;
const NO_PAGE = new Uint8Array(0);
/** Free pages that keep their memory, so that a table that breathes does not churn it. */
const SPARE_PAGES_MAX = 64;

/** Place sizes in octets: steps of 16 up to 512, where nearly all sets are, then doubling. */
const CLASS_OCTETS: readonly number[] = [
  ...Array.from({ length: 32 }, (_, i) => 16 * (i + 1)),
  1024,
  2048,
  4096,
  8192,
  16384,
  32768,
  65536,
];

function unitsOf(cls: number): number {
  return CLASS_OCTETS[cls]! >> UNIT_SHIFT;
}

function classOf(octets: number): number {
  if (octets <= 512) return octets === 0 ? 0 : (octets - 1) >> 4;
  return 32 + Math.max(0, 32 - Math.clz32(octets - 1) - 10);
}

export class OctetPages {
  /** The pages; a string lies inside one. */
  readonly pages: Uint8Array[] = [];
  /** Per page: its size class. */
  private readonly pageClass: number[] = [];
  /** Per page: places in use. */
  private readonly used: number[] = [];
  /** Per page: first freed place in units, or NONE; each freed place holds the next one. */
  private readonly freed: number[] = [];
  /** Per page: first unit never handed out. */
  private readonly fresh: number[] = [];
  /**
   * Per class: the pages that have a free place, as a stack. A page that was given back whole may
   * still stand here; its class tells. A class takes a page only when its stack is empty, so no
   * page stands in one stack twice.
   */
  private readonly open: number[][] = CLASS_OCTETS.map(() => []);
  /** As a stack; those at its bottom have kept their memory. */
  private readonly freePages: number[] = [];

  /** Octets of all pages, spare ones included. */
  get octets(): number {
    return this.pages.reduce((sum, page) => sum + page.length, 0);
  }

  /**
   * Reserves room for `octets` octets; throws for more than 65,536.
   *
   * @returns a handle; its page and offset are `handle >>> 12` and `(handle & 4095) << 4`
   */
  allocate(octets: number): number {
    if (octets > PAGE_OCTETS) throw new RangeError(`${octets} octets do not fit into a page`);
    const cls = classOf(octets);
    const stack = this.open[cls]!;
    while (stack.length > 0 && this.pageClass[stack.at(-1)!] !== cls) stack.pop();
    if (stack.length === 0) stack.push(this.takePage(cls));
    const page = stack.at(-1)!;
    const unit = this.takePlace(page, cls);
    if (this.isFull(page, cls)) stack.pop();
    return page * UNITS_PER_PAGE + unit;
  }

  /** Gives a string back; its handle is dead afterwards. */
  free(handle: number): void {
    const page = handle >>> 12;
    const unit = handle & (UNITS_PER_PAGE - 1);
    const cls = this.pageClass[page]!;
    const wasFull = this.isFull(page, cls);
    writeU16(this.pages[page]!, unit << UNIT_SHIFT, this.freed[page]!);
    this.freed[page] = unit;
    this.used[page]!--;
    if (this.used[page] === 0) this.givePage(page);
    else if (wasFull) this.open[cls]!.push(page);
  }

  private isFull(page: number, cls: number): boolean {
    return this.freed[page] === NONE && this.fresh[page]! + unitsOf(cls) > UNITS_PER_PAGE;
  }

  private takePlace(page: number, cls: number): number {
    let unit = this.freed[page]!;
    if (unit !== NONE) {
      this.freed[page] = readU16(this.pages[page]!, unit << UNIT_SHIFT);
    } else {
      unit = this.fresh[page]!;
      this.fresh[page] = unit + unitsOf(cls);
    }
    this.used[page]!++;
    return unit;
  }

  private takePage(cls: number): number {
    const page = this.freePages.pop() ?? this.pages.length;
    if (page === this.pages.length || this.pages[page]!.length === 0) {
      this.pages[page] = new Uint8Array(PAGE_OCTETS);
    }
    this.pageClass[page] = cls;
    this.used[page] = 0;
    this.freed[page] = NONE;
    this.fresh[page] = 0;
    return page;
  }

  private givePage(page: number): void {
    this.pageClass[page] = NO_CLASS;
    if (this.freePages.length >= SPARE_PAGES_MAX) this.pages[page] = NO_PAGE;
    this.freePages.push(page);
  }
}
