/**
 * The router's side of a session with an RPKI cache, as a state machine: octets and time in, octets and
 * payloads out. It keeps nothing of what the cache said but what is needed to go on; where it goes on, in
 * session and serial number, is known to whoever has the payloads.
 *
 *     idle --connect--> connecting --connected--> asking --Cache Response--> receiving
 *       ^                                           ^                           |
 *       |                                           |  refresh, Serial Notify   | End of Data
 *       '-- fault, closed, silence ---------        '------- synced <-----------'
 */

import { readU16, readU32 } from "@ts-bgp/wire-codec";
import { newVrp, PayloadWriter, PROVIDERS_MAX } from "./payload-octets.ts";
import { areClear } from "./roa-prefix.ts";
import {
  errorReport,
  HEADER_OCTETS,
  misfitReport,
  PDU,
  pduLength,
  RTR_ERROR,
  RTR_VERSION_MAX,
  type RtrFault,
  type RtrVersion,
  readErrorReport,
  resetQuery,
  serialQuery,
} from "./rtr-pdu.ts";
import { type SourceEnd, STAGED_OCTETS_MAX } from "./validation.ts";

export type RtrState = "idle" | "connecting" | "asking" | "receiving" | "synced";

/** What the client wants done, in order. */
export type RtrAction =
  | { readonly do: "connect" }
  | { readonly do: "write"; readonly octets: Uint8Array }
  /** The connection is of no use any more; `reason` is for people. */
  | { readonly do: "close"; readonly reason: string }
  /** What the cache has said since its last End of Data is void. */
  | { readonly do: "begin" }
  | { readonly do: "vrps"; readonly octets: Uint8Array }
  | { readonly do: "end"; readonly end: SourceEnd };

/** Wait before another attempt after a connection was lost or could not be had. */
const RECONNECT_MS = 10_000;
/** The same after the cache said that it has no data yet. */
const NO_DATA_MS = 10_000;
/** A cache has to answer a query, and to go on with its answer, within this time. */
const SILENCE_MS = 60_000;
/** Serial Notify is not acted on more often than this. */
const NOTIFY_MS = 1000;
/** Of version 0, whose caches do not say any (RFC 8210 section 6). */
const DEFAULT_TIMES = { refreshSeconds: 3600, retrySeconds: 600, expireSeconds: 7200 };
/** Bounds by RFC 8210 section 6. */
const BOUNDS = {
  refreshSeconds: [1, 86_400],
  retrySeconds: [1, 7200],
  expireSeconds: [600, 172_800],
} as const;
/** What is asked for after this part of the time until it expires has still time to come. */
const REFRESH_PART = 0.5;
/** Payloads are handed on in pieces of about this size. */
const PIECE_OCTETS = 1 << 15;

export class RtrClient {
  state: RtrState = "idle";
  /** In use, or to be tried next. */
  version: RtrVersion = RTR_VERSION_MAX;
  /** Why there is no connection; null when there is one, and before the first attempt. */
  problem: string | null = null;
  /** @returns the last End of Data of this cache; null when it has to say everything */
  private readonly lastEnd: () => SourceEnd | null;
  /** @returns a payload of the cache that does not fit to what it has said before; null for none */
  private readonly misfit: () => Uint8Array | null;
  /** What is not a whole PDU yet. */
  private rest: Uint8Array = new Uint8Array(0);
  private readonly writer: PayloadWriter = new PayloadWriter(2 * PIECE_OCTETS);
  private actions: RtrAction[] = [];
  /** When to do the next thing of the state: connect, ask again, or give up. */
  private dueMs = 0;
  private askedMs = 0;
  /** Query at hand: null for all. */
  private since: SourceEnd | null = null;
  /** Of the answer at hand. */
  private session = 0;
  /** The cache and this side do not agree: it has to say everything. */
  private mustReset = false;
  /** Something came on this connection. */
  private hasAnswered = false;
  /** The version is that of an answer on this connection. */
  private isAgreed = false;
  /** The version is not what the cache has said, so a higher one is tried again some time. */
  private isGuess = false;
  /** Until when lost data is not asked for again. */
  private lostDueMs = Number.NEGATIVE_INFINITY;
  private retryMs = 1000 * DEFAULT_TIMES.retrySeconds;
  /** Whether there was an ASPA in the whole set at hand, and which form those of the session have. */
  private hasAspas = false;
  private isEarlierDraft = false;
  /** Octets of payloads that were handed on since the last query. */
  private handed = 0;
  /** The cache has news, and was asked not long ago. */
  private isNotified = false;

