/** Something in the middle of the link of a pair, which does to its frames what a test wants. */
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Length, checksum of the record, checksum of these two. */
const HEAD_OCTETS = 12;

/** From the active side, or from the standby. */
export type Direction = "active" | "standby";

/** @returns the frames that go on in place of one */
export type Meddler = (frame: Buffer, from: Direction) => readonly Buffer[];

export class LinkProxy {
  /** Asked about every frame; null for all as they are. */
  meddler: Meddler | null = null;
  /** Nothing goes through, and nothing is closed. */
  private isStalled = false;
  private readonly server: Server;
  private readonly sockets: Set<Socket> = new Set();

  private constructor(path: string, target: string) {
    this.server = createServer((near) => {
      const far = connect(target);
      this.join(near, far, "standby");
      this.join(far, near, "active");
    });
    rmSync(path, { force: true });
    this.server.listen(path);
  }

  /** @param path - where the standby connects to @param target - the active's */
  static start(path: string, target: string): LinkProxy {
    return new LinkProxy(path, target);
  }

  stall(): void {
    this.isStalled = true;
    for (const socket of this.sockets) socket.pause();
  }

  goOn(): void {
    this.isStalled = false;
    for (const socket of this.sockets) socket.resume();
  }

  /** Ends all connections at once. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private join(from: Socket, to: Socket, direction: Direction): void {
    let unread = Buffer.alloc(0);
    this.sockets.add(from);
    if (this.isStalled) from.pause();
    from.on("error", () => {});
    from.on("close", () => {
      this.sockets.delete(from);
      to.destroy();
    });
    from.on("data", (octets) => {
      unread = Buffer.concat([unread, octets]);
      while (unread.length >= HEAD_OCTETS) {
        const end = HEAD_OCTETS + unread.readUInt32BE(0);
        if (unread.length < end) break;
        const frame = Buffer.from(unread.subarray(0, end));
        unread = unread.subarray(end);
        for (const one of this.meddler?.(frame, direction) ?? [frame]) to.write(one);
      }
    });
  }
}
