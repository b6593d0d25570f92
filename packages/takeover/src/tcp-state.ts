/**
 * What there is to know of a live TCP connection, read from its socket in repair mode.
 *
 * Reading disturbs nothing: repair mode is left without a window probe, and the peer sees no
 * segment.
 */

import { blob, type Layout, type Structure, struct, u8, u32 } from "buffer-layout";
import {
  check,
  ENOTCONN,
  getU32,
  IPPROTO_TCP,
  KernelError,
  libc,
  MSG_DONTWAIT,
  MSG_PEEK,
  SOL_SOCKET,
  setInt,
} from "./libc.ts";
import { sequenceAfter } from "./sequence.ts";
import { localAddressOf, remoteAddressOf } from "./socket-address.ts";

export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_INFO = 11;
export const TCP_REPAIR = 19;
export const TCP_REPAIR_QUEUE = 20;
export const TCP_QUEUE_SEQ = 21;
export const TCP_REPAIR_OPTIONS = 22;
export const TCP_TIMESTAMP = 24;
export const TCP_REPAIR_WINDOW = 29;
export const SO_REUSEADDR = 2;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;

/**
 * Values of TCP_REPAIR. Leaving it with a probe tells the peer where its next octet is expected.
 */
const REPAIR_ON = 1;
const REPAIR_OFF_PROBE = 0;
const REPAIR_OFF_SILENT = -1;

export const QUEUE_NONE = 0;
export const QUEUE_RECEIVE = 1;
export const QUEUE_SEND = 2;

const FIONREAD = 0x541b;
const SIOCOUTQ = 0x5411;
const SIOCOUTQNSD = 0x894b;

const STATE_ESTABLISHED = 1;
/** Bits of `tcpi_options`. */
const OPTION_TIMESTAMPS = 1;
const OPTION_SACK = 2;
const OPTION_WINDOW_SCALE = 4;

/** The classic BPF program "return 0": every segment for the socket is dropped. */
const DROP_ALL = Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0);
const SOCK_FPROG_OCTETS = 16;
const CONSISTENT_READ_TRIES_MAX = 100;

/** A TCP connection at an instant: a plain value that JSON carries. */
export interface TcpState {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Sequence number of the first octet that the peer has not acknowledged. */
  readonly sendSequence: number;
  /**
   * Sequence number of the first octet that the process has not read; what `node:net` holds counts
   * as read.
   */
  readonly receiveSequence: number;
  /** Largest segment the peer takes. */
  readonly segmentOctetsMax: number;
  /** Shifts of both windows (RFC 7323), null when they are not scaled. */
  readonly windowScale: { readonly send: number; readonly receive: number } | null;
  readonly selectiveAcks: boolean;
  /**
   * The kernel's TCP_TIMESTAMP, null without timestamps (RFC 7323). Bit 0 is no part of the clock:
   * when set, the clock counts microseconds, else milliseconds.
   */
  readonly timestamp: number | null;
  /** What the peer lets us send beyond `sendSequence`, now and at most so far. */
  readonly sendWindow: number;
  readonly sendWindowMax: number;
  /** What the peer may send beyond `receiveSequence`. */
  readonly receiveWindow: number;
  readonly roundTripUs: number;
  /** The reader's clock at the reading. */
  readonly takenAtMs: number;
}

/** A connection that stands still. */
export interface FrozenTcpState extends TcpState {
  /** Octets in the send queue, beginning at `sendSequence`; the last `unsentOctets` never left. */
  readonly unackedOctets: number;
  readonly unsentOctets: number;
  /** What the kernel has received and the process has not read, beginning at `receiveSequence`. */
  readonly unread: Uint8Array;
}

