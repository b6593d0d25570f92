/**
 * The thread of a gate: answers the kernel for every packet of its queue.
 *
 * A packet of a protected flow waits while its acknowledgement number is beyond what is released,
 * later ones of the flow behind it, for their numbers are no smaller. FIN and RST of a protected
 * flow are dropped. All else passes at once. Nothing is allocated per packet.
 */

import { workerData } from "node:worker_threads";
import { FLAG_ACK, FLAG_FIN, FLAG_RST, packet, readPacket } from "./gate-packet.ts";
import {
  FENCED,
  findFlow,
  flowState,
  flowTableOf,
  GUARDED,
  HELD,
  isReleased,
  NO_SLOT,
  OVERFLOWED,
  OVERRUNS,
  PASSED,
  UNPARSED,
  WORD_HELD,
  WORD_IDLE,
  WORD_OPEN,
  WORD_QUEUE,
  WORD_STOP,
} from "./gate-table.ts";
import { Lease } from "./lease.ts";
import { EAGAIN, EINTR, ENOBUFS, errno, KernelError, libc, MSG_DONTWAIT } from "./libc.ts";
import { NLMSG_ERROR, NLMSG_HEADER_OCTETS } from "./netlink.ts";
import {
  createVerdicts,
  NFGENMSG_OCTETS,
  NFQA_PACKET_HDR,
  NFQA_PAYLOAD,
  setVerdict,
  VERDICT_ACCEPT,
  VERDICT_DROP,
  VERDICT_OCTETS,
} from "./nfqueue.ts";
import { GATE_PRIORITY, raisePriority } from "./priority.ts";

export interface GateWorkerData {
  readonly memory: SharedArrayBuffer;
  readonly eventFd: number;
  readonly queue: number;
  readonly lease: SharedArrayBuffer | null;
}

/**
 * Packets that may wait, over all flows; what is beyond is dropped, as if the network had lost it.
 */
const WAITING_MAX = 16_384;
const MESSAGE_OCTETS_MAX = 4096;
/** Packets read before what waits, and their verdicts, are looked after. */
const ROUND_MAX = 64;
const POLLIN = 1;
/** Nothing ends a thread that waits in the kernel: a process that exits would wait for it. */
const POLL_MS = 500;

const { memory, eventFd, queue, lease: leaseMemory } = workerData as GateWorkerData;
const lease = leaseMemory === null ? null : new Lease(leaseMemory);
/** The lease was over at the last look, before each round. */
let isFenced = false;
const table = flowTableOf(memory);
const { words, counters } = table;
const { poll, read, recv, send } = libc();

const message = new Uint8Array(MESSAGE_OCTETS_MAX);
const messageView = new DataView(message.buffer);
const verdicts = createVerdicts(queue, ROUND_MAX);
const verdictsView = new DataView(verdicts.buffer, verdicts.byteOffset, verdicts.length);
let verdictCount = 0;

/** What waits, in order of arrival: column by column. */
const waitingId = new Int32Array(WAITING_MAX);
const waitingSlot = new Int32Array(WAITING_MAX);
const waitingState = new Int32Array(WAITING_MAX);
const waitingAck = new Int32Array(WAITING_MAX);
let waitingCount = 0;
/** How many packets wait, by slot. */
const waitingOfSlot = new Int32Array(table.slots);

run();

function run(): void {
  // Every packet waits for this thread.
  raisePriority(GATE_PRIORITY);
  // Two of `struct pollfd`: descriptor, then events and returned events.
  const polled = Int32Array.of(-1, POLLIN, eventFd, POLLIN);
  const eventCount = new Uint8Array(8);
  while (Atomics.load(words, WORD_STOP) === 0) {
    const queueFd = Atomics.load(words, WORD_QUEUE);
    if (queueFd < 0) letGo();
    polled[0] = queueFd;
    const ready = poll(polled, 2, POLL_MS);
    if (ready < 0 && errno() !== EINTR) throw new KernelError("poll", errno());
    if (polled[3]! >> 16 !== 0) read(eventFd, eventCount, eventCount.length);
    if (queueFd < 0) continue;
    isFenced = lease !== null && !lease.isValid;
    if (polled[1]! >> 16 !== 0) readQueue(queueFd);
    if (!isFenced) reviewWaiting(queueFd);
    flushVerdicts(queueFd);
  }
}

/** What waits is the kernel's to drop, with the queue. */
function letGo(): void {
  waitingCount = 0;
  waitingOfSlot.fill(0);
  Atomics.store(words, WORD_HELD, 0);
  Atomics.store(words, WORD_IDLE, 1);
  Atomics.notify(words, WORD_IDLE);
}

