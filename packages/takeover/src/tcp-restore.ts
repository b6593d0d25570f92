/**
 * Building a socket in the middle of a connection's life.
 *
 *     socket, repair mode, keys, bind, sequence numbers, connect (no segment leaves),
 *     options of the handshake, timestamp, queues, windows:
 *     an established connection that nobody has noticed, until repair mode is left
 */

import { readFileSync } from "node:fs";
import { type Layout, struct, u32 } from "buffer-layout";
import {
  AF_INET,
  AF_INET6,
  check,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAGAIN,
  errno,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  KernelError,
  libc,
  MSG_DONTWAIT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  setBuffer,
  setInt,
} from "./libc.ts";
import { sequenceAfter } from "./sequence.ts";
import { encodeSocketAddress, isIpv4 } from "./socket-address.ts";
import { destroySocket } from "./socket-destroy.ts";
import { type SocketProtection, setMd5Key, setSessionOptions } from "./socket-options.ts";
import {
  bytesAcked,
  enterRepair,
  leaveRepair,
  QUEUE_NONE,
  QUEUE_RECEIVE,
  QUEUE_SEND,
  readTcpInfo,
  SO_REUSEADDR,
  TCP_MAXSEG,
  TCP_NODELAY,
  TCP_QUEUE_SEQ,
  TCP_REPAIR_OPTIONS,
  TCP_REPAIR_QUEUE,
  TCP_REPAIR_WINDOW,
  TCP_TIMESTAMP,
  type TcpState,
  tcpRepairWindow,
} from "./tcp-state.ts";

const TCP_NOTSENT_LOWAT = 25;
/** Which buffer sizes are fixed; nothing fixed lets the kernel tune them again (Linux 5.15). */
const SO_BUF_LOCK = 72;
const IP_FREEBIND = 15;
const IPV6_FREEBIND = 78;

/** Kinds of TCP option, as TCP_REPAIR_OPTIONS takes them. */
const OPTION_SEGMENT_MAX = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_TIMESTAMPS = 8;

/**
 * How far a restored timestamp is ahead of what the old socket can have sent: a constant for what
 * two readings of a clock and the way to the standby cost, and a part of the time passed, because
 * the clocks of two hosts run apart. A timestamp that fell behind would make the peer drop every
 * segment until it had caught up (RFC 7323 section 5, PAWS); one that is ahead costs nothing.
 */
const TIMESTAMP_MARGIN_MS = 100;
const TIMESTAMP_MARGIN_PARTS = 1000;

/** The most that TCP_MAXSEG takes. */
const USER_SEGMENT_OCTETS_MAX = 32_767;
const WINDOW_UNSCALED_MAX = 65_535;
/** Where the kernel does not say how large a receive buffer may grow. */
const RECEIVE_BUFFER_OCTETS = 6 << 20;
const SEND_BUFFER_OCTETS_MAX = 1 << 30;

/** Of ending what is in a connection's place. */
const LEFTOVER_TRIES_MAX = 3;

/** `struct tcp_repair_opt` of linux/tcp.h. */
export const tcpRepairOpt: Layout<{ code: number; value: number }> = struct([
  u32("code"),
  u32("value"),
]);

/** Where a socket takes up a connection. */
export interface SocketPosition {
  /**
   * Its `sendSequence` is that of the first octet of `asSent`, or of the next octet to be written;
   * its `receiveSequence` that of the next octet from the peer. What was received before is the
   * caller's: put into the receive queue of a socket that the peer can reach already, it would end up
   * behind what has come meanwhile.
   */
  readonly state: TcpState;
  /** Octets that count as sent and not yet acknowledged, in pieces. */
  readonly asSent: readonly Uint8Array[];
  /** Since the state was taken. */
  readonly elapsedMs: number;
  readonly protection: SocketProtection;
}

/**
 * Builds the socket of a connection, whose old socket, if any is left in this namespace, is ended.
 * Nothing is sent before `leaveRepair`. The address must be on an interface; that takes about a
 * third of a millisecond.
 *
 * @returns its descriptor, in repair mode
 * @throws KernelError, SocketOptionError; then nothing is left behind
 */
