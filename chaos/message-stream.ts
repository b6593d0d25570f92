/**
 * The BGP messages of one direction of a session (RFC 4271 section 4), as they are put together.
 *
 * It keeps what was announced and not withdrawn, so it knows what a peer holds, and notices when it
 * is told the same again, or loses what stays.
 */
import {
  attributesKey,
  HEADER_OCTETS,
  parseUpdate,
  type RouteText,
  routeText,
  TYPE,
  two,
  type Update,
} from "./updates.ts";

const MESSAGE_OCTETS_MAX = 4096;

/** What is wrong with the messages, or ends a session. */
export type MessageFault = "OPEN" | "NOTIFICATION" | "malformed" | "duplicate" | "withdrawn";

/** Which messages are judged, and how. */
export interface JudgedMessages {
  /** Whether to know what the receiver is told; where not, UPDATEs are judged by their headers. */
  readonly readsRoutes: boolean;
  /** Prefixes that nobody withdraws. */
  readonly stays?: (prefix: string) => boolean;
}

export class MessageStream {
  messages = 0;
  /** Routes that were announced although they were held like that already. */
  redundantRoutes = 0;
  /** What the receiver holds, by prefix. Equal routes are the same object. */
  readonly held: Map<string, RouteText> = new Map();
  private readonly texts: Map<string, RouteText> = new Map();
  private readonly report: (fault: MessageFault, detail: string) => void;
  private readonly judged: JudgedMessages;
  private rest: Buffer = Buffer.alloc(0);
  /** Nothing behind an octet that cannot be understood has a meaning. */
  private broken = false;

  constructor(
    report: (fault: MessageFault, detail: string) => void,
    judged: JudgedMessages = { readsRoutes: true },
  ) {
    this.report = report;
    this.judged = judged;
  }

  /** Octets of a message that has only begun. */
  get unfinishedOctets(): number {
    return this.broken ? 0 : this.rest.length;
  }

  /** Takes the next octets, any number. They are not kept. */
  take(octets: Uint8Array): void {
    if (this.broken) return;
    const all = Buffer.concat([this.rest, octets]);
    let at = 0;
    while (at + HEADER_OCTETS <= all.length && !this.broken) {
      const fault = headerFault(all, at);
      if (fault !== null) {
        this.broken = true;
        this.report("malformed", fault);
        return;
      }
      const end = at + two(all, at + 16);
      if (end > all.length) break;
      this.message(all[at + 18]!, all.subarray(at + HEADER_OCTETS, end));
      at = end;
    }
    this.rest = all.subarray(at);
  }

  private message(type: number, body: Uint8Array): void {
    this.messages++;
    if (type === TYPE.OPEN) this.report("OPEN", `of AS ${two(body, 1)}`);
    if (type === TYPE.NOTIFICATION) this.report("NOTIFICATION", `${body[0]}/${body[1]}`);
    if (type === TYPE.KEEPALIVE && body.length > 0) this.report("malformed", "KEEPALIVE with body");
    if (type === TYPE.UPDATE && this.judged.readsRoutes) this.update(body);
  }

  private update(body: Uint8Array): void {
    const update = parseUpdate(body);
    if (typeof update === "string") {
      this.report("malformed", update);
      return;
    }
    let changes = 0;
    for (const prefix of update.withdrawn) {
      if (!this.held.delete(prefix)) continue;
      changes++;
      if (this.judged.stays?.(prefix) === true) this.report("withdrawn", prefix);
    }
    const text = this.textOf(update);
    for (const prefix of update.announced) {
      if (this.held.get(prefix) === text) this.redundantRoutes++;
      else changes++;
      this.held.set(prefix, text);
    }
    const first = update.announced[0] ?? update.withdrawn[0];
    // An UPDATE without prefixes is an End-of-RIB (RFC 4724 section 2).
    if (first !== undefined && changes === 0) this.report("duplicate", `UPDATE of ${first}`);
  }

  private textOf({ attributes, nextHop }: Update): RouteText {
    const key = attributesKey(attributes, nextHop);
    let text = this.texts.get(key);
    if (text === undefined) {
      text = routeText(attributes, nextHop);
      this.texts.set(key, text);
    }
    return text;
  }
}

function headerFault(octets: Buffer, at: number): string | null {
  for (let i = at; i < at + 16; i++) if (octets[i] !== 0xff) return "no marker";
  const length = two(octets, at + 16);
  if (length < HEADER_OCTETS || length > MESSAGE_OCTETS_MAX) return `length ${length}`;
  const type = octets[at + 18]!;
  return type < TYPE.OPEN || type > TYPE.ROUTE_REFRESH ? `type ${type}` : null;
}