  constructor(lastEnd: () => SourceEnd | null, misfit: () => Uint8Array | null) {
    this.lastEnd = lastEnd;
    this.misfit = misfit;
    const version = lastEnd()?.version;
    if (version === undefined) return;
    this.version = version as RtrVersion;
    this.isGuess = version < RTR_VERSION_MAX;
  }

  /** A connection that `connect` asked for is there. */
  connected(nowMs: number): RtrAction[] {
    this.problem = null;
    this.rest = new Uint8Array(0);
    this.hasAnswered = false;
    this.isAgreed = false;
    this.ask(nowMs);
    return this.take();
  }

  /** The connection is gone, or could not be had. */
  closed(reason: string, nowMs: number): RtrAction[] {
    if (this.state === "idle") return [];
    const isSpurned = this.state === "asking" && !this.hasAnswered;
    this.lose(reason, nowMs, RECONNECT_MS);
    // Caches of older versions may just hang up (RFC 8210 section 7); so may one that restarts.
    if (isSpurned) {
      this.version = this.version > 0 ? ((this.version - 1) as RtrVersion) : RTR_VERSION_MAX;
      this.isGuess = this.version < RTR_VERSION_MAX;
    }
    return this.take();
  }

  /** What has come waited for this side, which reads on now: the cache is not late. */
  resumed(nowMs: number): void {
    const waits = this.state === "asking" || this.state === "receiving";
    if (waits) this.dueMs = Math.max(this.dueMs, nowMs + SILENCE_MS);
  }

  /** Time passes; to be called several times a second. */
  tick(nowMs: number): RtrAction[] {
    const isDue = nowMs >= this.dueMs;
    switch (this.state) {
      case "idle":
        if (!isDue) break;
        this.state = "connecting";
        this.dueMs = nowMs + SILENCE_MS;
        this.actions.push({ do: "connect" });
        break;
      case "synced":
        if (isDue || (this.isNotified && nowMs >= this.askedMs + NOTIFY_MS)) this.ask(nowMs);
        else if (this.tellsMisfit(nowMs)) break;
        else if (this.isLost && nowMs >= this.lostDueMs) {
          this.lostDueMs = nowMs + this.retryMs;
          this.ask(nowMs);
        }
        break;
      default:
        if (isDue) this.hangUp("the cache does not answer", nowMs, RECONNECT_MS);
    }
    return this.take();
  }

  /** Octets have come. */
  received(octets: Uint8Array, nowMs: number): RtrAction[] {
    const buf = this.rest.length === 0 ? octets : joined(this.rest, octets);
    let at = 0;
    while (buf.length - at >= HEADER_OCTETS && this.isConnected) {
      const length = pduLength(buf, at);
      if (typeof length !== "number") {
        this.refuse(length, buf.subarray(at), nowMs);
        break;
      }
      if (at + length > buf.length) break;
      this.hasAnswered = true;
      const fault = this.pdu(buf, at, at + length, nowMs);
      if (fault !== null) this.refuse(fault, buf.subarray(at, at + length), nowMs);
      at += length;
    }
    this.rest = this.isConnected ? buf.slice(at) : new Uint8Array(0);
    this.handOn();
    return this.take();
  }

  /** Whether what the cache has sent is not there, or not as the cache has it: expired, refused, misfit. */
  private get isLost(): boolean {
    return (this.lastEnd()?.session ?? null) === null;
  }

  /**
   * Such faults are found behind the End of Data, and end the connection (RFC 8210 section 12).
   *
   * @returns whether there was one
   */
  private tellsMisfit(nowMs: number): boolean {
    const end = this.lastEnd();
    const misfit = this.misfit();
    if (misfit === null || end === null || end.session !== null) return false;
    const { fault, cause } = misfitReport(this.version, misfit);
    // One that says a thing twice whenever it says everything is not asked for that all the time.
    this.refuse(fault, cause, nowMs, end.isWhole ? this.retryMs : RECONNECT_MS);
    return true;
  }

  private get isConnected(): boolean {
    return this.state !== "idle" && this.state !== "connecting";
  }

