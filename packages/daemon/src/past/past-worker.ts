/** A process that is asked one thing about a record, answers, and ends. */

import { PlaybackError } from "@ts-bgp/nsr";
import { ControlError } from "../control.ts";
import { goFirst } from "../go-first.ts";
import type { FromPast, ToPast } from "./ask-record.ts";
import { type AskedRecord, askPast, diffPast, historyOf, pastAt } from "./past.ts";

const ITEMS_AT_ONCE = 500;
const SEND_MS = 300;

/** All was said that was wanted. */
class Enough extends Error {}

async function answer({ directory, question, itemsMax }: ToPast): Promise<FromPast> {
  const notes: string[] = [];
  let items: unknown[] = [];
  let count = 0;
  let sentMs = performance.now();
  const send = () => {
    if (items.length > 0) process.send!({ items } satisfies FromPast);
    items = [];
    sentMs = performance.now();
  };
  const item = (value: unknown) => {
    if (count++ === itemsMax) throw new Enough();
    items.push(value);
    if (items.length === ITEMS_AT_ONCE) send();
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
