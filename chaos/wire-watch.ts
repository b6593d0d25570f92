/**
 * Everything that goes between the speaker and its peers, judged packet by packet.
 *
 *     tcpdump ---> PcapReader ---> WireWatch ---> OctetStream ---> MessageStream
 *     (a file)      (segments)     (sessions)   (each direction)      (BGP)
 *
 * A session goes by the peer's address. It is watched from its first packet on, through every
 * switch: the two sides are one address to the peer, and so they are here.
 */
import { type JudgedMessages, type MessageFault, MessageStream } from "./message-stream.ts";
import { OctetStream } from "./octet-stream.ts";
import { FLAG, type Segment } from "./pcap.ts";
import type { Sign } from "./silence.ts";

export type Fault =
  | MessageFault
  | "FIN"
  | "RST"
  | "SYN"
  | "rewritten"
  | "cut"
  | "hole"
  | "stale"
  | "clock";

export interface WireEvent {
  readonly timeMs: number;
  /** Address of the peer. */
  readonly peer: string;
  /** Who sent it. */
  readonly by: "us" | "peer";
  readonly fault: Fault;
  readonly detail: string;
}

/**
 * A packet that acknowledges less than one that is older than this was sent by somebody else, who
 * does not know. Packets of one writer may pass each other, but not by so much.
 */
const STALE_MS = 50;

/** Further ahead than any two packets of a test are apart, in the milliseconds that Linux counts. */
const CLOCK_JUMP = 1 << 24;

/** One direction of a session. */
interface Direction {
  octets: OctetStream;
  messages: MessageStream;
  /** Highest acknowledgement number, as a position of the other direction. */
  acknowledged: number;
  acknowledgedAtMs: number;
  /** Highest timestamp. */
  timestamp: number | null;
  timestampAtMs: number;
}

export class WatchedSession {
  readonly peer: string;
  /** Packets of ours, oldest first; emptied by whoever has judged them. */
  signs: Sign[] = [];
  /** Retransmissions of the peer since our packets last made progress. */
  peerRepeats = 0;
  readonly us: Direction;
  readonly them: Direction;
  /** "port>port" of the connection. */
  ports = "";

  constructor(
    peer: string,
    report: (by: "us" | "peer", fault: Fault, detail: string) => void,
    options: JudgedMessages,
  ) {
    this.peer = peer;
    this.us = newDirection((fault, detail) => report("us", fault, detail), options);
    this.them = newDirection((fault, detail) => report("peer", fault, detail), options);
  }
}

export class WireWatch {
  readonly events: WireEvent[] = [];
  readonly sessions: Map<string, WatchedSession> = new Map();
  private readonly ours: ReadonlySet<string>;
  /** Connections that their peer has ended. What still comes of them is nobody's loss. */
  private readonly ended: Set<string> = new Set();
  private nowMs = 0;

  private readonly options: JudgedMessages;

  /** @param ours - addresses of the speaker, whichever side has them */
  constructor(ours: readonly string[], options: JudgedMessages = { readsRoutes: true }) {
    this.ours = new Set(ours);
    this.options = options;
  }

  take(segment: Segment): void {
    const isOurs = this.ours.has(segment.from);
    if (!isOurs && !this.ours.has(segment.to)) return;
    this.nowMs = segment.timeMs;
    const peer = isOurs ? segment.to : segment.from;
    const ports = isOurs
      ? `${segment.toPort}>${segment.fromPort}`
      : `${segment.fromPort}>${segment.toPort}`;
    let session = this.sessions.get(peer);
    if ((segment.flags & FLAG.SYN) !== 0) {
      this.report(peer, isOurs ? "us" : "peer", "SYN", ports);
      if (!isOurs) this.ended.delete(`${peer} ${segment.fromPort}`);
      if (session?.ports !== ports) session = undefined;
    }
    if (session === undefined) {
      session = new WatchedSession(
        peer,
        (by, fault, detail) => this.report(peer, by, fault, detail),
        this.options,
      );
      session.ports = ports;
      this.sessions.set(peer, session);
    }
    this.inSession(session, segment, isOurs, session.ports === ports);
  }

  /**
   * Judges what only shows at the end: call when everything has arrived, and nothing is under way.
   */
  finish(): void {
    for (const { peer, us, them } of this.sessions.values()) {
      for (const [by, { octets, messages }, other] of [
        ["us", us, them],
        ["peer", them, us],
      ] as const) {
        if (octets.waitingOctets > 0) {
          // What the receiver has acknowledged did arrive.
          const isLost = other.acknowledged > octets.position;
          this.report(peer, by, "hole", isLost ? "the capture lost octets" : "octets never came");
        }
        const { unfinishedOctets } = messages;
        if (unfinishedOctets > 0) this.report(peer, by, "cut", `after ${unfinishedOctets} octets`);
      }
    }
  }

