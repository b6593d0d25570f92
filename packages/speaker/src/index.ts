/**
 * The speaker: sockets, time and slices around the router, which the pure packages may not touch.
 *
 *     speaker.ts             time, slices, and the router's outputs
 *     transport.ts, session-sockets.ts, acknowledgement-looks.ts    TCP
 *     protection.ts          what a pair keeps of its connections, if there is one
 *     accept-more.ts, turned-away.ts    listening sockets in a flood
 *     held.ts                which neighbors are held down, over a start
 *     crash.ts, kept-messages.ts    neighbors whose message ended a process
 *     payload-feeds.ts, cache-connection.ts, watched-roa-file.ts, read-roa-file.ts    RPKI caches and files
 *     bfd.ts, bfd-orders.ts, bfd-worker.ts, bfd-sockets.ts    BFD, in a thread of its own
 *     machine.ts             what a speaker begins with
 *     own-addresses.ts       what this host calls itself
 *     trial-check.ts         whether a configuration may be tried
 *     log-event.ts, recent-max.ts, latency.ts    what it tells, and measures
 *
 * All routing is in one thread. A slice of routing work lasts a few milliseconds, then timers and sockets get
 * their turn, so that no KEEPALIVE is late however much there is to do.
 *
 * Threads load `accept-more`, `turned-away` and `own-addresses` by themselves: they need no router.
 *
 * RFCs: 2385 (TCP MD5), 5082 (GTSM), 8210 (RTR, over TCP, with MD5 or without, and TLS).
 */

export { Bfd } from "./bfd.ts";
export {
  Crash,
  type Ended,
  type Hold,
  HUNG,
  holdDown,
  holdsOf,
  type Suspect,
  suspectsIn,
  suspectsOfHanging,
} from "./crash.ts";
export type { ShownFeed } from "./feed.ts";
export { beginAlone, Held } from "./held.ts";
export type { Latency } from "./latency.ts";
export type { LogEvent, PairEvent } from "./log-event.ts";
export { newMachine } from "./machine.ts";
export type { Observer } from "./observer.ts";
export type { Protection } from "./protection.ts";
export { recentMaxMs } from "./recent-max.ts";
export { protectionOf } from "./session-sockets.ts";
export { nowMs, Speaker } from "./speaker.ts";
export { checkTrial } from "./trial-check.ts";
