/** Files of a record in a pair, whose brackets are out some time after they were made. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Mirrored, Recorder, recordedIn } from "@ts-bgp/nsr";
import { Active, FrameReader, frameOf, Journal, Machine, Standby } from "@ts-bgp/replication";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { type ReplayedFile, replayRecord } from "../src/past/past.ts";

const CONFIG = configOf(yamlOf("neighbors: [ { address: 192.0.2.1, as: 65001, passive: true } ]"));
const EVERY_MS = 300;
const HOUR_MS = 3_600_000;
/** So late does the standby say what it has. */
const LATE_MS = 30;

/** @returns an active side with a standby, and what makes a bracket on it */
function protectedSide(): { mirrored: Mirrored; next: () => void; end: () => void } {
  const journal = new Journal(new Machine(CONFIG, 1));
  const standby = new Standby({
    send() {},
    differs: (number, what) => expect.fail(`${number} ${what}`),
  });
  const frames = new FrameReader(null);
  const hooks: ConstructorParameters<typeof Active>[2] = {
    ...{ release() {}, acknowledge() {}, gone() {}, openGate() {}, say() {} },
    ...{ closeGate: () => new Map(), declare: async () => true, undeclare: async () => true },
    drop: (name, reason) => expect.fail(`${name}: ${reason}`),
    send: (_to, frame) => frames.push(frame),
  };
  const options = { epoch: 1, patienceMs: HOUR_MS, stream: 7 };
  const active: Active = new Active(journal, options, hooks);
  journal.run({ record: "start", nowMs: Date.now() });
  active.commit(Date.now());
  active.join("b", Date.now());
  while (active.pump("b"));
  const acknowledge = () => {
    for (let record = frames.next(); record !== null; record = frames.next())
      standby.record(record);
    while (standby.work(() => true));
    const { number, applied } = standby;
    const acks = new FrameReader(null);
    acks.push(frameOf("ack", { number, applied, window: 1 << 20 }));
    active.record("b", acks.next()!, Date.now());
  };
  const timer = setInterval(acknowledge, LATE_MS);
  const commit = () => {
    do active.commit(Date.now());
    while (journal.octets > 0);
    return active.number;
  };
  const { mirrors } = active;
  return {
    mirrored: { mirrors, machine: journal.machine, epoch: 1, side: "a", through: null, commit },
    next() {
      journal.run({ record: "tick", nowMs: Date.now() });
      commit();
    },
    end: () => clearInterval(timer),
  };
}

test("each file of a pair's record goes on where the one before ends", async () => {
  const directory = join(mkdtempSync(join(tmpdir(), "tsbgp-test-")), "record");
  const { mirrored, next, end } = protectedSide();
  const recorder = new Recorder({ software: "0.0.0", log: () => {} });
  const config = { directory, keepMs: HOUR_MS, octetsMax: 1 << 30, everyMs: EVERY_MS };
  try {
    recorder.use(mirrored, config);
    const brackets = setInterval(next, 2);
    await until(() => (recorder.shown?.begun ?? 0) >= 4, WAIT_MS, "there are four files");
    clearInterval(brackets);
    await sleep(4 * LATE_MS);
    await recorder.stop();
    const files: ReplayedFile[] = [];
    await replayRecord({ directory, progress() {}, note() {} }, (file) => files.push(file));
    expect(files).toHaveLength(recordedIn(directory).length);
    expect(files.length).toBeGreaterThan(2);
    expect(files.map(({ joins, problem }) => [joins, problem])).toEqual(
      files.map((_, k) => [k === 0 ? null : true, null]),
    );
    expect(files[1]!.brackets).toBeGreaterThan(5);
  } finally {
    end();
    await recorder.stop();
    rmSync(join(directory, ".."), { recursive: true, force: true });
  }
});