export interface TcpInfo {
  readonly state: number;
  readonly options: number;
  /** Send scale in the low four bits, receive scale in the others. */
  readonly windowScales: number;
  /** Segments that were sent, and not acknowledged. */
  readonly unackedSegments: number;
  /** Segments of the send queue that the peer has beyond some that it lacks. */
  readonly sackedSegments: number;
  readonly roundTripUs: number;
  readonly bytesAckedLow: number;
  readonly bytesAckedHigh: number;
  readonly bytesReceivedLow: number;
  readonly bytesReceivedHigh: number;
  /** Segments that have come, those that were ignored included. */
  readonly segmentsIn: number;
  readonly sendWindow: number;
}

/**
 * `struct tcp_info` of linux/tcp.h, up to the last member read here (Linux 5.4); offsets in the
 * comments.
 */
export const tcpInfo: Structure<TcpInfo> = struct([
  u8("state"),
  blob(4),
  u8("options"), // 5
  u8("windowScales"), // 6
  blob(17),
  u32("unackedSegments"), // 24
  u32("sackedSegments"), // 28
  blob(36),
  u32("roundTripUs"), // 68
  blob(48),
  u32("bytesAckedLow"), // 120
  u32("bytesAckedHigh"),
  u32("bytesReceivedLow"), // 128
  u32("bytesReceivedHigh"),
  blob(4),
  u32("segmentsIn"), // 140
  blob(84),
  u32("sendWindow"), // 228
]);

/** `struct tcp_repair_window` of linux/tcp.h. */
export const tcpRepairWindow: Layout<{
  sendUpdateSequence: number;
  sendWindow: number;
  sendWindowMax: number;
  receiveWindow: number;
  receiveUpdateSequence: number;
}> = struct(
  [
    "sendUpdateSequence",
    "sendWindow",
    "sendWindowMax",
    "receiveWindow",
    "receiveUpdateSequence",
  ].map(u32),
);

/**
 * Reads the state of a connection that goes on. Meant for the moment of establishment: from then on
 * the sequence numbers follow from the octets counted, so nothing need be read again. Costs about a
 * tenth of a millisecond.
 *
 * @returns null when the connection is not established (any more)
 * @throws KernelError without CAP_NET_ADMIN
 */
export function snapshot(fd: number, nowMs: number): TcpState | null {
  enterRepair(fd);
  try {
    return readState(fd, nowMs, null);
  } finally {
    leaveRepair(fd, { probe: false });
  }
}

/**
 * @param state - by which a socket was restored a moment ago
 * @returns the same by the socket's own clock. One system call
 */
export function restated(fd: number, state: TcpState, nowMs: number): TcpState {
  const timestamp = state.timestamp === null ? null : readTimestamp(fd);
  return { ...state, timestamp, takenAtMs: nowMs };
}

function readTimestamp(fd: number): number {
  return getU32(fd, IPPROTO_TCP, TCP_TIMESTAMP, "TCP_TIMESTAMP");
}

/**
 * Brings a connection to a standstill and reads it exactly: from here nothing comes in and nothing
 * is written. The peer sees only silence, until the connection is restored somewhere, or `thaw`. A
 * close is silent too, of a socket of `node:net` its `destroy`.
 *
 * @param known - a state of the connection before: what never changes is not read again
 * @returns null when the connection is not established (any more); then it is not frozen
 * @throws KernelError without CAP_NET_ADMIN
 */
export function freeze(
  fd: number,
  nowMs: number,
  known: TcpState | null = null,
): FrozenTcpState | null {
  // Repair mode alone would go on to receive, and acknowledge what would then be lost.
  const program = { count: 1, instructions: DROP_ALL };
  check(
    libc().attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, SOCK_FPROG_OCTETS),
    "socket filter",
  );
  enterRepair(fd);
  const state = readState(fd, nowMs, known);
  if (state === null) {
    thaw(fd);
    return null;
  }
  const unackedOctets = queueOctets(fd, SIOCOUTQ);
  const unsentOctets = queueOctets(fd, SIOCOUTQNSD);
  return { ...state, unackedOctets, unsentOctets, unread: peekUnread(fd) };
}

