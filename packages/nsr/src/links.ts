/**
 * Streams between two sides. Both know of each other who they are before anything else is said: of a Unix
 * socket by the user at its other end, of TCP by certificates (mutual TLS).
 */

import { constants } from "node:crypto";
import { existsSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import type { LinkAddress, NsrConfig, NsrTls } from "@ts-bgp/config";
import { acceptMore, plainAddress } from "@ts-bgp/speaker/accept-more";
import { BACKLOG_MAX, descriptorOf, setCongestionControl } from "@ts-bgp/takeover";
import { Lobby } from "./lobby.ts";
import { assertPrivateFolder } from "./private-folder.ts";
import type { Refusal } from "./refusals.ts";
import { listening, listenOnPath, userOf } from "./unix-server.ts";

/** Longest wait for a connection to the other side. */
const CONNECT_MS = 2000;
/** A way to the other side that has not answered for so long has the next one tried beside it. */
const NEXT_WAY_MS = 25;
const NEEDS_TLS = "a TCP link needs TLS";

/** What streams are made by. */
export type LinkTrust = Pick<NsrConfig, "cluster" | "tls">;

/** What there is to say to whoever waits for streams. */
export interface Waiting extends LinkTrust {
  /** Others than strangers, where that is known. */
  readonly peers?: NsrConfig["peers"];
  /** For people; default a standby. */
  readonly whom?: string;
}

/** Somebody who may be the other side: a certificate or a user says so, and its hello has still to. */
export interface Caller {
  readonly stream: Duplex;
  /** By its certificate; null for a process of this host. */
  readonly name: string | null;
  /** It has said who it is. As long as it has not, it may be ended for others like it. */
  welcome(): void;
  /** It said something else; the stream is to be ended by who asks for this. */
  refuse(text: string): void;
}

/**
 * Takes the other side's connections.
 *
 * @param refused - told of everybody who is not let in
 * @returns stops it; rejects when the address cannot be had
 */
export async function listenForLinks(
  address: LinkAddress,
  config: Waiting,
  called: (caller: Caller) => void,
  refused: (refusal: Refusal) => void,
): Promise<() => void> {
  const { peers = [], whom = "a standby" } = config;
  const expected = waysOf({ peers }).flatMap((way) => ("path" in way ? [] : [way.address]));
  const lobby = new Lobby(new Set(expected), refused);
  const server =
    "path" in address
      ? serverForUsers(lobby, called, refused)
      : serverWithTls(lobby, config, called);
  if ("path" in address) await listenOnPath(server, address.path, whom);
  else {
    const where = { host: address.address, port: address.port, backlog: BACKLOG_MAX };
    await listening(server, whom, (done) => server.listen(where, done));
  }
  return () => {
    server.close();
    lobby.close();
  };
}

function callerOf(lobby: Lobby, socket: net.Socket, stream: Duplex, name: string | null): Caller {
  return {
    ...{ stream, name },
    welcome: () => lobby.leave(socket),
    refuse: (text) => lobby.refuse(socket, "hello", text),
  };
}

function serverForUsers(
  lobby: Lobby,
  called: (caller: Caller) => void,
  refused: (refusal: Refusal) => void,
): net.Server {
  return net.createServer((socket) => {
    socket.on("error", () => {});
    const { problem, from } = userOf(descriptorOf(socket));
    if (problem !== null) {
      socket.destroy();
      refused({ reason: "user", from, text: problem });
      return;
    }
    lobby.enter(socket, from, null);
    if (!socket.destroyed) called(callerOf(lobby, socket, socket, null));
  });
}

function serverWithTls(
  lobby: Lobby,
  { cluster, tls: certificates }: LinkTrust,
  called: (caller: Caller) => void,
): net.Server {
  const secure = tls.createServer({
    ...contextOf(certificates),
    requestCert: true,
    rejectUnauthorized: true,
    // Nobody comes back without showing a certificate again.
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  secure.on("secureConnection", (stream) => {
    const socket = underneath(stream);
    if (socket.destroyed) return;
    // The authority may be one of other pairs as well.
    const certificate = stream.getPeerCertificate();
    const problem = tls.checkServerIdentity(cluster, certificate);
    const name = certificate.subject?.CN;
    // One may have several.
    if (problem === undefined) called(callerOf(lobby, socket, stream, [name].flat()[0] ?? ""));
    else lobby.turnAway(socket, "certificate", `its certificate is not for "${cluster}"`);
  });
  secure.on("tlsClientError", (error, stream) => {
    const socket = underneath(stream);
    const fault = stream.authorizationError as unknown as string | null | undefined;
    if (fault) lobby.turnAway(socket, "certificate", `its certificate does not hold: ${fault}`);
    else lobby.turnAway(socket, "handshake", `no TLS with a certificate: ${causeOf(error)}`);
  });
  const enter = (socket: net.Socket) => {
    socket.on("error", () => {});
    socket.setNoDelay(true);
    setCongestionControl(descriptorOf(socket), null);
    lobby.enter(socket, farEndOf(socket), () => secure.emit("connection", socket));
  };
  const welcome = (address: string, port: number) =>
    lobby.hasRoomFor(address, addressText({ address, port })) ? "accept" : "reset";
  const server: net.Server = net.createServer((socket) => {
    enter(socket);
    acceptMore(server, {}, welcome, enter);
  });
  return server;
}

/** @returns the TCP socket that a server's TLS stream was made of */
function underneath(stream: tls.TLSSocket): net.Socket {
  return (stream as unknown as { _parent: net.Socket })._parent;
}

/** @returns OpenSSL's words for a fault, without its places */
function causeOf(error: Error & { readonly reason?: string }): string {
  return error.reason ?? error.message;
}

function contextOf(certificates: NsrTls | null): tls.SecureContextOptions {
  if (certificates === null) throw new Error(NEEDS_TLS);
  return { ...certificates, minVersion: "TLSv1.3" };
}

function farEndOf({ remoteAddress, remotePort }: net.Socket): string {
  const address = plainAddress(remoteAddress) || "somebody";
  return addressText({ address, port: remotePort ?? 0 });
}

/** @returns a stream to the other side; rejects when it is not there or not to be trusted */
export function connectLink(
  address: LinkAddress,
  { cluster, tls: certificates }: LinkTrust,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const isLocal = "path" in address;
    // Before it connects: who listens is known only then.
    if (isLocal && existsSync(path.dirname(address.path))) assertPrivateFolder(address.path, false);
    const socket = isLocal
      ? net.connect(address.path)
      : tls.connect({
          ...contextOf(certificates),
          host: address.address,
          port: address.port,
          // Certificates of both sides are for the name of the pair.
          servername: cluster,
        });
    const timer = setTimeout(() => socket.destroy(new Error("no answer")), CONNECT_MS);
    socket.setNoDelay(true);
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once(isLocal ? "connect" : "secureConnect", () => {
      const listener = isLocal ? userOf(descriptorOf(socket)) : null;
      if (listener !== null && listener.problem !== null) {
        socket.destroy(new Error(`${listener.from} listens there: ${listener.problem}`));
        return;
      }
      clearTimeout(timer);
      socket.removeAllListeners("error");
      socket.on("error", () => {});
      if (!("path" in address)) setCongestionControl(descriptorOf(socket), null);
      resolve(socket);
    });
  });
}

/** A stream to the other side, and where it leads. */
export interface Way {
  readonly stream: Duplex;
  readonly address: LinkAddress;
}

/**
 * Tries several addresses of the other side, each as soon as the one before it fails or is slow.
 *
 * @param slowMs - after so long without an answer an address is slow
 * @returns the first that answers; rejects with what was wrong with the last one when none does
 */
export async function connectFirst(
  addresses: readonly LinkAddress[],
  config: LinkTrust,
  slowMs: number = NEXT_WAY_MS,
): Promise<Way> {
  const attempts: Promise<Way>[] = [];
  let first: Way | null = null;
  for (const address of addresses) {
    const attempt = connectLink(address, config).then((stream) => {
      if (first !== null) stream.destroy();
      first ??= { stream, address };
      return first;
    });
    attempts.push(attempt);
    await Promise.race([attempt.catch(() => {}), sleep(slowMs)]);
    if (first !== null) break;
  }
  try {
    return await Promise.any(attempts);
  } catch (error) {
    throw (error as AggregateError).errors.at(-1);
  }
}

/** @returns all addresses that lead to another side */
export function waysOf({ peers }: Pick<NsrConfig, "peers">): LinkAddress[] {
  return peers.flatMap(({ ways }) => ways);
}

export function addressText(address: LinkAddress): string {
  return "path" in address ? address.path : `${address.address} port ${address.port}`;
}
