/** Answers to the thread of HTTP, in pieces: the next one is made when it is asked for. */

import type { ControlHandler, ControlRequest } from "../control.ts";
import { ControlError } from "../control.ts";
import type { Fault } from "../fault.ts";
import { Turns } from "../turns.ts";
import { askedByMember, type MemberSources } from "./member.ts";
import type { ApiEvent, ApiReply, ApiRequest } from "./messages.ts";

/** What the API is made of. */
export interface ApiSources extends MemberSources {
  /** As of the control socket. */
  readonly ask: ControlHandler;
  /** Name of the active side of a pair, null when this is the one, or it is not known. */
  activeSide(): string | null;
  /** Notes who has given an order. */
  ordered(by: string, request: ControlRequest): void;
  /** @param heard - told of each event from now on. @returns what ends that */
  watch(heard: (event: ApiEvent) => void): () => void;
}

interface Open {
  readonly request: ControlRequest;
  readonly items: ReturnType<ControlHandler>;
  readonly turns: Turns;
}

/** Questions at once: each takes its turns, so that more of them would only wait for each other. */
const OPEN_MAX = 64;
/** Of a piece: what a client that does not read makes this process keep. */
const PIECE_CHARACTERS = 1 << 16;
/** What takes longer comes in a piece that may be empty: that there is somebody who is at it. */
const PIECE_MS = 2000;
/** Of a request that is reported. */
const FAULT_CHARACTERS = 200;

export class Questions {
  private readonly sources: ApiSources;
  private readonly post: (reply: ApiReply) => void;
  private readonly fault: Fault;
  private readonly open: Map<number, Open> = new Map();
  private watchNoMore: () => void = () => {};

  constructor(sources: ApiSources, post: (reply: ApiReply) => void, fault: Fault) {
    this.sources = sources;
    this.post = post;
    this.fault = fault;
  }

  hear(said: ApiRequest): void {
    if (said.ask === "watch") {
      this.watchNoMore();
      this.watchNoMore = said.isOn ? this.sources.watch((event) => this.post({ event })) : () => {};
    } else if (said.ask === "drop") {
      void this.open.get(said.id)?.items.return({});
      this.open.delete(said.id);
    } else {
      if (said.ask === "question") {
        const { id, request, memberAs, by } = said;
        if (this.open.size >= OPEN_MAX) {
          const message = `${OPEN_MAX} questions are being answered already`;
          this.post({ question: id, refusal: { kind: "busy", message, active: null } });
          return;
        }
        const ordered = () => {
          if (by !== null) this.sources.ordered(by, request);
        };
        if (memberAs === null) ordered();
        const who = () => by ?? "nobody";
        const items =
          memberAs === null
            ? this.sources.ask(request, who)
            : askedByMember(this.sources, request, memberAs, ordered, who);
        this.open.set(id, { request, items, turns: new Turns() });
      }
      void this.tell(said.id);
    }
  }

  /** The thread of HTTP is gone. */
  close(): void {
    for (const id of [...this.open.keys()]) this.hear({ ask: "drop", id });
    this.watchNoMore();
  }

  private async tell(id: number): Promise<void> {
    const open = this.open.get(id);
    if (open === undefined) return;
    try {
      const { lines, end } = await piece(open);
      if (end !== null) this.open.delete(id);
      this.post({ question: id, lines, end });
    } catch (error) {
      this.open.delete(id);
      const { message } = error as Error;
      const isRefused = error instanceof ControlError;
      if (!isRefused) {
        const text = JSON.stringify(open.request).slice(0, FAULT_CHARACTERS);
        this.fault(`request ${text}`, error);
      }
      const kind = isRefused ? error.kind : "fault";
      const active = kind === "standby" ? this.sources.activeSide() : null;
      this.post({ question: id, refusal: { kind, message, active } });
    }
  }
}

async function piece({ items, turns }: Open): Promise<{ lines: string; end: ApiReplyEnd }> {
  const lines: string[] = [];
  let characters = 0;
  const untilMs = performance.now() + PIECE_MS;
  while (characters < PIECE_CHARACTERS && performance.now() < untilMs) {
    await turns.next();
    const { value, done } = await items.next();
    if (done) return { lines: lines.join("\n"), end: value ?? {} };
    if (value === null) continue;
    const line = JSON.stringify(value);
    lines.push(line);
    characters += line.length;
  }
  return { lines: lines.join("\n"), end: null };
}

type ApiReplyEnd = Readonly<Record<string, unknown>> | null;
