/** One state of each kind and one event of each kind, for the table of all pairs. */

import type { FsmEvent, FsmState } from "../src/index.ts";
import { after, CONFIG, NO_DATA, peerOpen } from "./model.ts";

const OPEN: FsmEvent = { kind: "open", connection: 1, open: peerOpen() };
const KEEPALIVE: FsmEvent = { kind: "keepalive", connection: 1 };
const FAULT: FsmEvent = { kind: "fault", connection: 1, code: 3, subcode: 1, data: NO_DATA };
const FAILED: FsmEvent[] = [{ kind: "start" }, { kind: "tcp-failed" }];
const CONNECTED: FsmEvent[] = [{ kind: "start" }, { kind: "tcp-connected", connection: 1 }];
const ACCEPTED: FsmEvent[] = [...FAILED, { kind: "tcp-accepted", connection: 1 }];
const FAULTS: FsmEvent[] = [...ACCEPTED, FAULT, { kind: "idle-hold-timer-expires" }];

export const STATES = {
  stopped: after([]),
  waiting: after([...ACCEPTED, FAULT]),
  damped: after([...FAULTS, { kind: "tcp-connected", connection: 1 }, FAULT]),
  connect: after([{ kind: "start" }]),
  active: after(FAILED),
  "delay-open": after(CONNECTED, { ...CONFIG, delayOpenSeconds: 5 }),
  "open-sent": after(CONNECTED),
  "open-confirm": after([...CONNECTED, OPEN]),
  established: after([...CONNECTED, OPEN, KEEPALIVE]),
} satisfies Record<string, FsmState>;

export const EVENTS: Record<FsmEvent["kind"], FsmEvent> = {
  start: { kind: "start" },
  stop: { kind: "stop", subcode: 2, data: NO_DATA, restartAfterSeconds: null },
  restart: { kind: "restart", subcode: 2, data: NO_DATA, restartAfterSeconds: null },
  "connect-retry-timer-expires": { kind: "connect-retry-timer-expires" },
  "idle-hold-timer-expires": { kind: "idle-hold-timer-expires" },
  "idle-hold-reset-timer-expires": { kind: "idle-hold-reset-timer-expires" },
  "tcp-connected": { kind: "tcp-connected", connection: 2 },
  "tcp-failed": { kind: "tcp-failed" },
  "tcp-accepted": { kind: "tcp-accepted", connection: 2 },
  "delay-open-timer-expires": { kind: "delay-open-timer-expires", connection: 1 },
  "hold-timer-expires": { kind: "hold-timer-expires", connection: 1 },
  "keepalive-timer-expires": { kind: "keepalive-timer-expires", connection: 1 },
  "send-hold-timer-expires": { kind: "send-hold-timer-expires", connection: 1 },
  "tcp-closed": { kind: "tcp-closed", connection: 1 },
  open: OPEN,
  keepalive: KEEPALIVE,
  update: { kind: "update", connection: 1 },
  "route-refresh": { kind: "route-refresh", connection: 1 },
  notification: { kind: "notification", connection: 1, code: 6, subcode: 2, data: NO_DATA },
  fault: FAULT,
};
