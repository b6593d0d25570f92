/** The thread of BFD: real-time, with nothing else to do, so that no packet waits for routing. */

import { createHash, randomInt } from "node:crypto";
import { parentPort } from "node:worker_threads";
import {
  type BfdAction,
  type BfdChange,
  type BfdRecord,
  type BfdSession,
  beginSession,
  type Digest,
  deafen,
  decodePacket,
  expireDue,
  farewell,
  listen,
  newRecord,
  nextMs,
  received,
  reconfigure,
  type SequenceSeen,
  sendDue,
  signPacket,
  verifyPacket,
} from "@ts-bgp/bfd";
import { bootMs, HEARTBEAT_PRIORITY, raiseLoopPriority } from "@ts-bgp/takeover";
import type {
  BfdOrder,
  BfdReply,
  BfdReport,
  BfdRole,
  BfdWanted,
  BfdWatched,
} from "./bfd-orders.ts";
import { BfdReceiver, BfdSender } from "./bfd-sockets.ts";

/** A session that another process has heard: addresses have to move, and neighbors to notice. */
const GRACE_MS = 1000;
/** One that only another process was to lead is given up after so long. */
const ALONE_MS = 10_000;
/** Sequence numbers of a neighbor count for so many detection times (RFC 5880 section 6.8.1). */
const SEEN_DETECTIONS = 2;
/** A thing that does not work is said again after so long at the earliest. */
const PROBLEM_MS = 60_000;
const DISCRIMINATORS = 2 ** 32;

type Change = Extract<BfdAction, { do: "changed" }>;
type Leading = Extract<BfdOrder, { number: number }>;

const port = parentPort!;
const digest: Digest = (algorithm, octets) => createHash(algorithm).update(octets).digest();

/** One session with its socket and its timer. */
class Running {
  wanted: BfdWanted;
  readonly session: BfdSession;
  readonly seen: SequenceSeen = { last: null };
  seenMs = 0;
  private sender: BfdSender | null = null;
  private timer: NodeJS.Timeout | null = null;
  private dueMs = Infinity;
  private problemMs = -Infinity;
  private isOver = false;

  constructor(wanted: BfdWanted, record: BfdRecord) {
    this.wanted = wanted;
    this.session = beginSession(wanted.config, record, now());
    this.arm();
  }

  get discriminator(): number {
    return this.session.record.discriminator;
  }

  end(): void {
    this.isOver = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.sender?.close();
  }

  /** A packet is sent as soon as one may be, whatever was planned. */
  sendSoon(): void {
    const { session } = this;
    if (session.sendAtMs !== null) session.sendAtMs = Math.min(session.sendAtMs, now());
    this.run();
  }

  heard(octets: Uint8Array, read: Exclude<ReturnType<typeof decodePacket>, string>): void {
    const { wanted, session, seen } = this;
    const nowMs = now();
    const packet = octets.subarray(0, read.octets);
    if (verifyPacket(packet, read, wanted.auth, seen, digest) !== null) return;
    this.seenMs = nowMs;
    this.do(received(session, read, nowMs, Math.random()));
  }

  run(): void {
    const nowMs = now();
    const { session } = this;
    this.forgetSequence(nowMs);
    this.do(sendDue(session, nowMs, Math.random()));
    if (session.expireAtMs === null || session.expireAtMs > nowMs) return;
    // What has come meanwhile is read first: this process may have been at a standstill.
    setImmediate(() => {
      if (!this.isOver) this.do(expireDue(session, now()));
    });
  }

  reconfigure(wanted: BfdWanted): void {
    const before = this.wanted;
    this.wanted = wanted;
    const isElsewhere =
      before.localAddress !== wanted.localAddress || before.isMultihop !== wanted.isMultihop;
    if (isElsewhere) {
      this.sender?.close();
      this.sender = null;
    }
    this.do(reconfigure(this.session, wanted.config, now()));
  }

  do(actions: readonly BfdAction[]): void {
    let isOther = false;
    const changes: BfdChange[] = [];
    for (const action of actions) {
      if (action.do === "send") this.send(action);
      else isOther = true;
      if (action.do === "changed") changes.push(changeOf(action));
    }
    if (isOther) this.report(changes);
    this.arm();
  }

