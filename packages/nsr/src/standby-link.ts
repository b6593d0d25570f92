/** The active side's end of its link to one standby. */

import { Socket } from "node:net";
import { nowMs } from "@ts-bgp/speaker";
import { descriptorOf, setBuffer } from "@ts-bgp/takeover";
import type { Hello } from "./hello.ts";
import type { Link } from "./link.ts";
import type { Caller } from "./links.ts";

/**
 * What the kernel takes of brackets at once. The rest waits for this side's main thread, which has much else
 * to do when there is much to send.
 */
const LINK_BUFFER_OCTETS = 1 << 22;

/** A link that was up for so long is none of a standby that dies again and again. */
const LONG_LIFE_MS = 600_000;

/** A stream of somebody who said hello; numbers tell which of two is newer. */
export interface Arrival {
  readonly link: Link;
  readonly caller: Caller;
  readonly number: number;
}

export class StandbyLink {
  readonly hello: Hello;
  /** Null while it is away. */
  link: Link | null = null;
  /** When the link came up, or went down. */
  sinceMs = 0;
  /** Address here that the link leads to; null when there is none. */
  over: string | null = null;
  /** Bracket that was acknowledged last at the last look, -1 when nothing was waited for. */
  private seen = -1;

  constructor(hello: Hello) {
    this.hello = hello;
  }

  /** It has another way when this one is lost. */
  get hasWays(): boolean {
    return this.hello.ways > 1;
  }

  /** @returns how it has ended before, as in the record `hello`; nothing of that once it has followed for long */
  endsAt(atMs: number): Pick<Hello, "ends" | "ended"> {
    if (this.over !== null && atMs - this.sinceMs > LONG_LIFE_MS) return { ends: 0, ended: "" };
    const { ends, ended } = this.hello;
    return { ends, ended };
  }

  use({ link, caller: { stream } }: Arrival, over: string): void {
    link.trust("standby");
    if (stream instanceof Socket) setBuffer(descriptorOf(stream), "send", LINK_BUFFER_OCTETS);
    this.link = link;
    this.sinceMs = nowMs();
    this.over = over;
  }

  /** @returns the link that was used; there is none any more */
  away(): Link | null {
    const { link } = this;
    this.link = null;
    this.over = null;
    this.sinceMs = nowMs();
    return link;
  }

  /**
   * Looks twice: after a pause of this side, what has come meanwhile is read first.
   *
   * @returns whether nothing was acknowledged since the last look, and something is owed
   */
  isStuck(acked: number, behind: number): boolean {
    const { seen } = this;
    this.seen = behind > 0 ? acked : -1;
    return behind > 0 && seen === acked;
  }
}
