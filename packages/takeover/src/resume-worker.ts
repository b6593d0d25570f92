/** The thread of `ResumeThread`. */

import { parentPort } from "node:worker_threads";
import { bootMs } from "./lease.ts";
import { moveOverLoopback } from "./loopback.ts";
import { resumeConnections } from "./resume.ts";
import type { ResumeNews, ResumeOrder } from "./resume-thread.ts";

/** Connections that are moved beforehand: after so many most of the code has been compiled. */
const REHEARSED = 60;

const port = parentPort!;
const say = (news: ResumeNews) => port.postMessage(news);

async function carryOut(order: ResumeOrder): Promise<void> {
  if (order === "exit") process.exit();
  await resumeConnections(order, {
    nowMs: bootMs,
    settled: (index, outcome) => say({ index, outcome }),
    onlyLate: () => say("only late"),
  });
  say("done");
}

let turn: Promise<void> = Promise.resolve();
port.on("message", (order: ResumeOrder) => {
  turn = turn.then(() => carryOut(order));
});

// A host that cannot do it says so elsewhere.
await moveOverLoopback(REHEARSED).catch(() => {});
