/** A standby that is sent away. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { NsrConfig } from "@ts-bgp/config";
import {
  Active,
  FrameReader,
  frameOf,
  Journal,
  Machine,
  STREAM_VERSION,
} from "@ts-bgp/replication";
import { Bfd } from "@ts-bgp/speaker";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import type { ActiveState, Arbiter } from "../src/arbiter.ts";
import { HeartbeatThread } from "../src/heartbeats.ts";
import { finished } from "../src/left.ts";
import { LinkThread } from "../src/link-thread.ts";
import { Refusals } from "../src/refusals.ts";
import { StandbySide } from "../src/standby-side.ts";

const EPOCH = 3;
const MACHINE = configOf(yamlOf("neighbors: [{ address: 192.0.2.1, as: 65001, passive: true }]"));

let directory: string;
let config: NsrConfig;
let server: Server;
let heartbeats: HeartbeatThread;
let links: LinkThread;
let link: Socket;
let active: Active;
let journal: Journal;
/** What the active says from then on, which does not go over the link. */
let held: FrameReader | null;

/** Somebody who says what an active does: its state, and that this side is the standby. */
function serve(socket: Socket): void {
  link = socket;
  const hello = {
    ...{ version: STREAM_VERSION, cluster: "test", side: "a", epoch: EPOCH, role: "active" },
    ...{ software: "", process: 1, echo: 0, next: 0, ways: 0, problem: "", build: "", outputs: 0 },
    numbers: 1,
    ...{ ends: 0, ended: "", stream: 0, lacks: 0, goesOn: 0, path: "" },
  };
  socket.write(frameOf("hello", hello));
  held = null;
  journal = new Journal(new Machine(MACHINE, 0));
  active = new Active(
    journal,
    { epoch: EPOCH, patienceMs: 1000 },
    {
      send: (_to, frame) => void (held === null ? socket.write(frame) : held.push(frame)),
      release() {},
      acknowledge() {},
      gone() {},
      closeGate: () => new Map(),
      openGate() {},
      declare: async () => true,
      undeclare: async () => true,
      drop() {},
      say() {},
    },
  );
  active.join("b", 0);
  while (active.pump("b"));
  socket.write(frameOf("declared", { ready: 1, reason: "" }));
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tsbgp-standby-"));
  const path = join(directory, "link");
  config = {
    ...{ cluster: "test", self: "", mode: "shared", serviceAddresses: [], tls: null },
    ...{
      listen: { path },
      peers: [{ name: null, ways: [{ path }] }],
      arbiter: { kind: "local", file: "" },
    },
    ...{ patienceMs: 100, heartbeatMs: 30, heartbeatMisses: 3, log: null },
  };
  server = createServer(serve).listen(path);
  heartbeats = new HeartbeatThread();
  links = new LinkThread();
});
afterEach(async () => {
  await Promise.all([heartbeats.exit(), links.exit()]);
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

/** One that may take over, and how following comes to its end. @param state - of the active, as its arbiter has it */
async function declared(state: ActiveState) {
  const arbiter = { lease: null, watch() {}, state: async () => state } as unknown as Arbiter;
  const lack = async () => null;
  const refusals = new Refusals(() => {});
  const parts = {
    heartbeats,
    links,
    refusals,
    diskLog: null,
    hasMirrors: false,
    lack,
    bfd: new Bfd(
      () => {},
      () => {},
    ),
    notes: () => null,
    ended: () => ({ ends: 0, ended: "" }),
    log() {},
  };
  const program = { software: "", build: "", differed: { once: false } };
  const side = { config, name: "b", ...program, ...parts };
  const standby = await StandbySide.connect(side, arbiter);
  const end = standby.follow();
  await until(() => standby.standby.isDeclared, WAIT_MS, "it is declared");
  return { standby, end };
}

test.each<[string, number, ActiveState, boolean]>([
  ["for being slow takes over when nobody can take its name out", 1, "unknown", true],
  ["for being slow takes over from one that is dead", 1, "stopped", true],
  ["for being slow takes nothing over when its name is out", 1, "alone", false],
  ["for another reason takes nothing over", 0, "unknown", false],
])("one that is sent away %s", async (_, slow, state, mayTakeOver) => {
  const { end } = await declared(state);
  link.end(frameOf("bye", { reason: "enough", slow, to: "", again: 0 }));
  expect(await end).toMatchObject({ kind: "lost", mayTakeOver });
});

test("one that is handed what it cannot read takes nothing over, and says so", async () => {
  const { end } = await declared("unknown");
  link.write(frameOf("handover", { number: 0, epoch: EPOCH, frozen: { 1: { tcp: "none" } } }));
  const cause = "the handover cannot be read: connection 1 is not described";
  expect(await end).toEqual({ kind: "lost", cause, mayTakeOver: false });
});

test("one that is stopped knows of every connection that it has stored", async () => {
  const { standby, end } = await declared("unknown");
  held = new FrameReader(null);
  const ends = { remoteAddress: "192.0.2.1", localAddress: "192.0.2.254", otherAddress: "" };
  const ports = { remotePort: 40_000, localPort: 179, connection: 0 };
  journal.run({ record: "start", nowMs: 0 });
  const id = journal.run({ record: "accepted", ...ends, ...ports, nowMs: 1 })!;
  active.commit(1);
  for (let next = held.next(); next !== null; next = held.next()) standby.standby.record(next);
  standby.stop("enough");
  await end;
  const isKnown = () => standby.machine!.router.neighborOf(id) !== undefined;
  expect(isKnown()).toBe(false);
  await finished(standby.standby);
  expect(isKnown()).toBe(true);
});

describe("one whose main thread is held", () => {
  const acknowledged = new Int32Array(new SharedArrayBuffer(4));
  let worker: Worker;

  beforeEach(async () => {
    server.close();
    const workerData = {
      path: (config.listen as { path: string }).path,
      memory: acknowledged.buffer,
    };
    worker = new Worker(new URL("../../../testkit/active-worker.ts", import.meta.url), {
      workerData,
    });
    await once(worker, "message");
  });
  afterEach(async () => {
    worker.postMessage("end");
    await once(worker, "exit");
  });

  test("acknowledges what it has stored, and has all of that in a takeover", async () => {
    const { standby, end } = await declared("unknown");
    worker.postMessage("go on");
    expect(Atomics.wait(acknowledged, 0, 0, WAIT_MS)).toBe("ok");
    const before = standby.standby.number;
    standby.stop("enough");
    await end;
    expect(standby.standby.number).toBe(before + 1);
    expect(standby.standby.finish()!.router.neighborOf(1)).toBeDefined();
  });
});
