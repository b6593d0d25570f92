/** A shell that has no sockets but does what actions say, and checks that they make sense. */

import { expect } from "vitest";
import {
  type Connection,
  type FsmAction,
  type FsmConfig,
  type FsmEvent,
  type FsmState,
  INITIAL_STATE,
  type Negotiated,
  step,
} from "../src/index.ts";

export class Shell {
  readonly config: FsmConfig;
  state: FsmState = INITIAL_STATE;
  /** TCP connections that are open, as the shell sees it. */
  readonly connections = new Set<number>();
  /** Whether a TCP connection is being made. */
  connecting = false;
  /** Timers that run: "hold 3" and the milliseconds they were armed with. */
  readonly timers = new Map<string, number>();
  /** The connection of the session. */
  session: number | null = null;

  constructor(config: FsmConfig) {
    this.config = config;
  }

  /** @returns the actions, which have been carried out on this shell's books */
  handle(event: FsmEvent, jitter: number): readonly FsmAction[] {
    const before = this.state;
    if (event.kind === "tcp-connected" || event.kind === "tcp-accepted") {
      this.connections.add(event.connection);
    }
    if (event.kind === "tcp-connected" || event.kind === "tcp-failed") this.connecting = false;
    if (event.kind.endsWith("-timer-expires")) {
      const timer = event.kind.slice(0, -"-timer-expires".length);
      this.timers.delete(`${timer} ${"connection" in event ? event.connection : 0}`);
    }

    const { state, actions } = step(before, event, this.config, jitter);
    this.state = state ?? before;
    actions.forEach((action, index) => {
      this.carryOut(action, event, actions[index + 1]);
    });
    expect(ids(this.state), "every open connection is in the state").toEqual(
      [...this.connections].sort(),
    );
    return actions;
  }

  private carryOut(action: FsmAction, event: FsmEvent, next: FsmAction | undefined): void {
    if ("connection" in action && action.connection !== 0) {
      const closedBefore = action.do === "session-down";
      expect(this.connections.has(action.connection), action.do).toBe(!closedBefore);
    }
    switch (action.do) {
      case "connect":
        expect(this.connecting).toBe(false);
        this.connecting = true;
        break;
      case "cancel-connect":
        expect(this.connecting).toBe(true);
        this.connecting = false;
        break;
      case "send-notification":
        expect(next).toMatchObject({ do: "close", connection: action.connection });
        break;
      case "close":
        this.connections.delete(action.connection);
        for (const timer of this.timers.keys()) {
          if (timer.endsWith(` ${action.connection}`)) this.timers.delete(timer);
        }
        break;
      case "arm-timer":
        expect(action.ms).toBeGreaterThan(0);
        this.timers.set(`${action.timer} ${action.connection}`, action.ms);
        break;
      case "cancel-timer":
        this.timers.delete(`${action.timer} ${action.connection}`);
        break;
      case "restart-hold-timer":
        expect(this.timers.has(`hold ${"connection" in event && event.connection}`)).toBe(true);
        break;
      case "deliver":
        expect("connection" in event && event.connection).toBe(this.session);
        break;
      case "session-up":
        expect(this.session).toBeNull();
        this.session = action.connection;
        break;
      case "session-down":
        expect(this.session).toBe(action.connection);
        this.session = null;
        break;
    }
  }
}

/** What holds in every state that a peer can bring about. */
export function expectWhole(shell: Shell): void {
  const { state, session } = shell;
  const connections = [state.outgoing, state.incoming].filter((c) => c !== null);
  const established = connections.filter((c) => c.state === "established");
  expect(established.map(({ id }) => id)).toEqual(session === null ? [] : [session]);
  if (session !== null) expect(connections).toHaveLength(1);
  if (state.mode !== "running") expect(connections).toEqual([]);
  expect(state.incoming?.state).not.toBe("connect");
  expect(shell.connecting).toBe(state.outgoing?.state === "connect");
}

/** The timers that must run in a state, no more and no fewer. */
export function timersOf(state: FsmState, config: FsmConfig): string[] {
  const timers: string[] = [];
  if (state.mode === "waiting" || state.mode === "damped") timers.push("idle-hold 0");
  if (state.mode !== "running") return timers;
  const { outgoing, incoming } = state;
  const alone = outgoing === null && incoming === null;
  if (outgoing?.state === "connect" || (alone && !config.passive)) timers.push("connect-retry 0");
  for (const connection of [outgoing, incoming]) {
    if (connection !== null) timers.push(...timersOfConnection(connection, state.failures));
  }
  return timers.sort();
}

function timersOfConnection(connection: Connection, failures: number): string[] {
  const { id } = connection;
  switch (connection.state) {
    case "connect":
      return [];
    case "delay-open":
      return [`delay-open ${id}`];
    case "open-sent":
      return [`hold ${id}`];
    case "open-confirm":
      return [`hold ${id}`, ...(beats(connection.negotiated) ? [`keepalive ${id}`] : [])];
    case "established": {
      const reset = failures > 0 ? ["idle-hold-reset 0"] : [];
      if (!beats(connection.negotiated)) return reset;
      return [...reset, `hold ${id}`, `keepalive ${id}`, `send-hold ${id}`];
    }
  }
}

function beats(negotiated: Negotiated): boolean {
  return negotiated.holdTimeSeconds > 0;
}

function ids(state: FsmState): number[] {
  return [state.outgoing, state.incoming]
    .flatMap((connection) => (connection === null ? [] : [connection.id]))
    .filter((id) => id !== 0)
    .sort();
}
