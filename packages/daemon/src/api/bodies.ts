/** Answers as texts: small ones whole, with a tag to ask again by, others as streams. */

import { createHash } from "node:crypto";
import type { HttpAnswer, HttpQuestion } from "../http-server.ts";
import { Problem } from "./problem.ts";
import { breaking, each, type Pieces } from "./router-thread.ts";

export const JSON_TYPE = "application/json";
/** What is kept of an answer before it is sent. */
const WHOLE_CHARACTERS_MAX = 1 << 19;
/** Whoever waits longer is told by then that it is coming: the server waits for itself no longer than `answerMs`. */
const WHOLE_MS = 8000;
/** Whoever asked with a token shares the answer with nobody; and everybody asks each time. */
const HEADERS = { "cache-control": "private, no-cache", vary: "authorization, accept" };

/** Of what was done, or says what time it is. */
const UNKEPT = { "cache-control": "no-store" };

/** @returns the text of a list of JSON */
export async function* listText(pieces: Pieces): AsyncGenerator<string> {
  let before = '{"items":[';
  const end = yield* each(pieces, (lines) => {
    // A newline stands between two items, and nowhere else: JSON has none in its texts.
    const text = before + lines.replaceAll("\n", ",");
    before = ",";
    return text;
  });
  const { next = null, mirror, note, left_out } = end;
  // Of a mirror: what it mirrors, and how old that is. Of what was: what should be known of it, and whether it is all.
  const rest = JSON.stringify({ next, mirror, note, left_out }).slice(1);
  yield `${before === "," ? "" : before}],${rest}\n`;
}

/** @returns the items, a line for each */
export async function* lineText(pieces: Pieces): AsyncGenerator<string> {
  yield* each(pieces, (lines) => `${lines}\n`);
}

/** @returns what the answer closes with */
export async function* endText(pieces: Pieces): AsyncGenerator<string> {
  const end = yield* each(pieces, () => "");
  yield `${JSON.stringify(end)}\n`;
}

/** What has become of an answer: `answerOf` notes it. */
export interface Sent {
  /** Its beginning is sent, and that all is well. */
  isBegun: boolean;
}

/**
 * Of JSON that may be long in coming: a reason why there is none ends it, where its beginning is sent already.
 *
 * @param isList - the text is that of `listText`
 */
export async function* withReason(
  text: AsyncGenerator<string>,
  isList: boolean,
  sent: Sent,
): AsyncGenerator<string> {
  let isOpen = false;
  try {
    for await (const piece of text) {
      isOpen ||= piece !== "";
      yield piece;
    }
  } catch (error) {
    if (!(error instanceof Problem) || !sent.isBegun || (isOpen && !isList)) throw error;
    const reason = JSON.stringify({ error: error.message });
    if (!isList) yield `${reason}\n`;
    else yield `${isOpen ? "" : '{"items":['}],"next":null,${reason.slice(1)}\n`;
  }
}

/**
 * Throws what the text throws, as long as nothing has been sent of it: of what is long, or takes long, its beginning
 * is sent before its end is there.
 *
 * @param contentType - of the text; where it is JSON, what has nothing for a while stands for white space
 * @param isTagged - whether there is something to ask again for
 */
export async function answerOf(
  text: AsyncGenerator<string>,
  contentType: string,
  { headers, gone }: HttpQuestion,
  isTagged: boolean,
  sent: Sent = { isBegun: false },
): Promise<HttpAnswer> {
  const begun: string[] = [];
  let characters = 0;
  const untilMs = performance.now() + WHOLE_MS;
  while (characters < WHOLE_CHARACTERS_MAX && performance.now() < untilMs) {
    const { value, done } = await text.next();
    if (done && !isTagged) {
      return { status: 200, contentType, headers: UNKEPT, body: begun.join("") };
    }
    if (done) return whole(begun.join(""), contentType, headers["if-none-match"]);
    if (gone.aborted) break;
    begun.push(value);
    characters += value.length;
  }
  if (gone.aborted) await text.return(undefined);
  sent.isBegun = true;
  const idle = contentType === JSON_TYPE ? "\n" : "";
  const kept = isTagged ? HEADERS : UNKEPT;
  return { status: 200, contentType, headers: kept, body: breaking(joined(begun, text, idle)) };
}

/** @param known - tags of what the client has: If-None-Match */
export function whole(body: string, contentType: string, known: string | undefined): HttpAnswer {
  const octets = Buffer.from(body);
  const etag = `"${createHash("sha256").update(octets).digest("base64url").slice(0, 22)}"`;
  const headers = { ...HEADERS, etag };
  const tags = known?.split(",").map((tag) => tag.trim().replace(/^W\//, "")) ?? [];
  if (tags.includes(etag) || tags.includes("*")) {
    return { status: 304, contentType, headers, body: "" };
  }
  return { status: 200, contentType, headers, body: octets };
}

async function* joined(
  begun: readonly string[],
  rest: AsyncGenerator<string>,
  idle: string,
): AsyncGenerator<string> {
  try {
    yield* begun;
    for await (const text of rest) yield text === "" ? idle : text;
  } finally {
    await rest.return(undefined);
  }
}
