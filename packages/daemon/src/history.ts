/**
 * The last hour in numbers, for plots: taken every few seconds, on both sides of a pair, so that a new
 * active side has the hour before it as well.
 */

import type { Router } from "@ts-bgp/router";
import { nowMs } from "@ts-bgp/speaker";
import { type ShownTotals, showTotals } from "@ts-bgp/views";

export type HistoryPoint = ShownTotals & { readonly at_ms: number };

export interface ShownHistory {
  readonly every_ms: number;
  /** The oldest first. */
  readonly points: readonly HistoryPoint[];
}

const EVERY_MS = 5000;
const POINTS_MAX = 720;
export const NO_HISTORY: ShownHistory = { every_ms: EVERY_MS, points: [] };

export class History {
  private readonly router: () => Router;
  private points: HistoryPoint[] = [];
  /** Whose numbers these are: of another one they would be no continuation. */
  private of: Router | null = null;

  constructor(router: () => Router) {
    this.router = router;
    setInterval(() => this.take(), EVERY_MS).unref();
    this.take();
  }

  show(): ShownHistory {
    return { every_ms: EVERY_MS, points: this.points };
  }

  private take(): void {
    const router = this.router();
    if (router !== this.of) this.points = [];
    this.of = router;
    this.points.push({ at_ms: Math.round(nowMs()), ...showTotals(router) });
    if (this.points.length > POINTS_MAX) this.points.shift();
  }
}
