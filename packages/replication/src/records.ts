/**
 * The records of the replication stream, in one table. A number is never given to something else.
 *
 * Records 1 to 31 go over the link by themselves, each in a frame. Those from 32 on stand inside of a
 * bracket: the calls that the router got, in order, and from 64 on what it put out. One that a reader does
 * not know is skipped, unless its number is odd and 128 or more: then it must be understood, and a stream
 * with it is refused.
 */

import { type RecordIn, RecordKinds } from "./record-kinds.ts";
import type { Schema } from "./tlv.ts";

/** Version of this table; sides with another major one do not talk to each other. */
export const STREAM_VERSION = 2;

export const RECORDS = {
  /** The first one in either direction. */
  hello: {
    type: 1,
    fields: {
      version: [1, "uint"],
      /** Name of the pair. */
      cluster: [2, "text"],
      /** Name of the side. */
      side: [3, "text"],
      /**
       * Highest epoch that the side has heard of; of a mirror that of what it shows, 0 where that is more than a minute old.
       */
      epoch: [4, "uint"],
      /** `active`, or `standby` when it wants to become one; `mirror` when it only wants to know. */
      role: [5, "text"],
      /** Of the program, for people. */
      software: [6, "text"],
      process: [7, "uint"],
      /** With which a standby signs its echoes: another number each time that it joins. */
      echo: [8, "uint"],
      /**
       * Of a standby that comes back by another link, or goes on with another active: the bracket that it
       * needs next. 0: it joins. Of an active that has taken over: the first bracket that it lacks, and that
       * standby has; 0: none.
       */
      next: [9, "uint"],
      /** Of a standby: addresses by which it may come back when this link is lost. */
      ways: [10, "uint"],
      /** Of a standby: what its host lacks for a takeover, for people; empty when nothing. */
      problem: [11, "text"],
      /** Of the program's files: sides with the same one put out the same; empty when not known. */
      build: [20, "text"],
      /** Of a standby, 1: it has differed, and wants to be sent what the active puts out. */
      outputs: [21, "uint"],
      /** Of a standby: how often in a row it has ended of its own doing soon after a start; 0 for never. */
      ends: [30, "uint"],
      /** With that: how the last time, for people. */
      ended: [31, "text"],
      /** 1: it reads images that have numbers in the place of names, see `NUMBERS`. */
      numbers: [33, "uint"],
      /**
       * Of an active: a number by chance of all brackets that it makes, if it keeps them for a while for
       * standbys or mirrors that come again; 0 if not. Of these: of the active that it has stored brackets of.
       */
      stream: [40, "uint"],
      /** With that, of a standby or mirror that joins: the bracket that it needs next, if it need not have the image. */
      lacks: [41, "uint"],
      /** Of an active, in answer to that: the same number; 0: the image follows. */
      goesOn: [42, "uint"],
      /**
       * Of a mirror that others follow: the names of all between the active side and them, that side first and
       * the mirror itself last, with spaces between; empty of an active.
       */
      path: [43, "text"],
    },
  },
  /** Why the link is about to be closed. */
  bye: {
    type: 2,
    fields: {
      reason: [1, "text"],
      /** 1: a standby that was too slow for an active; it has all that peers may have seen. */
      slow: [2, "uint"],
      /** Of an active that has given its role away: to whom; its other standbys go on with that side. */
      to: [3, "text"],
      /**
       * To a mirror, 1: it may come again a moment later, and need not look for another server; 2: it may, but is to
       * look for another one before.
       */
      again: [4, "uint"],
    },
  },
  /** A part of the image of the router as it was before the bracket `before`. */
  image: { type: 3, fields: { before: [1, "uint"], octets: [2, "octets"] } },
  /** The image is complete. */
  imageEnd: {
    type: 4,
    fields: {
      before: [1, "uint"],
      octets: [2, "uint"],
      /** 1: brackets have the outputs as well, for a standby that may come to others. */
      hasOutputs: [20, "uint"],
    },
  },
  /** Everything that one slice took in. */
  bracket: {
    type: 6,
    fields: {
      number: [1, "uint"],
      epoch: [2, "uint"],
      /** Records of calls, in order. */
      calls: [3, "octets"],
      /** Of the outputs that the calls gave, see `outputsSum`. */
      sum: [4, "uint"],
      /** Checksums of the tables after it, now and then: see `digestOf`. */
      digest: [5, "json"],
      /** Records of outputs, in order, if `imageEnd` says so: see `outputsOctets`. */
      outputs: [21, "octets"],
    },
  },
  /** All brackets up to a number are stored; `applied` of them have been run. */
  ack: {
    type: 7,
    fields: {
      number: [1, "uint"],
      applied: [2, "uint"],
      /** Octets that may be under way: the standby has room for so many that it has not run. */
      window: [3, "uint"],
    },
  },
  /** The standby may take over from now on; 0 takes that back. */
  declared: { type: 8, fields: { ready: [1, "uint"], reason: [2, "text"] } },
  /** The standby's state is another one than the active's: it asks for another image, or goes on. */
  differs: {
    type: 9,
    fields: {
      number: [1, "uint"],
      what: [2, "text"],
      /** 1: it goes on with the active's outputs in the place of its own, and may take over. */
      follows: [20, "uint"],
      /** Brackets with other outputs, in all. */
      brackets: [21, "uint"],
      /** Sessions that would end with a takeover: address and cause of each. */
      doomed: [22, "json"],
    },
  },
  /** The active gives its role away: its sockets are as `frozen` says, and it does nothing more. */
  handover: {
    type: 10,
    fields: {
      number: [1, "uint"],
      epoch: [2, "uint"],
      /** By connection: its TCP state, and the octets that the peer has acknowledged. */
      frozen: [3, "json"],
    },
  },
  /** The standby acts. */
  handoverTaken: {
    type: 11,
    fields: {
      number: [1, "uint"],
      /** Connections that went on, and those that did not: address and cause of each. */
      resumed: [2, "uint"],
      lost: [3, "json"],
    },
  },
  /** Sent all the time by a thread of its own. */
  heartbeat: {
    type: 12,
    fields: {
      /** Counts slices: stands still when the main thread does. */
      progress: [1, "uint"],
      epoch: [2, "uint"],
      /** By the sender's own clock. */
      sentMs: [3, "double"],
    },
  },
  /** A heartbeat has come: the standby does not take over for a while after it. */
  echo: {
    type: 13,
    fields: {
      /** From the standby's hello. */
      id: [1, "uint"],
      /** From the heartbeat. */
      sentMs: [2, "double"],
    },
  },
  /** The active is about to give its role away, and heartbeats no more: `handover` follows, or a `bye`. */
  handingOver: { type: 14, fields: { number: [1, "uint"] } },
  /** Among heartbeats: the active dies of a message, or hangs in it. Whoever goes on must not read it. */
  suspect: {
    type: 15,
    fields: {
      epoch: [1, "uint"],
      /** For people: a signal, an exception; empty when it hangs. */
      cause: [2, "text"],
      /** Of the neighbor. */
      address: [3, "text"],
      message: [4, "octets"],
    },
  },

  /** Of a mirror, and back in answer to it, behind all that was sent before. */
  look: {
    type: 16,
    fields: {
      /** Of this question, the same in the answer. */
      number: [1, "uint"],
      /** Of a mirror: the last bracket that it has run; 0 while it has no state. */
      applied: [2, "uint"],
      /**
       * In an answer: how old what the server has is, in milliseconds; 0 of an active side, negative while a mirror
       * that is followed does not know.
       */
      ageMs: [3, "double"],
      /** There: why that mirror follows nobody; empty when it does. */
      problem: [4, "text"],
    },
  },

  /** Not sent: in a file with what a standby has stored, whose brackets follow. */
  logHead: {
    type: 20,
    fields: {
      cluster: [1, "text"],
      /** Names of the standby and of the active. */
      side: [2, "text"],
      active: [3, "text"],
      /** Of the active. */
      epoch: [4, "uint"],
      /** As in `hello`. */
      build: [5, "text"],
      stream: [6, "uint"],
    },
  },
  /** Not sent: at the beginning of a file of what the speaker has done, before the image. */
  recordHead: {
    type: 21,
    fields: {
      /** Name of the side that acts, for people. */
      side: [1, "text"],
      /** Of the program, for people, and of its files as in `hello`. */
      software: [2, "text"],
      build: [3, "text"],
      /** Of all brackets of this active, as in `hello`; 0 when nobody but a record has them. */
      stream: [4, "uint"],
      epoch: [5, "uint"],
      /** Milliseconds since 1970 by the clock of the host: the image is what was then. */
      atMs: [6, "double"],
      /** So far that clock was set back since the file before, in milliseconds; 0 for not at all. */
      backMs: [7, "double"],
    },
  },
  /** There: what follows was at this time, in milliseconds since 1970. It never goes back within a file. */
  recordTime: { type: 22, fields: { atMs: [1, "double"] } },

  start: { type: 32, fields: { nowMs: [1, "double"] } },
  shutdown: {
    type: 33,
    fields: {
      nowMs: [1, "double"],
      text: [2, "text"],
      /** 1: it comes back, and peers may keep its routes. */
      restart: [20, "uint"],
    },
  },
  accepted: {
    type: 34,
    fields: {
      nowMs: [1, "double"],
      remoteAddress: [2, "text"],
      remotePort: [3, "uint"],
      localAddress: [4, "text"],
      /** Empty for none. */
      otherAddress: [5, "text"],
      /** The number that the router gave; 0 for none. */
      connection: [20, "uint"],
    },
  },
  connected: {
    type: 35,
    fields: {
      nowMs: [1, "double"],
      connection: [2, "uint"],
      localAddress: [3, "text"],
      otherAddress: [4, "text"],
    },
  },
  connectFailed: { type: 36, fields: { nowMs: [1, "double"], connection: [2, "uint"] } },
  received: { type: 37, fields: { connection: [1, "uint"], octets: [2, "octets"] } },
  sent: {
    type: 38,
    fields: { nowMs: [1, "double"], connection: [2, "uint"], octets: [3, "uint"] },
  },
  closed: { type: 39, fields: { nowMs: [1, "double"], connection: [2, "uint"] } },
  tick: { type: 40, fields: { nowMs: [1, "double"] } },
  /** With the number of times that the slice was told to go on. */
  slice: { type: 41, fields: { nowMs: [1, "double"], goneOn: [2, "uint"] } },
  /** The configuration as an image. */
  configure: {
    type: 42,
    fields: {
      nowMs: [1, "double"],
      config: [2, "octets"],
      /** See `ConfigAbout`. */
      about: [20, "json"],
    },
  },
  operate: { type: 43, fields: { nowMs: [1, "double"], address: [2, "text"], order: [3, "json"] } },
  explain: { type: 44, fields: { question: [1, "json"] } },
  /** `on` 1: all routes are sent with GRACEFUL_SHUTDOWN (RFC 8326). */
  gracefulShutdown: { type: 56, fields: { nowMs: [1, "double"], on: [2, "uint"] } },
  /** The configuration that is on trial stays. */
  confirm: { type: 61, fields: { by: [1, "text"] } },
  /** Not a call: what TCP was like when the connection came about. */
  tcp: { type: 45, fields: { connection: [1, "uint"], state: [2, "json"] } },
  /** Not a call: the peer's TCP has acknowledged so many octets in all. */
  acked: { type: 46, fields: { connection: [1, "uint"], octets: [2, "uint"] } },
  /** A source of validated ROA payloads says more; `begin` 1: what it has said since its end is void. */
  payloads: {
    type: 50,
    fields: { source: [1, "text"], begin: [2, "uint"], octets: [3, "octets"] },
  },
  /** It has said all. */
  payloadsEnd: {
    type: 51,
    fields: { nowMs: [1, "double"], source: [2, "text"], end: [3, "json"] },
  },
  /** What has become of the BFD session of a neighbor, see `BfdNews` of the router. */
  bfd: { type: 58, fields: { nowMs: [1, "double"], address: [2, "text"], news: [3, "json"] } },
  /** Another member of the cluster tells of its neighbors' routes, see `MemberNews` of the router. A call as well. */
  member: {
    type: 129,
    fields: {
      nowMs: [1, "double"],
      name: [2, "text"],
      news: [3, "json"],
      /** Runs of `feeds-codec`, by the numbers that the member has for its neighbors. */
      octets: [4, "octets"],
    },
  },
  /** Routes of the kernel, see `KernelNews` of the router. A call as well. */
  kernel: {
    type: 131,
    fields: {
      nowMs: [1, "double"],
      what: [2, "text"],
      /** Runs of `feeds-codec`. */
      octets: [3, "octets"],
    },
  },

  /** Octets that outputs of the bracket are parts of; counted from 0. */
  chunk: { type: 64, fields: { octets: [1, "octets"] } },
  /** A part of a chunk was written to a connection. */
  wrote: {
    type: 65,
    fields: {
      connection: [1, "uint"],
      chunk: [2, "uint"],
      at: [3, "uint"],
      octets: [4, "uint"],
    },
  },
  /** An attempt to connect was begun. */
  began: {
    type: 66,
    fields: {
      connection: [1, "uint"],
      neighbor: [2, "text"],
      port: [3, "uint"],
      /** Empty for any. */
      localAddress: [4, "text"],
    },
  },
  /** A connection was closed, or an attempt given up. */
  ended: { type: 67, fields: { connection: [1, "uint"] } },
} as const satisfies Readonly<Record<string, Schema>>;

export type RecordName = keyof typeof RECORDS;

/** A record with its name. */
export type AnyRecord = RecordIn<typeof RECORDS>;

export type RecordOf<N extends RecordName> = Extract<AnyRecord, { record: N }>;

export const KINDS: RecordKinds<typeof RECORDS> = new RecordKinds(RECORDS);
