/**
 * BFD of a process: who says which sessions there are to be, and has the router hear what becomes of them. A
 * thread sends and hears (see `bfd-worker.ts`): what this one is at does not matter to neighbors.
 *
 * One of two processes that may go on for each other leads. The other one has the records of the sessions from the
 * journal, and when the first is silent it sends in its place at once, before anybody knows who is to lead: if
 * both send, neighbors get a packet twice, and nothing else.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { NeighborConfig } from "@ts-bgp/config";
import { isElsewhere, type Router } from "@ts-bgp/router";
import type { BfdOrder, BfdReply, BfdWanted, BfdWatched } from "./bfd-orders.ts";
import type { LogEvent } from "./log-event.ts";
import type { Speaker } from "./speaker.ts";

/** So often it is looked whether other sessions are to be there. */
const LOOK_MS = 100;
/** Sequence numbers are of a clock: so much is less than a step of it at the shortest intervals. */
const OFFSET_MS = 5;

/** Whose router says which sessions there are. */
interface Source {
  readonly router: () => Router | null;
  readonly clockOffsetMs: () => number;
}

export class Bfd {
  private worker: Worker | null = null;
  private readonly log: (event: LogEvent) => void;
  private readonly failed: (error: Error) => void;
  private looks: NodeJS.Timeout | undefined;
  private order = 0;
  private role: "lead" | "shadow" | "alone" | "rest" = "rest";
  private source: Source | null = null;
  private watched: BfdWatched | null = null;
  private speaker: Speaker | null = null;
  private toldOffsetMs = 0;
  /** What the thread was told last, of each neighbor: as many values as are needed to see what is another. */
  private told: Map<string, readonly unknown[]> = new Map();

  /** @param failed - an exception has ended the thread */
  constructor(log: (event: LogEvent) => void, failed: (error: Error) => void) {
    this.log = log;
    this.failed = failed;
  }

  /** Leads the sessions of a speaker, which are heard from now on. */
  lead(speaker: Speaker): void {
    this.speaker = speaker;
    const clockOffsetMs = speaker.now() - (performance.timeOrigin + performance.now());
    this.use("lead", { router: () => speaker.router, clockOffsetMs: () => clockOffsetMs }, null);
  }

  /** Has the sessions of another process, and sends for it while that is silent. */
  shadow(source: Source, watched: BfdWatched): void {
    this.use("shadow", source, watched);
  }

  /** The other process is gone, or one of both gives its role away: sends, and judges nothing, until that is over. */
  goAlone(): void {
    if (this.role !== "shadow" && this.role !== "lead") return;
    // What is newest, once more.
    this.look();
    clearInterval(this.looks);
    this.role = "alone";
    this.send(this.leading(null));
  }

  /** Has no sessions any more, without a word to neighbors. */
  rest(): void {
    this.stop({ role: "rest" });
  }

  /** Ends the thread; neighbors of sessions that this process leads are told that an operator wants it so. */
  async exit(): Promise<void> {
    this.stop({ role: "rest", isFarewell: true });
    const { worker } = this;
    if (worker === null) return;
    worker.ref();
    this.send("exit");
    if (worker.threadId >= 0) await once(worker, "exit");
  }

  private use(role: "lead" | "shadow", source: Source, watched: BfdWatched | null): void {
    clearInterval(this.looks);
    Object.assign(this, { role, source, watched });
    this.order++;
    this.told = new Map();
    this.look();
    this.looks = setInterval(() => this.look(), LOOK_MS);
    this.looks.unref();
  }

  private stop(order: BfdOrder): void {
    clearInterval(this.looks);
    this.order++;
    Object.assign(this, { role: "rest", source: null, speaker: null });
    this.send(order);
  }

  private look(): void {
    const router = this.source?.router() ?? null;
    const wanted = router === null ? [] : wantedOf(router);
    const isLeading = this.role === "lead";
    const now = new Map(
      wanted.map(({ neighbor, record }) => [
        neighbor.address,
        [neighbor.bfd, neighbor.localAddress, isLeading ? null : record],
      ]),
    );
    const isOther =
      now.size !== this.told.size ||
      [...now].some(([address, values]) => {
        const before = this.told.get(address);
        return before === undefined || values.some((value, i) => value !== before[i]);
      });
    if (!isOther && !this.isOtherClock()) return;
    this.told = now;
    this.send(this.leading(wanted.map(orderOf)));
  }

  /** How far the active's clock is ahead is known better after a while. */
  private isOtherClock(): boolean {
    const { role, source, told, toldOffsetMs } = this;
    if (role !== "shadow" || source === null || told.size === 0) return false;
    return Math.abs(source.clockOffsetMs() - toldOffsetMs) > OFFSET_MS;
  }

  private leading(wanted: readonly BfdWanted[] | null): BfdOrder {
    const { role, order, source, watched } = this;
    if (role === "rest") return { role };
    const clockOffsetMs = source?.clockOffsetMs() ?? 0;
    this.toldOffsetMs = clockOffsetMs;
    return {
      role,
      number: order,
      wanted,
      clockOffsetMs,
      watched: role === "shadow" ? watched : null,
    };
  }

  private send(order: BfdOrder): void {
    // Where nobody has BFD there is no thread.
    const isNeeded = typeof order === "object" && "wanted" in order && order.wanted?.length;
    if (this.worker === null && !isNeeded) return;
    this.worker ??= this.newWorker();
    this.worker.postMessage(order);
  }

  private newWorker(): Worker {
    const worker = new Worker(new URL("./bfd-worker.ts", import.meta.url), { name: "bfd" });
    worker.unref();
    worker.on("message", (reply: BfdReply) => this.heard(reply));
    worker.on("error", this.failed);
    return worker;
  }

  private heard(reply: BfdReply): void {
    const { speaker } = this;
    if (reply.number !== this.order) return;
    if ("problem" in reply) {
      const { problem, address } = reply;
      const message = `BFD: ${problem}`;
      this.log({ id: "bfd-problem", level: "error", neighbor: address, message, fields: {} });
      return;
    }
    if (speaker === null || speaker.isSuspended) return;
    for (const { address, record, change } of reply.reports) {
      speaker.run({ record: "bfd", address, news: { record, change }, nowMs: speaker.now() });
    }
  }
}

function wantedOf(router: Router) {
  return [...router.neighbors.values()].flatMap(({ config, disabled }) => {
    if (config.bfd === null || !config.enabled || disabled || isElsewhere(config)) return [];
    const record = router.tables.bfd.get(config.address)?.record ?? null;
    return [{ neighbor: config, bfd: config.bfd, record }];
  });
}

function orderOf({ neighbor, bfd, record }: ReturnType<typeof wantedOf>[number]): BfdWanted {
  const { address, localAddress }: NeighborConfig = neighbor;
  const { intervalMs, multiplier, passive, multihop, auth } = bfd;
  const config = { intervalMs, multiplier, isPassive: passive };
  return { address, localAddress, isMultihop: multihop, config, auth, record };
}
