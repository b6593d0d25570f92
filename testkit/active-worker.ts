/** A thread that says what an active does, to a standby whose main thread may be held meanwhile. */
import { createServer, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import {
  Active,
  FrameReader,
  frameOf,
  Journal,
  Machine,
  STREAM_VERSION,
} from "@ts-bgp/replication";
import { configOf, yamlOf } from "./router.ts";

const EPOCH = 3;
const MACHINE = configOf(yamlOf("neighbors: [{ address: 192.0.2.1, as: 65001, passive: true }]"));

/** `acknowledged` is woken, and becomes 1, when the standby has acknowledged all that it was sent. */
const { path, memory } = workerData as { path: string; memory: SharedArrayBuffer };
const acknowledged = new Int32Array(memory);
const journal = new Journal(new Machine(MACHINE, 0));
let link: Socket | null = null;

const active = new Active(
  journal,
  { epoch: EPOCH, patienceMs: 1000 },
  {
    send: (_to, frame) => void link!.write(frame),
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
let isAsked = false;

const server = createServer((socket) => {
  link = socket;
  const frames = new FrameReader("standby");
  const hello = {
    ...{ version: STREAM_VERSION, cluster: "test", side: "a", epoch: EPOCH, role: "active" },
    ...{ software: "", process: 1, echo: 0, next: 0, ways: 0, problem: "", build: "", outputs: 0 },
    numbers: 1,
    ...{ ends: 0, ended: "", stream: 0, lacks: 0, goesOn: 0, path: "" },
  };
  socket.write(frameOf("hello", hello));
  active.join("b", 0);
  while (active.pump("b"));
  socket.on("error", () => {});
  socket.on("data", (octets) => {
    frames.push(octets as Uint8Array);
    for (let next = frames.next(); next !== null; next = frames.next()) active.record("b", next, 0);
    if (!isAsked || active.behind.brackets > 0) return;
    Atomics.store(acknowledged, 0, 1);
    Atomics.notify(acknowledged, 0);
  });
});
server.listen(path, () => parentPort!.postMessage("listening"));

parentPort!.on("message", (what: "go on" | "end") => {
  if (what === "end") process.exit();
  isAsked = true;
  const ends = { remoteAddress: "192.0.2.1", localAddress: "192.0.2.254", otherAddress: "" };
  journal.run({ record: "start", nowMs: 0 });
  journal.run({ record: "accepted", ...ends, remotePort: 40_000, connection: 0, nowMs: 1 });
  active.commit(1);
});
