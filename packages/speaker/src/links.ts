/** Streams between two sides: Unix sockets, or TCP with mutual TLS where it leaves the host. */

import { rmSync, statSync } from "node:fs";
import net from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import type { LinkAddress, NsrConfig } from "@ts-bgp/config";
import { descriptorOf, setCongestionControl } from "@ts-bgp/takeover";

/** Longest wait for a connection to the other side. */
const CONNECT_MS = 2000;
/** A way to the other side that has not answered for so long has the next one tried beside it. */
const NEXT_WAY_MS = 25;
/** Connections beyond this are not accepted: a flood must not use up descriptors. */
const CONNECTIONS_MAX = 256;

/** Takes the other side's connections. @returns stops it; rejects when the address cannot be had */
export async function listenForLinks(
  address: LinkAddress,
  { cluster, tls: certificates }: NsrConfig,
  accepted: (stream: Duplex) => void,
): Promise<() => void> {
  const server =
    certificates === null
      ? net.createServer(accepted)
      : tls.createServer(
          { ...certificates, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
          (socket) => {
            // The authority may be one of other pairs as well.
            const isOurs = tls.checkServerIdentity(cluster, socket.getPeerCertificate());
            if (isOurs === undefined) accepted(socket);
            else socket.destroy();
          },
        );
  server.maxConnections = CONNECTIONS_MAX;
  server.on("connection", (socket: net.Socket) => {
    socket.setNoDelay(true);
    if (!("path" in address)) setCongestionControl(descriptorOf(socket), null);
  });
  if ("path" in address) await removeLeftover(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new Error(`cannot wait for a standby: ${error.message}`)),
    );
    const listening = () => {
      server.removeAllListeners("error");
      server.on("error", () => {});
      resolve();
    };
    if ("path" in address) server.listen(address.path, listening);
    else server.listen(address.port, address.address, listening);
  });
  return () => server.close();
}

/** Removes a socket that a killed process left; rejects when it is something else. */
async function removeLeftover(path: string): Promise<void> {
  const known = statSync(path, { throwIfNoEntry: false });
  if (known === undefined) return;
  if (!known.isSocket()) throw new Error(`cannot wait for a standby: ${path} is not a socket`);
  const isUsed = await new Promise<boolean>((resolve) => {
    const socket = net.connect(path);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
  if (isUsed) throw new Error(`cannot wait for a standby: another process listens on ${path}`);
  rmSync(path, { force: true });
}

/** @returns a stream to the other side; rejects when it is not there or not to be trusted */
export function connectLink(
  address: LinkAddress,
  { cluster, tls: certificates }: NsrConfig,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const where =
      "path" in address ? { path: address.path } : { host: address.address, port: address.port };
    const socket =
      certificates === null
        ? net.connect(where)
        : tls.connect({
            ...where,
            ...certificates,
            minVersion: "TLSv1.3",
            // Certificates of both sides are for the name of the pair.
            servername: cluster,
          });
    const timer = setTimeout(() => socket.destroy(new Error("no answer")), CONNECT_MS);
    socket.setNoDelay(true);
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once(certificates === null ? "connect" : "secureConnect", () => {
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
 * @returns the first that answers; rejects with what was wrong with the last one when none does
 */
export async function connectFirst(
  addresses: readonly LinkAddress[],
  config: NsrConfig,
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
    await Promise.race([attempt.catch(() => {}), sleep(NEXT_WAY_MS)]);
    if (first !== null) break;
  }
  try {
    return await Promise.any(attempts);
  } catch (error) {
    throw (error as AggregateError).errors.at(-1);
  }
}

export function addressText(address: LinkAddress): string {
  return "path" in address ? address.path : `${address.address} port ${address.port}`;
}
