/** Whether a configuration may be tried. */

import type { Active, ConfigAbout } from "@ts-bgp/replication";

/** Throws when it is to go back unless it is confirmed, and a standby would not go back. */
export function checkTrial(about: ConfigAbout | null, active: Active): void {
  if (about === null || about.trySeconds === null || active.areAllCurrent) return;
  throw new Error(
    "a standby is of an older version, which would not go back: upgrade it first, or reload without --confirm",
  );
}
