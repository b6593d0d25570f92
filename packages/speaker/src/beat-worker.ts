/** The thread that sends heartbeats, or hears them; see `beats.ts`. */

import type { Duplex } from "node:stream";
import { parentPort, workerData } from "node:worker_threads";
import { FrameReader, frameOf } from "@ts-bgp/replication";
import { bootMs, Term } from "@ts-bgp/takeover";
import {
  type BeatMessage,
  type BeatWorkerData,
  holdMs,
  promiseMs,
  WORD_ECHO,
  WORD_PROGRESS,
} from "./beats.ts";
import { connectLink, listenForLinks } from "./links.ts";

/** A main thread that has done nothing for so long hangs. */
const HANGING_MS = 3000;
const RETRY_MS = 100;
/** Beats that wait in this process for a standby that does not read. */
const BACKLOG_OCTETS_MAX = 1 << 16;

const { role, addresses, config, memory, term: termMemory } = workerData as BeatWorkerData;
const { heartbeatMs, heartbeatMisses } = config;
const words = new Int32Array(memory);
const term = termMemory === null ? null : new Term(termMemory);

async function send(): Promise<void> {
  const streams = new Set<Duplex>();
  for (const address of addresses) {
    await listenForLinks(address, config, (stream) => {
      streams.add(stream);
      stream.on("error", () => {});
      stream.on("close", () => streams.delete(stream));
      void hearEchoes(stream);
    });
  }
  setInterval(() => {
    const progress = Atomics.load(words, WORD_PROGRESS) >>> 0;
    const frame = frameOf("beat", { progress, epoch: 0, sentMs: bootMs() });
    for (const stream of streams) {
      if (stream.writableLength > BACKLOG_OCTETS_MAX) stream.destroy();
      else stream.write(frame);
    }
  }, heartbeatMs);
}

/** What a standby promises, by one of the ways. */
async function hearEchoes(stream: Duplex): Promise<void> {
  const frames = new FrameReader();
  try {
    for await (const octets of stream) {
      frames.push(octets as Uint8Array);
      for (let next = frames.next(); next !== null; next = frames.next()) {
        if (next.record !== "echo" || next.id !== Atomics.load(words, WORD_ECHO) >>> 0) continue;
        term?.extendByEcho(Math.min(next.sentMs, bootMs()) + holdMs(config));
      }
    }
  } catch {
    // Broken: no more echoes this way.
    stream.destroy();
  }
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
      (counted, sentMs, stream) => {
        heardMs = performance.now();
        promise(sentMs, stream);
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

/** Answers a beat, if that may be promised. */
function promise(sentMs: number, stream: Duplex): void {
  if (term === null || !term.promise(bootMs() + promiseMs(config))) return;
  if (stream.writableLength > BACKLOG_OCTETS_MAX) stream.destroy();
  else stream.write(frameOf("echo", { id: Atomics.load(words, WORD_ECHO) >>> 0, sentMs }));
}

async function hearFrom(
  connect: () => Promise<Duplex>,
  beat: (progress: number, sentMs: number, stream: Duplex) => void,
): Promise<void> {
  for (;;) {
    try {
      const stream = await connect();
      const frames = new FrameReader();
      for await (const octets of stream) {
        frames.push(octets as Uint8Array);
        for (let next = frames.next(); next !== null; next = frames.next()) {
          if (next.record === "beat") beat(next.progress, next.sentMs, stream);
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

parentPort!.once("message", () => process.exit());
if (role === "active") await send();
else hear();
