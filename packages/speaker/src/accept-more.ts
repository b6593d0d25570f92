/** What a listening socket does in a flood: many connections wait, and most of them go at once. */

import net from "node:net";
import { acceptNext, closeConnection, descriptorOf, resetConnection } from "@ts-bgp/takeover";

/** What becomes of a connection here: `close` for one that another process has as well, which is not to notice. */
export type Welcome = "accept" | "close" | "reset";

/** So long in each turn of the event loop, connections that wait are accepted or turned away. */
const ACCEPT_MS = 2;

/**
 * To be called whenever a server has accepted a connection.
 *
 * Node.js accepts one connection in a turn of the event loop, and there are milliseconds of work
 * between two turns: during a flood from one address the kernel would drop the SYNs of all others,
 * which are repeated after seconds. So all that wait are looked at, and most of a flood goes at once.
 *
 * @param welcome - of an address without a mapped prefix, and the descriptor of the connection
 * @param accept - takes one that is welcome
 */
export function acceptMore(
  server: net.Server,
  options: Pick<net.SocketConstructorOpts, "allowHalfOpen">,
  welcome: (remote: string, port: number, fd: number) => Welcome,
  accept: (socket: net.Socket) => void,
): void {
  const endMs = performance.now() + ACCEPT_MS;
  while (server.listening && performance.now() < endMs) {
    const next = acceptNext(descriptorOf(server));
    if (next === null) return;
    const { fd, remote } = next;
    const what = welcome(remote.address, remote.port, fd);
    if (what === "reset") resetConnection(fd);
    else if (what === "close") closeConnection(fd);
    else accept(new net.Socket({ ...options, fd, readable: true, writable: true }));
  }
}

/** @returns an address as Node.js has it, without a mapped prefix; empty when there is none */
export function plainAddress(address: string | undefined): string {
  return address?.startsWith("::ffff:") ? address.slice(7) : (address ?? "");
}
