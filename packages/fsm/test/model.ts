/** A configuration, OPEN messages and readable forms of states and actions for the tests. */

import type { Capability, OpenMessage } from "@ts-bgp/wire-codec";
import {
  type Connection,
  type DownReason,
  FSM_DEFAULTS,
  type FsmAction,
  type FsmConfig,
  type FsmEvent,
  type FsmState,
  INITIAL_STATE,
  step,
} from "../src/index.ts";

export const LOCAL_AS = 65000;
export const PEER_AS = 65001;
export const LOCAL_ID = 0x0a000001;
export const HIGHER_ID = 0x0a000002;
export const LOWER_ID = 0x09ffffff;

/** Out of the range that `step` takes, but timers stay as they are, which reads better. */
export const NO_JITTER = 1;

export const CONFIG: FsmConfig = {
  ...FSM_DEFAULTS,
  localAs: LOCAL_AS,
  peerAs: PEER_AS,
  localIdentifier: LOCAL_ID,
  passive: false,
  role: null,
  strictRole: false,
  families: 3,
  capabilities: [{ code: 2, name: "route-refresh" }],
};

export const MP_IPV4: Capability = { code: 1, name: "multiprotocol", afi: 1, safi: 1 };
export const MP_IPV6: Capability = { code: 1, name: "multiprotocol", afi: 2, safi: 1 };

export function peerOpen(change: Partial<OpenMessage> = {}): OpenMessage {
  return {
    version: 4,
    as: PEER_AS,
    holdTimeSeconds: 90,
    bgpIdentifier: HIGHER_ID,
    capabilities: [MP_IPV4, { code: 65, name: "four-octet-as", as: PEER_AS }],
    ...change,
  };
}

export const NO_DATA = new Uint8Array(0);

/** The state after some events, from the initial state. */
export function after(events: readonly FsmEvent[], config = CONFIG): FsmState {
  let state = INITIAL_STATE;
  for (const event of events) state = step(state, event, config, NO_JITTER).state ?? state;
  return state;
}

/** "waiting", "active", "connect in open-sent"; with the number of failures behind it, if any. */
export function showState(state: FsmState): string {
  const { mode, outgoing, incoming } = state;
  const failures = state.failures === 0 ? "" : ` f${state.failures}`;
  if (mode !== "running") return mode + failures;
  const parts = [show("out", outgoing), show("in", incoming)].filter((part) => part !== "");
  return (parts.join(" ") || "active") + failures;
}

function show(direction: string, connection: Connection | null): string {
  if (connection === null) return "";
  return connection.state === "connect" ? "connect" : `${direction} ${connection.state}`;
}

/** "notify 6/7 close open#2 hold#2=240s retry=off": connection 1 goes without saying. */
export function showActions(actions: readonly FsmAction[]): string {
  return actions.map(showAction).join(" ");
}

const REASONS: Record<DownReason["kind"], string> = {
  "notification-sent": "",
  "notification-received": "(received)",
  "connection-lost": "(lost)",
  "send-hold-timer-expired": "(send-hold)",
  "graceful-restart": "(restart)",
  restarting: "(restarting)",
  "not-wanted": "(not-wanted)",
};

function showAction(action: FsmAction): string {
  const of = "connection" in action && action.connection > 1 ? `#${action.connection}` : "";
  switch (action.do) {
    case "send-open":
      return `open${of}`;
    case "send-keepalive":
      return `keepalive${of}`;
    case "send-notification": {
      const data = action.data.length === 0 ? "" : `[${action.data.join(" ")}]`;
      return `notify${of} ${action.code}/${action.subcode}${data}`;
    }
    case "close":
      return `close${of}${REASONS[action.reason.kind]}`;
    case "session-down":
      return `down${of}`;
    case "session-up":
      return `up${of}`;
    case "arm-timer":
      return `${action.timer}${of}=${action.ms / 1000}s`;
    case "cancel-timer":
      return `${action.timer}${of}=off`;
    default:
      return action.do;
  }
}
