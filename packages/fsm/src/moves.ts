/** The moves that several states share: to begin, to wait, to close, to go to Idle. */

import { CEASE, NOTIFICATION, type OpenMessage } from "@ts-bgp/wire-codec";
import { buildOpen } from "./open.ts";
import { idleHoldMs, jittered, OPEN_HOLD_MS } from "./timers.ts";
import type {
  Connection,
  ConnectionTimer,
  DownReason,
  FsmAction,
  FsmConfig,
  FsmState,
  FsmStep,
  Notified,
  PeerTimer,
} from "./types.ts";

export const NO_DATA = new Uint8Array(0);
/** The event changes nothing and asks for nothing. */
export const NOTHING: FsmStep = { state: null, actions: [] };
const CONNECTING: Connection = { state: "connect", id: 0 };
export const COLLISION = sent(NOTIFICATION.CEASE, CEASE.CONNECTION_COLLISION, NO_DATA);

/** The reason for closing that also tells the peer why. */
export function sent(code: number, subcode: number, data: Uint8Array): Notified {
  return { kind: "notification-sent", code, subcode, data };
}

export function arm(timer: PeerTimer | ConnectionTimer, connection: number, ms: number): FsmAction {
  return { do: "arm-timer", timer, connection, ms };
}

export function cancel(timer: PeerTimer | ConnectionTimer, connection: number): FsmAction {
  return { do: "cancel-timer", timer, connection };
}

/** Active: wait for the peer to connect, or for the time to try again. */
export function waitInActive(
  failures: number,
  config: FsmConfig,
  jitter: number,
  actions: FsmAction[],
): FsmStep {
  if (!config.passive) actions.push(armConnectRetry(config, jitter));
  return { state: { mode: "running", outgoing: null, incoming: null, failures }, actions };
}

/** Leave Idle: to Connect, or to Active when the peer has to connect. */
export function begin(
  failures: number,
  config: FsmConfig,
  jitter: number,
  actions: FsmAction[],
): FsmStep {
  if (config.passive) return waitInActive(failures, config, jitter, actions);
  actions.push({ do: "connect" }, armConnectRetry(config, jitter));
  return { state: { mode: "running", outgoing: CONNECTING, incoming: null, failures }, actions };
}

export function armConnectRetry(config: FsmConfig, jitter: number): FsmAction {
  return arm("connect-retry", 0, jittered(1000 * config.connectRetrySeconds, jitter));
}

/** A TCP connection has come up: send OPEN, or wait with it (RFC 4271 section 8.1.1, DelayOpen). */
export function greet(id: number, config: FsmConfig, actions: FsmAction[]): Connection {
  if (config.delayOpenSeconds === 0) return sendOpen(id, config, actions);
  actions.push(arm("delay-open", id, 1000 * config.delayOpenSeconds));
  return { state: "delay-open", id };
}

export function sendOpen(id: number, config: FsmConfig, actions: FsmAction[]): Connection {
  const open = buildOpen(config);
  actions.push({ do: "send-open", connection: id, open }, arm("hold", id, OPEN_HOLD_MS));
  return { state: "open-sent", id, localOpen: open };
}

/** Close what a connection has come to, and end the session if it was established. */
export function close(
  state: FsmState,
  connection: Connection,
  reason: DownReason,
  actions: FsmAction[],
): void {
  const { id } = connection;
  if (connection.state === "connect") {
    actions.push({ do: "cancel-connect" }, cancel("connect-retry", 0));
    return;
  }
  hangUp(id, reason, actions);
  if (connection.state !== "established") return;
  actions.push({ do: "session-down", connection: id, reason });
  if (state.failures > 0) actions.push(cancel("idle-hold-reset", 0));
}

/** Close a TCP connection, with a NOTIFICATION if the reason is one. */
export function hangUp(id: number, reason: DownReason, actions: FsmAction[]): void {
  if (reason.kind === "notification-sent") {
    const { code, subcode, data } = reason;
    actions.push({ do: "send-notification", connection: id, code, subcode, data });
  }
  actions.push({ do: "close", connection: id, reason });
}

/** The connection is over. Without another one the peer goes to Idle, or to Active. */
export function end(
  state: FsmState,
  connection: Connection,
  reason: DownReason,
  config: FsmConfig,
  jitter: number,
): FsmStep {
  const actions: FsmAction[] = [];
  close(state, connection, reason, actions);
  const rest = replace(state, connection, null);
  const other = rest.outgoing ?? rest.incoming;
  // RFC 4271 section 8.2.2, event 18: a connection that breaks before OPEN is no failure of BGP.
  const early = connection.state === "delay-open" || connection.state === "open-sent";
  const broke = early && reason.kind === "connection-lost";
  if (other !== null && (other.state !== "connect" || broke)) return { state: rest, actions };
  if (broke) return waitInActive(state.failures, config, jitter, actions);
  // An attempt would only lead to the same failure.
  if (other !== null) close(state, other, reason, actions);
  const failures = state.failures + 1;
  actions.push(arm("idle-hold", 0, idleHoldMs(config, failures, jitter)));
  const mode = failures > 1 && isFault(reason) ? "damped" : "waiting";
  return { state: { mode, outgoing: null, incoming: null, failures }, actions };
}

/** Whether one side found fault with the other, as against a peer that went away. */
function isFault(reason: DownReason): boolean {
  if (reason.kind === "notification-received") return reason.code !== NOTIFICATION.CEASE;
  return reason.kind !== "connection-lost";
}

/**
 * The state when somebody else has sent the OPEN of a connection, and what counts is what was sent.
 *
 * @param opens - by connection; one that is not there is this machine's own
 */
export function withOpenSent(
  state: FsmState,
  id: number,
  opens: ReadonlyMap<number, OpenMessage>,
): FsmState {
  const localOpen = opens.get(id);
  if (localOpen === undefined) return state;
  for (const connection of [state.outgoing, state.incoming]) {
    if (connection?.id !== id || connection.state !== "open-sent") continue;
    return replace(state, connection, { ...connection, localOpen });
  }
  return state;
}

/** The state with `next` in the place of `connection`. */
export function replace(
  state: FsmState,
  connection: Connection,
  next: Connection | null,
): FsmState {
  return connection === state.outgoing
    ? { ...state, outgoing: next }
    : { ...state, incoming: next };
}
