/**
 * Work that grows with the routes, and takes a tenth of the time at most. It is counted over some seconds: so what follows
 * at once, such as a link that comes back when it has just gone, waits for nothing.
 */

/** After so much time without any, all of it may be in a row. */
const BURST_MS = 5000;
const PAUSES_PER_WORK = 9;
const US_PER_MS = 1000;

export class WorkShare {
  private readonly nowMs: () => number;
  private readonly usedMs: () => number;
  private paidAtMs = 0;

  /** @param usedMs - processor time: to wait for the kernel, which changes routes itself, is no work */
  constructor(nowMs = () => performance.now(), usedMs = processorMs) {
    this.nowMs = nowMs;
    this.usedMs = usedMs;
  }

  get mayWork(): boolean {
    return this.nowMs() + BURST_MS >= this.paidAtMs;
  }

  do(work: () => void): void {
    const beforeMs = this.usedMs();
    work();
    const workMs = this.usedMs() - beforeMs;
    this.paidAtMs = Math.max(this.nowMs(), this.paidAtMs) + PAUSES_PER_WORK * workMs;
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / US_PER_MS;
}
