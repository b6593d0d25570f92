/** What the control socket and the API can be asked about what was: see `tsbgp at`, `diff` and `history`. */

import type { ShownRecord } from "@ts-bgp/nsr";
import { choice, numberOf, prefixOf, textOf } from "../arguments.ts";
import { ControlError, type ControlRequest } from "../control.ts";
import type { RecordDesk } from "./ask-record.ts";
import type { PastQuestion } from "./past-messages.ts";

/** What there is of a record. */
export interface Recorded {
  /** Null where nothing is recorded. */
  readonly shown: ShownRecord | null;
  readonly ask: RecordDesk["ask"];
}

export const NO_RECORD: Recorded = {
  shown: null,
  ask() {
    throw new ControlError("nothing is recorded here", "unknown");
  },
};

/** Who has it. */
interface Keeper {
  readonly record: Recorded;
}

type Answer = AsyncGenerator<unknown, Readonly<Record<string, unknown>>>;
type PastCommand = (served: unknown, request: ControlRequest, keeper: Keeper) => Answer;

const TIME = /^(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;
const ITEMS = 1000;
const ITEMS_MAX = 10_000;

export const PAST_COMMANDS: Readonly<Record<string, PastCommand>> = {
  "past-routes": async function* (_served, request, keeper) {
    return yield* stateOf(keeper, request, { limit: ITEMS, ...request, command: "show-routes" });
  },
  "past-neighbors": async function* (_served, request, keeper) {
    return yield* stateOf(keeper, request, { ...request, command: "show-neighbors" });
  },
  "past-explain": async function* (_served, request, keeper) {
    const direction = choice(request, "direction", ["import", "export"]) ?? "import";
    return yield* stateOf(keeper, request, { ...request, command: `explain-${direction}` });
  },
  "past-diff": async function* (_served, request, keeper) {
    const directory = folderOf(keeper);
    const times = [neededTime(request, "from"), neededTime(request, "to")] as const;
    const prefix = textOf(request, "prefix");
    if (prefix !== null) prefixOf(request);
    const compared = { prefix, isLonger: request["longer"] === true };
    return yield* answered(keeper, directory, request, { ask: "diff", times, compared });
  },
  "past-history": async function* (_served, request, keeper) {
    const directory = folderOf(keeper);
    const { text } = prefixOf(request);
    const times = [timeOf(request, "from"), timeOf(request, "to")] as const;
    return yield* answered(keeper, directory, request, { ask: "history", prefix: text, times });
  },
};

/** @returns what is recorded here; throws a ControlError where nothing is */
export function recordOf({ record: { shown } }: Keeper): ShownRecord {
  if (shown !== null) return shown;
  const why = "it has no section record, or does not act";
  throw new ControlError(`nothing is recorded here: ${why}`, "unknown");
}

function folderOf(keeper: Keeper): string {
  return recordOf(keeper).directory;
}

/** @param of - what is asked of the state of then */
async function* stateOf(keeper: Keeper, request: ControlRequest, of: ControlRequest): Answer {
  const directory = folderOf(keeper);
  const atMs = neededTime(request, "time");
  const question = { ask: "state", atMs, request: of } as const;
  // A page has a limit of its own, and all paths of its last prefix.
  return yield* keeper.record.ask({ directory, question, itemsMax: 2 * ITEMS_MAX });
}

async function* answered(
  keeper: Keeper,
  directory: string,
  request: ControlRequest,
  question: PastQuestion,
): Answer {
  const itemsMax = Math.min(ITEMS_MAX, numberOf(request, "limit") ?? ITEMS);
  return yield* keeper.record.ask({ directory, question, itemsMax });
}

function neededTime(request: ControlRequest, name: string): number {
  const atMs = timeOf(request, name);
  if (atMs === null) throw new ControlError(`"${name}" is missing: a time`, "bad");
  return atMs;
}

/** @returns milliseconds since 1970; null where none is given */
function timeOf(request: ControlRequest, name: string): number | null {
  const text = textOf(request, name);
  if (text === null) return null;
  const date = TIME.exec(text)?.[1];
  const atMs = date === undefined ? Number.NaN : Date.parse(text.replace(" ", "T"));
  // The 30th of February would be a day in March.
  const day = new Date(`${date}T00:00Z`);
  const isDay = !Number.isNaN(day.getTime()) && day.toISOString().slice(0, 10) === date;
  if (isDay && !Number.isNaN(atMs)) return atMs;
  const form = "2026-11-28T10:03:07Z, or +01:00 in place of Z, in an address as %2B01:00";
  throw new ControlError(`"${name}" is no time: "${text}" is not like ${form}`, "bad");
}
