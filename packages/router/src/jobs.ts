/** Work that takes longer than a slice: done piece by piece, the jobs in turn. */

/** What a job says after a piece: it goes on, waits for something else to happen, or is over. */
export type JobState = "more" | "waiting" | "done";

/** A plain object, as all state of the router is. */
export interface Job {
  /** Does a bounded piece of work; next to nothing when it is waiting. */
  step(): JobState;
}

export class Jobs {
  /** The one whose turn it is in front. */
  private readonly jobs: Job[] = [];

  add(job: Job): void {
    this.jobs.push(job);
  }

  get size(): number {
    return this.jobs.length;
  }

  /** Does one piece of the first job that does not wait. @returns whether there was one */
  step(): boolean {
    for (let left = this.jobs.length; left > 0; left--) {
      const job = this.jobs.shift()!;
      const state = job.step();
      if (state !== "done") this.jobs.push(job);
      if (state !== "waiting") return true;
    }
    return false;
  }
}
