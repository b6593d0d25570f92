/**
 * Which paths the members of an update group see: the best one, the next one for those who must not
 * have it, or several with ADD-PATH.
 */

import { UpdateWriter, type WireForm } from "@ts-bgp/wire-codec";
import type { View } from "./adj-rib-out.ts";
import type { AttrId } from "./attr-store.ts";
import { ClassSet } from "./class-set.ts";
import type { PathRow } from "./path-table.ts";
import type { PeerRow } from "./peer-table.ts";
import type { PrefixRow } from "./prefix-table.ts";
import type { Rib } from "./rib.ts";
import type { RouteLimit } from "./route-limit.ts";

/** Export policy as an update group sees it. */
export interface ExportRules {
  /**
   * Members for whom the best path is filtered get the next one (RFC 7947 section 2.3.1), in place
   * of nothing.
   */
  readonly mitigatesPathHiding: boolean;
  /** Paths of a prefix that are sent with ADD-PATH. */
  readonly pathsMax: number;
  /** Of a group whose members are of one class; null for none. Never another one for the same group. */
  readonly limit: RouteLimit | null;
  /** @returns the class of members that a route of this peer must not go back to, 0 for none */
  sourceClass(peer: PeerRow): number;
  /**
   * What a path is exported as.
   *
   * @param cls - class of the members, 0 for those that policy does not tell apart
   * @returns an attribute set with one reference counted for the caller, 0 when not exported
   */
  evaluate(path: PathRow, row: PrefixRow, cls: number): AttrId;
  /**
   * Lists the classes for which `evaluate` may differ from class 0, for the path that it was last
   * asked about with class 0.
   *
   * @returns how many were written to `classes`, of room for 65,536
   */
  exceptions(path: PathRow, classes: Uint16Array): number;
}

/**
 * What surrounds a set in a message and what a form adds to it take less than this, in octets, when
 * AS_PATH does not grow. It grows by less than its own length: one of 2 + 4n octets, in a segment,
 * takes 2 + 2n in 2-octet AS numbers, and AS4_PATH with it 2 + 4n (RFC 6793).
 */
const FORM_OCTETS_MAX = 256;

export class RouteSelector {
  private readonly rib: Rib;
  private readonly form: WireForm;
  private readonly rules: ExportRules;
  /** How often policy was asked, a measure of the work done; for the caller to reset. */
  evaluations = 0;
  /** Classes to look at one by one for the prefix at hand. */
  private readonly classes: ClassSet = new ClassSet();
  private readonly scratch: Uint16Array = new Uint16Array(1 << 16);
  private probe: UpdateWriter | null = null;

  constructor(rib: Rib, form: WireForm, rules: ExportRules) {
    this.rib = rib;
    this.form = form;
    this.rules = rules;
  }

  /** Puts what members shall see of a prefix into `view`, with a reference of every set in it. */
  select(row: PrefixRow, view: View): void {
    view.clear();
    const best = this.rib.prefixes.best[row]!;
    if (best === 0) return;
    if (this.rules.mitigatesPathHiding) this.selectEach(row, view);
    else this.selectPath(best, row, view);
  }

  /** Paths of a prefix that are sent with ADD-PATH. */
  get pathsMax(): number {
    return this.rules.pathsMax;
  }

  /** Lists the accepted paths of a prefix for `decision.preferred`. @returns how many there are */
  collectPaths(row: PrefixRow): number {
    return this.rib.decision.collect(this.rib.prefixes.head[row]!);
  }

  /**
   * @param count - how many were collected
   * @returns the collected path at a place, in order of preference when not all can be sent
   */
  pathAt(place: number, count: number): PathRow {
    const { decision } = this.rib;
    return count <= this.pathsMax ? decision.collected(place) : decision.preferred(place);
  }

  /** Puts what members shall see of one path into `view`. */
  selectPath(path: PathRow, row: PrefixRow, view: View): void {
    const { rules } = this;
    view.clear();
    const source = rules.sourceClass(this.rib.paths.peer[path]!);
    view.attr = this.evaluate(path, row, 0);
    const count = rules.exceptions(path, this.scratch);
    for (let i = 0; i < count; i++) {
      const cls = this.scratch[i]!;
      if (cls === source || view.isApart(cls)) continue;
      this.listUnlessSame(view, cls, this.evaluate(path, row, cls));
    }
    if (!view.isEmpty) view.source = source;
  }

  /** Path hiding mitigation: each class gets the first path that it may have. */
  private selectEach(row: PrefixRow, view: View): void {
    const { decision, prefixes, paths } = this.rib;
    const count = decision.collect(prefixes.head[row]!);
    this.classes.clear();
    for (let rank = 0; rank < count && view.attr === 0; rank++) {
      const path = decision.preferred(rank);
      const source = this.rules.sourceClass(paths.peer[path]!);
      view.attr = this.evaluate(path, row, 0);
      if (view.attr !== 0) view.source = source;
      if (source !== 0) this.classes.add(source);
      const exceptions = this.rules.exceptions(path, this.scratch);
      for (let i = 0; i < exceptions; i++) this.classes.add(this.scratch[i]!);
    }
    for (let i = 0; i < this.classes.count; i++) {
      const cls = this.classes.items[i]!;
      const attr = this.firstFor(cls, row, count);
      if (cls !== view.source) this.listUnlessSame(view, cls, attr);
      else if (attr !== 0) view.list(cls, attr);
    }
  }

  private listUnlessSame(view: View, cls: number, attr: AttrId): void {
    if (attr !== view.attr) view.list(cls, attr);
    else if (attr !== 0) this.rib.attrs.release(attr);
  }

  private firstFor(cls: number, row: PrefixRow, count: number): AttrId {
    const { decision, paths } = this.rib;
    for (let rank = 0; rank < count; rank++) {
      const path = decision.preferred(rank);
      if (this.rules.sourceClass(paths.peer[path]!) === cls) continue;
      const attr = this.evaluate(path, row, cls);
      if (attr !== 0) return attr;
    }
    return 0;
  }

  private evaluate(path: PathRow, row: PrefixRow, cls: number): AttrId {
    this.evaluations++;
    const attr = this.rules.evaluate(path, row, cls);
    if (attr === 0 || this.fits(attr, this.rib.prefixes.bits[row]!)) return attr;
    this.rib.attrs.release(attr);
    return 0;
  }

  /** A set that leaves no room for the prefix is not advertised (RFC 8654 section 4). */
  private fits(attr: AttrId, bits: number): boolean {
    const { attrs } = this.rib;
    const octets = attrs.lengthOf(attr);
    if (2 * octets + FORM_OCTETS_MAX < this.form.octetsMax) return true;
    this.probe ??= new UpdateWriter(this.form);
    const at = attrs.offsetOf(attr);
    this.probe.announce(attrs.bytesOf(attr), at, at + octets);
    return this.probe.fits(bits);
  }
}
