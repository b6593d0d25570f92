/** The thread that sends heartbeats, or hears them; see `beats.ts`. */

import type { Duplex } from "node:stream";
import { parentPort, workerData } from "node:worker_threads";
import { FrameReader, frameOf } from "@ts-bgp/replication";
import type { BeatMessage, BeatWorkerData } from "./beats.ts";
import { connectLink, listenForLinks } from "./links.ts";

/** A main thread that has done nothing for so long hangs. */
const HANGING_MS = 3000;
const RETRY_MS = 100;
/** Beats that wait in this process for a standby that does not read. */
const BACKLOG_OCTETS_MAX = 1 << 16;

const { role, addresses, config, memory } = workerData as BeatWorkerData;
const { heartbeatMs, heartbeatMisses } = config;

async function send(): Promise<void> {
  const words = new Int32Array(memory);
  const streams = new Set<Duplex>();
  for (const address of addresses) {
    await listenForLinks(address, config.tls, (stream) => {
      streams.add(stream);
      stream.on("error", () => {});
      stream.on("close", () => streams.delete(stream));
      stream.resume();
    });
  }
  setInterval(() => {
    const progress = Atomics.load(words, 0) >>> 0;
    const frame = frameOf("beat", { progress, epoch: 0 });
    for (const stream of streams) {
      if (stream.writableLength > BACKLOG_OCTETS_MAX) stream.destroy();
      else stream.write(frame);
    }
  }, heartbeatMs);
}

/** Hears beats by all ways at once: one that comes through is enough. */
function hear(): void {
  let heardMs = 0;
  let progress = -1;
  let progressMs = 0;
  let lookedMs = performance.now();
  for (const address of addresses) {
    void hearFrom(
      () => connectLink(address, config),
      (counted) => {
        heardMs = performance.now();
        if (counted === progress) return;
        progress = counted;
        progressMs = heardMs;
      },
    );
  }
  setInterval(() => {
    const now = performance.now();
    const wasAsleep = now - lookedMs > heartbeatMs * heartbeatMisses;
    lookedMs = now;
    if (heardMs === 0) return;
    // After a pause of this side it is not known who was silent.
    if (wasAsleep) {
      heardMs = now;
      progressMs = now;
    }
    const silentMs = now - heardMs;
    if (silentMs > heartbeatMs * heartbeatMisses) {
      tell(`no heartbeat for ${Math.round(silentMs)} ms`);
      heardMs = 0;
    } else if (now - progressMs > HANGING_MS) {
      tell(`its main thread has done nothing for ${HANGING_MS} ms`);
      heardMs = 0;
    }
  }, heartbeatMs / 2);
}

async function hearFrom(
  connect: () => Promise<Duplex>,
  beat: (progress: number) => void,
): Promise<void> {
  for (;;) {
    try {
      const stream = await connect();
      const frames = new FrameReader();
      for await (const octets of stream) {
        frames.push(octets as Uint8Array);
        for (let next = frames.next(); next !== null; next = frames.next()) {
          if (next.record === "beat") beat(next.progress);
        }
      }
    } catch {
      // No way, or a broken one: the silence tells.
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function tell(silent: string): void {
  const message: BeatMessage = { silent };
  parentPort!.postMessage(message);
}

if (role === "active") await send();
else hear();
