/** Connections over loopback, moved from one socket to another as after a crash, and used. */

import { once } from "node:events";
import net from "node:net";
import { bootMs } from "./lease.ts";
import { type ResumeOutcome, resumeConnections } from "./resume.ts";
import { descriptorOf } from "./socket-options.ts";
import { type FrozenTcpState, freeze, snapshot } from "./tcp-state.ts";

/** Against a kernel that says nothing. What is waited for is this process, which a busy host has wait. */
const TIMEOUT_MS = 10_000;
/** What is sent over a connection that was moved. */
const OCTETS = Buffer.from("restored");

/**
 * Moves one connection after the other.
 *
 * @returns whether they have timestamps; rejects with the reason why one could not be moved
 */
export async function moveOverLoopback(count: number): Promise<boolean> {
  const server = net.createServer();
  let hasTimestamps = false;
  try {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    for (let moved = 0; moved < count; moved++) hasTimestamps = await moveOne(server);
    return hasTimestamps;
  } finally {
    server.close();
  }
}

async function moveOne(server: net.Server): Promise<boolean> {
  const sockets: net.Socket[] = [];
  const keep = (socket: net.Socket) => {
    sockets.push(socket.on("error", () => {}));
    return socket;
  };
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const client = keep(net.connect((server.address() as net.AddressInfo).port, "127.0.0.1"));
    const [accepted] = (await once(server, "connection", { signal })) as [net.Socket];
    keep(accepted);
    const fd = descriptorOf(accepted);
    const hasTimestamps = snapshot(fd, 0)?.timestamp != null;
    const frozen = freeze(fd, 0);
    if (frozen === null) throw new Error("the connection over loopback was lost");
    // In repair mode its end is silent.
    accepted.destroy();
    await once(accepted, "close");
    const { fd: restoredFd, resumedAt } = await restore(frozen);
    const restored = keep(new net.Socket({ fd: restoredFd }));
    restored.write(OCTETS.subarray(resumedAt));
    const [octets] = (await once(client, "data", { signal })) as [Buffer];
    if (!octets.equals(OCTETS)) throw new Error("octets were lost");
    return hasTimestamps;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** As after a crash: whether the peer has the octets is in doubt. */
async function restore(frozen: FrozenTcpState): Promise<{ fd: number; resumedAt: number }> {
  let outcome: ResumeOutcome | null = null;
  const request = {
    state: frozen,
    receivedOctets: frozen.unread.length,
    acknowledgedOctets: 0,
    unacked: [OCTETS],
    inFlightOctets: null,
    elapsedMs: 0,
    protection: { password: null, ttlSecurity: 0, ttl: 64, congestionControl: null },
  };
  await resumeConnections([request], {
    nowMs: bootMs,
    settled: (_, settled) => {
      outcome = settled;
    },
  });
  const settled = outcome as ResumeOutcome | null;
  if (settled?.kind !== "resumed") throw settled?.error ?? new Error("nothing was restored");
  return settled;
}