  private inSession(
    session: WatchedSession,
    segment: Segment,
    isOurs: boolean,
    isItsConnection: boolean,
  ): void {
    const { flags, sequence, payload } = segment;
    const by = isOurs ? "us" : "peer";
    if ((flags & (FLAG.FIN | FLAG.RST)) !== 0) this.end(session.peer, by, segment);
    if (!isItsConnection || (flags & FLAG.RST) !== 0) return;
    const own = isOurs ? session.us : session.them;
    if ((flags & FLAG.SYN) !== 0) {
      own.octets.begin((sequence + 1) >>> 0);
      return;
    }
    const before = own.octets.position;
    const waiting = own.octets.waitingOctets;
    const rewrittenBefore = own.octets.rewrittenAt;
    const repeats = own.octets.repeats;
    own.octets.take(sequence, payload);
    if (own.octets.rewrittenAt !== rewrittenBefore) {
      this.report(session.peer, by, "rewritten", `octet ${own.octets.rewrittenAt}`);
    }
    const sent = own.octets.position > before || own.octets.waitingOctets > waiting;
    const acknowledged = this.acknowledge(session, isOurs, segment);
    if (!isOurs) {
      if (own.octets.repeats > repeats) session.peerRepeats++;
      return;
    }
    const afterRepeat = !sent && acknowledged && session.peerRepeats > 0;
    const { timeMs } = segment;
    this.checkClock(session, segment);
    session.signs.push({ timeMs, progress: sent || acknowledged, sent, afterRepeat });
    if (sent || acknowledged) session.peerRepeats = 0;
  }

  private end(peer: string, by: "us" | "peer", segment: Segment): void {
    const { flags, sequence, fromPort, toPort } = segment;
    const connection = `${peer} ${by === "us" ? toPort : fromPort}`;
    if (this.ended.has(connection)) return;
    if (by === "peer") this.ended.add(connection);
    if ((flags & FLAG.FIN) !== 0) this.report(peer, by, "FIN", `sequence ${sequence}`);
    if ((flags & FLAG.RST) !== 0) this.report(peer, by, "RST", `sequence ${sequence}`);
  }

  /** @returns whether the segment acknowledges more than was acknowledged before */
  private acknowledge(session: WatchedSession, isOurs: boolean, segment: Segment): boolean {
    const [own, other] = isOurs ? [session.us, session.them] : [session.them, session.us];
    if ((segment.flags & FLAG.ACK) === 0) return false;
    const position = other.octets.positionOf(segment.acknowledgement);
    if (position > own.acknowledged) {
      own.acknowledged = position;
      own.acknowledgedAtMs = segment.timeMs;
      return true;
    }
    const behind = own.acknowledged - position;
    if (isOurs && behind > 0 && segment.timeMs - own.acknowledgedAtMs > STALE_MS) {
      this.report(session.peer, "us", "stale", `acknowledges ${behind} octets less than before`);
    }
    return false;
  }

  /** A timestamp behind an older one, or far ahead of it, has a peer drop packets (PAWS). */
  private checkClock({ peer, us }: WatchedSession, { timestamp, timeMs }: Segment): void {
    if (timestamp === null) return;
    const ahead = us.timestamp === null ? 0 : (timestamp - us.timestamp) | 0;
    const isLate = ahead < 0 && timeMs - us.timestampAtMs > STALE_MS;
    if (isLate || Math.abs(ahead) > CLOCK_JUMP) {
      this.report(peer, "us", "clock", `timestamp ${timestamp} follows ${us.timestamp}`);
    }
    if (us.timestamp !== null && ahead <= 0) return;
    us.timestamp = timestamp;
    us.timestampAtMs = timeMs;
  }

  private report(peer: string, by: "us" | "peer", fault: Fault, detail: string): void {
    // Recorded updates may say the same twice, and whatever a peer sends is its own affair.
    if (by === "peer" && (fault === "duplicate" || fault === "withdrawn")) return;
    this.events.push({ timeMs: this.nowMs, peer, by, fault, detail });
  }
}

function newDirection(
  report: (fault: MessageFault, detail: string) => void,
  judged: JudgedMessages,
): Direction {
  const messages = new MessageStream(report, judged);
  const octets = new OctetStream((some) => messages.take(some));
  return {
    ...{ octets, messages, acknowledged: 0, acknowledgedAtMs: 0 },
    ...{ timestamp: null, timestampAtMs: 0 },
  };
}
