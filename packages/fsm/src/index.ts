/**
 * The BGP session of one peer as a state machine (RFC 4271 section 8), pure.
 *
 *     step(state, event, config, jitter) -> { state, actions }
 *
 * There is no clock, no socket and no chance in here. The shell around it owns the sockets and the
 * timers: it turns what happens to them into events, and does what the actions say, in their order.
 * Timers are armed by an action and come back as an event; the random part of their length is
 * handed in as `jitter`. State, events and actions are plain data, so a session can be recorded,
 * replayed and sent to a standby.
 *
 * A peer has up to two connections for a while, when both sides connect at once:
 *
 *     stopped          start, or idle
 *     waiting, damped  --- hold expires --->  running:
 *        ^                                      outgoing  connect -> (delay-open) -> open-sent --.
 *        |                                      incoming             (delay-open) -> open-sent --+
 *        |                                                                                       |
 *        '--- stop, or the last connection failed --- established <- open-confirm <--------------'
 *
 * Each connection goes its own way until one is established, which is then alone. `stateOf` gives
 * the one state that RFC 4271 has for the peer: Idle when it is not running, Active when it is
 * running and has no connection, else the state of the connection which has come furthest.
 *
 * How the shell reads a message: frame it, hand the event over (`open` with the decoded message;
 * `update` before the message is decoded), and process an UPDATE or ROUTE-REFRESH when the actions
 * contain `deliver`. A fault that the codec finds, of header, OPEN or UPDATE, is the event `fault`.
 *
 * Which timer is the shell's to restart: the send hold timer, each time TCP takes octets (RFC 9687
 * section 4.3); the keepalive timer, if it likes, each time it sends an UPDATE (RFC 4271 section
 * 8.2.2). The hold timer must not expire over octets of the peer that nobody has read yet.
 *
 * Choices where the RFCs leave room:
 * - A failure leads to Idle for the idle hold time, doubled with each further failure until a
 *   session has lasted. A peer that hung up or said Cease is let in all the same when it connects,
 *   for it may have been restarted; after a second fault in a row it is refused with
 *   Cease/Connection Rejected (RFC 4486 section 4) until the time is over. BIRD and OpenBGPD draw
 *   the line in like places, and hang up in silence.
 * - A connection that comes while a session is established is refused with Cease/Connection
 *   Collision Resolution, and a KEEPALIVE goes out on the old one, so that a peer which has
 *   restarted resets it. With graceful restart negotiated the new connection takes over (RFC 4724
 *   section 4.2).
 * - No address family in common ends the session with Unsupported Capability.
 * - A NOTIFICATION may go out before OPEN (SendNOTIFICATIONwithoutOPEN, RFC 4271 section 8.1.1).
 * - An expired send hold timer closes without a NOTIFICATION, which could not get out.
 *
 * RFCs: 4271 (section 8, 6.2, 6.8), 4486, 4724 (4.2), 4760, 5492, 6286, 6608, 6793, 7607, 7911,
 * 8538 (capability), 8654, 8950, 9003, 9234 (4.2), 9494 (capability), 9687.
 */

export { describeDown, STATE_NAMES } from "./describe.ts";
export { withOpenSent } from "./moves.ts";
export {
  type GracefulRestart,
  type LongLivedStaleTime,
  type Negotiated,
  negotiate,
} from "./negotiate.ts";
export { buildOpen, type OpenFault, openFault } from "./open.ts";
export { ROLES, type Role } from "./role.ts";
export { stateOf, step } from "./step.ts";
export { FSM_DEFAULTS } from "./timers.ts";
export {
  type Connection,
  type ConnectionEvent,
  type ConnectionTimer,
  type DownReason,
  type FsmAction,
  type FsmConfig,
  type FsmEvent,
  type FsmMode,
  type FsmState,
  type FsmStep,
  INITIAL_STATE,
  type Notified,
  type PeerEvent,
  type PeerTimer,
  SESSION_STATES,
  type SessionState,
} from "./types.ts";
