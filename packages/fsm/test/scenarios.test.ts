/** What a table of single steps does not show: what leads to what. */

import { describe, expect, test } from "vitest";
import type { FsmConfig, FsmEvent, FsmState } from "../src/index.ts";
import { INITIAL_STATE, type Negotiated, stateOf, step } from "../src/index.ts";
import {
  CONFIG,
  HIGHER_ID,
  LOCAL_AS,
  LOCAL_ID,
  LOWER_ID,
  MP_IPV4,
  NO_DATA,
  NO_JITTER,
  peerOpen,
  showActions,
  showState,
} from "./model.ts";
import { STATES } from "./table.ts";

const START: FsmEvent = { kind: "start" };
const FAILED: FsmEvent = { kind: "tcp-failed" };
const IDLE_HOLD: FsmEvent = { kind: "idle-hold-timer-expires" };
const connected = (connection: number): FsmEvent => ({ kind: "tcp-connected", connection });
const accepted = (connection: number): FsmEvent => ({ kind: "tcp-accepted", connection });
const closed = (connection: number): FsmEvent => ({ kind: "tcp-closed", connection });
const keepalive = (connection: number): FsmEvent => ({ kind: "keepalive", connection });
const open = (connection: number, change = {}): FsmEvent => {
  return { kind: "open", connection, open: peerOpen(change) };
};
const fault = (connection: number): FsmEvent => {
  return { kind: "fault", connection, code: 3, subcode: 1, data: NO_DATA };
};
const stop = (subcode: number, restartAfterSeconds: number | null): FsmEvent => {
  return { kind: "stop", subcode, data: NO_DATA, restartAfterSeconds };
};
/** A session with connection `id`, from wherever a start or the idle hold timer lets it begin. */
const session = (id: number): FsmEvent[] => [connected(id), open(id), keepalive(id)];

type Line = [FsmEvent, next: string, actions: string];

/** Runs events and compares each step; an event without expectations is `[event, "*", "*"]`. */
function run(lines: readonly Line[], config: FsmConfig = CONFIG, from = INITIAL_STATE): FsmState {
  let state = from;
  for (const [event, next, actions] of lines) {
    const step_ = step(state, event, config, NO_JITTER);
    state = step_.state ?? state;
    if (next !== "*") expect(showState(state), event.kind).toBe(next);
    if (actions !== "*") expect(showActions(step_.actions), event.kind).toBe(actions);
  }
  return state;
}

/** The steps whose outcome a scenario takes for granted. */
const given = (...events: FsmEvent[]): Line[] => events.map((event) => [event, "*", "*"]);

describe("a collision", () => {
  const both = given(START, accepted(1), connected(2));

  test("keeps the connection of the peer when its identifier is higher", () => {
    run([
      ...both,
      [open(2), "out open-confirm in open-sent", "keepalive#2 hold#2=90s keepalive#2=30s"],
      [open(1), "in open-confirm", "notify#2 6/7 close#2 keepalive hold=90s keepalive=30s"],
      [keepalive(1), "in established", "hold=90s send-hold=480s up"],
    ]);
  });

  test("keeps it also when that one was confirmed first", () => {
    run([
      ...both,
      [open(1), "out open-sent in open-confirm", "keepalive hold=90s keepalive=30s"],
      [open(2), "in open-confirm", "notify#2 6/7 close#2"],
    ]);
  });

  test("keeps our connection when the peer's identifier is lower", () => {
    const lower = { bgpIdentifier: LOWER_ID };
    run([
      ...both,
      ...given(open(1, lower)),
      [open(2, lower), "out open-confirm", /* the same, the other way round */ "*"],
    ]);
    run([
      ...both,
      ...given(open(2, lower)),
      [open(1, lower), "out open-confirm", "notify 6/7 close"],
    ]);
  });

  test("compares identifiers as unsigned numbers", () => {
    const config = { ...CONFIG, localIdentifier: 0x7fffffff };
    const high = { bgpIdentifier: 0x80000000 };
    const lines: Line[] = [
      ...both,
      ...given(open(2, high)),
      [open(1, high), "in open-confirm", "*"],
    ];
    run(lines, config);
  });

  test.each([
    [LOCAL_AS + 1, "in open-confirm"],
    [LOCAL_AS - 1, "out open-confirm"],
  ])("of equal identifiers with AS %d leads to %s", (as, next) => {
    const config = { ...CONFIG, peerAs: as };
    const same = {
      as,
      bgpIdentifier: LOCAL_ID,
      capabilities: [MP_IPV4, { code: 65, name: "four-octet-as", as }],
    };
    run([...both, ...given(open(1, same)), [open(2, same), next, "*"]], config);
    run([...both, ...given(open(2, same)), [open(1, same), next, "*"]], config);
  });

  test("is over when one connection is established before the other's OPEN", () => {
    run([
      ...both,
      ...given(open(1)),
      [keepalive(1), "in established", "notify#2 6/7 close#2 hold=90s send-hold=480s up"],
      [open(2), "in established", ""],
    ]);
  });

  test("does not happen when the attempt is still under way at the peer's OPEN", () => {
    run([
      ...given(START, accepted(1)),
      [
        open(1),
        "in open-confirm",
        "cancel-connect connect-retry=off keepalive hold=90s keepalive=30s",
      ],
      [connected(2), "in open-confirm", "close#2(not-wanted)"],
    ]);
  });

  test("leaves one connection to go on when the other breaks or errs", () => {
    run([...both, [closed(2), "in open-sent", "close#2(lost)"]]);
    run([...both, [closed(1), "out open-sent", "close(lost)"]]);
    run([...both, [fault(1), "out open-sent", "notify 3/1 close"]]);
    run([...both, ...given(open(2)), [fault(1), "out open-confirm", "notify 3/1 close"]]);
  });
});

