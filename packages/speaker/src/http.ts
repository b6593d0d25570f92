/** Metrics and health over HTTP. */

import http from "node:http";
import { type Fault, writeFault } from "./fault.ts";

/** What `/metrics` gives. */
export interface Metrics {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/**
 * What `/healthz` says. The daemon tells, besides:
 *
 * - `role`: active, standby, starting, or simplex for one that nobody could take over from;
 * - `ready`: whether the standby can take over, as `show nsr` has it on either side;
 * - `neighbors`: how many there are;
 * - `config_ok`: whether the last reload was applied; on a standby, that its file is in order.
 */
export interface Health {
  /** The daemon works, whatever its role is: the status is 200. Else it is 503. */
  readonly ok: boolean;
  readonly [field: string]: unknown;
}

/** Serves `/metrics` and `/healthz`; nothing can be changed here. */
export function createHttpServer(
  metrics: Metrics,
  health: () => Health,
  fault: Fault = writeFault,
): http.Server {
  return http.createServer(async (request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return;
    }
    // Not by `new URL`, which throws at what anybody may send: "//".
    const [path] = (request.url ?? "").split("?", 1);
    switch (path) {
      case "/metrics":
        try {
          const text = await metrics.metrics();
          response.writeHead(200, { "content-type": metrics.contentType }).end(text);
        } catch (error) {
          fault("metrics", error);
          response.writeHead(500, { "content-type": "text/plain" }).end("internal error\n");
        }
        return;
      case "/healthz": {
        const state = health();
        response.writeHead(state.ok ? 200 : 503, { "content-type": "application/json" });
        response.end(`${JSON.stringify(state)}\n`);
        return;
      }
      default:
        response.writeHead(404, { "content-type": "text/plain" });
        response.end("here are /metrics and /healthz\n");
    }
  });
}
