/** What time it is for whoever is shown how old something is: now, unless what is shown is of another time. */

let shownMs: number | null = null;

/** @returns milliseconds since 1970 */
export function clockMs(): number {
  return shownMs ?? Date.now();
}

/** From now on it is this time. */
export function stopClock(atMs: number): void {
  shownMs = atMs;
}
