/**
 * One end of TCP connections, as a process that can be killed. Both directions of every connection
 * carry one known endless pattern, so each end can tell an octet that is missing, doubled or
 * changed.
 *
 * Commands come as JSON lines; answers and events go out the same way, written before anything else
 * happens: what this process has said survives it.
 */

import { writeSync } from "node:fs";
import net from "node:net";
import { createInterface } from "node:readline";
import {
  acknowledgedOctets,
  addAddresses,
  announceAddresses,
  bootMs,
  descriptorOf,
  type FlowSlot,
  type FrozenTcpState,
  freeze,
  Gate,
  Lease,
  type ResumeOutcome,
  resumeConnections,
  type SocketProtection,
  sequenceAfter,
  setListenOptions,
  setMd5Key,
  setSessionOptions,
  snapshot,
  type TcpState,
} from "../../src/index.ts";
import { pattern, patternMismatch } from "./pattern.ts";

/** A connection as the other side knows it. */
export interface TakeRequest {
  readonly id: number;
  readonly state: TcpState | FrozenTcpState;
  readonly received: number;
  readonly acknowledged: number;
  readonly appended: number;
  readonly inFlight: number | null;
  /** Hexadecimal. */
  readonly unread: string;
  readonly elapsedMs: number;
}

export interface ConnectionReport {
  readonly id: number;
  readonly localPort: number;
  readonly remotePort: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly received: number;
  /** Offset of the first wrong octet, null when there is none. */
  readonly wrongAt: number | null;
  readonly end: string | null;
  readonly longestSilenceMs: number;
}

interface Connection {
  readonly id: number;
  readonly socket: net.Socket;
  state: TcpState | null;
  flow: FlowSlot | null;
  sent: number;
  ackedBase: number;
  ackedBefore: number;
  received: number;
  wrongAt: number | null;
  end: string | null;
  lastMs: number;
  longestSilenceMs: number;
}

/** The handle under a TCP socket of `node:net`. */
interface BindableHandle {
  bind(address: string, port: number): number;
  bind6(address: string, port: number, flags: number): number;
}

type Command = Readonly<Record<string, unknown>> & { readonly command: string };

const connections = new Map<number, Connection>();
let gate: Gate | null = null;
const lease = new Lease();
let gateRelease = true;
let replicates = false;
let protection: SocketProtection = {
  password: null,
  ttlSecurity: 0,
  ttl: 64,
  congestionControl: null,
};
let nextId = 0;
let streaming: NodeJS.Timeout | undefined;