  private pdu(buf: Uint8Array, at: number, end: number, nowMs: number): RtrFault | null {
    const version = buf[at] as RtrVersion;
    const type = buf[at + 1]!;
    if (type === PDU.ERROR_REPORT) {
      this.errorReport(buf, at, end, nowMs);
      return null;
    }
    // Before the version is agreed on (RFC 8210 section 7).
    if (type === PDU.SERIAL_NOTIFY && this.state === "asking") return null;
    // An older version answers for everything; what is new is new in a session of its version.
    if (!this.isAgreed && this.since === null && version < this.version) this.version = version;
    if (version !== this.version) {
      const message = `version ${version} in a session of version ${this.version}`;
      return { error: RTR_ERROR.UNEXPECTED_VERSION, message };
    }
    this.isAgreed = true;
    if (this.state === "receiving") this.dueMs = nowMs + SILENCE_MS;
    if (this.handed > STAGED_OCTETS_MAX) {
      const message = `more than ${STAGED_OCTETS_MAX} octets of payloads`;
      return { error: RTR_ERROR.INTERNAL_ERROR, message };
    }
    switch (type) {
      case PDU.SERIAL_NOTIFY:
        this.notified(readU16(buf, at + 2), readU32(buf, at + 8));
        return null;
      case PDU.CACHE_RESPONSE:
        return this.response(readU16(buf, at + 2), nowMs);
      case PDU.IPV4_PREFIX:
      case PDU.IPV6_PREFIX:
        return this.prefix(buf, at, type === PDU.IPV6_PREFIX);
      case PDU.ASPA:
        return this.aspa(buf, at, end);
      case PDU.END_OF_DATA:
        return this.endOfData(buf, at, nowMs);
      case PDU.CACHE_RESET:
        if (this.state !== "asking") return corrupt("a Cache Reset that was not asked for");
        if (this.since === null) return corrupt("a Cache Reset that answers a Reset Query");
        this.mustReset = true;
        this.ask(nowMs);
        return null;
      default:
        // Keys of routers are not used here.
        return this.state === "receiving" ? null : corrupt("data that was not asked for");
    }
  }

  private notified(session: number, serial: number): void {
    const end = this.lastEnd();
    if (end !== null && end.session !== session) this.mustReset = true;
    if (end === null || end.session !== session || end.serial !== serial) this.isNotified = true;
  }

  private response(session: number, nowMs: number): RtrFault | null {
    if (this.state !== "asking") return corrupt("a Cache Response that was not asked for");
    if (this.since !== null && this.since.session !== session) {
      this.mustReset = true;
      return corrupt(`session ${session} in place of ${this.since.session}`);
    }
    this.session = session;
    this.state = "receiving";
    this.dueMs = nowMs + SILENCE_MS;
    this.actions.push({ do: "begin" });
    return null;
  }

  private prefix(buf: Uint8Array, at: number, isWide: boolean): RtrFault | null {
    if (this.state !== "receiving") return corrupt("data that was not asked for");
    const vrp = newVrp();
    vrp.isWide = isWide;
    vrp.isAnnounced = (buf[at + 8]! & 1) === 1;
    vrp.bits = buf[at + 9]!;
    vrp.maxLength = buf[at + 10]!;
    vrp.w0 = readU32(buf, at + 12);
    if (isWide) {
      vrp.w1 = readU32(buf, at + 16);
      vrp.w2 = readU32(buf, at + 20);
      vrp.w3 = readU32(buf, at + 24);
    }
    vrp.as = readU32(buf, at + (isWide ? 28 : 16));
    if (vrp.bits > vrp.maxLength || vrp.maxLength > (isWide ? 128 : 32)) {
      return corrupt(`a prefix of ${vrp.bits} bits with the longest length ${vrp.maxLength}`);
    }
    if (!areClear(vrp.w0, vrp.w1, vrp.w2, vrp.w3, vrp.bits)) {
      return corrupt("a prefix with bits behind its length");
    }
    if (!vrp.isAnnounced && this.since === null) return corrupt("a withdrawal in a whole set");
    this.writer.write(vrp);
    if (this.writer.octets >= PIECE_OCTETS) this.handOn();
    return null;
  }

  /**
   * Flags stand in the first octet behind the type. Caches of an earlier draft (8210bis-10) have nothing
   * there, and flags, families and a count behind the header: as theirs cannot be told from withdrawals by
   * themselves, those of a session are taken as its first one is, which comes.
   */
  private aspa(buf: Uint8Array, at: number, end: number): RtrFault | null {
    if (this.state !== "receiving") return corrupt("data that was not asked for");
    if (this.since === null && !this.hasAspas) this.isEarlierDraft = (buf[at + 2]! & 1) === 0;
    this.hasAspas = true;
    const head = this.isEarlierDraft ? 16 : 12;
    const flags = buf[at + (this.isEarlierDraft ? 8 : 2)]!;
    const octets = end - at - head;
    if (octets < 0 || octets % 4 !== 0 || octets > 4 * PROVIDERS_MAX) {
      return corrupt(`an ASPA with ${end - at} octets`);
    }
    const providers = new Uint32Array(octets / 4);
    for (let k = 0; k < providers.length; k++) providers[k] = readU32(buf, at + head + 4 * k);
    const isAnnounced = (flags & 1) === 1;
    if (!isAnnounced && this.since === null) return corrupt("a withdrawal in a whole set");
    // The earlier draft has one for each family: that of IPv4 counts.
    if (this.isEarlierDraft && (buf[at + 9]! & 1) === 1) return null;
    this.writer.writeAspa({ isAnnounced, customer: readU32(buf, at + head - 4), providers });
    if (this.writer.octets >= PIECE_OCTETS) this.handOn();
    return null;
  }

