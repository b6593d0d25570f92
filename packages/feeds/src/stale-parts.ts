/** Dumps that were never completed, since whoever wrote them was ended. */

import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** Nobody writes any more to what has not grown for so long. */
const STALE_MS = 3_600_000;
/** Of dumps at their times; what is left of updates has what nobody tells again, and stays. */
const NAME = /^rib(-out\..+)?\.\d{8}\.\d{4,6}(\.\w+)?\.[0-9a-f]{16}\.part$/;

/** Removes them from a folder, which may not be there. */
export async function removeStaleParts(dir: string, nowMs: number): Promise<void> {
  const names = await readdir(dir).catch(() => []);
  for (const name of names) {
    if (!NAME.test(name)) continue;
    const file = join(dir, name);
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: nowMs }));
    if (nowMs > mtimeMs + STALE_MS) await rm(file, { force: true }).catch(() => {});
  }
}
