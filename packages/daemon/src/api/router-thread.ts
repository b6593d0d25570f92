/** The thread that routes, as the API sees it from the thread of HTTP: it is asked, and answers in pieces. */

import type { ControlRequest } from "../control.ts";
import { Broken } from "../http-server.ts";
import type { ApiEnd, ApiRefusal, ApiReply, ApiRequest } from "./messages.ts";
import { Problem } from "./problem.ts";

/**
 * An answer: items as lines of JSON, many in each piece, and at last what it closes with. A piece is empty where
 * there are none for a while.
 */
export type Pieces = AsyncGenerator<string, ApiEnd>;

/** Until those who wait are told that there is no answer: when it has had no turn for so long, and at all. */
const SILENT_MS = 5000;
const WAIT_MS = 60_000;
const LOOK_MS = 500;

const STATUS = {
  bad: 400,
  forbidden: 403,
  busy: 503,
  unknown: 404,
  refused: 409,
  standby: 409,
  fault: 500,
} as const;

type Piece = Extract<ApiReply, { lines: string }>;

export class RouterThread {
  private readonly say: (what: ApiRequest) => void;
  /** For how long it has had no turn. */
  private readonly silentMs: () => number;
  private readonly waiting: Map<number, PromiseWithResolvers<Piece>> = new Map();
  private last = 0;

  constructor(say: (what: ApiRequest) => void, silentMs: () => number) {
    this.say = say;
    this.silentMs = silentMs;
  }

  /**
   * Throws a `Problem`.
   *
   * @param memberAs - only what a member of that AS may know; null for all
   * @param by - whose order it is; null where nothing is changed
   */
  async *ask(request: ControlRequest, memberAs: number | null, by: string | null): Pieces {
    const id = ++this.last;
    let isOver = false;
    try {
      let piece = this.next({ ask: "question", id, request, memberAs, by });
      for (;;) {
        const { lines, end } = await piece;
        isOver = end !== null;
        if (lines !== "" || end === null) yield lines;
        if (end !== null) return end;
        piece = this.next({ ask: "more", id });
      }
    } catch (error) {
      // Where it was refused, the other side has closed it.
      isOver = error instanceof Problem && error.status !== 503;
      throw error;
    } finally {
      this.waiting.delete(id);
      if (!isOver) this.say({ ask: "drop", id });
    }
  }

  hear(reply: Extract<ApiReply, { question: number }>): void {
    const waiting = this.waiting.get(reply.question);
    this.waiting.delete(reply.question);
    if ("refusal" in reply) waiting?.reject(problemOf(reply.refusal));
    else waiting?.resolve(reply);
  }

  private async next(what: ApiRequest & { id: number }): Promise<Piece> {
    const waiting = Promise.withResolvers<Piece>();
    this.waiting.set(what.id, waiting);
    this.say(what);
    const begunMs = performance.now();
    const timer = setInterval(() => {
      if (this.silentMs() > SILENT_MS || performance.now() - begunMs > WAIT_MS) {
        const text = "no answer: the thread that routes is busy or hangs";
        waiting.reject(new Problem(503, text, {}, { "retry-after": "1" }));
      }
    }, LOOK_MS);
    try {
      return await waiting.promise;
    } finally {
      clearInterval(timer);
    }
  }
}

function problemOf({ kind, message, active }: ApiRefusal): Problem {
  const detail = kind === "fault" ? "internal error" : message;
  return new Problem(STATUS[kind], detail, kind === "standby" ? { active } : {});
}

/**
 * Whoever gives this up gives up the answer with it.
 *
 * @param shape - makes a text of each piece that is not empty @returns what the answer closes with
 */
export async function* each(
  pieces: Pieces,
  shape: (lines: string) => string,
): AsyncGenerator<string, ApiEnd> {
  try {
    for (;;) {
      const { value, done } = await pieces.next();
      if (done) return value;
      yield value === "" ? "" : shape(value);
    }
  } finally {
    await pieces.return({});
  }
}

/** A stream that cannot go on breaks off: what has been sent of it has said already that all is well. */
export async function* breaking(texts: AsyncIterable<string>): AsyncGenerator<string> {
  try {
    yield* texts;
  } catch (error) {
    throw error instanceof Problem ? new Broken(error.message) : error;
  }
}
