/**
 * An HTTP server that nobody can wear out: all that a client can have of it has a bound.
 *
 * It is for a thread of its own, see `http.ts`; what it answers is given by whoever makes it.
 */

import http from "node:http";
import type { Socket } from "node:net";

/** What clients can have at most. */
export interface HttpLimits {
  /** Connections. One more, and one gives way of the address that has the most. */
  readonly connections: number;
  /** Connections of one address. One more, and the oldest gives way that waits for no answer, or the oldest. */
  readonly connectionsPerAddress: number;
  /** Requests of a connection that are not answered. With one more it is closed. */
  readonly pipelined: number;
  readonly headerOctets: number;
  /** From the beginning of a connection or request until all of the request is there. */
  readonly requestMs: number;
  /** Of what comes with a request. */
  readonly bodyOctets: number;
  /** From a request until the client has taken the answer, or the next piece of a stream. */
  readonly answerMs: number;
  /** From an answer until the next request. */
  readonly idleMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  connections: 64,
  connectionsPerAddress: 16,
  pipelined: 8,
  headerOctets: 8192,
  bodyOctets: 16_384,
  requestMs: 10_000,
  answerMs: 20_000,
  idleMs: 30_000,
};

/** What a client asks for. */
export interface HttpQuestion {
  readonly method: "GET" | "HEAD" | "POST";
  /** Without what stands behind `?`. */
  readonly path: string;
  /** What stands behind `?`, empty for nothing. */
  readonly query: string;
  readonly headers: http.IncomingHttpHeaders;
  /** Empty for none. */
  readonly body: string;
  /** Aborted when the client has gone or was closed. */
  readonly gone: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * A stream is read no faster than the client takes it, and given up when the client has gone. When it
   * throws, the connection is closed in the middle of the answer.
   */
  readonly body: string | Buffer | AsyncIterable<string>;
}

/** Of a stream that breaks off, which is no fault of the program. */
export class Broken extends Error {}

/** @returns the answer; rejects for a fault of the program */
export type HttpHandler = (question: HttpQuestion) => Promise<HttpAnswer>;

/** Why the server has closed a connection. */
const CUTS = ["displaced", "pipelined", "unread"] as const;
type Cut = (typeof CUTS)[number];

interface Client {
  readonly socket: Socket;
  readonly address: string;
  unanswered: number;
  timer: NodeJS.Timeout | undefined;
  /** Requests of a connection are answered one after the other. */
  answered: Promise<void>;
  readonly gone: AbortController;
}

const CHECK_MS = 1000;
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST"]);

export class HttpServer {
  requests = 0;
  /** Connections that the server has closed, by reason. */
  readonly cuts: Record<Cut, number> = { displaced: 0, pipelined: 0, unread: 0 };
  private readonly handler: HttpHandler;
  private readonly limits: HttpLimits;
  private readonly fault: (path: string, error: unknown) => void;
  private readonly server: http.Server;
  /** Each in order of age. */
  private readonly byAddress: Map<string, Set<Client>> = new Map();
  private readonly clients: WeakMap<Socket, Client> = new WeakMap();

