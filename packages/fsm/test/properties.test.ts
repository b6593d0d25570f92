import fc from "fast-check";
import { expect, test } from "vitest";
import type { FsmConfig, FsmEvent } from "../src/index.ts";
import { stateOf, step } from "../src/index.ts";
import { CONFIG, HIGHER_ID, LOWER_ID, NO_DATA, peerOpen } from "./model.ts";
import { expectWhole, Shell, timersOf } from "./shell.ts";
import { EVENTS } from "./table.ts";

type Kind = FsmEvent["kind"];
const KINDS = Object.keys(EVENTS) as Kind[];

/** What is drawn; the connection is chosen from those there are. */
interface Draw {
  /** The event, or null for the one that brings the peer nearer to a session. */
  kind: Kind | null;
  /** Which of the open connections, or one that is gone. */
  pick: number;
  hold: number;
  bgpIdentifier: number;
  as: number;
  restart: number | null;
  jitter: number;
}

const draw: fc.Arbitrary<Draw> = fc.record({
  kind: fc.option(fc.constantFrom(...KINDS), { freq: 1 }),
  pick: fc.nat(2),
  hold: fc.constantFrom(0, 3, 3, 90, 90),
  bgpIdentifier: fc.constantFrom(LOWER_ID, HIGHER_ID, CONFIG.localIdentifier),
  as: fc.constantFrom(65001, 65001, 65001, 65002),
  restart: fc.constantFrom(null, 0, 30),
  jitter: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

const config: fc.Arbitrary<FsmConfig> = fc
  .record({
    passive: fc.boolean(),
    delayOpenSeconds: fc.constantFrom(0, 0, 5),
    holdTimeSeconds: fc.constantFrom(0, 3, 90),
    graceful: fc.boolean(),
  })
  .map(({ graceful, ...rest }) => ({
    ...CONFIG,
    ...rest,
    capabilities: graceful ? [{ ...RESTART, families: [] }] : [],
  }));

const RESTART = {
  code: 64,
  name: "graceful-restart",
  restarting: false,
  notification: false,
  restartTimeSeconds: 60,
  families: [{ afi: 1, safi: 1, forwarding: true }],
} as const;

function eventOf(draw: Draw, shell: Shell, freshId: number): FsmEvent {
  const kind = draw.kind ?? onward(shell);
  const open = [...shell.connections];
  const connection = open[draw.pick % Math.max(1, open.length)] ?? freshId - 1;
  if (kind === "tcp-connected" || kind === "tcp-accepted") return { kind, connection: freshId };
  const event = EVENTS[kind];
  if (event.kind === "stop") return { ...event, restartAfterSeconds: draw.restart };
  if (event.kind === "open") {
    const { as, bgpIdentifier, hold } = draw;
    const capabilities = [{ code: 1, name: "multiprotocol", afi: 1, safi: 1 } as const];
    const all = [...capabilities, { ...RESTART, families: [...RESTART.families] }];
    return {
      kind: "open",
      connection,
      open: peerOpen({ as, bgpIdentifier, holdTimeSeconds: hold, capabilities: all }),
    };
  }
  return "connection" in event ? { ...event, connection } : event;
}

function onward({ state }: Shell): Kind {
  if (state.mode === "stopped") return "start";
  if (state.mode !== "running") return "idle-hold-timer-expires";
  switch (stateOf(state)) {
    case "active":
      return "tcp-accepted";
    case "connect":
      return state.outgoing?.state === "connect" ? "tcp-connected" : "delay-open-timer-expires";
    case "open-sent":
      return "open";
    default:
      return "keepalive";
  }
}

/** Whether a shell that does as it is told could come up with the event. */
function isPossible(event: FsmEvent, shell: Shell): boolean {
  if (event.kind === "tcp-connected" || event.kind === "tcp-failed") return shell.connecting;
  if (!event.kind.endsWith("-timer-expires")) return true;
  const timer = event.kind.slice(0, -"-timer-expires".length);
  return shell.timers.has(`${timer} ${"connection" in event ? event.connection : 0}`);
}

test("any sequence of events leaves a whole state, with just the timers that it needs", () => {
  const established = { runs: 0 };
  fc.assert(
    fc.property(config, fc.array(draw, { maxLength: 60 }), (config, draws) => {
      const shell = new Shell(config);
      draws.forEach((draw, index) => {
        const event = eventOf(draw, shell, 2 + index);
        if (!isPossible(event, shell)) return;
        const fromCopy = step(JSON.parse(JSON.stringify(shell.state)), event, config, draw.jitter);
        const before = shell.state;
        const actions = shell.handle(event, draw.jitter);
        const state = shell.state === before ? null : shell.state;
        expect(fromCopy, "a state behaves the same after JSON").toEqual({ state, actions });
        expectWhole(shell);
        expect([...shell.timers.keys()].sort()).toEqual(timersOf(shell.state, config));
        if (actions.some((action) => action.do === "session-up")) established.runs++;
      });
    }),
    { numRuns: 2000 },
  );
  expect(established.runs, "the runs get somewhere").toBeGreaterThan(500);
});

test("events that cannot be do no harm either", () => {
  fc.assert(
    fc.property(config, fc.array(draw, { maxLength: 60 }), (config, draws) => {
      const shell = new Shell(config);
      draws.forEach((draw, index) => {
        const event = eventOf(draw, shell, 2 + index);
        if (isPossible(event, shell)) {
          shell.handle(event, draw.jitter);
          return;
        }
        const after = step(shell.state, event, config, draw.jitter).state ?? shell.state;
        const { outgoing, incoming } = after;
        const up = [outgoing, incoming].filter((c) => c?.state === "established").length;
        expect(up).toBeLessThanOrEqual(outgoing !== null && incoming !== null ? 0 : 1);
      });
    }),
  );
});

test("an order to stop leaves no connection and no timer", () => {
  fc.assert(
    fc.property(config, fc.array(draw, { maxLength: 40 }), (config, draws) => {
      const shell = new Shell(config);
      draws.forEach((draw, index) => {
        const event = eventOf(draw, shell, 2 + index);
        if (isPossible(event, shell)) shell.handle(event, draw.jitter);
      });
      shell.handle({ kind: "stop", subcode: 2, data: NO_DATA, restartAfterSeconds: null }, 0);
      expect(shell.state).toMatchObject({ mode: "stopped", outgoing: null, incoming: null });
      expect([...shell.timers.keys()]).toEqual([]);
      expect(shell.session).toBeNull();
    }),
  );
});