  private endOfData(buf: Uint8Array, at: number, nowMs: number): RtrFault | null {
    if (this.state !== "receiving") return corrupt("an End of Data that was not asked for");
    const session = readU16(buf, at + 2);
    if (session !== this.session) {
      this.mustReset = true;
      return corrupt(`session ${session} in place of ${this.session}`);
    }
    this.handOn();
    const times =
      this.version === 0
        ? DEFAULT_TIMES
        : {
            refreshSeconds: within("refreshSeconds", readU32(buf, at + 12)),
            retrySeconds: within("retrySeconds", readU32(buf, at + 16)),
            expireSeconds: within("expireSeconds", readU32(buf, at + 20)),
          };
    const isWhole = this.since === null;
    const { version } = this;
    const serial = readU32(buf, at + 8);
    this.actions.push({ do: "end", end: { version, session, serial, ...times, isWhole } });
    this.state = "synced";
    this.mustReset = false;
    const { refreshSeconds, retrySeconds, expireSeconds } = times;
    this.retryMs = 1000 * retrySeconds;
    this.dueMs = nowMs + 1000 * Math.min(refreshSeconds, REFRESH_PART * expireSeconds);
    return null;
  }

  private errorReport(buf: Uint8Array, at: number, end: number, nowMs: number): void {
    const { code, text } = readErrorReport(buf, at, end);
    const version = Math.min(buf[at]!, this.version - 1) as RtrVersion;
    if (code === RTR_ERROR.UNSUPPORTED_VERSION && this.state === "asking" && this.version > 0) {
      this.hangUp(`version ${this.version} is not supported`, nowMs, 0);
      this.version = version;
      this.isGuess = false;
      return;
    }
    if (code !== RTR_ERROR.NO_DATA) this.mustReset = true;
    this.hangUp(text, nowMs, code === RTR_ERROR.NO_DATA ? NO_DATA_MS : RECONNECT_MS);
  }

  /** Asks for what is new, or for everything. */
  private ask(nowMs: number): void {
    const end = this.mustReset ? null : this.lastEnd();
    const { version } = this;
    // A session is one of a version (RFC 8210 section 7).
    this.since = end?.version === version && end.session !== null ? end : null;
    const { since } = this;
    this.hasAspas = false;
    this.handed = 0;
    const octets =
      since === null ? resetQuery(version) : serialQuery(version, since.session!, since.serial);
    this.actions.push({ do: "write", octets });
    this.state = "asking";
    this.askedMs = nowMs;
    this.dueMs = nowMs + SILENCE_MS;
    this.isNotified = false;
  }

  private refuse(
    fault: RtrFault,
    cause: Uint8Array,
    nowMs: number,
    waitMs: number = RECONNECT_MS,
  ): void {
    // One is not answered by another one, whatever is wrong with it (RFC 8210 section 5.11).
    if (cause[1] !== PDU.ERROR_REPORT) {
      this.actions.push({ do: "write", octets: errorReport(this.version, fault, cause) });
    }
    this.mustReset = true;
    this.hangUp(fault.message, nowMs, waitMs);
  }

  private hangUp(reason: string, nowMs: number, waitMs: number): void {
    this.actions.push({ do: "close", reason });
    this.lose(reason, nowMs, waitMs);
  }

  private lose(reason: string, nowMs: number, waitMs: number): void {
    if (this.state === "receiving") this.actions.push({ do: "begin" });
    this.writer.take();
    this.problem = reason;
    if (this.isGuess && this.hasAnswered) {
      this.version = RTR_VERSION_MAX;
      this.isGuess = false;
    }
    this.state = "idle";
    this.isNotified = false;
    this.dueMs = nowMs + waitMs;
  }

  /** Hands on the payloads so far. */
  private handOn(): void {
    this.handed += this.writer.octets;
    if (this.writer.octets > 0) this.actions.push({ do: "vrps", octets: this.writer.take() });
  }

  private take(): RtrAction[] {
    const { actions } = this;
    this.actions = [];
    return actions;
  }
}

function corrupt(message: string): RtrFault {
  return { error: RTR_ERROR.CORRUPT_DATA, message };
}

function within(name: keyof typeof BOUNDS, seconds: number): number {
  const [min, max] = BOUNDS[name];
  return Math.min(Math.max(seconds, min), max);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const octets = new Uint8Array(a.length + b.length);
  octets.set(a);
  octets.set(b, a.length);
  return octets;
}