/** Lets a frozen connection go on; what the peer sent meanwhile, it sends again. */
export function thaw(fd: number): void {
  leaveRepair(fd, { probe: false });
  setInt(fd, SOL_SOCKET, SO_DETACH_FILTER, 0, "socket filter");
}

/**
 * Closes a socket without a segment to the peer. The descriptor must not be anyone else's
 * (`node:net`).
 */
export function closeSilently(fd: number): void {
  enterRepair(fd);
  libc().close(fd);
}

/**
 * Octets that the peer has acknowledged in the life of the socket; a handshake's SYN counts as one.
 * Read it once at establishment and take differences: independent of what Node.js still holds. One
 * system call.
 */
export function acknowledgedOctets(fd: number): number {
  return bytesAcked(readTcpInfo(fd));
}

/**
 * Octets that the kernel has taken from the peer in the life of the socket, read or not. One system
 * call.
 */
export function receivedOctets(fd: number): number {
  const { bytesReceivedLow, bytesReceivedHigh } = readTcpInfo(fd);
  return bytesReceivedHigh * 2 ** 32 + bytesReceivedLow;
}

export function bytesAcked(info: TcpInfo): number {
  return info.bytesAckedHigh * 2 ** 32 + info.bytesAckedLow;
}

const infoOctets = new Uint8Array(256);
const infoWords = new Uint32Array(infoOctets.buffer);
const infoLength = new Uint32Array(1);
/** Asked of every connection, and often: its members are read by themselves. */
const infoAt = (name: keyof TcpInfo): number => tcpInfo.offsetOf(name)!;
const STATE_AT = infoAt("state");
const OPTIONS_AT = infoAt("options");
const WINDOW_SCALES_AT = infoAt("windowScales");
const UNACKED_AT = infoAt("unackedSegments") >> 2;
const SACKED_AT = infoAt("sackedSegments") >> 2;
const ROUND_TRIP_AT = infoAt("roundTripUs") >> 2;
const BYTES_ACKED_AT = infoAt("bytesAckedLow") >> 2;
const BYTES_RECEIVED_AT = infoAt("bytesReceivedLow") >> 2;
const SEGMENTS_IN_AT = infoAt("segmentsIn") >> 2;
const SEND_WINDOW_AT = infoAt("sendWindow") >> 2;

export function readTcpInfo(fd: number): TcpInfo {
  infoLength[0] = infoOctets.length;
  check(libc().getsockopt(fd, IPPROTO_TCP, TCP_INFO, infoOctets, infoLength), "TCP_INFO");
  return {
    state: infoOctets[STATE_AT]!,
    options: infoOctets[OPTIONS_AT]!,
    windowScales: infoOctets[WINDOW_SCALES_AT]!,
    unackedSegments: infoWords[UNACKED_AT]!,
    sackedSegments: infoWords[SACKED_AT]!,
    roundTripUs: infoWords[ROUND_TRIP_AT]!,
    bytesAckedLow: infoWords[BYTES_ACKED_AT]!,
    bytesAckedHigh: infoWords[BYTES_ACKED_AT + 1]!,
    bytesReceivedLow: infoWords[BYTES_RECEIVED_AT]!,
    bytesReceivedHigh: infoWords[BYTES_RECEIVED_AT + 1]!,
    segmentsIn: infoWords[SEGMENTS_IN_AT]!,
    sendWindow: infoWords[SEND_WINDOW_AT]!,
  };
}

export function enterRepair(fd: number): void {
  setInt(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_ON, "TCP repair mode");
}

/** @param options.probe - whether to send a segment that makes the peer say where it is */
export function leaveRepair(fd: number, options: { readonly probe: boolean }): void {
  const value = options.probe ? REPAIR_OFF_PROBE : REPAIR_OFF_SILENT;
  setInt(fd, IPPROTO_TCP, TCP_REPAIR, value, "TCP repair mode");
  // Leaving takes the permission to share the port away, and no listener could be bound beside the
  // connection.
  setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
}

