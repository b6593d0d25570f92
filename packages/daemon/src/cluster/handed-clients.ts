/**
 * Members of one host that listen on the same addresses: the kernel gives each connection to any of them. One that comes
 * to another member than its client's is handed to that over a Unix socket.
 */

import net from "node:net";
import { type ClusterConfig, clientSocketOf } from "@ts-bgp/config";
import { listenOnPath, userOf } from "@ts-bgp/nsr/unix-server";
import {
  acceptStream,
  closeConnection,
  descriptorOf,
  handOver,
  takeHandedOver,
} from "@ts-bgp/takeover";

/** A connection comes right behind the link that it comes by: it is looked for so often, with such a pause. */
const LOOKS_MAX = 100;
const PAUSE_MS = 5;
/** So long in each turn of the event loop those that wait are taken. */
const ACCEPT_MS = 2;

/** From another member, with a connection. */
interface Stream {
  readonly fd: number;
  end(): void;
}

export class HandedClients {
  /** Connections that were given to others, and taken of them. */
  readonly counts: { given: number; taken: number } = { given: 0, taken: 0 };
  private readonly take: (fd: number) => void;
  private readonly refused: (from: string, problem: string) => void;
  private server: net.Server | null = null;

  /** @param take - has a connection from then on @param refused - told of others than members */
  constructor(take: (fd: number) => void, refused: (from: string, problem: string) => void) {
    this.take = take;
    this.refused = refused;
  }

  /** Takes connections of own clients, where the configuration says so; rejects when that socket cannot be had. */
  async listen({ sharesAddress, listen }: ClusterConfig): Promise<void> {
    this.stop();
    if (!sharesAddress || !("path" in listen)) return;
    const server: net.Server = net.createServer({ pauseOnConnect: true }, (socket) =>
      this.called(server, socket),
    );
    this.server = server;
    await listenOnPath(server, clientSocketOf(listen.path), "connections of clients");
  }

  /** @param fd - stays the caller's @returns whether a member has the connection now */
  give({ sharesAddress, members }: ClusterConfig, member: string, fd: number): boolean {
    const [link] = members.find(({ name }) => name === member)?.links ?? [];
    if (!sharesAddress || link === undefined || !("path" in link)) return false;
    const isGiven = handOver(clientSocketOf(link.path), fd);
    if (isGiven) this.counts.given++;
    return isGiven;
  }

  stop(): void {
    this.server?.close();
    this.server = null;
  }

  /** After an absence all clients come at once: Node.js would take one in a turn of the event loop. */
  private called(server: net.Server, socket: net.Socket): void {
    socket.on("error", () => {});
    this.streamCame({ fd: descriptorOf(socket), end: () => socket.destroy() });
    const endMs = performance.now() + ACCEPT_MS;
    while (server.listening && performance.now() < endMs) {
      const fd = acceptStream(descriptorOf(server));
      if (fd === null) return;
      this.streamCame({ fd, end: () => closeConnection(fd) });
    }
  }

  private streamCame(stream: Stream): void {
    const { problem, from } = userOf(stream.fd);
    if (problem === null) this.look(stream, LOOKS_MAX);
    else {
      stream.end();
      this.refused(from, problem);
    }
  }

  private look(stream: Stream, looks: number): void {
    const taken = takeHandedOver(stream.fd);
    if (taken === "waits" && looks > 0) {
      setTimeout(() => this.look(stream, looks - 1), PAUSE_MS);
      return;
    }
    stream.end();
    if (typeof taken !== "number") return;
    this.counts.taken++;
    this.take(taken);
  }
}
