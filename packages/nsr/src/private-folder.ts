/** Folders of sockets and role files: whoever can write there can put something else in their place. */

import { lstatSync, mkdirSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import path from "node:path";

const WRITE_BY_GROUP = 0o020;
const WRITE_BY_OTHERS = 0o002;
const STICKY = 0o1000;
const ROOT = 0;
/** The kernel's default for the owner of what belongs to no user of the namespace. */
const OUTSIDE = 65_534;

const OWN_MODE = 0o750;
/** As many as the kernel follows, see path_resolution(7). */
const LINKS_MAX = 40;

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
 * folders above, but that others may write to those that are sticky, as /tmp is. Links on the way are followed,
 * and belong to one of the two as well: in a sticky folder others can make one, and turn it elsewhere later.
 *
 * @param file - that is to be made or used; it need not be there, its folder has to
 * @param isOurs - it is this process that makes it; if not, another user's folder is right where it is
 * @throws an Error for the operator, with the folder, its owner, its mode, and what to do
 */
export function assertPrivateFolder(file: string, isOurs = true): void {
  // As it is written: what is above a link is above where it leads to.
  const folder = path.dirname(path.isAbsolute(file) ? file : `${process.cwd()}/${file}`);
  const parts = partsOf(folder);
  let place = "/";
  let stat = lstatSync(place);
  let links = 0;
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    if (part === "..") {
      // Where links lead to: the folder above was looked at on the way.
      place = path.dirname(place);
      stat = lstatSync(place);
      continue;
    }
    if ((stat.mode & STICKY) === 0) assertClosed(place, stat, file, isOurs);
    const next = path.join(place, part);
    stat = statOf(next, folder, file);
    if (!stat.isSymbolicLink()) {
      place = next;
      continue;
    }
    assertOwnLink(next, stat, file);
    if (++links > LINKS_MAX) throw new Error(`${file}: too many links lead to its folder`);
    const target = readlinkSync(next);
    parts.unshift(...partsOf(target));
    if (path.isAbsolute(target)) place = "/";
    stat = lstatSync(place);
  }
  assertClosed(place, stat, file, isOurs);
}

function partsOf(place: string): string[] {
  return place.split("/").filter((part) => part !== "" && part !== ".");
}

function statOf(place: string, folder: string, file: string): Stats {
  try {
    return lstatSync(place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(`${file}: there is no folder ${folder} (mkdir -m 700 ${folder})`);
  }
}

function assertOwnLink(link: string, { uid }: Stats, file: string): void {
  if (!isForeign(uid)) return;
  throw new Error(
    `${file}: another user could replace it, for the link ${link} on the way is theirs (owner ${uid}): ` +
      "use a folder of its own, such as /run/ts-bgp of mode 0700",
  );
}

function isForeign(uid: number): boolean {
  return uid !== process.geteuid!() && uid !== ROOT && !isOutside(uid);
}

function assertClosed(folder: string, { uid, mode }: Stats, file: string, isOurs: boolean): void {
  const isTheirs = isForeign(uid);
  if (!isTheirs && (mode & (WRITE_BY_GROUP | WRITE_BY_OTHERS)) === 0) return;
  const owner = `owner ${uid}, mode ${(mode & 0o7777).toString(8).padStart(4, "0")}`;
  const toOwn = isOurs ? `chown ${process.geteuid!()} ${folder}` : `run this as user ${uid}`;
  const remedy = isTheirs ? toOwn : `chmod go-w ${folder}`;
  // What everybody uses is not to be closed.
  const advice =
    (mode & STICKY) === 0 ? remedy : "use a folder of its own, such as /run/ts-bgp of mode 0700";
  throw new Error(
    `${file}: other users could replace it, for they can write to the folder ${folder} (${owner}): ${advice}`,
  );
}

/** In a user namespace the root of the host, and all others outside, look like one user. */
function isOutside(uid: number): boolean {
  return uid === OUTSIDE && !isMapped(readFileSync("/proc/self/uid_map", "utf8"), uid);
}

/**
 * @param map - a line for each range of users: the first one, the one outside that it is, and how many they
 *   are, see user_namespaces(7)
 * @returns whether this user is one of the namespace
 */
export function isMapped(map: string, uid: number): boolean {
  return map.split("\n").some((line) => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return uid >= first && uid < first + count;
  });
}
