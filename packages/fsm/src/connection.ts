/**
 * What each state of a connection makes of each event. A new event does not compile until every
 * state has answered it. The answer is a step, or the reason why the connection ends.
 */

import { MESSAGE, NOTIFICATION, type OpenMessage } from "@ts-bgp/wire-codec";
import {
  arm,
  COLLISION,
  cancel,
  close,
  NO_DATA,
  NOTHING,
  replace,
  sendOpen,
  sent,
} from "./moves.ts";
import { type Negotiated, negotiate } from "./negotiate.ts";
import { buildOpen, openFault, peerDominates } from "./open.ts";
import { keepaliveMs, OPEN_HOLD_MS, sendHoldMs } from "./timers.ts";
import type {
  Connection,
  ConnectionEvent,
  DownReason,
  FsmAction,
  FsmConfig,
  FsmState,
  FsmStep,
} from "./types.ts";

type In<S extends Connection["state"]> = Extract<Connection, { state: S }>;
type Confirmed = Extract<Connection, { negotiated: Negotiated }>;

// Steps that recur on a running session are built once: the hot path allocates nothing.
const HEARD: FsmStep = { state: null, actions: [{ do: "restart-hold-timer" }] };
const HEARD_UPDATE: FsmStep = {
  state: null,
  actions: [{ do: "restart-hold-timer" }, { do: "deliver" }],
};
const DELIVER: FsmStep = { state: null, actions: [{ do: "deliver" }] };

const LOST: DownReason = { kind: "connection-lost" };
const SEND_HOLD_TIMER_EXPIRED: DownReason = { kind: "send-hold-timer-expired" };
const HOLD_EXPIRED = sent(NOTIFICATION.HOLD_TIMER_EXPIRED, 0, NO_DATA);

/** Message types, the data of an FSM Error (RFC 6608 section 4). */
const MESSAGE_TYPE = {
  open: MESSAGE.OPEN,
  update: MESSAGE.UPDATE,
  keepalive: MESSAGE.KEEPALIVE,
  "route-refresh": MESSAGE.ROUTE_REFRESH,
} as const;

export function delayOpen(
  state: FsmState,
  connection: In<"delay-open">,
  event: ConnectionEvent,
  config: FsmConfig,
  jitter: number,
): FsmStep | DownReason {
  switch (event.kind) {
    case "open":
      return receiveOpen(state, connection, event.open, config, jitter);
    case "delay-open-timer-expires": {
      const actions: FsmAction[] = [];
      const next = sendOpen(connection.id, config, actions);
      return { state: replace(state, connection, next), actions };
    }
    case "keepalive":
    case "update":
    case "route-refresh":
      return unexpected(0, event.kind);
    case "notification":
      return received(event);
    case "fault":
      return sent(event.code, event.subcode, event.data);
    case "tcp-closed":
      return LOST;
    case "hold-timer-expires":
    case "keepalive-timer-expires":
    case "send-hold-timer-expires":
      return NOTHING;
  }
}

export function openSent(
  state: FsmState,
  connection: In<"open-sent">,
  event: ConnectionEvent,
  config: FsmConfig,
  jitter: number,
): FsmStep | DownReason {
  switch (event.kind) {
    case "open":
      return receiveOpen(state, connection, event.open, config, jitter);
    case "keepalive":
    case "update":
    case "route-refresh":
      return unexpected(1, event.kind);
    case "notification":
      return received(event);
    case "fault":
      return sent(event.code, event.subcode, event.data);
    case "tcp-closed":
      return LOST;
    case "hold-timer-expires":
      return HOLD_EXPIRED;
    case "delay-open-timer-expires":
    case "keepalive-timer-expires":
    case "send-hold-timer-expires":
      return NOTHING;
  }
}

export function openConfirm(
  state: FsmState,
  connection: Confirmed,
  event: ConnectionEvent,
  config: FsmConfig,
  jitter: number,
): FsmStep | DownReason {
  switch (event.kind) {
    case "keepalive":
      return establish(state, connection, config);
    case "open":
    case "update":
    case "route-refresh":
      return unexpected(2, event.kind);
    case "notification":
      return received(event);
    case "fault":
      return sent(event.code, event.subcode, event.data);
    case "tcp-closed":
      return LOST;
    case "hold-timer-expires":
      return HOLD_EXPIRED;
    case "keepalive-timer-expires":
      return keepaliveDue(connection, jitter);
    case "delay-open-timer-expires":
    case "send-hold-timer-expires":
      return NOTHING;
  }
}

