/** `tsbgp show nsr` and `tsbgp switchover`: lines for people, and a control socket that answers. */
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ShownNsr, type Switchover, showNsr } from "@ts-bgp/nsr";
import { afterEach, describe, expect, test } from "vitest";
import { nsrLines } from "../src/nsr.ts";
import { linesOf, type Result, tsbgp } from "./support/tsbgp.ts";

const NOW_MS = 1_800_000_000_000;
const protectedOne = (address: string) => ({ address, protected: true, reason: "" });

const ACTIVE: ShownNsr = {
  cluster: "rs1",
  side: "a",
  mode: "shared",
  role: "active",
  epoch: 4,
  since_ms: NOW_MS - 3_600_000,
  ready: true,
  reason: "",
  peer: {
    ...{ side: "b", link: "up", over: "192.0.2.254 port 1790" },
    ...{ since_ms: NOW_MS - 60_000, software: "0.1.0", ends: 0, ended: "", ways_down: [] },
  },
  standbys: [],
  arbiter: { kind: "etcd", problem: "" },
  holds_back: false,
  protected: 2,
  sessions: 2,
  neighbors: [protectedOne("192.0.2.1"), protectedOne("2001:db8::1")],
  behind: { brackets: 3, octets: 1234, applied: 7 },
  digest: { at_ms: NOW_MS - 1000, differences: 0 },
  deviation: { what: "", brackets: 0, doomed: [] },
  gate: {
    ...{ kind: "nft", held: 5, passed: 900, guarded: 1 },
    ...{ overflowed: 0, overruns: 0, unparsed: 0, fenced: 0 },
  },
  skipped: 0,
  unknown_options: [],
  log: { file: "", octets: 0, problem: "" },
  refused: { user: 0, handshake: 0, certificate: 0, hello: 0, slow: 0, crowded: 0 },
  host: [
    {
      what: "TCP repair",
      ok: true,
      minor: false,
      detail: "a connection was moved",
      what_to_do: "",
    },
  ],
  last_switchover: null,
};
const SWITCHOVER: Switchover = {
  cause: "the active process ended",
  planned: false,
  at_ms: NOW_MS - 90_000,
  ms: { fence: 0.25, replay: 1.5, addresses: 0, restore: 6.75, total: 8.5, silence: 98.5 },
  resumed: 2,
  lost: [],
};

describe("the first line says how the pair is", () => {
  test.each<[string, Partial<ShownNsr>]>([
    ["a of rs1 is active, b can take over all 2 sessions", {}],
    ["a of rs1 is active, b can take over ONLY 1 of 2 sessions", { protected: 1 }],
    ["a of rs1 is active, b can take over; no session is up", { protected: 0, sessions: 0 }],
    ["a of rs1 is active, NOT PROTECTED: no standby", { ready: false, reason: "no standby" }],
    ["a of rs1 is standby, and can take over from b", { role: "standby" }],
    [
      "a of rs1 is standby, NOT READY: the active side is sending its state",
      { role: "standby", ready: false, reason: "the active side is sending its state" },
    ],
    [
      "a of rs1 is active, b can take over all 2 sessions, BUT ONLY once etcd answers",
      { arbiter: { kind: "etcd", problem: "etcd does not answer: ECONNREFUSED" } },
    ],
    [
      "a of rs1 is standby, and can take over from b, BUT ONLY once etcd answers",
      { role: "standby", arbiter: { kind: "etcd", problem: "etcd does not answer" } },
    ],
    [
      "a of rs1 is active, and SENDS NOTHING: etcd does not answer",
      {
        ready: false,
        holds_back: true,
        arbiter: { kind: "etcd", problem: "etcd does not answer" },
      },
    ],
    ["a of rs1 is starting", { role: "starting", ready: false }],
    [
      "a of rs1 runs ALONE, and sessions end with it: CAP_NET_ADMIN is missing",
      { role: "simplex", ready: false, reason: "CAP_NET_ADMIN is missing" },
    ],
    [
      "this speaker runs ALONE, and sessions end with it: the configuration has no section nsr",
      {
        cluster: "",
        side: "",
        role: "simplex",
        reason: "the configuration has no section nsr",
      },
    ],
  ])("%s", (line, change) => {
    expect(nsrLines({ ...ACTIVE, ...change }, NOW_MS)[0]).toBe(line);
  });
});