function readQueue(fd: number): void {
  for (let round = 0; round < ROUND_MAX; round++) {
    const octets = recv(fd, message, message.length, MSG_DONTWAIT);
    if (octets >= 0) {
      readMessage(fd, octets);
      continue;
    }
    const reason = errno();
    if (reason === EAGAIN) return;
    if (reason === ENOBUFS) counters[OVERRUNS]! += 1;
    else if (reason !== EINTR) throw new KernelError("packet queue", reason);
  }
}

/** One message of the kernel: a packet, or its complaint of a verdict for one that is gone. */
function readMessage(fd: number, octets: number): void {
  if (messageView.getUint16(4, true) === NLMSG_ERROR) return;
  let id = 0;
  let payloadAt = 0;
  let payloadOctets = -1;
  const end = Math.min(octets, messageView.getUint32(0, true));
  for (let at = NLMSG_HEADER_OCTETS + NFGENMSG_OCTETS; at + 4 <= end; ) {
    const attributeOctets = messageView.getUint16(at, true);
    const type = messageView.getUint16(at + 2, true) & 0x3fff;
    if (type === NFQA_PACKET_HDR) id = messageView.getInt32(at + 4);
    else if (type === NFQA_PAYLOAD) {
      payloadAt = at + 4;
      payloadOctets = Math.min(attributeOctets - 4, end - payloadAt);
    }
    at += Math.max(4, (attributeOctets + 3) & ~3);
  }
  decide(fd, id, payloadAt, payloadOctets);
}

function decide(fd: number, id: number, payloadAt: number, payloadOctets: number): void {
  if (isFenced) {
    counters[FENCED]! += 1;
    giveVerdict(fd, id, VERDICT_DROP);
    return;
  }
  if (!readPacket(messageView, payloadAt, payloadOctets)) {
    counters[UNPARSED]! += 1;
    giveVerdict(fd, id, VERDICT_ACCEPT);
    return;
  }
  const slot = findFlow(table, packet.key);
  if (slot === NO_SLOT) {
    // Of a flow that was unprotected just now, what waits goes first.
    if (waitingCount > 0) reviewWaiting(fd);
    pass(fd, id);
  } else if ((packet.flags & (FLAG_FIN | FLAG_RST)) !== 0) {
    counters[GUARDED]! += 1;
    giveVerdict(fd, id, VERDICT_DROP);
  } else if (
    (packet.flags & FLAG_ACK) === 0 ||
    Atomics.load(words, WORD_OPEN) === 1 ||
    isReleased(table, slot, packet.acknowledgement)
  ) {
    // What waits of this flow has been released as well, and an old segment behind a new one would
    // look like an error.
    if (waitingOfSlot[slot]! > 0) reviewWaiting(fd);
    pass(fd, id);
  } else if (waitingCount === WAITING_MAX) {
    counters[OVERFLOWED]! += 1;
    giveVerdict(fd, id, VERDICT_DROP);
  } else {
    counters[HELD]! += 1;
    waitingId[waitingCount] = id;
    waitingSlot[waitingCount] = slot;
    waitingState[waitingCount] = flowState(table, slot);
    waitingAck[waitingCount] = packet.acknowledgement;
    waitingOfSlot[slot]! += 1;
    waitingCount++;
  }
}

/** Lets out what waits no more, in order, and closes the gaps. */
function reviewWaiting(fd: number): void {
  // Told before the look: a release that comes after the look finds the number, and wakes this
  // thread.
  Atomics.store(words, WORD_HELD, waitingCount);
  if (waitingCount === 0) return;
  const isOpen = Atomics.load(words, WORD_OPEN) === 1;
  let kept = 0;
  for (let index = 0; index < waitingCount; index++) {
    const slot = waitingSlot[index]!;
    const state = waitingState[index]!;
    const ack = waitingAck[index]!;
    if (isOpen || flowState(table, slot) !== state || isReleased(table, slot, ack)) {
      waitingOfSlot[slot]! -= 1;
      pass(fd, waitingId[index]!);
      continue;
    }
    waitingId[kept] = waitingId[index]!;
    waitingSlot[kept] = slot;
    waitingState[kept] = state;
    waitingAck[kept] = ack;
    kept++;
  }
  waitingCount = kept;
  Atomics.store(words, WORD_HELD, kept);
}

function pass(fd: number, id: number): void {
  counters[PASSED]! += 1;
  giveVerdict(fd, id, VERDICT_ACCEPT);
}

function giveVerdict(fd: number, id: number, verdict: number): void {
  setVerdict(verdictsView, verdictCount, id, verdict);
  verdictCount++;
  if (verdictCount === ROUND_MAX) flushVerdicts(fd);
}

function flushVerdicts(fd: number): void {
  if (verdictCount === 0) return;
  const octets = verdictCount * VERDICT_OCTETS;
  verdictCount = 0;
  while (send(fd, verdicts, octets, 0) < 0) {
    if (errno() !== EINTR) throw new KernelError("verdicts", errno());
  }
}
