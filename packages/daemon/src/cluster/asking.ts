/**
 * What members ask each other: what the control socket of a member answers to a few requests, none of which changes
 * anything, a page at a time, so that an answer is bounded. Whoever may follow may ask.
 */

import type { RecordOf } from "@ts-bgp/follow";
import { FormatError, OctetPieces } from "@ts-bgp/replication/canonical";
import { ControlError, type ControlHandler, type ControlRequest } from "../control.ts";
import type { Fault } from "../fault.ts";
import { Turns } from "../turns.ts";

export const ASKABLE: readonly string[] = [
  "show-status",
  "show-neighbors",
  "show-neighbor",
  "show-routes",
];

/** Items of an answer, and characters that nothing is added to any more. */
const PAGE_ITEMS = 500;
const ANSWER_CHARACTERS_MAX = 1 << 24;
/** Of a record; a frame has room for four times as many. */
const PIECE_OCTETS = 1 << 18;
/** More is no page: a character has at most three octets. */
const ANSWER_OCTETS_MAX = 4 * ANSWER_CHARACTERS_MAX;
/** Of a request: its frame is one of those who follow, which are short. A longer one would end the link. */
const REQUEST_OCTETS_MAX = 3500;
/** Of a request that is reported. */
const FAULT_CHARACTERS = 200;
/** Whoever asks waits for so long. */
const ANSWER_MS = 10_000;

export interface AnswerPage {
  readonly items: readonly unknown[];
  readonly end: Readonly<Record<string, unknown>>;
}

/**
 * Answers what another member asks.
 *
 * @param handler - null where too much is asked at once
 * @param request - of that member: anything
 * @param by - who asks
 * @param fault - told of faults of the program; who asks gets their text
 * @returns octets for `answer` records, each with whether another one follows
 */
export async function answerPieces(
  handler: ControlHandler | null,
  request: string,
  by: () => string,
  fault: Fault,
): Promise<[octets: Uint8Array, more: 0 | 1][]> {
  const octets = new TextEncoder().encode(await answerText(handler, request, by, fault));
  const count = Math.ceil(octets.length / PIECE_OCTETS);
  return Array.from({ length: count }, (_, i) => {
    const piece = octets.subarray(i * PIECE_OCTETS, (i + 1) * PIECE_OCTETS);
    return [piece, i + 1 < count ? 1 : 0];
  });
}

async function answerText(
  handler: ControlHandler | null,
  text: string,
  by: () => string,
  fault: Fault,
): Promise<string> {
  try {
    if (handler === null) throw new ControlError("too much is asked at once", "busy");
    const request = requestIn(text);
    const command = String(request?.command);
    if (!ASKABLE.includes(command)) throw new ControlError(`"${command}" is not answered`, "bad");
    const limit = Math.min(PAGE_ITEMS, Number(request!["limit"] ?? PAGE_ITEMS));
    return await pageText(handler({ ...request, command, limit }, by));
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof ControlError) return JSON.stringify({ error: message });
    fault(`request ${text.slice(0, FAULT_CHARACTERS)} of ${by()}`, error);
    return JSON.stringify({ error: `internal error: ${message}` });
  }
}

function requestIn(text: string): Partial<ControlRequest> | null {
  try {
    return JSON.parse(text);
  } catch {
    throw new ControlError("the request is not JSON", "bad");
  }
}

async function pageText(answers: ReturnType<ControlHandler>): Promise<string> {
  const turns = new Turns();
  const items: string[] = [];
  let characters = 0;
  for (;;) {
    await turns.next();
    const { value, done } = await answers.next();
    if (done === true) return `{"items":[${items.join(",")}],"end":${JSON.stringify(value)}}`;
    if (value === null) continue;
    const item = JSON.stringify(value);
    items.push(item);
    characters += item.length;
    if (characters <= ANSWER_CHARACTERS_MAX) continue;
    await answers.return({});
    throw new ControlError("the answer is too long");
  }
}

interface Question {
  readonly pieces: OctetPieces;
  resolve(page: AnswerPage): void;
  reject(error: Error): void;
}

/** What was asked of another member and is not answered yet. */
export class Questions {
  private readonly waiting: Map<number, Question> = new Map();
  private last = 0;

  /** Rejects where the other one refuses, is lost or says nothing in time; the message is for people. */
  ask(request: ControlRequest, say: (number: number, text: string) => void): Promise<AnswerPage> {
    const text = JSON.stringify(request);
    if (Buffer.byteLength(text) > REQUEST_OCTETS_MAX) {
      return Promise.reject(new Error("the request is too long for other members"));
    }
    this.last = (this.last % 0xffff) + 1;
    const number = this.last;
    return new Promise<AnswerPage>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`it has not answered for ${ANSWER_MS / 1000} seconds`));
        this.waiting.delete(number);
      }, ANSWER_MS);
      const done = () => {
        clearTimeout(timer);
        this.waiting.delete(number);
      };
      this.waiting.set(number, {
        pieces: new OctetPieces(),
        resolve: (page) => {
          done();
          resolve(page);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      say(number, text);
    });
  }

  /** Throws a FormatError for what is no answer. */
  answered({ number, more, octets }: RecordOf<"answer">): void {
    const question = this.waiting.get(number);
    // Nobody waits any more.
    if (question === undefined) return;
    const { pieces } = question;
    pieces.push(octets.slice());
    if (pieces.length > ANSWER_OCTETS_MAX) throw new FormatError("an answer without end");
    if (more !== 0) return;
    const answer = answerIn(new TextDecoder().decode(pieces.first(pieces.length)));
    if ("error" in answer) question.reject(new Error(answer.error));
    else question.resolve(answer);
  }

  lost(reason: string): void {
    for (const { reject } of [...this.waiting.values()]) reject(new Error(reason));
  }
}

function answerIn(text: string): AnswerPage | { error: string } {
  let answer: Partial<AnswerPage & { error: string }> | null = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // Said below.
  }
  if (typeof answer?.error === "string") return { error: answer.error };
  const { items, end } = answer ?? {};
  if (!Array.isArray(items) || typeof end !== "object" || end === null) {
    throw new FormatError("an answer that is none");
  }
  return { items, end };
}
