/** The thread of the webhook: sends a message until it is taken or refused. See `webhook.ts`. */

import { createHmac } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { giveWay } from "@ts-bgp/feeds/give-way";
import type { WebhookOrder, WebhookReport } from "./webhook.ts";

/** From the beginning of a request to the status of its answer. */
const ANSWER_MS = 10_000;
/** Until a message is sent again; twice as long after each further time. */
const AGAIN_MS = 1000;
const AGAIN_MAX_MS = 60_000;
const NICE = 5;
/**
 * Bad, too large, or not understood: such a message would be refused again, and hold up all others. Who is not let
 * in, or finds nothing there, may be later.
 */
const REFUSALS: readonly (number | undefined)[] = [400, 413, 415, 422];

async function deliver({ url, secret, message }: WebhookOrder): Promise<WebhookReport> {
  const body = Buffer.from(JSON.stringify(message));
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "content-length": String(body.length),
    "user-agent": "ts-bgp",
  };
  if (secret !== null) {
    const mac = createHmac("sha256", secret).update(body).digest("hex");
    headers["ts-bgp-signature"] = `sha256=${mac}`;
  }
  for (let waitMs = AGAIN_MS; ; waitMs = Math.min(2 * waitMs, AGAIN_MAX_MS)) {
    let why: string;
    try {
      const status = await post(new URL(url), headers, body);
      if (status !== undefined && status >= 200 && status < 300) return { report: "taken" };
      why = `the answer is ${status}`;
      if (REFUSALS.includes(status)) return { report: "refused", why };
    } catch (error) {
      why = (error as Error).message;
    }
    report({ report: "problem", why });
    await sleep(waitMs);
  }
}

/** Rejects when there is no answer in time. @returns its status; what it says is not read */
function post(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<number | undefined> {
  const { request } = url.protocol === "https:" ? https : http;
  const signal = AbortSignal.timeout(ANSWER_MS);
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: "POST", headers, signal, agent: false }, (answer) => {
      resolve(answer.statusCode);
      answer.destroy();
    });
    asked.on("error", (error) => {
      reject(signal.aborted ? new Error(`no answer within ${ANSWER_MS / 1000} s`) : error);
    });
    asked.end(body);
  });
}

function report(what: WebhookReport): void {
  parentPort!.postMessage(what);
}

parentPort!.on("message", (order: WebhookOrder) => void deliver(order).then(report));
giveWay(NICE);
