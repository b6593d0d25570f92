/** What is known of the other members of the cluster. */

/** Another member, as far as it has told; a plain object, as all state is. */
export interface MemberState {
  /** Addresses of its neighbors, by the numbers that it has for them. */
  readonly peers: Map<number, string>;
  /** Copies begun; the lowest octet is the round of their routes. */
  copies: number;
  /** Its last copy is complete. */
  isComplete: boolean;
  /** Neighbors are new here, whose routes it has told already: it is to tell all once more. */
  wantsCopy: boolean;
}

export type MemberNews =
  /** It tells all from now on. */
  | { readonly what: "begin" }
  /** A neighbor of it, and the BGP Identifier in its OPEN. */
  | {
      readonly what: "peer";
      readonly peer: number;
      readonly address: string;
      readonly identifier: number;
    }
  | { readonly what: "routes" }
  /** It has told all. */
  | { readonly what: "complete" }
  /** It was away for too long. */
  | { readonly what: "gone" };

/** Who knows of members. */
interface Knowing {
  members?: Map<string, MemberState>;
}

/** @returns what there is of a member, made if there is nothing */
export function memberOf(tables: Knowing, name: string): MemberState {
  tables.members ??= new Map();
  let member = tables.members.get(name);
  if (member === undefined) {
    member = { peers: new Map(), copies: 0, isComplete: false, wantsCopy: false };
    tables.members.set(name, member);
  }
  return member;
}