describe("a second connection of the peer", () => {
  test("replaces the first while neither is established", () => {
    run([
      ...given(START, FAILED, accepted(1)),
      [accepted(2), "in open-sent", "notify 6/7 close open#2 hold#2=240s"],
      ...given(open(2)),
      [accepted(3), "in open-sent", "notify#2 6/7 close#2 open#3 hold#3=240s"],
    ]);
  });

  test("takes over from an established one when graceful restart was negotiated", () => {
    const restart = {
      code: 64,
      name: "graceful-restart",
      restarting: false,
      notification: false,
      restartTimeSeconds: 120,
    } as const;
    const config: FsmConfig = { ...CONFIG, capabilities: [{ ...restart, families: [] }] };
    const preserved = [{ afi: 1, safi: 1, forwarding: false }];
    const able = {
      capabilities: [...peerOpen().capabilities, { ...restart, families: preserved }],
    };
    const unable = { capabilities: [...peerOpen().capabilities, { ...restart, families: [] }] };
    run(
      [
        ...given(START, connected(1), open(1, able), keepalive(1)),
        [accepted(2), "in open-sent", "close(restart) down open#2 hold#2=240s"],
        ...given(open(2, able)),
        [keepalive(2), "in established", "*"],
        [accepted(3), "in open-sent", "close#2(restart) down#2 open#3 hold#3=240s"],
      ],
      config,
    );
    run(
      [
        ...given(START, connected(1), open(1, unable), keepalive(1)),
        [accepted(2), "out established", "notify#2 6/7 close#2 keepalive"],
      ],
      config,
    );
  });
});

