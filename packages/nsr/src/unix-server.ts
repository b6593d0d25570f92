/** Unix sockets that processes of one host come to: who may, and what becomes of what a killed process left. */

import { chmodSync, mkdirSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { BACKLOG_MAX, isOwnUser, type PeerCredentials, peerCredentials } from "@ts-bgp/takeover";
import { assertPrivateFolder } from "./private-folder.ts";

/**
 * Has a server listen on a Unix socket in a folder where only this user and root can write; its file is for these two.
 *
 * @param whom - who is waited for, for people
 * @returns rejects with an Error for the operator when that cannot be had
 */
export async function listenOnPath(server: net.Server, file: string, whom: string): Promise<void> {
  makeFolder(file, whom);
  assertPrivateFolder(file);
  await removeLeftover(file, whom);
  await listening(server, whom, (done) => {
    server.listen({ path: file, backlog: BACKLOG_MAX }, () => {
      chmodSync(file, 0o600);
      done();
    });
  });
}

/** Resolves when a server listens; rejects with an Error for the operator when it cannot. */
export function listening(
  server: net.Server,
  whom: string,
  listen: (done: () => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new Error(`cannot wait for ${whom}: ${error.message}`)));
    listen(() => {
      server.removeAllListeners("error");
      server.on("error", () => {});
      resolve();
    });
  });
}

/** Of a socket whose folder is not there, as after each start of a host whose /run is in memory. */
function makeFolder(file: string, whom: string): void {
  const folder = path.dirname(file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new Error(`cannot wait for ${whom}: cannot make ${folder}: ${(error as Error).message}`);
  }
}

/**
 * @param fd - of a Unix socket
 * @returns who is at the other end, and why that is not the other side; null when it may be
 */
export function userOf(fd: number): { from: string; problem: string | null } {
  let peer: PeerCredentials;
  try {
    peer = peerCredentials(fd);
  } catch (error) {
    return { from: "somebody", problem: (error as Error).message };
  }
  const from = `process ${peer.process} of user ${peer.user}`;
  if (isOwnUser(peer.user)) return { from, problem: null };
  return { from, problem: `the other side must have the user ${process.geteuid!()}, or root` };
}

/** Removes a socket that a killed process left; rejects when it is something else. */
async function removeLeftover(file: string, whom: string): Promise<void> {
  const known = statSync(file, { throwIfNoEntry: false });
  if (known === undefined) return;
  if (!known.isSocket()) throw new Error(`cannot wait for ${whom}: ${file} is not a socket`);
  const isUsed = await new Promise<boolean>((resolve) => {
    const socket = net.connect(file);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
  if (isUsed) throw new Error(`cannot wait for ${whom}: another process listens on ${file}`);
  rmSync(file, { force: true });
}
