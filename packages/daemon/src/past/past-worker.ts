/** A process that is asked one thing about a record, answers, and ends. */

import { PlaybackError } from "@ts-bgp/nsr";
import { ControlError } from "../control.ts";
import { goFirst } from "../go-first.ts";
import { type AskedRecord, askPast, diffPast, historyOf, pastAt } from "./past.ts";
import type { FromPast, ToPast } from "./past-messages.ts";

/** Of JSON, in a message: the thread that routes reads it at once. */
const SEND_OCTETS = 1 << 16;
/** Of an answer: more of it is left out, as where there are too many items. */
const OCTETS_MAX = 1 << 24;
const SEND_MS = 300;

/** All was said that was wanted. */
class Enough extends Error {}

async function answer({ directory, question, itemsMax }: ToPast): Promise<FromPast> {
  const notes: string[] = [];
  let items: unknown[] = [];
  let count = 0;
  let octets = 0;
  let sentOctets = 0;
  let sentMs = performance.now();
  const send = () => {
    const message = { items, octets: octets - sentOctets } satisfies FromPast;
    if (items.length > 0) process.send!(message);
    items = [];
    sentOctets = octets;
    sentMs = performance.now();
  };
  const item = (value: unknown) => {
    if (count++ === itemsMax || octets > OCTETS_MAX) throw new Enough();
    items.push(value);
    octets += Buffer.byteLength(JSON.stringify(value));
    if (octets - sentOctets >= SEND_OCTETS) send();
  };
  const progress = () => {
    if (performance.now() > sentMs + SEND_MS) send();
  };
  const record: AskedRecord = { directory, progress, note: (text) => notes.push(text) };
  let end: Readonly<Record<string, unknown>> = {};
  let isCut = false;
  try {
    if (question.ask === "state") {
      const { machine } = await pastAt(record, question.atMs);
      end = await askPast(machine, question.request, item);
    } else if (question.ask === "diff") {
      await diffPast(record, question.times, question.compared, item);
    } else await historyOf(record, question.prefix, question.times, item);
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
    isCut = true;
  }
  send();
  const note = notes.length === 0 ? {} : { note: notes.join("; ") };
  return { end: { ...end, ...note, ...(isCut ? { left_out: true } : {}) } };
}

function refusal(error: unknown): FromPast {
  if (error instanceof PlaybackError) return { refusal: "unknown", message: error.message };
  if (error instanceof ControlError) return { refusal: error.kind, message: error.message };
  throw error;
}

if (process.send !== undefined) {
  goFirst();
  process.on("message", (asked: ToPast) => {
    void answer(asked)
      .catch(refusal)
      .then((said) => process.send!(said, () => process.exit()));
  });
  // Nobody waits for it any more.
  process.on("disconnect", () => process.exit());
}