describe("back-off", () => {
  test("doubles the wait in Idle to its limit, and lets no one in after the second fault", () => {
    const waits = [1, 2, 4, 8, 16, 32, 60, 60];
    let state = run(given(START));
    waits.forEach((seconds, n) => {
      const failures = n + 1;
      state = run(
        [
          ...given(connected(10 + n)),
          [
            fault(10 + n),
            `${n === 0 ? "waiting" : "damped"} f${failures}`,
            `notify#${10 + n} 3/1 close#${10 + n} idle-hold=${seconds}s`,
          ],
          [IDLE_HOLD, `connect f${failures}`, "connect connect-retry=120s"],
        ],
        CONFIG,
        state,
      );
    });
  });

  test("lets a peer in that hung up or said Cease, however often", () => {
    const cease: FsmEvent = {
      kind: "notification",
      connection: 2,
      code: 6,
      subcode: 2,
      data: NO_DATA,
    };
    run([
      ...given(START, ...session(1)),
      [closed(1), "waiting f1", "close(lost) down idle-hold=1s"],
      [accepted(2), "in open-sent f1", "idle-hold=off open#2 hold#2=240s"],
      ...given(open(2)),
      [cease, "waiting f2", "close#2(received) idle-hold=2s"],
      [accepted(3), "in open-sent f2", "idle-hold=off open#3 hold#3=240s"],
    ]);
  });

  test("ends when a session has lasted", () => {
    run([
      ...given(START, ...session(1), closed(1), IDLE_HOLD, connected(2), open(2)),
      [keepalive(2), "out established f1", "hold#2=90s send-hold#2=480s idle-hold-reset=300s up#2"],
      [{ kind: "idle-hold-reset-timer-expires" }, "out established", ""],
      [closed(2), "waiting f1", "close#2(lost) down#2 idle-hold=1s"],
      ...given(accepted(3), open(3), keepalive(3)),
      [closed(3), "waiting f2", "close#3(lost) down#3 idle-hold-reset=off idle-hold=2s"],
    ]);
  });

  test("gives up an attempt after a fault on the other connection, but not after a break", () => {
    run([
      ...given(START, accepted(1)),
      [fault(1), "waiting f1", "notify 3/1 close cancel-connect connect-retry=off idle-hold=1s"],
    ]);
    run([...given(START, accepted(1)), [closed(1), "connect", "close(lost)"]]);
    run([
      ...given(START, accepted(1)),
      [FAILED, "in open-sent", "connect-retry=off"],
      [closed(1), "active", "close(lost) connect-retry=120s"],
    ]);
  });
});

describe("an end by order", () => {
  const up = given(START, ...session(1));

  test("holds until a start event", () => {
    run([
      ...up,
      [stop(3, null), "stopped", "notify 6/3 close down"],
      [accepted(2), "stopped", "notify#2 6/5 close#2"],
      [stop(4, 0), "stopped", ""],
      [START, "connect", "connect connect-retry=120s"],
    ]);
  });

  test("is a reset when it says so: the peer may come back at once", () => {
    run([
      ...up,
      [stop(4, 0), "waiting", "notify 6/4 close down idle-hold=1s"],
      [accepted(2), "in open-sent", "idle-hold=off open#2 hold#2=240s"],
    ]);
  });

  test("keeps the peer out for the time given after too many prefixes", () => {
    run([
      ...up,
      [stop(1, 900), "damped", "notify 6/1 close down idle-hold=900s"],
      [accepted(2), "damped", "notify#2 6/5 close#2"],
      [IDLE_HOLD, "connect", "connect connect-retry=120s"],
    ]);
  });

  test("tells both connections of a collision", () => {
    run([
      ...given(START, accepted(1), connected(2)),
      [stop(2, null), "stopped", "notify#2 6/2 close#2 notify 6/2 close"],
    ]);
    run([
      ...given(START, accepted(1)),
      [stop(2, null), "stopped", "cancel-connect connect-retry=off notify 6/2 close"],
    ]);
  });

  test("passes the data on", () => {
    const data = Uint8Array.of(0, 1, 1, 0, 0, 3, 232);
    const event: FsmEvent = { kind: "stop", subcode: 1, data, restartAfterSeconds: null };
    run([...up, [event, "stopped", "notify 6/1[0 1 1 0 0 3 232] close down"]]);
  });
});