  /** For those who cannot ask the session itself. */
  report(changes: readonly BfdChange[] = []): void {
    const { address } = this.wanted;
    const record = moved(structuredClone(this.session.record), clockOffsetMs);
    if (changes.length === 0) report({ address, record, change: null });
    for (const change of changes) report({ address, record, change });
  }

  sayFarewell(): void {
    if (this.session.sendAtMs !== null) this.do([farewell(this.session, now())]);
  }

  private send({ packet, sequence }: Extract<BfdAction, { do: "send" }>): void {
    if (role === "shadow" && !isSilent) return;
    const { address, localAddress, isMultihop, auth } = this.wanted;
    try {
      this.sender ??= new BfdSender(address, localAddress, isMultihop, this.discriminator);
      const error = this.sender.send(signPacket(packet, auth, sequence, digest));
      if (error !== 0) this.problem(`packets are not sent: errno ${error}`);
    } catch (error) {
      this.problem((error as Error).message);
    }
  }

  private problem(problem: string): void {
    if (performance.now() - this.problemMs < PROBLEM_MS) return;
    this.problemMs = performance.now();
    say({ number, problem, address: this.wanted.address });
  }

  private forgetSequence(nowMs: number): void {
    const { rxUs, remote } = this.session.record;
    const detectionMs = (remote.multiplier * Math.max(rxUs, remote.desiredMinTxUs)) / 1000;
    if (nowMs - this.seenMs > SEEN_DETECTIONS * detectionMs) this.seen.last = null;
  }

  /** A timer that is early looks again: most packets that come only put off what it is for. */
  private arm(): void {
    const nextAtMs = nextMs(this.session);
    if (this.isOver || nextAtMs === Infinity || (this.timer !== null && this.dueMs <= nextAtMs)) {
      return;
    }
    if (this.timer !== null) clearTimeout(this.timer);
    this.dueMs = nextAtMs;
    const waitMs = Math.max(0, Math.ceil(nextAtMs - now()));
    this.timer = setTimeout(() => {
      this.timer = null;
      this.run();
      this.arm();
    }, waitMs);
  }
}

let role: BfdRole = "rest";
let number = 0;
let clockOffsetMs = 0;
let watched: (BfdWatched & { readonly words: Int32Array }) | null = null;
/** Of who is shadowed. */
let isSilent = false;
let looks: NodeJS.Timeout | undefined;
let alone: NodeJS.Timeout | undefined;
const running: Map<string, Running> = new Map();
const byDiscriminator: Map<number, Running> = new Map();
const receivers: Map<string, BfdReceiver> = new Map();
let reports: BfdReport[] = [];

/** By this host's clock: never back. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** @returns the record in another clock, which is so much ahead */
function moved(record: BfdRecord, byMs: number): BfdRecord {
  const { sequence, sinceMs } = record;
  return {
    ...record,
    sequence: { ...sequence, sinceMs: sequence.sinceMs + byMs },
    sinceMs: sinceMs + byMs,
  };
}

function changeOf({ from, to, reason, isAdmin }: Change): BfdChange {
  return { from, to, reason, isAdmin };
}

function say(reply: BfdReply): void {
  port.postMessage(reply);
}

/** What is told in one turn goes together. */
function report(one: BfdReport): void {
  if (role !== "lead") return;
  if (reports.length === 0) {
    queueMicrotask(() => {
      if (reports.length > 0) say({ number, reports });
      reports = [];
    });
  }
  reports.push(one);
}

function begin(wanted: BfdWanted): void {
  const { address, config, record } = wanted;
  const known = record === null ? null : moved(structuredClone(record), -clockOffsetMs);
  // A shadow does not begin what nobody leads.
  if (known === null && role !== "lead") return;
  const one = new Running(wanted, known ?? freshRecord(config));
  running.set(address, one);
  byDiscriminator.set(one.discriminator, one);
  if (role !== "lead") return;
  listen(one.session, now(), known === null ? 0 : GRACE_MS);
  one.report();
}

