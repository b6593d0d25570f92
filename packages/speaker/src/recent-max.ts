/** The longest slice of late, the same for everybody who asks. */

import type { SliceTimes } from "./slice-times.ts";
import { nowMs } from "./speaker.ts";

/** The maximum is begun anew after so long; the one before counts as long again. */
const WINDOW_MS = 60_000;

interface Window {
  sinceMs: number;
  beforeMs: number;
}

const windows = new WeakMap<SliceTimes, Window>();

/** @returns milliseconds: the maximum of one to two minutes, or since it was last asked for */
export function recentMaxMs(slices: SliceTimes, now: number = nowMs()): number {
  let window = windows.get(slices);
  if (window === undefined) {
    window = { sinceMs: now, beforeMs: 0 };
    windows.set(slices, window);
  }
  if (now - window.sinceMs >= WINDOW_MS) {
    window.sinceMs = now;
    window.beforeMs = slices.maxMs;
    slices.maxMs = 0;
  }
  return Math.max(slices.maxMs, window.beforeMs);
}
