/** Whose route a member of a group was sent, which its group does not keep. */

import type { AttrId, PathRow, PrefixRow, Rib } from "@ts-bgp/rib";
import type { SessionMember } from "./update-groups.ts";

/** @returns the path that gives a member what it was sent, 0 when that has changed since */
export function sourceOf(
  rib: Rib,
  row: PrefixRow,
  { entry, cls }: SessionMember,
  pathId: number,
  sent: AttrId,
): PathRow {
  const { exporter, settings } = entry;
  const count = rib.decision.collect(rib.prefixes.head[row]!);
  for (let rank = 0; rank < count; rank++) {
    const path = rib.decision.preferred(rank);
    if (settings.form.addPath && rib.paths.sentPathId[path] !== pathId) continue;
    if (exporter.sourceClass(rib.paths.peer[path]!) === cls) continue;
    const attr = exporter.evaluate(path, row, cls);
    if (attr === 0) continue;
    rib.attrs.release(attr);
    if (attr === sent) return path;
  }
  return 0;
}
