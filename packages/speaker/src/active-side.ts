/** The active one of a pair: lets a standby join, and has everything wait for it that has to. */

import type { Duplex } from "node:stream";
import type { NsrConfig } from "@ts-bgp/config";
import { type AnyRecord, frameOf, type RecordOf, STREAM_VERSION } from "@ts-bgp/replication";
import type { Gate } from "@ts-bgp/takeover";
import type { Arbiter } from "./arbiter.ts";
import { BeatSender } from "./beats.ts";
import { Link } from "./link.ts";
import { listenForLinks } from "./links.ts";
import { Protector } from "./protector.ts";
import type { Speaker } from "./speaker.ts";

/** What both sides say of themselves. */
export interface Side {
  readonly config: NsrConfig;
  readonly name: string;
  readonly software: string;
}

export type Hello = RecordOf<"hello">;

export class ActiveSide {
  readonly protector: Protector;
  /** Of the standby that is connected. */
  peer: Hello | null = null;
  /** When the link came up, or went down. */
  linkSinceMs = 0;
  private readonly side: Side;
  private readonly epoch: number;
  private readonly term: Arbiter["term"];
  private speaker!: Speaker;
  private link: Link | null = null;
  private beats: BeatSender | null = null;
  private stopListening: () => void = () => {};
  private handoverTaken: (() => void) | null = null;

  constructor(
    side: Side,
    epoch: number,
    arbiter: Arbiter,
    gate: Gate | null,
    problem: string,
    now: () => number,
  ) {
    this.side = side;
    this.epoch = epoch;
    this.term = arbiter.term;
    this.protector = new Protector(gate, problem, now, {
      send: (frame) => this.link?.send(frame),
      hasRoom: () => this.link?.hasRoom !== false,
      declare: (standby) => arbiter.nameStandby(standby),
      undeclare: () => arbiter.nameStandby(null),
      drop: (reason) => this.drop(reason),
    });
  }

  /** @param speaker - with this side's protector */
  async start(speaker: Speaker): Promise<void> {
    this.speaker = speaker;
    const { listen, tls } = this.side.config;
    this.beats = new BeatSender(this.side.config, this.term, (reason) => {
      speaker.active.lose(`heartbeats cannot be sent: ${reason}`);
    });
    speaker.ticked = () => this.beats?.progress();
    this.stopListening = await listenForLinks(listen, tls, (stream) => this.accept(stream));
  }

  /** Lets nobody join any more. The file of a Unix socket goes with it, so before another side has one. */
  async refuseStandbys(): Promise<void> {
    this.stopListening();
    this.stopListening = () => {};
    await this.beats?.stop();
    this.beats = null;
  }

  stop(): void {
    void this.refuseStandbys();
    this.drop("the active side stops");
  }

  /** Sends the standby what it needs to go on. @returns when the standby has it, or is gone */
  handOver(frozen: unknown): Promise<boolean> {
    const { number } = this.speaker.active;
    this.link?.send(frameOf("handover", { number, epoch: this.epoch, frozen }));
    return new Promise((resolve) => {
      this.handoverTaken = () => resolve(true);
      setTimeout(() => resolve(false), HANDOVER_MS).unref();
    });
  }

  private accept(stream: Duplex): void {
    const link: Link = new Link(stream, {
      record: (record) => {
        if (record.record === "hello") this.welcome(link, record);
        else if (link === this.link) this.record(record);
      },
      drained: () => this.speaker.active.pump(),
      idle: () => {
        this.protector.wake();
        this.speaker.roomMade();
      },
      closed: (reason) => {
        if (link === this.link) this.lost(reason);
      },
    });
  }

  private welcome(link: Link, hello: Hello): void {
    const refusal = this.refusalOf(hello);
    if (refusal !== "") {
      link.bye(refusal);
      return;
    }
    this.link = link;
    this.peer = hello;
    this.linkSinceMs = this.speaker.now();
    this.beats?.expect(hello.echo);
    link.send(frameOf("hello", helloOf(this.side, "active", this.epoch)));
    try {
      this.speaker.active.join(hello.side, this.speaker.now());
    } catch (error) {
      this.speaker.active.lose(`its state cannot be sent: ${(error as Error).message}`);
    }
  }

  private refusalOf(hello: Hello): string {
    const { config, name } = this.side;
    if (this.link !== null) return `${this.peer?.side} is the standby already`;
    if (this.protector.problem !== "") return this.protector.problem;
    return mismatch(config, name, hello);
  }

  private record(record: AnyRecord): void {
    if (record.record === "handoverTaken") this.handoverTaken?.();
    else this.speaker.active.record(record, this.speaker.now());
  }

  private lost(reason: string): void {
    this.link = null;
    this.peer = null;
    this.linkSinceMs = this.speaker.now();
    this.speaker.active.lose(reason);
    this.speaker.schedule();
  }

  private drop(reason: string): void {
    const { link } = this;
    this.link = null;
    this.peer = null;
    link?.bye(reason);
  }
}

/** Longest wait for a standby to say that it has taken over what it was handed. */
const HANDOVER_MS = 2000;

/** @param echo - of a standby, signs its echoes */
export function helloOf(side: Side, role: "active" | "standby", epoch: number, echo = 0) {
  return {
    version: STREAM_VERSION,
    cluster: side.config.cluster,
    side: side.name,
    epoch,
    role,
    software: side.software,
    process: process.pid,
    echo,
  };
}

/** @returns why sides do not belong together, empty when they do */
export function mismatch({ cluster }: NsrConfig, name: string, hello: Hello): string {
  if (hello.cluster !== cluster) return `this is cluster "${cluster}", not "${hello.cluster}"`;
  if (hello.side === name) return `both sides have the name "${name}"`;
  if (hello.version !== STREAM_VERSION) {
    return `replication stream ${hello.version} is not understood, only ${STREAM_VERSION}`;
  }
  return "";
}
