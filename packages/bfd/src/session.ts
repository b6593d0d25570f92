/**
 * A session of RFC 5880 in asynchronous mode: the table of its states, its intervals, and when the next
 * packet is due. Times are given, by a clock that never goes back, in milliseconds.
 */

import {
  type BfdPacket,
  type BfdState,
  DIAGNOSTIC,
  DIAGNOSTIC_NAMES,
  type ReadPacket,
} from "./packet.ts";
import { movedSequence, type Sequence, sequenceAt } from "./sequence.ts";

/** What is configured of a session. */
export interface BfdConfig {
  /** Between packets, in both directions: 1 to 4 294 967. */
  readonly intervalMs: number;
  /** Packets missing in a row until the session is down: 1..255, told to the neighbor. */
  readonly multiplier: number;
  /** Nothing is sent before the neighbor has. */
  readonly isPassive: boolean;
}

/** What the neighbor said last; microseconds are those of its packets. */
export interface BfdRemote {
  /** 0: not known. */
  discriminator: number;
  state: BfdState;
  diagnostic: number;
  minRxUs: number;
  desiredMinTxUs: number;
  multiplier: number;
  isDemand: boolean;
}

/** What makes a session: whoever has it can go on with it in another process. Plain values. */
export interface BfdRecord {
  state: Exclude<BfdState, "admin-down">;
  diagnostic: number;
  /** Not 0; packets of the neighbor have it. */
  discriminator: number;
  remote: BfdRemote;
  /** What packets say. */
  desiredMinTxUs: number;
  requiredMinRxUs: number;
  /** What holds: the neighbor has to confirm that packets come less often, or are to come more often. */
  txUs: number;
  rxUs: number;
  /** It is being asked to (RFC 5880 section 6.5). */
  isPolling: boolean;
  sequence: Sequence;
  /** When the state was entered. */
  sinceMs: number;
  /** How often it came up. */
  ups: number;
}

export interface BfdSession {
  config: BfdConfig;
  readonly record: BfdRecord;
  /** The neighbor is heard; else nobody looks whether it is. */
  isListening: boolean;
  /** Null: not by itself. */
  sendAtMs: number | null;
  /** When it counts as lost unless it is heard; null: it was not heard. */
  expireAtMs: number | null;
  /** Newest one that was sent from here; null for none. */
  lastSequence: number | null;
}

export type BfdAction =
  | { readonly do: "send"; readonly packet: BfdPacket; readonly sequence: number }
  /** The record is another one. */
  | { readonly do: "keep" }
  | ({ readonly do: "changed" } & BfdChange);

/** A state was left for another one. */
export interface BfdChange {
  readonly from: BfdState;
  readonly to: BfdState;
  /** In words. */
  readonly reason: string;
  /** The neighbor's operator wants it so: no path is lost (RFC 5882 section 3.2). */
  readonly isAdmin: boolean;
}

/** Until a session is up packets are sent no more often (RFC 5880 section 6.8.3). */
const SLOW_US = 1_000_000;
/** Of the neighbor before it was heard: any interval will do (RFC 5880 section 6.8.1). */
const MIN_RX_US = 1;
/** RFC 5880 section 6.8.7. */
const JITTER = { least: 0.75, most: 1, mostOfOne: 0.9 };
/** Of an interval: see `Sequence`. */
const SEQUENCE_STEP = 0.6;

/** The transitions of RFC 5880 section 6.8.6, by the state that the neighbor is in. */
export const TRANSITIONS: Readonly<
  Record<BfdRecord["state"], Readonly<Partial<Record<BfdState, BfdRecord["state"]>>>>
> = {
  down: { down: "init", init: "up" },
  init: { init: "up", up: "up", "admin-down": "down" },
  up: { down: "down", "admin-down": "down" },
};

/**
 * @param discriminator - unlike those of all other sessions of this speaker, and hard to guess
 * @param sequence - first number for authentication, 32 bits, hard to guess
 */
export function newRecord(
  config: BfdConfig,
  discriminator: number,
  sequence: number,
  nowMs: number,
): BfdRecord {
  const intervalUs = 1000 * config.intervalMs;
  const txUs = Math.max(SLOW_US, intervalUs);
  return {
    state: "down",
    diagnostic: DIAGNOSTIC.NONE,
    discriminator,
    remote: { ...NOT_HEARD, multiplier: config.multiplier },
    desiredMinTxUs: txUs,
    requiredMinRxUs: intervalUs,
    txUs,
    rxUs: intervalUs,
    isPolling: false,
    sequence: { number: sequence, sinceMs: nowMs, stepUs: SEQUENCE_STEP * txUs },
    sinceMs: nowMs,
    ups: 0,
  };
}

const NOT_HEARD: Omit<BfdRemote, "multiplier"> = {
  discriminator: 0,
  state: "down",
  diagnostic: DIAGNOSTIC.NONE,
  minRxUs: MIN_RX_US,
  desiredMinTxUs: 0,
  isDemand: false,
};

