/** What peers announce while a trial goes on, and whether they were told the same in the end. */

export interface Traffic {
  /** Single routes change from now on. @param round - of the trial, from 0 */
  begin(round: number): Promise<void>;
  /** Whole tables are announced as well; returns when that has begun. */
  announceBulk(): Promise<void>;
  /** Whether it is to go on while a standby joins, and a little longer; else it ends before. */
  readonly flowsOn: boolean;
  /** Between packets with octets to a peer whom the speaker has enough to tell, on average. */
  readonly betweenMs: number;
  /** Ends what `begin` and `announceBulk` began. @returns what went wrong with it, in words */
  end(): Promise<string[]>;
  /** Sessions that came up again, or ended, since the trial began. */
  resets(): Promise<number>;
  /** Waits until everybody holds what they should. @param look - reads the captures */
  settle(withinMs: number, look: () => void): Promise<Verdict>;
}

/** The words of all peers together. */
export interface Verdict {
  /** Routes that somebody holds in another way than they should. */
  readonly differences: number;
  /** Messages that should not have come, where captures do not tell. */
  readonly messageFaults: number;
  /** All that is wrong, in words. */
  readonly problems: readonly string[];
}
