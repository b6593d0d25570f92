/**
 * Work that grows with the routes, and takes a tenth of the time at most. It is counted over some seconds: so what follows
 * at once, such as a link that comes back when it has just gone, waits for nothing.
 */

/** After so much time without any, all of it may be in a row. */
const BURST_MS = 5000;
const TIME_PER_WORK = 10;
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
    const beganMs = Math.max(this.nowMs(), this.paidAtMs);
    const beforeMs = this.usedMs();
    work();
    this.paidAtMs = beganMs + TIME_PER_WORK * (this.usedMs() - beforeMs);
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / US_PER_MS;
}