/** @param fd - in repair mode @returns null when the connection is not established (any more) */
function readState(fd: number, nowMs: number, known: TcpState | null): TcpState | null {
  try {
    return readEstablished(fd, nowMs, known);
  } catch (error) {
    // Its peer has ended it between two calls.
    if (error instanceof KernelError && error.errno === ENOTCONN) return null;
    throw error;
  }
}

function readEstablished(fd: number, nowMs: number, known: TcpState | null): TcpState | null {
  const info = readTcpInfo(fd);
  if (info.state !== STATE_ESTABLISHED) return null;
  const window = Buffer.alloc(tcpRepairWindow.span);
  check(
    libc().getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, window, Uint32Array.of(window.length)),
    "TCP_REPAIR_WINDOW",
  );
  const { sendWindow, sendWindowMax, ...receive } = tcpRepairWindow.decode(window);
  const receiveSequence = readReceiveSequence(fd);
  return {
    ...(known ?? readConstant(fd, info)),
    sendSequence: readSendSequence(fd),
    receiveSequence,
    timestamp: info.options & OPTION_TIMESTAMPS ? readTimestamp(fd) : null,
    sendWindow,
    sendWindowMax,
    receiveWindow: Math.max(
      0,
      (receive.receiveUpdateSequence + receive.receiveWindow - receiveSequence) | 0,
    ),
    roundTripUs: info.roundTripUs,
    takenAtMs: nowMs,
  };
}

/** What a connection has for all of its life. */
function readConstant(fd: number, { options, windowScales: scales }: TcpInfo) {
  const local = localAddressOf(fd);
  const remote = remoteAddressOf(fd);
  return {
    localAddress: local.address,
    localPort: local.port,
    remoteAddress: remote.address,
    remotePort: remote.port,
    segmentOctetsMax: getU32(fd, IPPROTO_TCP, TCP_MAXSEG, "TCP_MAXSEG"),
    windowScale: options & OPTION_WINDOW_SCALE ? { send: scales & 15, receive: scales >> 4 } : null,
    selectiveAcks: (options & OPTION_SACK) !== 0,
  };
}

/** The kernel tells the end of the queue; acknowledgements may move its start between two calls. */
function readSendSequence(fd: number): number {
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_SEND, "TCP_REPAIR_QUEUE");
  const end = getU32(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, "TCP_QUEUE_SEQ");
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_NONE, "TCP_REPAIR_QUEUE");
  return sequenceAfter(end, -queueOctets(fd, SIOCOUTQ));
}

/** The kernel tells the end of the queue, and how much is in it; both must be of one instant. */
function readReceiveSequence(fd: number): number {
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_RECEIVE, "TCP_REPAIR_QUEUE");
  let unread = queueOctets(fd, FIONREAD);
  for (let tries = 0; tries < CONSISTENT_READ_TRIES_MAX; tries++) {
    const end = getU32(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, "TCP_QUEUE_SEQ");
    const after = queueOctets(fd, FIONREAD);
    if (after === unread) {
      setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_NONE, "TCP_REPAIR_QUEUE");
      return sequenceAfter(end, -unread);
    }
    unread = after;
  }
  throw new Error("the receive queue does not hold still");
}

function peekUnread(fd: number): Uint8Array {
  const unread = Buffer.alloc(queueOctets(fd, FIONREAD));
  if (unread.length === 0) return unread;
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_RECEIVE, "TCP_REPAIR_QUEUE");
  const octets = check(
    libc().recv(fd, unread, unread.length, MSG_PEEK | MSG_DONTWAIT),
    "receive queue",
  );
  setInt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, QUEUE_NONE, "TCP_REPAIR_QUEUE");
  return unread.subarray(0, octets);
}

const queueScratch = new Int32Array(1);

function queueOctets(fd: number, request: number): number {
  check(libc().ioctl(fd, request, queueScratch), "queue length");
  return queueScratch[0]!;
}
