import { CEASE, hardResetData, NOTIFICATION } from "@ts-bgp/wire-codec";
import { delayOpen, established, openConfirm, openSent } from "./connection.ts";
import {
  arm,
  armConnectRetry,
  begin,
  COLLISION,
  cancel,
  close,
  end,
  greet,
  hangUp,
  NO_DATA,
  NOTHING,
  replace,
  sent,
  waitInActive,
} from "./moves.ts";
import { offersRestart } from "./negotiate.ts";
import { idleHoldMs } from "./timers.ts";
import {
  type Connection,
  type ConnectionEvent,
  type DownReason,
  type FsmAction,
  type FsmConfig,
  type FsmEvent,
  type FsmState,
  type FsmStep,
  type PeerEvent,
  SESSION_STATES,
  type SessionState,
} from "./types.ts";

const NOT_WANTED: DownReason = { kind: "not-wanted" };
const REJECTED = sent(NOTIFICATION.CEASE, CEASE.CONNECTION_REJECTED, NO_DATA);

/**
 * The BGP state machine of one peer, whole and pure (RFC 4271 section 8).
 *
 * Takes any event in any state and never throws. Allocates nothing for an UPDATE, a KEEPALIVE or a
 * ROUTE-REFRESH on an established session; the step is then a constant, so an action may speak of
 * "the event's connection".
 *
 * @param jitter - a number in [0, 1) drawn anew for each call; shortens timers by up to a quarter
 *   (RFC 4271 section 10)
 */
export function step(state: FsmState, event: FsmEvent, config: FsmConfig, jitter: number): FsmStep {
  switch (event.kind) {
    case "start":
      return start(state, config, jitter);
    case "stop":
    case "restart":
      return stop(state, event, config, jitter);
    case "connect-retry-timer-expires":
      return connectAgain(state, config, jitter);
    case "idle-hold-timer-expires":
      if (state.mode !== "waiting" && state.mode !== "damped") return NOTHING;
      return begin(state.failures, config, jitter, []);
    case "idle-hold-reset-timer-expires":
      if (state.mode !== "running" || state.failures === 0) return NOTHING;
      return { state: { ...state, failures: 0 }, actions: [] };
    case "tcp-connected":
      return connected(state, event.connection, config);
    case "tcp-failed":
      return failed(state, config, jitter);
    case "tcp-accepted":
      return accepted(state, event.connection, config);
    default:
      return connectionStep(state, event, config, jitter);
  }
}

function connectionStep(
  state: FsmState,
  event: ConnectionEvent,
  config: FsmConfig,
  jitter: number,
): FsmStep {
  const { outgoing, incoming } = state;
  const connection = outgoing?.id === event.connection ? outgoing : incoming;
  // The connection was closed while the event was on its way.
  if (connection === null || connection.id !== event.connection) return NOTHING;
  const outcome = answer(state, connection, event, config, jitter);
  return "kind" in outcome ? end(state, connection, outcome, config, jitter) : outcome;
}

function answer(
  state: FsmState,
  connection: Connection,
  event: ConnectionEvent,
  config: FsmConfig,
  jitter: number,
): FsmStep | DownReason {
  switch (connection.state) {
    case "connect":
      return NOTHING;
    case "delay-open":
      return delayOpen(state, connection, event, config, jitter);
    case "open-sent":
      return openSent(state, connection, event, config, jitter);
    case "open-confirm":
      return openConfirm(state, connection, event, config, jitter);
    case "established":
      return established(connection, event, jitter);
  }
}

function start(state: FsmState, config: FsmConfig, jitter: number): FsmStep {
  if (state.mode === "running") return NOTHING;
  return begin(0, config, jitter, state.mode === "stopped" ? [] : [cancel("idle-hold", 0)]);
}

function stop(
  state: FsmState,
  event: Extract<PeerEvent, { kind: "stop" | "restart" }>,
  config: FsmConfig,
  jitter: number,
): FsmStep {
  if (state.mode === "stopped") return NOTHING;
  const { outgoing, incoming, failures } = state;
  const { restartAfterSeconds } = event;
  const actions: FsmAction[] = [];
  if (state.mode !== "running") actions.push(cancel("idle-hold", 0));
  else if (outgoing === null && incoming === null) actions.push(cancel("connect-retry", 0));
  for (const connection of [outgoing, incoming]) {
    if (connection !== null) close(state, connection, farewell(connection, event), actions);
  }
  const ended = { outgoing: null, incoming: null, failures };
  if (restartAfterSeconds === null) return { state: { mode: "stopped", ...ended }, actions };

  const ms = Math.max(1000 * restartAfterSeconds, idleHoldMs(config, 1, jitter));
  actions.push(arm("idle-hold", 0, ms));
  const mode = restartAfterSeconds > 0 ? "damped" : "waiting";
  return { state: { mode, ...ended }, actions };
}

