/**
 * Routes of this host's kernel, as the configuration in force wants them. A thread reads and compares them (see
 * `kernel-worker.ts`); what it tells are calls of the router, so a standby has them as well. The side that becomes
 * active tells all that its own kernel has: what differs from before is all that changes.
 */

import { Worker } from "node:worker_threads";
import type { KernelConfig } from "@ts-bgp/config";
import type { KernelNews } from "@ts-bgp/router";
import type { Speaker } from "@ts-bgp/speaker";
import type { KernelOrder, KernelReply, KernelWanted } from "./kernel-orders.ts";

/** So often it is looked whether others are wanted, or to be told once more. */
const LOOK_MS = 200;
/** While the speaker has no room for more, it is looked so often whether it has. */
const ROOM_LOOK_MS = 10;
/** A thread that has ended by itself, or could not be started, is followed by another one after so long. */
const RETRY_MS = 10_000;
const NO_OCTETS = new Uint8Array(0);

export class KernelSource {
  private readonly say: (level: "info" | "warn", message: string) => void;
  private speaker: Speaker | null = null;
  private worker: Worker | null = null;
  /** What the thread reads. */
  private wanted: KernelConfig | null = null;
  /** None can be started for a while. */
  private isResting = false;
  private looks: NodeJS.Timeout | undefined;
  private problem: string | null = null;

  constructor(say: (level: "info" | "warn", message: string) => void) {
    this.say = say;
  }

  /** A speaker is told of them from now on; null: nobody. To be called with each configuration as well. */
  use(speaker: Speaker | null): void {
    if (speaker !== this.speaker) {
      this.end();
      clearInterval(this.looks);
      if (speaker !== null) this.looks = setInterval(() => this.look(), LOOK_MS).unref();
    }
    this.speaker = speaker;
    this.look();
  }

  private look(): void {
    const { speaker, worker, wanted } = this;
    if (speaker === null || speaker.isSuspended || this.isResting) return;
    const { config, kernelPeer } = speaker.router.tables;
    const isSame = JSON.stringify(config.kernel) === JSON.stringify(wanted);
    if (isSame && (worker !== null || wanted === null) && kernelPeer?.wantsCopy !== true) return;
    this.end();
    this.wanted = config.kernel;
    if (config.kernel !== null) this.begin(config.kernel);
  }

  private begin({ table, protocols }: KernelConfig): void {
    const worker = this.start({ table, protocols });
    if (worker === null) return;
    this.run("begin");
    worker.on("message", (reply: KernelReply) => this.heard(worker, reply));
    worker.on("error", ({ message }) => this.complain(message));
    worker.on("exit", () => {
      setTimeout(() => {
        if (this.worker === worker) this.worker = null;
      }, RETRY_MS).unref();
    });
    this.worker = worker;
  }

  /** @returns null where the host has no room for another thread: it is tried again later */
  private start(workerData: KernelWanted): Worker | null {
    try {
      const url = new URL("./kernel-worker.ts", import.meta.url);
      const worker = new Worker(url, { name: "kernel", workerData });
      worker.unref();
      return worker;
    } catch (error) {
      this.complain((error as Error).message);
      this.isResting = true;
      setTimeout(() => {
        this.isResting = false;
      }, RETRY_MS).unref();
      return null;
    }
  }

  /** The first of a kind is said. */
  private complain(problem: string): void {
    if (problem === this.problem) return;
    this.problem = problem;
    this.say("warn", `routes of the kernel cannot be read: ${problem}; it is tried again`);
  }

  private end(): void {
    this.worker?.postMessage("exit" satisfies KernelOrder);
    this.worker = null;
    this.wanted = null;
  }

  private heard(worker: Worker, reply: KernelReply): void {
    // What is told may be what another configuration wanted.
    this.look();
    const { speaker } = this;
    // Another one, or nobody, is told by now, or other routes are wanted.
    if (worker !== this.worker || speaker === null || speaker.isSuspended) return;
    if (reply.what === "problem") {
      this.complain(reply.message);
      return;
    }
    if (!speaker.active.mayWork || !speaker.router.hasRoom) {
      setTimeout(() => this.heard(worker, reply), ROOM_LOOK_MS).unref();
      return;
    }
    if (reply.what === "routes") this.run("routes", reply.octets);
    else {
      this.run("complete");
      this.problem = null;
      const { table = 0 } = this.wanted ?? {};
      this.say("info", `${reply.count} routes of the kernel's table ${table} are read`);
    }
    // In a turn of its own: sockets come between two pieces.
    setImmediate(() => worker.postMessage("more" satisfies KernelOrder));
  }

  private run(what: KernelNews, octets: Uint8Array = NO_OCTETS): void {
    const speaker = this.speaker!;
    speaker.run({ record: "kernel", nowMs: speaker.now(), what, octets });
  }
}