test("a speaker without a pair has no more than the first line", () => {
  expect(nsrLines({ ...ACTIVE, role: "simplex", cluster: "" }, NOW_MS)).toHaveLength(1);
});

test("an active side that is protected", () => {
  expect(nsrLines(ACTIVE, NOW_MS).slice(1)).toEqual([
    "",
    "Role:            active for 01:00:00, epoch 4, mode shared",
    "Other side:      b, link up for 00:01:00 over 192.0.2.254 port 1790, software 0.1.0",
    "Sessions:        2 of 2 protected",
    "Behind:          3 brackets (1.2 kB) not acknowledged, 7 not applied",
    "Compared:        00:00:01 ago, no difference",
    "Gate:            nft, 900 packets passed, 5 had to wait, 1 FIN or RST stopped",
    "Host:            has all that is needed, 1 checks",
    "Last switchover: never",
  ]);
});

describe("with several standbys", () => {
  const standby = (side: string, change: Partial<ShownNsr["standbys"][number]> = {}) => ({
    ...({ ...ACTIVE.peer, side, ready: true, state: "declared", compared_ms: NOW_MS } as const),
    behind: ACTIVE.behind,
    ...change,
  });
  const gone = { ready: false, state: "alone", link: "down", over: "" } as const;

  test("each has a line", () => {
    const joining = { ready: false, state: "joining" } as const;
    const standbys = [standby("b"), standby("c", joining), standby("d", gone)];
    expect(nsrLines({ ...ACTIVE, standbys }, NOW_MS).slice(2, 7)).toEqual([
      "Role:            active for 01:00:00, epoch 4, mode shared",
      "Standby:         b, can take over, link up for 00:01:00 over 192.0.2.254 port 1790, 3 brackets (1.2 kB) behind",
      "Standby:         c, NOT READY (joining), link up for 00:01:00 over 192.0.2.254 port 1790, 3 brackets (1.2 kB) behind",
      "Standby:         d, does not follow",
      "Sessions:        2 of 2 protected",
    ]);
  });

  test.each([
    [[standby("b"), standby("c")], "a of rs1 is active, b or c can take over all 2 sessions"],
    [
      [standby("b"), standby("c", gone)],
      "a of rs1 is active, b can take over all 2 sessions; NOT READY: c",
    ],
  ])("the first line says who can take over", (standbys, line) => {
    expect(nsrLines({ ...ACTIVE, standbys }, NOW_MS)[0]).toBe(line);
  });
});

test("a switchover that lost sessions, tables that differ, a session without protection", () => {
  const shown: ShownNsr = {
    ...ACTIVE,
    protected: 1,
    neighbors: [
      protectedOne("192.0.2.1"),
      { address: "2001:db8::1", protected: false, reason: "nsr: off" },
    ],
    digest: { at_ms: NOW_MS, differences: 2 },
    host: [
      ...ACTIVE.host,
      { what: "pidfd", ok: false, minor: true, detail: "ENOSYS", what_to_do: "Linux 5.3" },
      { what: "gate rules", ok: false, minor: false, detail: "none", what_to_do: "install nft" },
    ],
    last_switchover: {
      ...SWITCHOVER,
      resumed: 1,
      lost: [{ address: "192.0.2.9", cause: "the peer had closed" }],
    },
  };
  expect(nsrLines(shown, NOW_MS).slice(6)).toEqual([
    "Compared:        00:00:00 ago, no difference",
    "Gate:            nft, 900 packets passed, 5 had to wait, 1 FIN or RST stopped",
    "Differed:        2 times; the standby was sent the state anew",
    "Host:            lacks 1 of 3",
    "Last switchover: 00:01:30 ago, after a failure, the active process ended: 1 resumed, 1 LOST",
    "Its phases:      8.5 ms (fence 0.3, replay 1.5, addresses 0.0, restore 6.8), 98.5 ms without an active side",
    "Lost:            192.0.2.9: the peer had closed",
    "",
    "Not protected  Why",
    "2001:db8::1    nsr: off",
    "",
    "Missing     Found   What to do",
    "pidfd       ENOSYS  Linux 5.3",
    "gate rules  none    install nft",
  ]);
});

