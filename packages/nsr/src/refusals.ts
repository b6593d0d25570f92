/** Who was not let in at the link or at the heartbeats: counted, and told of, though not each time. */

/**
 * `user`: of another user of this host. `handshake`: no TLS, or not a word. `certificate`: one that does not
 * hold, or is of another pair. `hello`: does not say that it is the other side. `slow`: does not say so in
 * time. `crowded`: there were too many that did not.
 */
export type RefusalReason = "user" | "handshake" | "certificate" | "hello" | "slow" | "crowded";

export const NONE_REFUSED: Readonly<Record<RefusalReason, number>> = {
  ...{ user: 0, handshake: 0, certificate: 0, hello: 0, slow: 0, crowded: 0 },
};

export interface Refusal {
  readonly reason: RefusalReason;
  /** Address, or user and process. */
  readonly from: string;
  /** For people. */
  readonly text: string;
}

/** Those of one reason, of which the last one is known. */
export interface Refused extends Refusal {
  readonly count: number;
}

/** A line for each reason is enough in so long. */
const SAY_MS = 10_000;

/** What a side has refused since it was started. */
export class Refusals {
  readonly totals: Record<RefusalReason, number> = { ...NONE_REFUSED };
  private readonly said: Map<RefusalReason, { atMs: number; total: number }> = new Map();
  private readonly say: (message: string) => void;
  private readonly nowMs: () => number;

  constructor(say: (message: string) => void, nowMs: () => number = () => performance.now()) {
    this.say = say;
    this.nowMs = nowMs;
  }

  readonly note = ({ reason, from, text, count }: Refused): void => {
    const before = this.said.get(reason);
    this.totals[reason] += count;
    const atMs = this.nowMs();
    if (before !== undefined && atMs < before.atMs + SAY_MS) return;
    const total = this.totals[reason];
    this.said.set(reason, { atMs, total });
    const others = total - (before?.total ?? 0) - 1;
    const more = others > 0 ? ` (and ${others} more since the last such line)` : "";
    this.say(`refused ${from}: ${text}${more}`);
  };
}

/** Collects what a thread has refused, so that a flood does not become one of messages. */
export class RefusalBatch {
  private readonly refused: Map<RefusalReason, Refused> = new Map();
  private readonly deliver: (refused: readonly Refused[]) => void;
  private timer: NodeJS.Timeout | null = null;

  constructor(deliver: (refused: readonly Refused[]) => void) {
    this.deliver = deliver;
  }

  readonly note = (refusal: Refusal): void => {
    const count = (this.refused.get(refusal.reason)?.count ?? 0) + 1;
    this.refused.set(refusal.reason, { ...refusal, count });
    this.timer ??= setTimeout(() => this.flush(), 100).unref();
  };

  private flush(): void {
    this.timer = null;
    const refused = [...this.refused.values()];
    this.refused.clear();
    this.deliver(refused);
  }
}
