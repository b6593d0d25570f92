/** Interfaces of other programs' looking glasses: what they ask is translated, and what they are told. */

import type { ControlRequest } from "../control.ts";
import { Problem } from "./problem.ts";
import { each, type Pieces } from "./router-thread.ts";

/** Asks the thread that routes. */
export type Ask = (request: ControlRequest) => Pieces;

/** Text of a whole answer. */
export type Text = AsyncGenerator<string>;

/**
 * @param head - text before the items
 * @param shape - text of an item, null to leave it out
 * @param tail - text behind them
 */
export async function* wrapped<T>(
  head: string,
  pieces: Pieces,
  shape: (item: T) => string | null,
  tail: string,
): Text {
  let before = head;
  yield* each(pieces, (lines) => {
    const texts = lines.split("\n").map((line) => shape(JSON.parse(line) as T));
    const shown = texts.filter((text) => text !== null);
    if (shown.length === 0) return "";
    const text = before + shown.join(",");
    before = ",";
    return text;
  });
  yield (before === "," ? "" : before) + tail;
}

/** @returns all items of a small answer */
export async function itemsOf<T>(pieces: Pieces): Promise<T[]> {
  const items: T[] = [];
  for await (const lines of pieces) {
    if (lines === "") continue;
    items.push(...lines.split("\n").map((line) => JSON.parse(line) as T));
  }
  return items;
}

/** @returns the only item of an answer */
export async function itemOf<T>(pieces: Pieces): Promise<T> {
  return (await itemsOf<T>(pieces))[0]!;
}

/** @returns which address family a table of that name has, as BIRD's users name them; empty for both */
export function familyOfTable(name: string): { family?: 1 | 2 } {
  if (name.endsWith("4")) return { family: 1 };
  return name.endsWith("6") ? { family: 2 } : {};
}

/** @returns the words of a path behind its first one, decoded; throws a `Problem` for what cannot be read */
export function wordsOf(path: string): string[] {
  try {
    return path.split("/").slice(2).map(decodeURIComponent);
  } catch {
    throw new Problem(400, "the path cannot be read");
  }
}