export function established(
  connection: Confirmed,
  event: ConnectionEvent,
  jitter: number,
): FsmStep | DownReason {
  switch (event.kind) {
    case "update":
      return connection.negotiated.holdTimeSeconds === 0 ? DELIVER : HEARD_UPDATE;
    case "keepalive":
      return connection.negotiated.holdTimeSeconds === 0 ? NOTHING : HEARD;
    // Not a sign of life by RFC 4271 section 6.5, which names the messages that are.
    case "route-refresh":
      return DELIVER;
    case "keepalive-timer-expires":
      return keepaliveDue(connection, jitter);
    case "open":
      return unexpected(3, event.kind);
    case "notification":
      return received(event);
    case "fault":
      return sent(event.code, event.subcode, event.data);
    case "tcp-closed":
      return LOST;
    case "hold-timer-expires":
      return HOLD_EXPIRED;
    // RFC 9687 section 4.3 asks for a NOTIFICATION only if it delays nothing. The peer does not
    // read, so it could only wait behind a message that is cut in the middle.
    case "send-hold-timer-expires":
      return SEND_HOLD_TIMER_EXPIRED;
    case "delay-open-timer-expires":
      return NOTHING;
  }
}

/** The peer's OPEN when it is due: judge it, settle a collision, agree. */
function receiveOpen(
  state: FsmState,
  connection: In<"delay-open" | "open-sent">,
  peer: OpenMessage,
  config: FsmConfig,
  jitter: number,
): FsmStep | DownReason {
  const { id } = connection;
  const localOpen = connection.state === "open-sent" ? connection.localOpen : buildOpen(config);
  const fault = openFault(config, localOpen, peer);
  if (fault !== null) return sent(NOTIFICATION.OPEN_MESSAGE_ERROR, fault.subcode, fault.data);

  const actions: FsmAction[] = [];
  let before = state;
  const other = connection === state.incoming ? state.outgoing : state.incoming;
  // RFC 4271 section 6.8: of two connections in OpenConfirm the one stays that the dominant side
  // opened. One in OpenSent goes on until its OPEN tells the same. An attempt is given up as BIRD
  // does: what it could bring is here already.
  if (other?.state === "open-confirm") {
    if (peerDominates(config, peer) !== (connection === state.incoming)) return COLLISION;
  }
  if (other?.state === "open-confirm" || other?.state === "connect") {
    close(state, other, COLLISION, actions);
    before = replace(state, other, null);
  }
  if (connection.state === "delay-open") {
    actions.push(cancel("delay-open", id), { do: "send-open", connection: id, open: localOpen });
  }
  actions.push({ do: "send-keepalive", connection: id });
  const negotiated = negotiate(localOpen, peer);
  const { holdTimeSeconds, keepaliveSeconds } = negotiated;
  // Without a hold time the large value stays until Established, or a peer that never confirms
  // would hold the connection for good.
  actions.push(arm("hold", id, holdTimeSeconds === 0 ? OPEN_HOLD_MS : 1000 * holdTimeSeconds));
  if (keepaliveSeconds > 0) {
    actions.push(arm("keepalive", id, keepaliveMs(keepaliveSeconds, jitter)));
  }
  return { state: replace(before, connection, { state: "open-confirm", id, negotiated }), actions };
}

/** The first KEEPALIVE: the session is up, and a second connection has lost. */
function establish(state: FsmState, connection: Confirmed, config: FsmConfig): FsmStep {
  const { id, negotiated } = connection;
  const { holdTimeSeconds } = negotiated;
  const actions: FsmAction[] = [];
  let before = state;
  const other = connection === state.incoming ? state.outgoing : state.incoming;
  if (other !== null) {
    close(state, other, COLLISION, actions);
    before = replace(state, other, null);
  }
  if (holdTimeSeconds === 0) {
    actions.push(cancel("hold", id));
  } else {
    actions.push(arm("hold", id, 1000 * holdTimeSeconds));
    actions.push(arm("send-hold", id, sendHoldMs(holdTimeSeconds)));
  }
  if (state.failures > 0) {
    actions.push(arm("idle-hold-reset", 0, 1000 * config.idleHoldResetSeconds));
  }
  actions.push({ do: "session-up", connection: id, negotiated });
  return { state: replace(before, connection, { state: "established", id, negotiated }), actions };
}

/** RFC 4271 section 10 wants fresh jitter each time, hence a step of its own each time. */
function keepaliveDue(connection: Confirmed, jitter: number): FsmStep {
  const { id, negotiated } = connection;
  const ms = keepaliveMs(negotiated.keepaliveSeconds, jitter);
  return {
    state: null,
    actions: [{ do: "send-keepalive", connection: id }, arm("keepalive", id, ms)],
  };
}

/** A message that the state does not expect; the subcode names the state (RFC 6608 section 4). */
function unexpected(subcode: number, message: keyof typeof MESSAGE_TYPE): DownReason {
  return sent(NOTIFICATION.FSM_ERROR, subcode, Uint8Array.of(MESSAGE_TYPE[message]));
}

function received(event: Extract<ConnectionEvent, { kind: "notification" }>): DownReason {
  const { code, subcode, data } = event;
  return { kind: "notification-received", code, subcode, data };
}