test("a standby of another version", () => {
  const doomed = [{ address: "192.0.2.9", cause: "capability 200 was agreed on" }];
  const deviation = { what: "update group 1", brackets: 7, doomed };
  const lines = nsrLines({ ...ACTIVE, deviation, unknown_options: ["novelty"] }, NOW_MS);
  expect(lines).toContain(
    "Deviates:        the standby, in 7 brackets, now in update group 1; peers are sent the active's",
  );
  expect(lines).toContain("Would end:       192.0.2.9: capability 200 was agreed on");
  expect(lines).toContain("Not known:       options of a newer version, which are kept: novelty");
});

test("a host that could do better", () => {
  const pidfd = {
    what: "pidfd",
    ok: false,
    minor: true,
    detail: "ENOSYS",
    what_to_do: "Linux 5.3",
  };
  const lines = nsrLines({ ...ACTIVE, host: [...ACTIVE.host, pidfd] }, NOW_MS);
  expect(lines).toContain("Host:            has all that is needed, 1 checks, better with 1 more");
});

test("what never was is not dated", () => {
  const { peer } = showNsr(null, null);
  const gate = { ...ACTIVE.gate, kind: "none" };
  const lines = nsrLines(
    {
      ...ACTIVE,
      ready: false,
      protected: 0,
      neighbors: [{ address: "192.0.2.1", protected: false, reason: "the standby is not ready" }],
      since_ms: 0,
      peer,
      gate,
      host: [],
      digest: { at_ms: 0, differences: 0 },
    },
    NOW_MS,
  );
  expect(lines.slice(2)).toEqual([
    "Role:            active, epoch 4, mode shared",
    "Other side:      none",
    "Sessions:        0 of 2 protected",
    "Behind:          3 brackets (1.2 kB) not acknowledged, 7 not applied",
    "Compared:        never",
    "Gate:            none",
    "Host:            not looked at yet",
    "Last switchover: never",
  ]);
});

test("a way that leads nowhere, and an arbiter that does not answer", () => {
  const peer = { ...ACTIVE.peer, ways_down: ["192.0.2.2 port 1790"] };
  const arbiter = { kind: "etcd", problem: "etcd does not answer: ECONNREFUSED" };
  const lines = nsrLines({ ...ACTIVE, role: "standby", peer, arbiter }, NOW_MS);
  expect(lines).toContain("Way down:        no heartbeat comes by 192.0.2.2 port 1790");
  expect(lines).toContain("Arbiter:         etcd does not answer: ECONNREFUSED");
});

test("a standby that dies of what it is sent", () => {
  const peer = { ...ACTIVE.peer, ends: 3, ended: "SIGABRT at a message of 192.0.2.1" };
  expect(nsrLines({ ...ACTIVE, peer }, NOW_MS)).toContain(
    "Ended:           b, 3 times in a row as a standby, by SIGABRT at a message of 192.0.2.1",
  );
});

test("a speaker of an older version, which does not say all of that", () => {
  const { arbiter: _, holds_back: __, ...older } = ACTIVE;
  const { ways_down: ___, ends: ____, ended: _____, ...peer } = ACTIVE.peer;
  const shown = { ...older, peer } as unknown as ShownNsr;
  expect(nsrLines(shown, NOW_MS)).toEqual(nsrLines(ACTIVE, NOW_MS));
});

test("a standby, which counts no sessions", () => {
  const lines = nsrLines({ ...ACTIVE, role: "standby", sessions: 0, neighbors: [] }, NOW_MS);
  expect(lines.join("\n")).not.toContain("Sessions");
});

/** A control socket whose answers are given. */
class FakeSpeaker {
  readonly asked: string[] = [];
  readonly socket: string;
  private readonly folder = mkdtempSync(join(tmpdir(), "tsbgp-nsr-"));
  private readonly server: net.Server;