/** Goes on with a record: a new one, or one of another process. A packet is due at once. */
export function beginSession(config: BfdConfig, record: BfdRecord, nowMs: number): BfdSession {
  const times = { sendAtMs: nowMs, expireAtMs: null };
  const session = { config, record, isListening: false, ...times, lastSequence: null };
  if (!maySend(session)) return { ...session, sendAtMs: null };
  return session;
}

/**
 * The neighbor is heard from now on.
 *
 * @param graceMs - one that another process has heard is not lost before this time has passed
 */
export function listen(session: BfdSession, nowMs: number, graceMs: number): void {
  session.isListening = true;
  const isKnown = session.record.remote.discriminator !== 0;
  const withinMs = Math.max(graceMs, detectionUs(session.record) / 1000);
  session.expireAtMs = isKnown ? nowMs + withinMs : null;
}

/** The neighbor is heard by another process from now on. */
export function deafen(session: BfdSession): void {
  session.isListening = false;
  session.expireAtMs = null;
}

/** Another configuration is in force. */
export function reconfigure(session: BfdSession, config: BfdConfig, nowMs: number): BfdAction[] {
  session.config = config;
  if (!offer(session, nowMs)) return [];
  hasten(session, nowMs);
  return [{ do: "keep" }];
}

/** A packet of the neighbor, which is genuine. @param jitter - 0 to 1, by chance */
export function received(
  session: BfdSession,
  { packet }: Pick<ReadPacket, "packet">,
  nowMs: number,
  jitter: number,
): BfdAction[] {
  const { record } = session;
  const remote: BfdRemote = {
    discriminator: packet.myDiscriminator,
    state: packet.state,
    diagnostic: packet.diagnostic,
    minRxUs: packet.requiredMinRxUs,
    desiredMinTxUs: packet.desiredMinTxUs,
    multiplier: packet.multiplier,
    isDemand: packet.isDemand,
  };
  let isOther = differs(record.remote, remote);
  Object.assign(record.remote, remote);
  if (packet.isFinal && record.isPolling) {
    isOther = true;
    Object.assign(record, {
      isPolling: false,
      txUs: record.desiredMinTxUs,
      rxUs: record.requiredMinRxUs,
    });
  }
  const next = TRANSITIONS[record.state][packet.state] ?? record.state;
  const actions: BfdAction[] = [];
  if (next !== record.state) {
    const isAdmin = packet.state === "admin-down";
    const why = DIAGNOSTIC_NAMES[packet.diagnostic] ?? `diagnostic ${packet.diagnostic}`;
    const ended = isAdmin
      ? "the neighbor is administratively down"
      : `the neighbor is down (${why})`;
    const reason = next === "down" ? ended : `the neighbor is in state ${packet.state}`;
    const diagnostic = next === "down" ? DIAGNOSTIC.NEIGHBOR_DOWN : DIAGNOSTIC.NONE;
    actions.push(...enter(session, next, diagnostic, { reason, isAdmin }, nowMs));
    session.sendAtMs = maySend(session) ? nowMs : null;
  } else if (isOther) {
    follow(session, nowMs);
    actions.push({ do: "keep" });
  }
  if (session.isListening) session.expireAtMs = nowMs + detectionUs(record) / 1000;
  if (packet.isPoll) actions.push(send(session, true, nowMs));
  hasten(session, nowMs);
  return [...actions, ...sendDue(session, nowMs, jitter)];
}

/** Sends what is due. @param jitter - 0 to 1, by chance */
export function sendDue(session: BfdSession, nowMs: number, jitter: number): BfdAction[] {
  if (session.sendAtMs === null || session.sendAtMs > nowMs) return [];
  const sent = send(session, false, nowMs);
  const most = session.config.multiplier === 1 ? JITTER.mostOfOne : JITTER.most;
  const part = JITTER.least + (most - JITTER.least) * jitter;
  const ms = (part * intervalUs(session.record)) / 1000;
  // One that is a little late does not make all later ones late.
  session.sendAtMs = Math.max(session.sendAtMs + ms, nowMs + JITTER.least * ms);
  return [sent];
}

/** Finds out that the neighbor is lost, if it is: what it has sent is to be read first. */
export function expireDue(session: BfdSession, nowMs: number): BfdAction[] {
  return session.expireAtMs === null || session.expireAtMs > nowMs ? [] : expire(session, nowMs);
}

/** @returns when `sendDue` or `expireDue` has something to do; Infinity: not before something else happens */
export function nextMs({ sendAtMs, expireAtMs }: BfdSession): number {
  return Math.min(sendAtMs ?? Infinity, expireAtMs ?? Infinity);
}

/** @returns the last packet of a session that an operator ends */
export function farewell(session: BfdSession, nowMs: number): BfdAction {
  const { packet, sequence } = send(session, false, nowMs);
  const diagnostic = DIAGNOSTIC.ADMIN_DOWN;
  return {
    do: "send",
    packet: { ...packet, state: "admin-down", diagnostic, isPoll: false },
    sequence,
  };
}