  /** @param fault - told when the handler rejects; the client is told that there was a fault */
  constructor(
    handler: HttpHandler,
    limits: HttpLimits,
    fault: (path: string, error: unknown) => void,
  ) {
    this.handler = handler;
    this.limits = limits;
    this.fault = fault;
    this.server = http.createServer({
      maxHeaderSize: limits.headerOctets,
      headersTimeout: limits.requestMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, limits.requestMs),
      noDelay: true,
    });
    this.server.on("connection", (socket) => this.connected(socket));
    this.server.on("request", (request, response) => this.requested(request, response));
  }

  /** Connections that there are. */
  get connections(): number {
    let count = 0;
    for (const clients of this.byAddress.values()) count += clients.size;
    return count;
  }

  /** @returns the port; rejects when the address cannot be listened on */
  listen(port: number, address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, address, () => {
        this.server.off("error", reject);
        const bound = this.server.address();
        resolve(typeof bound === "object" ? (bound?.port ?? port) : port);
      });
    });
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private connected(socket: Socket): void {
    const { connections, connectionsPerAddress } = this.limits;
    const address = socket.remoteAddress ?? "";
    const client: Client = {
      ...{ socket, address, unanswered: 0, timer: undefined },
      answered: Promise.resolve(),
      gone: new AbortController(),
    };
    this.clients.set(socket, client);
    const own = this.byAddress.get(address) ?? new Set();
    this.byAddress.set(address, own.add(client));
    socket.once("close", () => {
      this.forget(client);
      client.gone.abort();
    });
    if (own.size > connectionsPerAddress) this.cut(dispensable(own), "displaced");
    else if (this.connections > connections) this.cut(dispensable(this.largest()), "displaced");
  }

  /** @returns the connections of the address that has the most */
  private largest(): ReadonlySet<Client> {
    let most: ReadonlySet<Client> = new Set();
    for (const clients of this.byAddress.values()) if (clients.size > most.size) most = clients;
    return most;
  }

  private requested(request: http.IncomingMessage, response: http.ServerResponse): void {
    const client = this.clients.get(request.socket);
    if (client === undefined || request.socket.destroyed) return;
    this.requests++;
    if (++client.unanswered > this.limits.pipelined) {
      this.cut(client, "pipelined");
      return;
    }
    if (client.unanswered === 1) this.awaitReader(client);
    response.once("finish", () => {
      client.unanswered--;
      this.awaitReader(client);
    });
    client.answered = client.answered.then(() => this.answer(client, request, response));
  }

  /** Gives a client the time to take its next answer, if it waits for one. */
  private awaitReader(client: Client): void {
    clearTimeout(client.timer);
    if (client.unanswered === 0 || client.socket.destroyed) return;
    client.timer = setTimeout(() => this.cut(client, "unread"), this.limits.answerMs);
  }

  private async answer(
    client: Client,
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<void> {
    const { method = "", url = "", headers } = request;
    if (!METHODS.has(method)) {
      response.writeHead(405, { allow: "GET, HEAD, POST", connection: "close" }).end();
      return;
    }
    const body = await this.bodyOf(request);
    if (body === null) {
      response.writeHead(413, { connection: "close" }).end();
      return;
    }
    // Not by `new URL`, which throws at what anybody may send: "//".
    const [path = ""] = url.split("?", 1);
    const question: HttpQuestion = {
      ...{ method: method as HttpQuestion["method"], path, headers, body },
      query: url.slice(path.length + 1),
      gone: client.gone.signal,
    };
    const answer = await this.handler(question).catch((error): HttpAnswer => {
      this.fault(path, error);
      return { status: 500, contentType: "text/plain", body: "internal error\n" };
    });
    if (client.socket.destroyed) await discard(answer);
    else await this.write(client, response, answer, path);
  }

  /** @returns what comes with a request; null when that is too much, or does not come */
  private async bodyOf(request: http.IncomingMessage): Promise<string | null> {
    const chunks: Buffer[] = [];
    let octets = 0;
    try {
      // What is too much is not the end of the connection: its client is told.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        octets += chunk.length;
        if (octets > this.limits.bodyOctets) return null;
        chunks.push(chunk);
      }
    } catch {
      return null;
    }
    return Buffer.concat(chunks).toString();
  }

  private async write(
    client: Client,
    response: http.ServerResponse,
    answer: HttpAnswer,
    path: string,
  ): Promise<void> {
    const { status, contentType, headers = {}, body } = answer;
    const head = { ...headers, "content-type": contentType };
    if (typeof body === "string" || Buffer.isBuffer(body)) {
      // That of a 304 would be the length of what the client has (RFC 9110 section 8.6), and not of nothing.
      const length = status === 304 ? {} : { "content-length": Buffer.byteLength(body) };
      response.writeHead(status, { ...head, ...length }).end(body);
      return;
    }
    response.writeHead(status, head);
    response.flushHeaders();
    // Whoever asks for the head alone has it.
    if (response.req.method === "HEAD") {
      await discard(answer);
      response.end();
      return;
    }
    try {
      await this.pipe(client, response, body);
      response.end();
    } catch (error) {
      if (!(error instanceof Broken)) this.fault(path, error);
      client.socket.destroy();
    }
  }

  private async pipe(
    client: Client,
    response: http.ServerResponse,
    body: AsyncIterable<string>,
  ): Promise<void> {
    try {
      // While nothing is there to be taken, nobody has to take it.
      clearTimeout(client.timer);
      for await (const text of body) {
        if (client.socket.destroyed) return;
        if (response.write(text)) continue;
        this.awaitReader(client);
        await drained(response);
        clearTimeout(client.timer);
      }
    } finally {
      this.awaitReader(client);
    }
  }

  private cut(client: Client, why: Cut): void {
    this.cuts[why]++;
    // Not only at its end, which comes a turn later: until then it would be found again.
    this.forget(client);
    client.socket.destroy();
  }

  private forget(client: Client): void {
    clearTimeout(client.timer);
    const own = this.byAddress.get(client.address);
    own?.delete(client);
    if (own?.size === 0) this.byAddress.delete(client.address);
  }
}

/** @returns the one that gives way; the newest, which has not had the time to ask, is not taken for idle */
function dispensable(clients: ReadonlySet<Client>): Client {
  const byAge = [...clients];
  const older = byAge.slice(0, -1);
  return older.find(({ unanswered }) => unanswered === 0) ?? byAge[0]!;
}

/** Nobody wants an answer any more. */
async function discard({ body }: HttpAnswer): Promise<void> {
  if (typeof body === "string" || Buffer.isBuffer(body)) return;
  // A generator that has not begun does not end, either.
  try {
    for await (const _ of body) break;
  } catch {
    // Nobody is there to be told.
  }
}

/** Resolves when there is room for more, or nobody to read it. */
function drained(response: http.ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
    if (response.destroyed) done();
  });
}
