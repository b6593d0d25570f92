/** A BGP peer on a loopback address that does what a test tells it to. */

import type { AddressInfo } from "node:net";
import net from "node:net";
import {
  type Capability,
  decodeOpen,
  encodeOpen,
  encodeRouteRefresh,
  Fault,
  KEEPALIVE_OCTETS,
  MESSAGE,
  messageLength,
  type OpenMessage,
} from "@ts-bgp/wire-codec";
import { OctetQueue } from "../src/octet-queue.ts";

export interface ScriptedOptions {
  as?: number;
  capabilities?: Capability[];
  /** Octets to send in place of the OPEN. */
  greeting?: Uint8Array;
}

/** Listens, and answers OPEN and KEEPALIVE as a speaker would. */
export class ScriptedPeer {
  /** The OPEN that came last. */
  open: OpenMessage | null = null;
  /** UPDATE messages of all sessions, back to back. */
  updates: Uint8Array[] = [];
  notifications: Uint8Array[] = [];
  sessions = 0;
  private readonly options: ScriptedOptions;
  private readonly server: net.Server;
  private socket: net.Socket | null = null;
  private waiting: (() => void)[] = [];

  private constructor(options: ScriptedOptions) {
    this.options = options;
    this.server = net.createServer((socket) => this.accept(socket));
  }

  static async listen(options: ScriptedOptions = {}): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer(options);
    await new Promise<void>((resolve) => peer.server.listen(0, "127.0.0.1", resolve));
    return peer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  send(octets: Uint8Array): void {
    this.socket?.write(octets);
  }

  requestRefresh(afi: number): void {
    this.send(encodeRouteRefresh({ afi, safi: 1, subtype: 0 }));
  }

  /** Breaks the connection without a word. */
  hangUp(): void {
    this.socket?.destroy();
  }

  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  /** Waits until something is so; looks again whenever something has come. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  async close(): Promise<void> {
    this.socket?.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(socket: net.Socket): void {
    this.socket = socket;
    const octets = new OctetQueue();
    socket.on("error", () => {});
    socket.on("close", () => this.wake());
    socket.on("data", (chunk) => {
      octets.push(chunk);
      for (;;) {
        const { buf, at } = octets;
        const length = messageLength(buf, at, buf.length, 65535);
        if (typeof length !== "number") throw new Error(length.reason);
        if (length === 0) break;
        octets.at += length;
        this.take(socket, buf.slice(at, at + length));
      }
      this.wake();
    });
  }

  private take(socket: net.Socket, message: Uint8Array): void {
    switch (message[18]) {
      case MESSAGE.OPEN: {
        const open = decodeOpen(message, 0, message.length);
        if (open instanceof Fault) throw new Error(open.reason);
        this.open = open;
        socket.write(this.options.greeting ?? encodeOpen(this.answer(open)));
        socket.write(KEEPALIVE_OCTETS);
        this.sessions++;
        return;
      }
      case MESSAGE.UPDATE:
        this.updates.push(message);
        return;
      case MESSAGE.NOTIFICATION:
        this.notifications.push(message);
        return;
    }
  }

  private answer(open: OpenMessage): OpenMessage {
    const as = this.options.as ?? 64999;
    const capabilities = this.options.capabilities ?? [
      { code: 1, name: "multiprotocol", afi: 1, safi: 1 },
      { code: 1, name: "multiprotocol", afi: 2, safi: 1 },
      { code: 2, name: "route-refresh" },
    ];
    return {
      version: 4,
      as: Math.min(as, 23456),
      holdTimeSeconds: open.holdTimeSeconds,
      bgpIdentifier: 0x0a000001,
      capabilities: [...capabilities, { code: 65, name: "four-octet-as", as }],
    };
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
