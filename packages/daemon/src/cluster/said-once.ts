/** What is wrong, by kind: said when it begins, when it changes, though not more often than is of use, and when it is over. */

const AGAIN_MS = 10_000;

export class SaidOnce {
  private readonly said: Map<string, { problem: string | null; atMs: number }> = new Map();
  private readonly say: (level: "info" | "warn", message: string) => void;
  private readonly nowMs: () => number;

  constructor(
    say: (level: "info" | "warn", message: string) => void,
    nowMs: () => number = () => performance.now(),
  ) {
    this.say = say;
    this.nowMs = nowMs;
  }

  /**
   * To be called each time that it is looked at: a change that comes too soon after another one is said later.
   *
   * @param problem - null when nothing is wrong
   * @param over - said when that was not so before
   */
  note(kind: string, problem: string | null, over: string): void {
    const before = this.said.get(kind);
    if ((before?.problem ?? null) === problem) return;
    const atMs = this.nowMs();
    if (problem === null) {
      this.said.set(kind, { problem, atMs: before!.atMs });
      this.say("info", over);
    } else if (before === undefined || atMs >= before.atMs + AGAIN_MS) {
      this.said.set(kind, { problem, atMs });
      this.say("warn", problem);
    }
  }
}
