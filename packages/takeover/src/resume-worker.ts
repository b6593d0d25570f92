/** The thread of `ResumeThread`. */

import { parentPort } from "node:worker_threads";
import { moveOverLoopback } from "./loopback.ts";
import { resumeConnections } from "./resume.ts";
import type { ResumeNews, ResumeOrder } from "./resume-thread.ts";
import { bootMs } from "./term.ts";

/** Connections that are moved beforehand: after so many most of the code has been compiled. */
const REHEARSED = 60;

const port = parentPort!;
const say = (news: ResumeNews) => port.postMessage(news);

port.on("message", async (order: ResumeOrder) => {
  if (order === "exit") process.exit();
  await resumeConnections(order, {
    nowMs: bootMs,
    settled: (index, outcome) => say({ index, outcome }),
  });
  say("done");
});

// A host that cannot do it says so elsewhere.
await moveOverLoopback(REHEARSED).catch(() => {});