export function openInRepair(position: SocketPosition): number {
  const { state, protection } = position;
  const ipv4 = isIpv4(state.localAddress);
  const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = check(libc().socket(ipv4 ? AF_INET : AF_INET6, type, 0), "socket");
  try {
    setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
    enterRepair(fd);
    if (ipv4) setInt(fd, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
    else setInt(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND");
    if (protection.password !== null) setMd5Key(fd, state.remoteAddress, protection.password);
    setSessionOptions(fd, ipv4, protection);
    // As it was set on the old socket: small UPDATE messages do not wait for acknowledgements.
    setInt(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    openReceiveBuffer(fd);
    // The option of the handshake alone would leave the segments at the smallest size, for good.
    const segmentOctets = Math.min(state.segmentOctetsMax, USER_SEGMENT_OCTETS_MAX);
    setInt(fd, IPPROTO_TCP, TCP_MAXSEG, segmentOctets, "TCP_MAXSEG");
    const beganMs = performance.now();
    // Before there is a connection: what comes in is answered at once, also in repair mode, and one
    // answer with a timestamp from elsewhere has the peer drop all that follows (RFC 7323, PAWS).
    setTimestamp(fd, state, position.elapsedMs);
    connectSilently(fd, state);
    setOptions(fd, state);
    // Its unit is chosen anew by `connect`.
    setTimestamp(fd, state, position.elapsedMs + performance.now() - beganMs);
    if (fillAsSent(fd, position.asSent) < octetsOf(position.asSent)) {
      throw new KernelError("filling the send queue", EAGAIN);
    }
    setWindows(fd, position);
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

function connectSilently(fd: number, state: TcpState): void {
  const local = { address: state.localAddress, port: state.localPort };
  const remote = { address: state.remoteAddress, port: state.remotePort };
  const localEncoded = encodeSocketAddress(local);
  const remoteEncoded = encodeSocketAddress(remote);
  check(libc().bind(fd, localEncoded, localEncoded.length), `bind to ${local.address}`);
  const tryConnect = () => {
    setSequence(fd, QUEUE_SEND, state.sendSequence);
    setSequence(fd, QUEUE_RECEIVE, state.receiveSequence);
    return libc().connect(fd, remoteEncoded, remoteEncoded.length) === 0 ? 0 : errno();
  };
  let reason = tryConnect();
  const isTaken = () => reason === EADDRNOTAVAIL || reason === EADDRINUSE;
  for (let tries = 0; tries < LEFTOVER_TRIES_MAX && isTaken(); tries++) {
    // What a dead process left may end by itself just now, so that there is none to be found.
    destroySocket(local, remote);
    reason = tryConnect();
  }
  if (reason !== 0) {
    throw new KernelError(`restoring ${local.address} with ${remote.address}`, reason);
  }
}

function setSequence(fd: number, queue: number, sequence: number): void {
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue, "TCP_REPAIR_QUEUE");
  setInt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, sequence, "TCP_QUEUE_SEQ");
}

/** What the handshake had agreed on. */
function setOptions(fd: number, state: TcpState): void {
  const options = [{ code: OPTION_SEGMENT_MAX, value: state.segmentOctetsMax }];
  if (state.windowScale !== null) {
    const { send, receive } = state.windowScale;
    options.push({ code: OPTION_WINDOW_SCALE, value: send | (receive << 16) });
  }
  if (state.selectiveAcks) options.push({ code: OPTION_SACK_PERMITTED, value: 0 });
  if (state.timestamp !== null) options.push({ code: OPTION_TIMESTAMPS, value: 0 });
  const encoded = Buffer.alloc(options.length * tcpRepairOpt.span);
  for (const [index, option] of options.entries()) {
    tcpRepairOpt.encode(option, encoded, index * tcpRepairOpt.span);
  }
  check(
    libc().setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, encoded, encoded.length),
    "TCP_REPAIR_OPTIONS",
  );
}

/** The clock of its timestamps goes on. */
function setTimestamp(fd: number, state: TcpState, elapsedMs: number): void {
  if (state.timestamp === null) return;
  const timestamp = timestampAfter(state.timestamp, elapsedMs);
  setInt(fd, IPPROTO_TCP, TCP_TIMESTAMP, timestamp, "TCP_TIMESTAMP");
}

/**
 * @param timestamp - as the kernel gave it: bit 0 says that the clock counts microseconds, and it
 *   must stay as it was, or the restored clock would run a thousand times as fast, or as slow
 * @returns one that is later than any that the old socket can have sent
 */
export function timestampAfter(timestamp: number, elapsedMs: number): number {
  const unit = timestamp & 1;
  const ms = elapsedMs + TIMESTAMP_MARGIN_MS + Math.ceil(elapsedMs / TIMESTAMP_MARGIN_PARTS);
  const ticks = Math.ceil(unit === 1 ? ms * 1000 : ms);
  return (sequenceAfter(timestamp, ticks + 1) & ~1) | unit;
}

/** @returns how many octets there was room for */
function fillSendQueue(fd: number, pieces: readonly Uint8Array[]): number {
  let bufferOctets = octetsOf(pieces);
  if (bufferOctets === 0) return 0;
  setBuffer(fd, "send", bufferOctets);
  let taken = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const rest = piece.subarray(at);
      const sent = libc().send(fd, rest, rest.length, MSG_DONTWAIT);
      if (sent >= 0) {
        at += sent;
        taken += sent;
        continue;
      }
      const reason = errno();
      if (reason !== EAGAIN) throw new KernelError("filling the send queue", reason);
      // The kernel counts its own overhead as well. It may also have no memory for TCP left.
      bufferOctets *= 2;
      if (bufferOctets > SEND_BUFFER_OCTETS_MAX) return taken;
      setBuffer(fd, "send", bufferOctets);
    }
  }
  unlockBuffers(fd);
  return taken;
}

