/** One request to one endpoint of etcd over HTTP or HTTPS: JSON there and back, bounded in size. */

import http from "node:http";
import https from "node:https";
import type { EtcdTls } from "@ts-bgp/config";
import { BadAnswerError } from "./etcd-answers.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly json: unknown;
}

/** An endpoint, with connections that are kept for the next request. */
export class EtcdEndpoint {
  readonly url: string;
  private readonly agent: http.Agent;
  private readonly octetsMax: number;

  /**
   * @param tls - for an endpoint of HTTPS; null for the authorities of Node.js and no own certificate
   * @param octetsMax - of an answer
   */
  constructor(url: string, tls: EtcdTls | null, octetsMax: number) {
    this.url = url;
    this.octetsMax = octetsMax;
    const kept = { keepAlive: true };
    this.agent = url.startsWith("https:")
      ? new https.Agent({
          ...kept,
          minVersion: "TLSv1.2",
          ...(tls?.ca ? { ca: tls.ca } : {}),
          ...(tls?.cert && tls.key ? { cert: tls.cert, key: tls.key } : {}),
          ...(tls?.serverName ? { servername: tls.serverName } : {}),
        })
      : new http.Agent(kept);
  }

  /** Ends its connections. */
  close(): void {
    this.agent.destroy();
  }

  /**
   * Posts a body and reads the answer, whatever its status. Redirects are not followed.
   *
   * @param token - of a login, null for none
   * @param signal - ends it, also in the middle of an answer
   * @throws BadAnswerError for what is too long or no JSON; else the error of TCP or TLS
   */
  post(path: string, body: string, token: string | null, signal: AbortSignal): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) throw signal.reason;
      const { request } = this.url.startsWith("https:") ? https : http;
      const headers = {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        ...(token === null ? {} : { authorization: token }),
      };
      const sent = request(this.url + path, { method: "POST", agent: this.agent, headers });
      const abort = () => sent.destroy(signal.reason as Error);
      signal.addEventListener("abort", abort);
      sent.on("close", () => {
        signal.removeEventListener("abort", abort);
        reject(new Error("the connection was closed"));
      });
      sent.on("error", reject);
      sent.on("response", (response) => {
        const chunks: Uint8Array[] = [];
        let octets = 0;
        response.on("error", reject);
        response.on("data", (chunk: Uint8Array) => {
          octets += chunk.length;
          chunks.push(chunk);
          if (octets > this.octetsMax) sent.destroy(tooLong(this.octetsMax));
        });
        response.on("end", () => {
          // An answer that was cut off has an end as well.
          if (!response.complete) return;
          const text = Buffer.concat(chunks).toString();
          try {
            resolve({ status: response.statusCode!, json: jsonOf(text, response.statusCode!) });
          } catch (error) {
            reject(error);
          }
        });
      });
      sent.end(body);
    });
  }
}

function tooLong(octetsMax: number): Error {
  return new BadAnswerError(`longer than ${octetsMax} octets`);
}

/** An answer that is an error need not be JSON. */
function jsonOf(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    if (status !== 200) return null;
    throw new BadAnswerError("no JSON");
  }
}
