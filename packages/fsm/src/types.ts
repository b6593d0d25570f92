/**
 * The values that go into and come out of the state machine. All of them are plain data, so that an
 * input can be recorded and a state can be sent to another process.
 */

import type { Capability, OpenMessage } from "@ts-bgp/wire-codec";
import type { Negotiated } from "./negotiate.ts";
import type { Role } from "./role.ts";

/** The states of RFC 4271 section 8.2.2, in the order in which a session goes through them. */
export const SESSION_STATES = [
  "idle",
  "active",
  "connect",
  "open-sent",
  "open-confirm",
  "established",
] as const;
export type SessionState = (typeof SESSION_STATES)[number];

/** The configuration of one peer, as far as the session is concerned. */
export interface FsmConfig {
  /** Our AS number, 1..4294967295. */
  readonly localAs: number;
  /**
   * The only AS number accepted, or a class of them: another AS than ours, ours, either; or ranges, first
   * and last number of each.
   */
  readonly peerAs:
    | number
    | "external"
    | "internal"
    | "any"
    | readonly (readonly [number, number])[];
  /** Our BGP Identifier, an unsigned 32-bit number other than 0 (RFC 6286). */
  readonly localIdentifier: number;
  /** Hold time offered: 0 (no KEEPALIVE at all) or 3..65535. */
  readonly holdTimeSeconds: number;
  /** Shortest hold time other than 0 that is taken from the peer. */
  readonly holdTimeMinSeconds: number;
  /**
   * Names of capabilities that the peer must offer, and FAMILY bits of families that both must carry.
   * Absent in the state of an older program.
   */
  readonly required?: { readonly names: readonly Capability["name"][]; readonly families: number };
  /** Wait before the next attempt to connect after one failed or was not answered. */
  readonly connectRetrySeconds: number;
  /** Wait for the peer's OPEN before ours is sent; 0 sends ours at once. */
  readonly delayOpenSeconds: number;
  /** Wait in Idle after the first failure; doubles with each further one. */
  readonly idleHoldSeconds: number;
  /** The doubling ends here. */
  readonly idleHoldSecondsMax: number;
  /** A session that lasts so long wipes out the failures before it. */
  readonly idleHoldResetSeconds: number;
  /** Never connect, only accept. */
  readonly passive: boolean;
  /** Our side of the relation with the peer (RFC 9234), null for none. */
  readonly role: Role | null;
  /** Refuse a peer that does not state its role (RFC 9234 section 4.2). Needs `role`. */
  readonly strictRole: boolean;
  /** FAMILY bits to offer, at least one. */
  readonly families: number;
  /**
   * Capabilities to offer besides those that follow from the fields above: multiprotocol, role and
   * four-octet AS numbers are made by `buildOpen`.
   */
  readonly capabilities: readonly Capability[];
}

/** Timers of the peer as a whole. */
export type PeerTimer = "connect-retry" | "idle-hold" | "idle-hold-reset";
/** Timers of one connection. Closing the connection stops them. */
export type ConnectionTimer = "delay-open" | "hold" | "keepalive" | "send-hold";

/**
 * One connection with the peer, or the attempt to make one.
 *
 * `id` is the shell's number for the connection, positive and not used twice while the peer is
 * configured; 0 stands for an attempt, which has no connection yet.
 */
export type Connection =
  /** The TCP connection that we open is not there yet. */
  | { readonly state: "connect"; readonly id: 0 }
  /** TCP is up and our OPEN waits for the peer's, or for the timer. */
  | { readonly state: "delay-open"; readonly id: number }
  | { readonly state: "open-sent"; readonly id: number; readonly localOpen: OpenMessage }
  | {
      readonly state: "open-confirm" | "established";
      readonly id: number;
      readonly negotiated: Negotiated;
    };

/**
 * Whether connections are wanted:
 * - `stopped`: Idle until a start event;
 * - `damped`: Idle until the idle hold timer expires, and the peer may not connect either;
 * - `waiting`: Idle until the idle hold timer expires, or the peer connects;
 * - `running`: not Idle.
 */
export type FsmMode = "stopped" | "damped" | "waiting" | "running";

/**
 * The whole state of one peer. There is no connection unless `mode` is `running`, and none beside
 * one that is established.
 */
export interface FsmState {
  readonly mode: FsmMode;
  /** The connection that we opened. */
  readonly outgoing: Connection | null;
  /** The connection that the peer opened, never in state `connect`. */
  readonly incoming: Connection | null;
  /** Failures in a row: 0 after a start event and once a session has lasted. */
  readonly failures: number;
}

/** The state of a peer that was just configured. */
export const INITIAL_STATE: FsmState = {
  mode: "stopped",
  outgoing: null,
  incoming: null,
  failures: 0,
};