/** How a connection is ended that is wanted no more. */
function farewell(
  connection: Connection,
  { kind, subcode, data }: Extract<PeerEvent, { kind: "stop" | "restart" }>,
): DownReason {
  const cease = sent(NOTIFICATION.CEASE, subcode, data);
  if (connection.state !== "established") return cease;
  const { gracefulRestart, localCapabilities } = connection.negotiated;
  if (gracefulRestart === null) return cease;
  // A session of a version that did not keep them has none.
  if (kind === "restart" && offersRestart(localCapabilities ?? [])) return { kind: "restarting" };
  if (!gracefulRestart.notification) return cease;
  return sent(NOTIFICATION.CEASE, CEASE.HARD_RESET, hardResetData(cease));
}

function connectAgain(state: FsmState, config: FsmConfig, jitter: number): FsmStep {
  const { mode, outgoing, incoming, failures } = state;
  if (outgoing?.state === "connect") {
    const actions = [{ do: "cancel-connect" }, { do: "connect" }] as const;
    return { state: null, actions: [...actions, armConnectRetry(config, jitter)] };
  }
  if (mode !== "running" || outgoing !== null || incoming !== null) return NOTHING;
  return begin(failures, config, jitter, []);
}

function connected(state: FsmState, id: number, config: FsmConfig): FsmStep {
  if (state.outgoing?.state !== "connect") {
    return { state: null, actions: [{ do: "close", connection: id, reason: NOT_WANTED }] };
  }
  const actions = [cancel("connect-retry", 0)];
  return { state: { ...state, outgoing: greet(id, config, actions) }, actions };
}

function failed(state: FsmState, config: FsmConfig, jitter: number): FsmStep {
  if (state.outgoing?.state !== "connect") return NOTHING;
  if (state.incoming === null) return waitInActive(state.failures, config, jitter, []);
  return { state: { ...state, outgoing: null }, actions: [cancel("connect-retry", 0)] };
}

function accepted(state: FsmState, id: number, config: FsmConfig): FsmStep {
  const { mode, outgoing, incoming } = state;
  const actions: FsmAction[] = [];
  if (mode === "stopped" || mode === "damped") {
    // RFC 4486 section 4. The other daemons hang up without a word here.
    hangUp(id, REJECTED, actions);
    return { state: null, actions };
  }
  let before = state;
  const up = outgoing?.state === "established" ? outgoing : incoming;
  if (up?.state === "established") {
    const { gracefulRestart } = up.negotiated;
    if (gracefulRestart === null || gracefulRestart.families === 0) {
      // RFC 4271 section 6.8: the established connection stays. A peer that has lost its memory
      // answers the KEEPALIVE with a reset, and need not wait for our hold timer.
      hangUp(id, COLLISION, actions);
      actions.push({ do: "send-keepalive", connection: up.id });
      return { state: null, actions };
    }
    // RFC 4724 section 4.2: the peer has restarted; the old connection goes without a word.
    close(state, up, { kind: "graceful-restart" }, actions);
    before = replace(state, up, null);
  } else if (incoming !== null) {
    // A peer that connects again has given up its earlier connection (FRR sees it so too).
    close(state, incoming, COLLISION, actions);
  } else if (mode === "waiting") {
    actions.push(cancel("idle-hold", 0));
  } else if (outgoing === null) {
    actions.push(cancel("connect-retry", 0));
  }
  const next = greet(id, config, actions);
  return { state: { ...before, mode: "running", incoming: next }, actions };
}

/** The state of the peer as RFC 4271 names it: that of the connection which has come furthest. */
export function stateOf(state: FsmState): SessionState {
  if (state.mode !== "running") return "idle";
  let furthest: SessionState = "active";
  for (const connection of [state.outgoing, state.incoming]) {
    if (connection === null) continue;
    // Waiting with our OPEN is Connect for a connection that we opened, else Active.
    const own = connection === state.outgoing ? "connect" : "active";
    const named = connection.state === "delay-open" ? own : connection.state;
    if (SESSION_STATES.indexOf(named) > SESSION_STATES.indexOf(furthest)) furthest = named;
  }
  return furthest;
}
