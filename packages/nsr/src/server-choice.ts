/** Which of its servers a mirror follows: the first one that lets it, and that one again once it does. */

import type { LinkAddress } from "@ts-bgp/config";

/** One that has sent a mirror away is for so long the last that is asked. */
const AVOIDED_MS = 30_000;
/** So often those that go before the one that is followed are tried, and at most, when they let nobody follow. */
const BACK_MS = 30_000;
const BACK_MS_MAX = 600_000;
/** One that follows nobody itself may be left after so long, and another one is looked for as often. */
const STRANDED_MS = 30_000;

/** Times are of one clock, in milliseconds. */
export class ServerChoice {
  private readonly servers: readonly LinkAddress[];
  /** Until when one is avoided, by its place. */
  private readonly avoided: Map<number, number> = new Map();
  private backMs = BACK_MS;
  private nextBackMs = Number.POSITIVE_INFINITY;
  private isGoingBack = false;
  /** When others are looked for, because the one that is followed follows nobody. */
  private nextOtherMs = Number.POSITIVE_INFINITY;
  /** One was there when they were looked for last. */
  private wasThere = false;

  /** @param servers - those that are preferred first; one at least */
  constructor(servers: readonly LinkAddress[]) {
    this.servers = servers;
  }

  /** @returns those to be tried, in order */
  candidates(nowMs: number): readonly LinkAddress[] {
    const isAvoided = this.servers.map((_, at) => this.isAvoided(at, nowMs));
    const those = (avoided: boolean) => this.servers.filter((_, at) => isAvoided[at] === avoided);
    return [...those(false), ...those(true)];
  }

  /** One lets nobody follow, and not for a moment only. */
  avoid(server: LinkAddress, nowMs: number): void {
    this.avoided.set(this.servers.indexOf(server), nowMs + AVOIDED_MS);
    if (this.isGoingBack) this.backMs = Math.min(2 * this.backMs, BACK_MS_MAX);
    this.isGoingBack = false;
  }

  /** One is followed. */
  followed(server: LinkAddress, nowMs: number): void {
    this.avoided.delete(this.servers.indexOf(server));
    this.isGoingBack = false;
    this.nextOtherMs = Number.POSITIVE_INFINITY;
    const isFirst = server === this.servers[0];
    if (isFirst) this.backMs = BACK_MS;
    this.nextBackMs = isFirst ? Number.POSITIVE_INFINITY : nowMs + this.backMs;
  }

  /** @returns those that go before the one that is followed, when it is time to try them; else none */
  better(followed: LinkAddress, nowMs: number): readonly LinkAddress[] {
    if (nowMs < this.nextBackMs) return [];
    this.nextBackMs = nowMs + this.backMs;
    const before = this.servers.slice(0, this.servers.indexOf(followed));
    return before.filter((_, at) => !this.isAvoided(at, nowMs));
  }

  /** One of those is there, and is tried. */
  goesBack(): void {
    this.isGoingBack = true;
  }

  /**
   * The active side may be gone for all, and come back: then mirrors are to stay where they are. So another server is
   * gone to when it was there twice, with some time between.
   *
   * @param isStranded - the one that is followed follows nobody itself
   * @returns those beside it, when it is time to look whether one is there; else none
   */
  others(followed: LinkAddress, isStranded: boolean, nowMs: number): readonly LinkAddress[] {
    if (!isStranded || this.nextOtherMs === Number.POSITIVE_INFINITY) {
      this.nextOtherMs = isStranded ? nowMs + STRANDED_MS : Number.POSITIVE_INFINITY;
      this.wasThere = false;
      return [];
    }
    if (nowMs < this.nextOtherMs) return [];
    this.nextOtherMs = nowMs + STRANDED_MS;
    return this.servers.filter((server, at) => server !== followed && !this.isAvoided(at, nowMs));
  }

  /** One of those is there. @returns whether it was the time before as well */
  isThere(): boolean {
    const { wasThere } = this;
    this.wasThere = true;
    return wasThere;
  }

  isNotThere(): void {
    this.wasThere = false;
  }

  private isAvoided(at: number, nowMs: number): boolean {
    return nowMs < (this.avoided.get(at) ?? 0);
  }
}