function freshRecord(config: BfdWanted["config"]): BfdRecord {
  let discriminator = 0;
  while (discriminator === 0 || byDiscriminator.has(discriminator)) {
    discriminator = randomInt(DISCRIMINATORS);
  }
  return newRecord(config, discriminator, randomInt(DISCRIMINATORS), now());
}

function end(one: Running): void {
  if (role === "lead") {
    one.sayFarewell();
    report({ address: one.wanted.address, record: null, change: null });
  }
  drop(one);
}

function drop(one: Running): void {
  one.end();
  running.delete(one.wanted.address);
  byDiscriminator.delete(one.discriminator);
}

/** A shadow has what its active has; one that leads knows better than any record what its sessions are. */
function want(all: readonly BfdWanted[]): void {
  const addresses = new Set(all.map(({ address }) => address));
  for (const one of [...running.values()]) if (!addresses.has(one.wanted.address)) end(one);
  for (const wanted of all) {
    const one = running.get(wanted.address);
    if (one !== undefined && role === "lead") one.reconfigure(wanted);
    else {
      if (one !== undefined) drop(one);
      begin(wanted);
    }
  }
  openReceivers();
}

function openReceivers(): void {
  const needed = new Set<string>();
  // Where nobody listens, the host says so to neighbors.
  for (const { wanted } of role === "lead" || role === "alone" ? running.values() : []) {
    needed.add(`${wanted.address.includes(":") ? 6 : 4} ${wanted.isMultihop}`);
  }
  for (const [name, receiver] of [...receivers]) {
    if (needed.has(name)) continue;
    receiver.close();
    receivers.delete(name);
  }
  for (const name of needed) {
    if (receivers.has(name)) continue;
    try {
      receivers.set(name, new BfdReceiver(name.startsWith("4"), name.endsWith("true"), heard));
    } catch (error) {
      say({ number, problem: (error as Error).message, address: null });
    }
  }
}

/** Whoever it is from: what does not name a session of that neighbor is nothing. */
function heard(octets: Uint8Array, from: string, isMultihop: boolean): void {
  if (role !== "lead") return;
  const read = decodePacket(octets);
  if (typeof read === "string") return;
  const { yourDiscriminator } = read.packet;
  const one = yourDiscriminator === 0 ? running.get(from) : byDiscriminator.get(yourDiscriminator);
  if (one?.wanted.address !== from || one.wanted.isMultihop !== isMultihop) return;
  one.heard(octets, read);
}

function lookForSilence(): void {
  const { words, word, silentMs } = watched!;
  const sinceMs = (Math.floor(bootMs()) - Atomics.load(words, word)) | 0;
  const was = isSilent;
  isSilent = sinceMs > silentMs;
  if (isSilent && !was) for (const one of running.values()) one.sendSoon();
}

function lead(order: Leading): void {
  clearInterval(looks);
  clearTimeout(alone);
  const before = role;
  ({ role, number, clockOffsetMs } = order);
  watched =
    order.watched === null
      ? null
      : { ...order.watched, words: new Int32Array(order.watched.memory) };
  if (watched !== null) {
    // In the middle of a silence it goes on with that.
    lookForSilence();
    looks = setInterval(lookForSilence, Math.max(1, watched.silentMs / 4));
  }
  if (role === "lead" && before !== "lead") {
    for (const one of running.values()) {
      listen(one.session, now(), GRACE_MS);
      one.report();
    }
  }
  if (order.wanted !== null) want(order.wanted);
  else openReceivers();
  if (role === "alone") {
    for (const one of running.values()) {
      deafen(one.session);
      one.sendSoon();
    }
    alone = setTimeout(() => rest(false), ALONE_MS);
  }
}

function rest(isFarewell: boolean): void {
  clearInterval(looks);
  clearTimeout(alone);
  if (isFarewell && role === "lead") for (const one of running.values()) one.sayFarewell();
  role = "rest";
  for (const one of [...running.values()]) drop(one);
  openReceivers();
}

raiseLoopPriority(HEARTBEAT_PRIORITY);

port.on("message", (order: BfdOrder) => {
  if (order === "exit") {
    rest(false);
    process.exit();
  } else if (order.role === "rest") rest("isFarewell" in order);
  else lead(order);
});
