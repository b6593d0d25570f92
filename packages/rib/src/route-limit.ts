/**
 * A limit on the routes that members of an update group are sent. They are all of one class then: how
 * many routes each has is one number, and no octets are written that another one may have and these may not.
 */

import type { View } from "./adj-rib-out.ts";
import type { AttrStore } from "./attr-store.ts";

export interface RouteLimit {
  /** So many are sent at most; with ADD-PATH each path is one. */
  readonly routes: number;
  /** The class of all members. */
  readonly cls: number;
}

/**
 * Has a view be what the one class of members sees, or nothing.
 *
 * @param view - what members of all classes would see, with a reference of each set
 * @param isOver - this would be a route too many
 * @returns whether there is something to see that the limit takes away
 */
export function narrow(view: View, cls: number, isOver: boolean, attrs: AttrStore): boolean {
  const seen = view.of(cls);
  const kept = isOver ? 0 : seen;
  if (kept !== 0) attrs.hold(kept);
  view.release(attrs);
  view.clear();
  view.attr = kept;
  return seen !== kept;
}
