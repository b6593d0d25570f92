/** Neighbors that are held down because the program died of a message of theirs. */

/** How long the first time; twice as long each further time, up to the other. */
const FIRST_SECONDS = 60;
const SECONDS_MAX = 3600;
/** After so long without another time it begins anew. */
const FORGET_MS = 24 * 3_600_000;

/** A message of the neighbor has ended the program, and is not to be read again. */
export interface QuarantineOrder {
  readonly do: "quarantine";
  /** What has happened, for people: "SIGABRT". */
  readonly cause: string;
  /** How often this has happened at least, where the state may not know. */
  readonly count: number;
  /** Has the message, as `tsbgp decode` reads it; null when it could not be kept. */
  readonly file: string | null;
  /** For how long, and it does not count as once more; where it is absent, by how often. */
  readonly seconds?: number;
}

/** `count`: how often this has happened. */
export interface Quarantine extends Omit<QuarantineOrder, "do" | "seconds"> {
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** @param before - the last one of the neighbor, null for none */
export function quarantined(
  before: Quarantine | null,
  { cause, count: countAtLeast, file, seconds }: QuarantineOrder,
  nowMs: number,
): Quarantine {
  const isRepeated = before !== null && nowMs < before.sinceMs + FORGET_MS;
  const more = seconds === undefined ? 1 : 0;
  const count = Math.max(countAtLeast, isRepeated ? before.count + more : 1);
  const byCount = Math.min(SECONDS_MAX, FIRST_SECONDS * 2 ** (Math.min(count, 16) - 1));
  const untilMs = Math.max(nowMs + 1000 * (seconds ?? byCount), before?.untilMs ?? 0);
  return { cause, count, file, sinceMs: nowMs, untilMs };
}

/** @returns how long it is, and what its peer is told of it (RFC 9003) */
export function heldFor({ sinceMs, untilMs }: Quarantine): { seconds: number; text: string } {
  const seconds = Math.round((untilMs - sinceMs) / 1000);
  return {
    seconds,
    text: `a message of this session may have ended our BGP process; down for ${seconds} s`,
  };
}