/** Events of the peer as a whole. */
export type PeerEvent =
  /** The operator or the configuration wants the session. Forgets past failures. */
  | { readonly kind: "start" }
  /**
   * The session must end, with Cease and this subcode (RFC 4486) and data (the shutdown text of
   * RFC 9003, the AFI, SAFI and limit of RFC 4486 section 4). With null it stays down until a
   * start event. With a number it begins again after so many seconds, during which the peer may not
   * connect; 0 is the shortest idle hold, during which it may.
   *
   * `restart`: a session on which this side has offered to restart gracefully ends without a word, so
   * that the peer keeps our routes (RFC 4724 section 4.2). Otherwise, where both sides keep routes when
   * a NOTIFICATION comes, it is a Hard Reset (RFC 8538 section 3) with that Cease inside.
   */
  | {
      readonly kind: "stop" | "restart";
      readonly subcode: number;
      readonly data: Uint8Array;
      readonly restartAfterSeconds: number | null;
    }
  | { readonly kind: `${PeerTimer}-timer-expires` }
  /** The answer to the action `connect`: the connection is there. */
  | { readonly kind: "tcp-connected"; readonly connection: number }
  /** The answer to the action `connect`: refused, unreachable or timed out. */
  | { readonly kind: "tcp-failed" }
  /** The peer connected; the shell has checked its address, and GTSM and MD5 if configured. */
  | { readonly kind: "tcp-accepted"; readonly connection: number };

/** Events of one connection. Events of a connection that is not in the state are ignored. */
export type ConnectionEvent =
  | { readonly kind: `${ConnectionTimer}-timer-expires`; readonly connection: number }
  /** TCP is gone: the peer closed or reset it, or it failed. */
  | { readonly kind: "tcp-closed"; readonly connection: number }
  | { readonly kind: "open"; readonly connection: number; readonly open: OpenMessage }
  | { readonly kind: "keepalive"; readonly connection: number }
  | { readonly kind: "update"; readonly connection: number }
  | { readonly kind: "route-refresh"; readonly connection: number }
  | {
      readonly kind: "notification";
      readonly connection: number;
      readonly code: number;
      readonly subcode: number;
      readonly data: Uint8Array;
    }
  /** The codec found a message that resets the session; code, subcode and data are its verdict. */
  | {
      readonly kind: "fault";
      readonly connection: number;
      readonly code: number;
      readonly subcode: number;
      readonly data: Uint8Array;
    };

export type FsmEvent = PeerEvent | ConnectionEvent;

/** A NOTIFICATION ended the connection. */
export interface Notified {
  readonly kind: "notification-sent" | "notification-received";
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

/** Why a connection was closed, or a session ended. */
export type DownReason =
  | Notified
  /** TCP is gone without a NOTIFICATION. */
  | { readonly kind: "connection-lost" }
  /** Nothing could be sent for the send hold time (RFC 9687). */
  | { readonly kind: "send-hold-timer-expired" }
  /** The peer restarted gracefully and connected anew (RFC 4724 section 4.2). */
  | { readonly kind: "graceful-restart" }
  /** This side is about to restart gracefully. */
  | { readonly kind: "restarting" }
  /** The connection came after the attempt had been given up. */
  | { readonly kind: "not-wanted" };

/** What the shell has to do, in the order given. */
export type FsmAction =
  /** Begin a TCP connection to the peer; answered by `tcp-connected` or `tcp-failed`. */
  | { readonly do: "connect" }
  /** Give up the TCP connection that `connect` began; not answered. */
  | { readonly do: "cancel-connect" }
  | { readonly do: "send-open"; readonly connection: number; readonly open: OpenMessage }
  | { readonly do: "send-keepalive"; readonly connection: number }
  /** Always followed by `close` of the same connection. */
  | {
      readonly do: "send-notification";
      readonly connection: number;
      readonly code: number;
      readonly subcode: number;
      readonly data: Uint8Array;
    }
  /**
   * Read no more from the connection, stop its timers and close it: once the NOTIFICATION is out if
   * there was one, within a bound of the shell's choice, else at once. Also given when TCP is gone
   * already.
   */
  | { readonly do: "close"; readonly connection: number; readonly reason: DownReason }
  /** Start a timer, or start it anew; `connection` is 0 for a PeerTimer. */
  | {
      readonly do: "arm-timer";
      readonly timer: PeerTimer | ConnectionTimer;
      readonly connection: number;
      readonly ms: number;
    }
  /** Stop a timer that may be running. */
  | {
      readonly do: "cancel-timer";
      readonly timer: PeerTimer | ConnectionTimer;
      readonly connection: number;
    }
  /** Start the hold timer of the event's connection anew, with the time that it was armed with. */
  | { readonly do: "restart-hold-timer" }
  /** Process the UPDATE or ROUTE-REFRESH that the event was about. */
  | { readonly do: "deliver" }
  /** The session is Established: messages now follow `negotiated`. */
  | {
      readonly do: "session-up";
      readonly connection: number;
      readonly negotiated: Negotiated;
    }
  /** The session of an earlier `session-up` is over. */
  | { readonly do: "session-down"; readonly connection: number; readonly reason: DownReason };

/** The outcome of an event. */
export interface FsmStep {
  /** The state to go on with, or null when it is the one before. */
  readonly state: FsmState | null;
  readonly actions: readonly FsmAction[];
}
