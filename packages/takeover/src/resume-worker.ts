/** The thread of `ResumeThread`. */

import { parentPort } from "node:worker_threads";
import { bootMs } from "./lease.ts";
import { moveOverLoopback } from "./loopback.ts";
import { type ResumeRequest, resumeConnections } from "./resume.ts";
import type { ResumeNews, ResumeOrder, ResumePart } from "./resume-thread.ts";

/** Connections that are moved beforehand: after so many most of the code has been compiled. */
const REHEARSED = 60;

const port = parentPort!;
const say = (news: ResumeNews) => port.postMessage(news);

/** What is being carried out; null between two. */
let list: { readonly requests: ResumeRequest[]; isComplete: boolean } | null = null;
let turn: Promise<void> = Promise.resolve();

function take({ requests, asking, isLast }: ResumePart): void {
  if (list !== null) {
    list.requests.push(...requests);
    list.isComplete = isLast;
    return;
  }
  const begun = { requests: [...requests], isComplete: isLast };
  list = begun;
  turn = turn.then(async () => {
    await resumeConnections(begun.requests, {
      nowMs: bootMs,
      asking,
      isGrowing: () => !begun.isComplete,
      settled: (index, outcome) => say({ index, outcome }),
      onlyLate: () => say("only late"),
    });
    list = null;
    say("done");
  });
}

port.on("message", (order: ResumeOrder) => {
  if (order !== "exit") take(order);
  else void turn.then(() => process.exit());
});

// A host that cannot do it says so elsewhere.
await moveOverLoopback(REHEARSED).catch(() => {});
