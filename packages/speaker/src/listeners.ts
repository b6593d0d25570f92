/** The sockets that sessions come to. */

import net from "node:net";
import type { Config, ListenAddress } from "@ts-bgp/config";
import { BACKLOG_MAX, descriptorOf, setListenOptions, setMd5Key } from "@ts-bgp/takeover";
import { acceptMore, plainAddress, type Welcome } from "./accept-more.ts";
import { isIn } from "./own-addresses.ts";
import { sharesAddress } from "./session-sockets.ts";
import { hint } from "./system-errors.ts";

/** Addresses are text without a mapped prefix. */
interface ListenerEvents {
  /** @param fd - of the connection, which stays the listener's */
  welcome(remoteAddress: string, fd: number): Welcome;
  /** Has one that is welcome from now on. */
  accept(socket: net.Socket): void;
  /** An address of the configuration cannot be had. */
  lacking(error: Error): void;
  /** The key of a peer could not be set. */
  refused(remoteAddress: string, error: Error): void;
}

type Listening = Pick<Config, "listen" | "cluster">;

interface Listener {
  readonly address: ListenAddress;
  readonly server: net.Server;
}

export class Listeners {
  private readonly events: ListenerEvents;
  /** By address and port. */
  private readonly servers: Map<string, Listener> = new Map();
  /** Others listen on the same addresses. */
  private isShared = false;
  private isEnded = false;
  private turn: Promise<void> = Promise.resolve();
  private keys: ReadonlyMap<string, string> = new Map();

  constructor(events: ListenerEvents) {
    this.events = events;
  }

  /**
   * Accepts connections where a configuration says, and no more where the one before said so; those that came in stay.
   * Members of a cluster may share addresses: the kernel gives each connection to one of them.
   *
   * @param before - the one in force: where it could not be had, an address of it is tried again, and no reason to refuse
   *   another configuration; null where there is none yet
   * @param check - called when all addresses are there; throws where it is all for nothing by now
   * @returns one after the other; rejects with an Error for the operator when an address cannot be had, and listens as before
   */
  use(config: Listening, before: Listening | null, check = () => {}): Promise<void> {
    const done = this.turn.then(() => this.change(config, before, check));
    this.turn = done.catch(() => {});
    return done;
  }

  private async change(
    config: Listening,
    before: Listening | null,
    check: () => void,
  ): Promise<void> {
    const { isShared: wasShared } = this;
    const had = [...this.servers.values()].map(({ address }) => address);
    this.isShared = sharesAddress(config);
    const isOther = this.isShared !== wasShared;
    // An address is shared by all who listen there, or by none.
    if (isOther) this.closeAll();
    const old = isOther || before === null ? [] : before.listen;
    const opened: ListenAddress[] = [];
    try {
      for (const address of config.listen) {
        if (this.has(address)) continue;
        if (isIn(old, address)) await this.tryToListen(address);
        else {
          await this.listen(address);
          opened.push(address);
        }
      }
      check();
    } catch (error) {
      for (const address of opened) this.close(address);
      this.isShared = wasShared;
      if (isOther) for (const address of had) await this.tryToListen(address);
      throw error;
    }
    for (const address of had) if (!isIn(config.listen, address)) this.close(address);
  }

  private async tryToListen(address: ListenAddress): Promise<void> {
    try {
      await this.listen(address);
    } catch (error) {
      this.events.lacking(error as Error);
    }
  }

  has(address: ListenAddress): boolean {
    return this.servers.has(keyOf(address));
  }

  /** TCP MD5 keys by address or prefix, for the connections that peers make. */
  setKeys(keys: ReadonlyMap<string, string>): void {
    for (const { server } of this.servers.values()) {
      for (const peer of this.keys.keys()) if (!keys.has(peer)) this.setKey(server, peer, null);
      for (const [peer, key] of keys) {
        if (this.keys.get(peer) !== key) this.setKey(server, peer, key);
      }
    }
    this.keys = keys;
  }

  /** Stops listening anywhere, for good. */
  end(): void {
    this.isEnded = true;
    this.closeAll();
  }

  private close(address: ListenAddress): void {
    this.servers.get(keyOf(address))?.server.close();
    this.servers.delete(keyOf(address));
  }

  private closeAll(): void {
    for (const { server } of this.servers.values()) server.close();
    this.servers.clear();
  }

  private async listen(address: ListenAddress): Promise<void> {
    try {
      await this.open(address);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const reason = hint(code, error as Error);
      throw new Error(`cannot listen on ${address.address} port ${address.port}: ${reason}`);
    }
  }

  private open(address: ListenAddress): Promise<void> {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.acceptFirst(socket);
      acceptMore(
        server,
        { allowHalfOpen: true },
        (remote, _port, fd) => this.events.welcome(remote, fd),
        (next) => this.events.accept(next.setNoDelay(true)),
      );
    });
    const { address: host, port } = address;
    const where = { host, port, ipv6Only: host.includes(":"), backlog: BACKLOG_MAX };
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ ...where, reusePort: this.isShared }, () => {
        server.off("error", reject);
        // Errors of accept, such as a lack of descriptors, pass; the peer tries again.
        server.on("error", () => {});
        if (this.isEnded) server.close();
        else this.began(address, server);
        resolve();
      });
    });
  }

  private began(address: ListenAddress, server: net.Server): void {
    this.servers.set(keyOf(address), { address, server });
    setListenOptions(descriptorOf(server), isIpv4Server(server));
    for (const [peer, key] of this.keys) this.setKey(server, peer, key);
  }

  private acceptFirst(socket: net.Socket): void {
    const welcome = this.events.welcome(plainAddress(socket.remoteAddress), descriptorOf(socket));
    if (welcome === "accept") this.events.accept(socket);
    else if (welcome === "close") socket.destroy();
    else socket.resetAndDestroy();
  }

  private setKey(server: net.Server, peer: string, key: string | null): void {
    if (isIpv4Server(server) === peer.includes(":")) return;
    try {
      setMd5Key(descriptorOf(server), peer, key);
    } catch (error) {
      this.events.refused(peer, error as Error);
    }
  }
}

function keyOf({ address, port }: ListenAddress): string {
  return `${address} ${port}`;
}

function isIpv4Server(server: net.Server): boolean {
  const address = server.address();
  return typeof address === "object" && address !== null && address.family === "IPv4";
}
