/** Folders of sockets and role files: whoever can write there can put something else in their place. */

import { mkdirSync, readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import path from "node:path";

const WRITE_BY_GROUP = 0o020;
const WRITE_BY_OTHERS = 0o002;
const STICKY = 0o1000;
const ROOT = 0;
/** What the map of user numbers says where there is no user namespace, see user_namespaces(7). */
const ALL_USERS = /^\s*0\s+0\s+4294967295\s*$/;
/** The kernel's default for the owner of what belongs to no user of the namespace. */
const OUTSIDE = 65_534;

const OWN_MODE = 0o750;

/**
 * Makes the folder of a file, if it is not there, and those above; only this user can write to them then.
 *
 * @throws as `assertPrivateFolder` does, or when it cannot be made
 */
export function makePrivateFolder(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: OWN_MODE });
  assertPrivateFolder(file);
}

/**
 * Makes sure that nobody but this user and root can put another file in the place of one.
 *
 * Its folder belongs to one of the two, and neither its group nor others may write there. So it is with the
 * folders above, but that others may write to those that are sticky, as /tmp is.
 *
 * @param file - that is to be made or used; it need not be there, its folder has to
 * @throws an Error for the operator, with the folder, its owner, its mode, and what to do
 */
export function assertPrivateFolder(file: string): void {
  const folder = path.dirname(path.resolve(file));
  // Links on the way are followed: what counts is where the file comes to lie.
  let place = realFolder(folder, file);
  assertClosed(place, statSync(place), file);
  while (place !== path.dirname(place)) {
    place = path.dirname(place);
    const stat = statSync(place);
    if ((stat.mode & STICKY) === 0) assertClosed(place, stat, file);
  }
}

function realFolder(folder: string, file: string): string {
  try {
    return realpathSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(`${file}: there is no folder ${folder} (mkdir -m 700 ${folder})`);
  }
}

function assertClosed(folder: string, { uid, mode }: Stats, file: string): void {
  const user = process.geteuid!();
  const isForeign = uid !== user && uid !== ROOT && !isOutside(uid);
  if (!isForeign && (mode & (WRITE_BY_GROUP | WRITE_BY_OTHERS)) === 0) return;
  const owner = `owner ${uid}, mode ${(mode & 0o7777).toString(8).padStart(4, "0")}`;
  const remedy = isForeign ? `chown ${user} ${folder}` : `chmod go-w ${folder}`;
  // What everybody uses is not to be closed.
  const advice =
    (mode & STICKY) === 0 ? remedy : "use a folder of its own, such as /run/ts-bgp of mode 0700";
  throw new Error(
    `${file}: other users could replace it, for they can write to the folder ${folder} (${owner}): ${advice}`,
  );
}

/** In a user namespace the root of the host, and all others outside, look like one user. */
function isOutside(uid: number): boolean {
  return uid === OUTSIDE && !ALL_USERS.test(readFileSync("/proc/self/uid_map", "utf8"));
}
