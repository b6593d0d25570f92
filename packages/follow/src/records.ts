/**
 * The records between a server, which has a table, and those that follow it: types and numbers, in the form of
 * `replication`, where it is said which ones a reader skips that does not know them.
 *
 *     follower                                        server
 *       hello: who, which families          --->
 *                                           <---       welcome, role
 *       activate                            --->
 *                                           <---       bracket, bracket, ..., complete, bracket, ...
 *
 * A server of a pair that is not active has nothing to tell but its role. One that is tells nothing until it is
 * asked to: a follower of both sides asks one of them.
 */

import {
  joined,
  OctetWriter,
  type RecordIn,
  RecordKinds,
  type Schema,
  type ValueOf,
} from "@ts-bgp/replication/canonical";

/** Of the protocol: others are not understood. */
export const FOLLOW_VERSION = 1;

/** Numbers of records and fields never change their meaning. */
export const RECORDS = {
  /** The first word of a follower. */
  hello: {
    type: 1,
    fields: {
      version: [1, "uint"],
      /** Of the server, or the pair, that it means. */
      name: [2, "text"],
      /** Its own name, for people. */
      follower: [3, "text"],
      /** FAMILY bits of the routes that it wants. */
      families: [4, "uint"],
      software: [5, "text"],
      /** 1: routes may have several next hops, or one of 32 octets; 0, as older ones say: one of 4 or 16 octets. */
      several: [6, "uint"],
      /**
       * The network namespace that it is in: names of interfaces are told to those in the server's own, where `several` is
       * 1. Empty where it wants none.
       */
      network: [7, "text"],
    },
  },
  /** The first word of a server. */
  welcome: {
    type: 2,
    fields: {
      version: [1, "uint"],
      software: [2, "text"],
      /** Which member of a cluster it is; empty for other servers. */
      self: [3, "text"],
    },
  },
  /** Whether the server is active, 1, and in which epoch of its pair, 0 when it runs alone. */
  role: { type: 3, fields: { active: [1, "uint"], epoch: [2, "uint"] } },
  /** The follower wants to be told from now on: first all that there is. */
  activate: { type: 4, fields: {} },
  /** Routes that are other ones now, see `route-octets.ts`. Applied as a whole. `more` 1: others wait already. */
  bracket: {
    type: 5,
    fields: {
      routes: [1, "octets"],
      more: [2, "uint"],
      /** Of a member of a cluster, in their place: runs of `feeds-codec`. */
      runs: [3, "octets"],
    },
  },
  /** All that there was has been told: what the follower has beside it is there no more. */
  complete: { type: 6, fields: {} },
  /** The end, and why. */
  bye: { type: 7, fields: { reason: [1, "text"] } },
  /** Of a member of a cluster: a neighbor of it, by its number in runs, with the BGP Identifier in its OPEN. */
  peer: {
    type: 9,
    fields: { peer: [1, "uint"], address: [2, "text"], identifier: [3, "uint"] },
  },
  /** A member of a cluster wants to know something of another one: a request in JSON, as to the control socket. */
  ask: { type: 10, fields: { number: [1, "uint"], request: [2, "text"] } },
  /** A piece of the answer, which is JSON when all pieces are put together; `more` 1: others follow. */
  answer: { type: 11, fields: { number: [1, "uint"], more: [2, "uint"], octets: [3, "octets"] } },
  /** Nothing; said when there is nothing to say, so that silence means something. */
  alive: { type: 8, fields: {} },
} as const satisfies Readonly<Record<string, Schema>>;

export type RecordName = keyof typeof RECORDS;

export type AnyRecord = RecordIn<typeof RECORDS>;

export type RecordOf<N extends RecordName> = Extract<AnyRecord, { record: N }>;

export const KINDS: RecordKinds<typeof RECORDS> = new RecordKinds(RECORDS);

/** @returns the octets of a record */
export function recordOctets<N extends RecordName>(
  record: N,
  value: ValueOf<(typeof RECORDS)[N]>,
): Uint8Array {
  const out = new OctetWriter();
  KINDS.write(out, record, value);
  return joined(out.take());
}
