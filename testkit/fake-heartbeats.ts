/** Heartbeats of nobody. */
import { createServer, type Server, type Socket } from "node:net";
import { frameOf } from "@ts-bgp/replication";

const EVERY_MS = 20;

export class FakeHeartbeats {
  private readonly server: Server;
  private readonly sockets: Set<Socket> = new Set();
  private readonly timer: NodeJS.Timeout;
  private isSilent = false;
  private progress = 0;

  /** @param path - of the socket that heartbeats are sent on */
  constructor(path: string) {
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.sockets.delete(socket));
      socket.resume();
    }).listen(path);
    this.timer = setInterval(() => this.sendHeartbeat(), EVERY_MS);
  }

  stop(): void {
    this.isSilent = true;
  }

  goOn(): void {
    this.isSilent = false;
  }

  close(): void {
    clearInterval(this.timer);
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private sendHeartbeat(): void {
    if (this.isSilent) return;
    const frame = frameOf("heartbeat", { progress: ++this.progress, epoch: 1, sentMs: 0 });
    for (const socket of this.sockets) socket.write(frame);
  }
}
