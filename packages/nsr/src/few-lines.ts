/** Lines of a log that others can cause as often as they like: so many in a time are said, and the rest is counted. */

export const LINES_MAX = 20;
const WITHIN_MS = 10_000;

export class FewLines {
  private sinceMs = Number.NEGATIVE_INFINITY;
  private said = 0;
  private left = 0;
  private readonly out: (message: string) => void;
  private readonly nowMs: () => number;

  constructor(out: (message: string) => void, nowMs: () => number = () => performance.now()) {
    this.out = out;
    this.nowMs = nowMs;
  }

  say(message: string): void {
    const now = this.nowMs();
    if (now >= this.sinceMs + WITHIN_MS) {
      this.sinceMs = now;
      this.said = 0;
    }
    if (this.said >= LINES_MAX) {
      this.left++;
      return;
    }
    this.said++;
    const more = this.left > 0 ? ` (and ${this.left} more such lines were left out)` : "";
    this.left = 0;
    this.out(`${message}${more}`);
  }
}
