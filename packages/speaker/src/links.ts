/** Streams between two sides: Unix sockets, or TCP with mutual TLS where it leaves the host. */

import { rmSync } from "node:fs";
import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { LinkAddress, NsrConfig } from "@ts-bgp/config";

type Tls = NsrConfig["tls"];

/** Longest wait for a connection to the other side. */
const CONNECT_MS = 2000;

/** Takes the other side's connections. @returns stops it; rejects when the address cannot be had */
export async function listenForLinks(
  address: LinkAddress,
  certificates: Tls,
  accepted: (stream: Duplex) => void,
): Promise<() => void> {
  const server =
    certificates === null
      ? net.createServer(accepted)
      : tls.createServer(
          { ...certificates, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
          accepted,
        );
  server.on("connection", (socket: net.Socket) => socket.setNoDelay(true));
  // A socket file that a killed process left; whoever listens is the only active one.
  if ("path" in address) rmSync(address.path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const listening = () => {
      server.off("error", reject);
      server.on("error", () => {});
      resolve();
    };
    if ("path" in address) server.listen(address.path, listening);
    else server.listen(address.port, address.address, listening);
  });
  return () => server.close();
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
      resolve(socket);
    });
  });
}