/** @param fd - in repair mode @returns how many octets there was room for */
function fillAsSent(fd: number, pieces: readonly Uint8Array[]): number {
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_SEND, "TCP_REPAIR_QUEUE");
  const taken = fillSendQueue(fd, pieces);
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_NONE, "TCP_REPAIR_QUEUE");
  return taken;
}

/**
 * Has more count as sent, of a socket that is out of repair mode, behind what does already.
 *
 * @returns how many octets there was room for
 * @throws KernelError
 */
export function countAsSent(fd: number, pieces: readonly Uint8Array[]): number {
  enterRepair(fd);
  const taken = fillAsSent(fd, pieces);
  leaveRepair(fd, { probe: false });
  return taken;
}

/**
 * Writes to a socket just restored. As much leaves as may on a fresh connection, and the rest counts
 * as sent, too: the kernel takes an acknowledgement of any of it.
 *
 * @param pieces - none of them empty
 * @returns how many octets there was room for
 * @throws KernelError; then the socket is closed
 */
export function writeAsSent(fd: number, pieces: readonly Uint8Array[]): number {
  const [first, ...others] = pieces;
  if (first === undefined) return 0;
  try {
    // What may wait unsent can be limited for all sockets of the host.
    setInt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1, "TCP_NOTSENT_LOWAT");
    // Where the peer lacks it, the acknowledgement of an octet by itself is not of more than has been
    // sent, and tells the kernel the round trip time, without which it repeats nothing within a second.
    const taken = fillSendQueue(fd, [first.subarray(0, 1), first.subarray(1), ...others]);
    countQueuedAsSent(fd, false);
    setInt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, "TCP_NOTSENT_LOWAT");
    return taken;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** @param probe - whether the peer is asked where it is */
function countQueuedAsSent(fd: number, probe: boolean): void {
  enterRepair(fd);
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_SEND, "TCP_REPAIR_QUEUE");
  // This makes the kernel look at what waits to be sent, all of which in repair mode has been.
  setInt(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_NONE, "TCP_REPAIR_QUEUE");
  leaveRepair(fd, { probe });
}

/**
 * Where nothing more was acknowledged, the peer may have said that it has more than was sent, which the
 * kernel has ignored. Then all that waits counts as sent, and the peer is asked once more. To be called
 * a few times after a takeover, more than half a second apart: peers answer so often. A system call or
 * two for a connection that moves.
 *
 * @param ackedOctets - what the last call has returned; 0 at first
 * @returns octets that the peer has acknowledged of this socket
 * @throws KernelError
 */
export function goOnIfStuck(fd: number, ackedOctets: number): number {
  const info = readTcpInfo(fd);
  const acked = bytesAcked(info);
  if (info.unackedSegments > 0 && acked === ackedOctets) countQueuedAsSent(fd, true);
  return acked;
}

export function octetsOf(pieces: readonly Uint8Array[]): number {
  let octets = 0;
  for (const piece of pieces) octets += piece.length;
  return octets;
}

/**
 * The old socket may have let the peer send as much as a grown buffer holds, and a window never
 * shrinks: so the buffer begins as large as it may grow. Memory is taken only by what is in it.
 */
function openReceiveBuffer(fd: number): void {
  // The kernel doubles the number, for its overhead.
  setBuffer(fd, "receive", receiveBufferOctets() >>> 1);
  unlockBuffers(fd);
}

function unlockBuffers(fd: number): void {
  // Kernels that do not know it keep the sizes set.
  libc().setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, Int32Array.of(0), 4);
}

function setWindows(fd: number, { state, asSent }: SocketPosition): void {
  const advertisable = WINDOW_UNSCALED_MAX << (state.windowScale?.receive ?? 0);
  const sendWindow = Math.max(state.sendWindow, 1);
  const window = Buffer.alloc(tcpRepairWindow.span);
  tcpRepairWindow.encode(
    {
      // Whatever the peer says of its window from now on is newer.
      sendUpdateSequence: sequenceAfter(state.receiveSequence, -1),
      sendWindow,
      sendWindowMax: Math.max(sendWindow, state.sendWindowMax, octetsOf(asSent)),
      receiveWindow: Math.max(state.receiveWindow, Math.min(advertisable, receiveBufferOctets())),
      receiveUpdateSequence: state.receiveSequence,
    },
    window,
  );
  check(
    libc().setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, window, window.length),
    "TCP_REPAIR_WINDOW",
  );
}

let receiveBufferMax: number | null = null;

/** The most that the kernel lets a receive buffer grow to. */
function receiveBufferOctets(): number {
  if (receiveBufferMax !== null) return receiveBufferMax;
  try {
    const [, , max] = readFileSync("/proc/sys/net/ipv4/tcp_rmem", "utf8").trim().split(/\s+/);
    receiveBufferMax = Number(max) || RECEIVE_BUFFER_OCTETS;
  } catch {
    receiveBufferMax = RECEIVE_BUFFER_OCTETS;
  }
  return receiveBufferMax;
}