/** @returns how long the neighbor may be silent */
export function detectionUs({ remote, rxUs }: BfdRecord): number {
  return remote.multiplier * Math.max(rxUs, remote.desiredMinTxUs);
}

/** @returns how often packets are sent, before chance shortens that */
export function intervalUs({ txUs, remote }: BfdRecord): number {
  return Math.max(txUs, remote.minRxUs);
}

function expire(session: BfdSession, nowMs: number): BfdAction[] {
  const { record } = session;
  const silentMs = Math.round(detectionUs(record) / 1000);
  const { multiplier } = record.remote;
  const reason = `no packet for ${silentMs} ms (${multiplier} x ${silentMs / multiplier} ms)`;
  session.expireAtMs = null;
  Object.assign(record.remote, NOT_HEARD);
  if (record.state === "down") {
    follow(session, nowMs);
    if (!maySend(session)) session.sendAtMs = null;
    return [{ do: "keep" }];
  }
  const why = { reason, isAdmin: false };
  const actions = enter(session, "down", DIAGNOSTIC.TIME_EXPIRED, why, nowMs);
  session.sendAtMs = maySend(session) ? nowMs : null;
  return actions;
}

function enter(
  session: BfdSession,
  state: BfdRecord["state"],
  diagnostic: number,
  why: Pick<BfdChange, "reason" | "isAdmin">,
  nowMs: number,
): BfdAction[] {
  const { record } = session;
  const from = record.state;
  Object.assign(record, { state, diagnostic, sinceMs: nowMs });
  if (state === "up") record.ups++;
  record.isPolling = false;
  offer(session, nowMs);
  follow(session, nowMs);
  return [{ do: "keep" }, { do: "changed", from, to: state, ...why }];
}

/** Says, and where the neighbor need not know first uses, the intervals of state and configuration. */
function offer(session: BfdSession, nowMs: number): boolean {
  const { config, record } = session;
  const rxUs = 1000 * config.intervalMs;
  const isUp = record.state === "up";
  const txUs = isUp ? rxUs : Math.max(SLOW_US, rxUs);
  if (record.desiredMinTxUs === txUs && record.requiredMinRxUs === rxUs) return false;
  record.desiredMinTxUs = txUs;
  record.requiredMinRxUs = rxUs;
  // RFC 5880 section 6.8.3: nobody is to be thought lost who does not know yet.
  if (!isUp || txUs < record.txUs) record.txUs = txUs;
  if (!isUp || rxUs > record.rxUs) record.rxUs = rxUs;
  record.isPolling = isUp;
  follow(session, nowMs);
  return true;
}

/** Another interval may be in force. */
function follow(session: BfdSession, nowMs: number): void {
  const { record, lastSequence } = session;
  const stepUs = SEQUENCE_STEP * intervalUs(record);
  record.sequence = movedSequence(record.sequence, lastSequence, stepUs, nowMs);
}

/** Packets come more often than was so when the next one was planned, or they come at all. */
function hasten(session: BfdSession, nowMs: number): void {
  if (!maySend(session)) session.sendAtMs = null;
  else {
    const latestMs = nowMs + (JITTER.least * intervalUs(session.record)) / 1000;
    session.sendAtMs = Math.min(session.sendAtMs ?? latestMs, latestMs);
  }
}

/** Whether packets are sent without being asked for (RFC 5880 section 6.8.7). */
function maySend({ config, record }: Pick<BfdSession, "config" | "record">): boolean {
  const { remote, state, isPolling } = record;
  if (config.isPassive && remote.discriminator === 0) return false;
  const isQuiet = remote.isDemand && state === "up" && remote.state === "up" && !isPolling;
  return remote.minRxUs > 0 && !isQuiet;
}

function send(
  session: BfdSession,
  isFinal: boolean,
  nowMs: number,
): Extract<BfdAction, { do: "send" }> {
  const { record, config } = session;
  session.lastSequence = sequenceAt(
    record.sequence,
    session.lastSequence,
    nowMs,
    config.multiplier,
  );
  return {
    do: "send",
    packet: {
      diagnostic: record.diagnostic,
      state: record.state,
      isPoll: record.isPolling && !isFinal,
      isFinal,
      isControlIndependent: false,
      isDemand: false,
      multiplier: config.multiplier,
      myDiscriminator: record.discriminator,
      yourDiscriminator: record.remote.discriminator,
      desiredMinTxUs: record.desiredMinTxUs,
      requiredMinRxUs: record.requiredMinRxUs,
    },
    sequence: session.lastSequence,
  };
}

function differs(a: BfdRemote, b: BfdRemote): boolean {
  return (Object.keys(b) as (keyof BfdRemote)[]).some((key) => a[key] !== b[key]);
}
