/**
 * What a list of members in etcd says, and what is to be done about it. Others may write there as well, so all that is
 * taken of it is bounded, and it gives no trust: it says where somebody may be, and certificates say who is there.
 *
 *     PREFIX/MEMBER/ADDRESS:PORT      one for each process: of a pair, for each side
 */

import { type ListenAddress, parseHostAddress } from "@ts-bgp/config";
import { addressText } from "@ts-bgp/nsr/links";

/** Members that the file does not name are followed up to this many, with those that it names. */
export const MEMBERS_MAX = 64;
/** Addresses of a member. */
export const PLACES_MAX = 4;
const KEY_OCTETS_MAX = 400;
/** Characters of a key that is told of. */
const TOLD_CHARACTERS_MAX = 80;
const PORT_MAX = 0xffff;
const ENTRY = /^([A-Za-z][A-Za-z0-9_-]{0,62})\/(.{1,64}):([1-9]\d{0,4})$/;

/** @returns the key of a process */
export function entryKey(prefix: string, member: string, { address, port }: ListenAddress): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${prefix}/${member}/${host}:${port}`;
}

export interface MemberList {
  /** Where each member may be followed, in the order of the keys. */
  readonly places: ReadonlyMap<string, readonly ListenAddress[]>;
  /** Keys that are no entry, or one too many of a member; and what is wrong with the first one. */
  readonly bad: { readonly count: number; readonly first: string } | null;
}

/** @param keys - under the prefix, of which an entry may be there twice */
export function membersIn(prefix: string, keys: readonly Uint8Array[]): MemberList {
  const places = new Map<string, ListenAddress[]>();
  const seen = new Set<string>();
  let bad: { count: number; first: string } | null = null;
  for (const octets of keys) {
    const key = Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString("latin1");
    if (seen.has(key)) continue;
    seen.add(key);
    const problem = add(places, prefix, key);
    if (problem === null) continue;
    bad ??= { count: 0, first: `${told(key)}: ${printable(problem)}` };
    bad.count++;
  }
  return { places, bad };
}

/** Adds what an entry says. @returns what is wrong with it where that is none, or one too many; else null */
function add(places: Map<string, ListenAddress[]>, prefix: string, key: string): string | null {
  if (key.length > KEY_OCTETS_MAX) return `longer than ${KEY_OCTETS_MAX} octets`;
  const form = "it is not MEMBER/ADDRESS:PORT";
  if (!key.startsWith(`${prefix}/`)) return form;
  const [, member, host, digits] = ENTRY.exec(key.slice(prefix.length + 1)) ?? [];
  if (member === undefined) return form;
  const known = places.get(member) ?? [];
  // Before the address is looked at, which takes longer.
  if (known.length >= PLACES_MAX) return `${member} has ${PLACES_MAX} addresses already`;
  const address = parseHostAddress(host!.replace(/^\[(.*)\]$/, "$1"));
  const port = Number(digits);
  if (typeof address === "string") return address;
  if (address.unspecified || address.multicast) return `${address.text} is nobody's address`;
  if (port > PORT_MAX) return `${port} is no port`;
  const place = { address: address.text, port };
  // One that is written in another way would be an entry of its own.
  if (entryKey(prefix, member, place) !== key) return form;
  places.set(member, [...known, place]);
  return null;
}

/** @returns a key as it may stand in a log */
function told(key: string): string {
  const text = printable(key.slice(0, TOLD_CHARACTERS_MAX));
  return `"${text}${key.length > TOLD_CHARACTERS_MAX ? "..." : ""}"`;
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/** A member that is followed. */
export interface FollowedNow {
  readonly name: string;
  /** It has a link that works, or routes here. */
  readonly isNeeded: boolean;
}

export interface Wanted {
  /** Whom to follow, and where as far as that is known. */
  readonly members: ReadonlyMap<string, readonly ListenAddress[]>;
  /** How many that are listed are too many. */
  readonly leftOut: number;
}

/**
 * Members that the file names are always among them; of the others those that are needed, then as many as there is
 * room for, the oldest entries first.
 *
 * @param named - by neighbors in the file
 * @param places - null before the list was read: all stays
 */
export function whomToFollow(
  self: string,
  named: ReadonlySet<string>,
  places: MemberList["places"] | null,
  followed: readonly FollowedNow[],
): Wanted {
  const members = new Map<string, readonly ListenAddress[]>();
  const take = (name: string) => members.set(name, places?.get(name) ?? []);
  for (const name of named) if (name !== self) take(name);
  for (const { name, isNeeded } of followed) {
    if (name !== self && (isNeeded || places === null)) take(name);
  }
  let leftOut = 0;
  for (const name of places?.keys() ?? []) {
    if (name === self || members.has(name)) continue;
    if (members.size < MEMBERS_MAX) take(name);
    else leftOut++;
  }
  return { members, leftOut };
}

export interface LinkNow {
  /** Of `addressText`. */
  readonly text: string;
  readonly isUp: boolean;
}

/**
 * A link that works stays although nobody lists it any more: its entry goes with a lease, and a lease goes when etcd
 * is away. Where the file says who is where, it stays until another one works.
 *
 * @param places - null before they are known: all stays
 * @returns what to connect to, and what to close
 */
export function linkChanges<P extends Parameters<typeof addressText>[0]>(
  links: readonly LinkNow[],
  places: readonly P[] | null,
  isOfFile: boolean,
): { readonly open: P[]; readonly close: string[] } {
  if (places === null) return { open: [], close: [] };
  const wanted = new Set(places.map(addressText));
  const isThere = new Set(links.map(({ text }) => text));
  const hasOther = links.some(({ text, isUp }) => isUp && wanted.has(text));
  let kept = 0;
  const close = links.filter(({ text, isUp }) => {
    if (wanted.has(text)) return false;
    const stays = isUp && !(isOfFile && hasOther) && kept < PLACES_MAX;
    if (stays) kept++;
    return !stays;
  });
  return {
    open: places.filter((place) => !isThere.has(addressText(place))),
    close: close.map(({ text }) => text),
  };
}
