/** Where the time of slices went, for metrics. */
export interface SliceTimes {
  count: number;
  totalMs: number;
  maxMs: number;
}

export function addSlice(times: SliceTimes, ms: number): void {
  times.count++;
  times.totalMs += ms;
  times.maxMs = Math.max(times.maxMs, ms);
}