function say(event: object): void {
  let rest = Buffer.from(`${JSON.stringify(event)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // The reader is busy; nothing goes on before it has read.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

function handleOf(socket: net.Socket): { readStop(): number; readStart(): number } {
  return (socket as unknown as { _handle: { readStop(): number; readStart(): number } })._handle;
}

function adopt(socket: net.Socket, id: number): Connection {
  const connection: Connection = {
    id,
    socket,
    state: null,
    flow: null,
    sent: 0,
    ackedBase: 0,
    ackedBefore: 0,
    received: 0,
    wrongAt: null,
    end: null,
    lastMs: performance.now(),
    longestSilenceMs: 0,
  };
  connections.set(id, connection);
  socket.setNoDelay(true);
  socket.on("data", (octets) => received(connection, octets));
  socket.on("end", () => {
    connection.end ??= "end";
  });
  socket.on("error", (error) => {
    connection.end = (error as NodeJS.ErrnoException).code ?? error.message;
  });
  return connection;
}

function received(connection: Connection, octets: Buffer): void {
  const now = performance.now();
  if (connection.received > 0) {
    connection.longestSilenceMs = Math.max(connection.longestSilenceMs, now - connection.lastMs);
  }
  connection.lastMs = now;
  const mismatch = patternMismatch(connection.received, octets);
  if (mismatch >= 0) connection.wrongAt ??= connection.received + mismatch;
  connection.received += octets.length;
  if (!replicates) return;
  say({ event: "received", id: connection.id, total: connection.received });
  if (gateRelease) release(connection, connection.received);
}

function release(connection: Connection, octets: number): void {
  if (gate === null || connection.flow === null || connection.state === null) return;
  gate.release(connection.flow, sequenceAfter(connection.state.receiveSequence, octets));
  gate.wake();
}

function replicate(connection: Connection): void {
  const fd = descriptorOf(connection.socket);
  const state = snapshot(fd, performance.now());
  connection.ackedBase = acknowledgedOctets(fd);
  connection.state = state;
  if (state === null) return;
  if (gate !== null) connection.flow = protect(state, state.receiveSequence);
  say({ event: "state", id: connection.id, state });
}

function protect(state: TcpState, released: number): FlowSlot | null {
  const local = { address: state.localAddress, port: state.localPort };
  const remote = { address: state.remoteAddress, port: state.remotePort };
  return gate?.protect(local, remote, released) ?? null;
}

function write(connection: Connection, octets: number): void {
  if (replicates) {
    say({ event: "appended", id: connection.id, total: connection.sent + octets });
  }
  connection.socket.write(pattern(connection.sent, octets));
  connection.sent += octets;
}

function report(connection: Connection): ConnectionReport {
  const { id, socket, sent, received, wrongAt, end, longestSilenceMs } = connection;
  const { localPort = 0, remotePort = 0 } = socket;
  const acked = socket.destroyed ? 0 : acknowledgedOctets(descriptorOf(socket));
  const acknowledged = connection.ackedBefore + acked - connection.ackedBase;
  return {
    id,
    localPort,
    remotePort,
    sent,
    acknowledged,
    received,
    wrongAt,
    end,
    longestSilenceMs,
  };
}

async function take(requests: readonly TakeRequest[]): Promise<object[]> {
  const outcomes: object[] = [];
  await resumeConnections(
    requests.map((request) => ({
      state: request.state,
      receivedOctets: request.received + unreadOf(request).length,
      acknowledgedOctets: request.acknowledged,
      unacked: [pattern(request.acknowledged, request.appended - request.acknowledged)],
      inFlightOctets: request.inFlight,
      elapsedMs: request.elapsedMs,
      protection,
    })),
    {
      nowMs: () => performance.now(),
      settled: (index, outcome) => {
        outcomes[index] = resumed(requests[index]!, outcome);
      },
    },
  );
  return outcomes;
}

function unreadOf({ unread }: TakeRequest): Buffer {
  return Buffer.from(unread, "hex");
}

function resumed(request: TakeRequest, outcome: ResumeOutcome): object {
  if (outcome.kind === "failed") return { id: request.id, error: outcome.error.message };
  const { fd, unread: _, ...rest } = outcome;
  const connection = adopt(new net.Socket({ fd, allowHalfOpen: true }), request.id);
  connection.received = request.received;
  const unread = Buffer.concat([unreadOf(request), outcome.unread]);
  if (unread.length > 0) received(connection, unread);
  connection.sent = request.acknowledged + outcome.resumedAt;
  connection.ackedBefore = request.acknowledged + outcome.startsAt;
  write(connection, request.appended - connection.sent);
  return { id: request.id, ...rest };
}

const COMMANDS: Readonly<Record<string, (command: never) => Promise<object> | object>> = {
  protection(command: SocketProtection) {
    protection = { ...protection, ...command };
    return {};
  },
  replicate({ release }: { release: boolean }) {
    replicates = true;
    gateRelease = release;
    return {};
  },
  async listen({ address, port, peers }: { address: string; port: number; peers: string[] }) {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const connection = adopt(socket, nextId++);
      if (replicates) replicate(connection);
    });
    await new Promise<void>((resolve) => server.listen({ host: address, port }, resolve));
    const fd = descriptorOf(server);
    setListenOptions(fd, !address.includes(":"));
    for (const peer of peers) {
      if (protection.password !== null) setMd5Key(fd, peer, protection.password);
    }
    return {};
  },
  async connect(command: { address: string; port: number; localAddress: string; count: number }) {
    const made = Array.from({ length: command.count }, async () => {
      const socket = new net.Socket({ allowHalfOpen: true });
      const { address, port, localAddress } = command;
      socket.connect({ host: address, port });
      // The descriptor exists once the socket is bound; not a segment has left by then.
      const { _handle: handle } = socket as unknown as { _handle: BindableHandle };
      if (address.includes(":")) handle.bind6(localAddress, 0, 0);
      else handle.bind(localAddress, 0);
      const fd = descriptorOf(socket);
      setSessionOptions(fd, !address.includes(":"), protection);
      if (protection.password !== null) setMd5Key(fd, address, protection.password);
      await new Promise((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
      });
      const connection = adopt(socket, nextId++);
      if (replicates) replicate(connection);
    });
    await Promise.all(made);
    return {};
  },
  async gate(command: {
    queue: number;
    port: number;
    rules: boolean;
    bind: boolean;
    hasLease?: boolean;
  }) {
    const { queue, port, hasLease } = command;
    const options = { queue, flowsMax: 1000 };
    gate = await Gate.start({ ...options, lease: hasLease ? lease : null });
    if (command.bind) gate.bind();
    return command.rules ? await gate.installRules([port]) : {};
  },
  bindGate() {
    gate?.bind();
    return {};
  },
  /** The lease ends so many milliseconds from now. */
  renewLease({ ms }: { ms: number }) {
    lease.renewByArbiter(bootMs() + ms);
    return {};
  },
  endLease() {
    lease.end();
    return {};
  },
  openGate() {
    gate?.open();
    return {};
  },
  counters() {
    return { ...gate?.counters() };
  },
  async rulesInPlace() {
    return { inPlace: (await gate?.rulesInPlace()) ?? false };
  },
  async stopGate({ end }: { end: "remove-rules" | "keep-rules" }) {
    await gate?.stop(end);
    return {};
  },
  expect({ states }: { states: { state: TcpState; received: number }[] }) {
    for (const { state, received } of states) {
      protect(state, sequenceAfter(state.receiveSequence, received));
    }
    return {};
  },
  release({ id, octets }: { id: number; octets: number }) {
    release(connections.get(id)!, octets);
    return {};
  },
  unprotect({ id }: { id: number }) {
    const { flow } = connections.get(id)!;
    if (flow !== null) gate?.unprotect(flow);
    return {};
  },
  write({ octets }: { octets: number }) {
    for (const connection of connections.values()) write(connection, octets);
    return {};
  },
  stream({ octets, everyMs }: { octets: number; everyMs: number }) {
    clearInterval(streaming);
    streaming = setInterval(() => {
      for (const connection of connections.values()) {
        if (!connection.socket.destroyed) write(connection, octets);
      }
    }, everyMs);
    return {};
  },
  quiet() {
    clearInterval(streaming);
    return {};
  },
  resume() {
    for (const { socket } of connections.values()) {
      handleOf(socket).readStart();
      socket.resume();
    }
    return {};
  },
  pause() {
    for (const { socket } of connections.values()) {
      socket.pause();
      // What comes from now on stays with the kernel.
      handleOf(socket).readStop();
    }
    return {};
  },
  end() {
    for (const { socket } of connections.values()) socket.end();
    return {};
  },
  freeze() {
    const frozen = [...connections.values()].map(({ id, socket, received, sent }) => {
      const state = freeze(descriptorOf(socket), performance.now());
      // In repair mode this is silent.
      socket.destroy();
      return {
        id,
        received,
        sent,
        state,
        unread: Buffer.from(state?.unread ?? []).toString("hex"),
      };
    });
    return { frozen };
  },
  addAddress({ services }: { services: Parameters<typeof announceAddresses>[0] }) {
    addAddresses(services);
    announceAddresses(services);
    return {};
  },
  async take({ requests }: { requests: TakeRequest[] }) {
    const began = performance.now();
    const outcomes = await take(requests);
    return { outcomes, durationMs: performance.now() - began };
  },
  report() {
    return { connections: [...connections.values()].map(report) };
  },
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const command = JSON.parse(line) as Command & { readonly number: number };
  try {
    const answer = await COMMANDS[command.command]!(command as never);
    say({ answer: command.number, ...answer });
  } catch (error) {
    say({ answer: command.number, error: (error as Error).stack });
  }
});
