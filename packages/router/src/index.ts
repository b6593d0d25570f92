/**
 * The BGP speaker as a pure function of its inputs.
 *
 *     shell: accepted connected received sent closed tick configure
 *        |
 *        v
 *     Router --> Neighbor (fsm.step) --> Session (UpdateReader, importer) --> Rib
 *        |                                                                      |
 *        |   slice(): what is little and urgent, the same way; then             v
 *        |     read bulk -> jobs -> decide -> update groups -> trim             v
 *        v                                                               change log
 *     outputs: connect write close log  <--- connections <--- chunks <--- UpdateGroup (exporter)
 *
 * The shell hands in what happened, with the time it happened at, lets the router work in slices,
 * and does what the outputs say. Between a slice's inputs and its outputs nothing reads a clock, a
 * socket or chance, so that a standby that is given the same inputs comes to the same state.
 *
 * A slice is a bracket: what it changed, what it read and what it put out belong together.
 *
 * RFCs: 1997 (well-known communities), 2918 and 7313 (route refresh), 4271, 4456 (reflection), 4486,
 * 7606, 7911, 7947 (route server), 8212, 8950, 9234 (OTC).
 */

export type { BfdNews, BfdState } from "./bfd-state.ts";
export { Connection, type ConnectionOwner } from "./connection.ts";
export { areSameAttempts, Deviations, type Doomed } from "./deviations.ts";
export { addressOctets, familyLabel } from "./facts.ts";
export { type HeardCounts, nothingHeard } from "./heard-counts.ts";
export { InputQueue } from "./input-queue.ts";
export { KERNEL_SOURCE, type KernelNews } from "./kernel-routes.ts";
export type { LastDown } from "./last-down.ts";
export { countedPrefixes, limitIn } from "./max-prefix.ts";
export type { MemberNews, MemberState } from "./member-state.ts";
export type { MessageCounts } from "./message-counts.ts";
export { Neighbor } from "./neighbor.ts";
export { isElsewhere } from "./neighbor-directory.ts";
export { NextHopRuns } from "./next-hop-runs.ts";
export { type Observed, type ObservedSession, tellsNextHops, type Wants } from "./observed.ts";
export { observedSession, RouteRuns, receivedSet } from "./observing.ts";
export type { Order } from "./order.ts";
export { OriginValidation, type StartGate } from "./origin-validation.ts";
export {
  type ConnectionId,
  type ConnectTarget,
  type Effect,
  isEffect,
  type LogEvent,
  type LogId,
  type Output,
} from "./outputs.ts";
export { type Awaited, OwnRestart } from "./own-restart.ts";
export type { Quarantine, QuarantineOrder } from "./quarantine.ts";
export { type LastRead, lastReadIn, noteReadingIn, READING_OCTETS } from "./reading.ts";
export { INPUT_OCTETS_MAX, Router } from "./router.ts";
export type { FamilyState } from "./session.ts";
export { sourceOf } from "./source-of.ts";
export type { KeptUntil } from "./stale-routes.ts";
export { LATER_STATE_CLASSES, STATE_CLASSES } from "./state-classes.ts";
export { STATIC_SOURCE } from "./static-routes.ts";
export { FAMILIES } from "./tables.ts";
export type { SessionMember } from "./update-groups.ts";
