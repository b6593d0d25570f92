/** Exceptions that nobody catches end a process: these are noted in place of that. */

import { type Mock, vi } from "vitest";

/** @param ends - what is to be done after the test: added to @returns called with each of them */
export function catchUncaught(ends: (() => void)[]): Mock {
  const caught = vi.fn();
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", caught);
  ends.push(() => {
    process.removeAllListeners("uncaughtException");
    for (const each of before) process.on("uncaughtException", each);
  });
  return caught;
}
