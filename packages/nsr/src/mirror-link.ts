/** The server's end of its link to one mirror. */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { nowMs } from "@ts-bgp/speaker";
import { plainAddress } from "@ts-bgp/speaker/accept-more";
import type { Link } from "./link.ts";

/**
 * What is sent within such a time leaves together. A look that a mirror takes may be that much older for it, and a
 * server that sends thousands of brackets a second has a fraction of the system calls.
 */
const GATHER_MS = 20;

export class MirrorLink {
  readonly name: string;
  /** Address of the mirror; empty for a process of this host. */
  readonly from: string;
  readonly sinceMs: number = nowMs();
  heardMs: number = nowMs();
  /** The last bracket that it has run, as it has said; 0 while it has no state. */
  applied = 0;
  /** It is being sent the state, or the copy for it is being made. */
  takesState = false;
  /** What it is sent has been decided. */
  hasJoined = false;
  /** What waits for it is being sent. */
  isPumping = false;
  private readonly link: Link;
  private readonly stream: Duplex;
  private timer: NodeJS.Timeout | null = null;

  /** @param link - over the stream, of somebody who has said that it is a mirror */
  constructor(name: string, link: Link, stream: Duplex) {
    this.name = name;
    this.link = link;
    this.stream = stream;
    this.from = stream instanceof Socket ? plainAddress(stream.remoteAddress) : "";
    link.trust("mirror");
  }

  /** Octets that were sent and have not left this process. */
  get backlog(): number {
    return this.stream.writableLength;
  }

  get hasRoom(): boolean {
    return this.link.hasRoom;
  }

  send(frame: Uint8Array): void {
    if (!this.isPumping && this.timer === null) {
      this.stream.cork();
      this.timer = setTimeout(() => this.letGo(), GATHER_MS);
    }
    this.link.send(frame);
    if (this.isPumping) this.letGo();
  }

  end(reason: string, again: number): void {
    this.letGo();
    this.link.bye(reason, false, "", again);
  }

  private letGo(): void {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.stream.uncork();
  }
}