describe("a configuration", () => {
  test("that is passive never connects", () => {
    run(
      [
        [START, "active", ""],
        [{ kind: "connect-retry-timer-expires" }, "active", "*"],
        [accepted(1), "in open-sent", "*"],
        [closed(1), "active", "close(lost)"],
        ...given(accepted(2)),
        [fault(2), "waiting f1", "*"],
        [IDLE_HOLD, "active f1", ""],
      ],
      { ...CONFIG, passive: true },
    );
  });

  test("with delay open waits for the peer's OPEN or the timer", () => {
    const config = { ...CONFIG, delayOpenSeconds: 5 };
    run(
      [
        [START, "connect", "*"],
        [connected(1), "out delay-open", "connect-retry=off delay-open=5s"],
        [accepted(2), "out delay-open in delay-open", "delay-open#2=5s"],
        [
          open(2),
          "out delay-open in open-confirm",
          "delay-open#2=off open#2 keepalive#2 hold#2=90s keepalive#2=30s",
        ],
        [{ kind: "delay-open-timer-expires", connection: 1 }, "*", "open hold=240s"],
        [keepalive(2), "in established", "notify 6/7 close hold#2=90s send-hold#2=480s up#2"],
      ],
      config,
    );
  });

  test.each([
    ["ours is 0", 0, 90],
    ["the peer's is 0", 90, 0],
  ])("without a hold time arms no timer of the session when %s", (_, ours, peers) => {
    run(
      [
        ...given(START, connected(1)),
        [open(1, { holdTimeSeconds: peers }), "out open-confirm", "keepalive hold=240s"],
        [keepalive(1), "out established", "hold=off up"],
        [keepalive(1), "out established", ""],
        [{ kind: "update", connection: 1 }, "out established", "deliver"],
      ],
      { ...CONFIG, holdTimeSeconds: ours },
    );
  });

  test.each([
    [240, 90, "hold=90s", "keepalive=30s", "send-hold=480s"],
    [30, 90, "hold=30s", "keepalive=10s", "send-hold=480s"],
    [600, 300, "hold=300s", "keepalive=100s", "send-hold=600s"],
    [3, 3, "hold=3s", "keepalive=1s", "send-hold=480s"],
    [65535, 65535, "hold=65535s", "keepalive=21845s", "send-hold=131070s"],
  ])("with hold time %d against %d arms %s %s %s", (ours, peers, hold, interval, sendHold) => {
    run(
      [
        ...given(START, connected(1)),
        [open(1, { holdTimeSeconds: peers }), "*", `keepalive ${hold} ${interval}`],
        [keepalive(1), "*", `${hold} ${sendHold} up`],
      ],
      { ...CONFIG, holdTimeSeconds: ours },
    );
  });
});

describe("jitter", () => {
  const armed = (state: FsmState, event: FsmEvent, jitter: number): number[] => {
    const { actions } = step(state, event, CONFIG, jitter);
    return actions.flatMap((action) => (action.do === "arm-timer" ? [action.ms] : []));
  };

  test.each([
    ["stopped", START, 0, [90_000]],
    ["stopped", START, 0.5, [105_000]],
    ["open-sent", open(1), 0, [90_000, 22_500]],
    ["open-sent", open(1, { holdTimeSeconds: 3 }), 0, [3000, 1000]],
    ["open-sent", open(1, { holdTimeSeconds: 9 }), 0.5, [9000, 2625]],
    ["established", { kind: "keepalive-timer-expires", connection: 1 }, 0.2, [24_000]],
    ["established", closed(1), 0, [750]],
    ["open-confirm", keepalive(1), 0, [90_000, 480_000]],
    ["waiting", accepted(2), 0, [240_000]],
  ] as const)("in %s at %o is %d: %j", (state, event, jitter, ms) => {
    expect(armed(STATES[state], event, jitter)).toEqual(ms);
  });
});

test("the state of a peer is that of the connection that has come furthest", () => {
  expect(Object.entries(STATES).map(([name, state]) => [name, stateOf(state)])).toEqual([
    ["stopped", "idle"],
    ["waiting", "idle"],
    ["damped", "idle"],
    ["connect", "connect"],
    ["active", "active"],
    ["delay-open", "connect"],
    ["open-sent", "open-sent"],
    ["open-confirm", "open-confirm"],
    ["established", "established"],
  ]);
  const delayed = { ...CONFIG, delayOpenSeconds: 1 };
  expect(stateOf(run(given(START, FAILED, accepted(1)), delayed))).toBe("active");
  expect(stateOf(run(given(START, accepted(1)), delayed))).toBe("connect");
  expect(stateOf(run(given(START, accepted(1))))).toBe("open-sent");
  expect(stateOf(run(given(START, accepted(1), connected(2), open(2))))).toBe("open-confirm");
});

test("session-up carries what was negotiated on that connection", () => {
  const { actions } = step(STATES["open-confirm"], keepalive(1), CONFIG, NO_JITTER);
  const up = actions.find((action) => action.do === "session-up");
  expect(up?.negotiated).toMatchObject<Partial<Negotiated>>({
    peerAs: 65001,
    peerIdentifier: HIGHER_ID,
    families: 1,
    fourOctetAs: true,
  });
});

test("messages on an established session give one and the same step each time", () => {
  for (const kind of ["update", "keepalive", "route-refresh"] as const) {
    const event = { kind, connection: 1 };
    const [first, second] = [1, 2].map(() => step(STATES.established, event, CONFIG, 0));
    expect(first).toBe(second);
    expect(first?.state).toBeNull();
  }
});