  /** @param answer - lines for a command; null lets the client wait */
  constructor(answer: (command: string, count: number) => unknown[] | null) {
    this.socket = join(this.folder, "control.sock");
    this.server = net.createServer((client) => {
      client.on("error", () => {});
      client.setEncoding("utf8");
      client.on("data", (text: string) => {
        const { command } = JSON.parse(text);
        this.asked.push(command);
        const lines = answer(command, this.asked.length);
        for (const line of lines ?? []) client.write(`${JSON.stringify(line)}\n`);
      });
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(this.socket, resolve));
    return this;
  }

  ask(...args: string[]): Promise<Result> {
    return tsbgp([...args, "--socket", this.socket]);
  }

  stop(): void {
    this.server.close();
    rmSync(this.folder, { recursive: true });
  }
}

describe("with a speaker", () => {
  let speaker: FakeSpeaker | null = null;
  const start = async (answer: (command: string, count: number) => unknown[] | null) => {
    speaker = await new FakeSpeaker(answer).start();
    return speaker;
  };
  afterEach(() => {
    speaker?.stop();
    speaker = null;
  });
  const shown = (change: Partial<ShownNsr>) => [{ item: { ...ACTIVE, ...change } }, { end: {} }];

  test("show nsr prints lines, or the object as it came with --json", async () => {
    const running = await start(() => shown({}));
    const people = await running.ask("show", "nsr");
    expect([people.code, linesOf(people.stdout)[0]]).toEqual([
      0,
      "a of rs1 is active, b can take over all 2 sessions",
    ]);
    const json = await running.ask("show", "nsr", "--json");
    expect(JSON.parse(json.stdout)).toEqual(ACTIVE);
  });

  test("a switchover that was done: exit 0", async () => {
    const running = await start(() => [{ end: {} }]);
    const stdout = "the other side is active now\n";
    expect(await running.ask("switchover")).toEqual({ code: 0, stdout, stderr: "" });
    expect(await running.ask("switchover", "--json")).toMatchObject({ code: 0, stdout: "{}\n" });
    expect(running.asked).toEqual(["switchover", "switchover"]);
  });

  test("a switchover names the sessions that ended with it", async () => {
    const lost = [{ address: "192.0.2.9", cause: "it was not protected" }];
    const running = await start(() => [{ end: { resumed: 2, lost } }]);
    expect(linesOf((await running.ask("switchover")).stdout)).toEqual([
      "the other side is active now: 2 of 3 sessions went on",
      "  ended: 192.0.2.9: it was not protected",
    ]);
  });

  test("a switchover that is refused: exit 1, with the speaker's reason", async () => {
    const running = await start(() => [{ error: "no standby has joined" }]);
    const stderr = "tsbgp: no standby has joined\n";
    expect(await running.ask("switchover")).toEqual({ code: 1, stdout: "", stderr });
  });

  test("--wait asks until the standby is ready, and only then switches over", async () => {
    const running = await start((command, count) =>
      command === "switchover" ? [{ end: {} }] : shown({ ready: count === 3 }),
    );
    expect(await running.ask("switchover", "--wait")).toMatchObject({ code: 0, stderr: "" });
    expect(running.asked).toEqual(["show-nsr", "show-nsr", "show-nsr", "switchover"]);
  });

  test("--to names the standby, and --wait waits for that one", async () => {
    const asked: unknown[] = [];
    const running = await start((command, count) => {
      asked.push(command);
      const { peer, behind } = ACTIVE;
      const state = count === 2 ? ("declared" as const) : ("joining" as const);
      const c = { ...peer, behind, side: "c", ready: count === 2, state, compared_ms: 0 };
      return command === "switchover" ? [{ end: {} }] : shown({ standbys: [c] });
    });
    expect(await running.ask("switchover", "--to", "c", "--wait")).toMatchObject({ code: 0 });
    expect(asked).toEqual(["show-nsr", "show-nsr", "switchover"]);
  });

  test("--wait gives up in the end, with the reason, and switches nothing over", async () => {
    const running = await start(() => shown({ ready: false, reason: "no standby has joined" }));
    const { code, stderr } = await running.ask("switchover", "--wait", "--timeout", "5");
    expect([code, stderr]).toEqual([1, "tsbgp: not ready after 5 s: no standby has joined\n"]);
    expect(running.asked).not.toContain("switchover");
  });

  test("a speaker that does not answer in time: exit 1", async () => {
    const running = await start(() => null);
    const { code, stderr } = await running.ask("switchover", "-t", "0.3");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tsbgp: no answer within 0\.3 s; `tsbgp show nsr` [^\n]+\n$/);
    const waiting = await running.ask("switchover", "-w", "-t", "0.3");
    expect(waiting).toMatchObject({ code: 1, stderr: "tsbgp: not ready after 0.3 s: no answer\n" });
  });
});
