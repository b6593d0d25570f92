/** A dump of all routes into a file (RFC 6396 section 4.3). */

import { MrtWriter, prefixesOf } from "@ts-bgp/feeds-codec";
import type { DumpedPeer, DumpRequest, DumpResult } from "./orders.ts";
import { OutputFile } from "./output-file.ts";

/** Names of views (RFC 6396 section 4.3.1), which nobody is to understand: of all routes, and of what a peer was sent. */
const VIEW = "";
const ADVERTISED_VIEW = "adj-rib-out";

export class Dump {
  private readonly file: OutputFile;
  private readonly writer: MrtWriter = new MrtWriter();
  private readonly indexes: Map<number, number>;
  private readonly atMs: number;
  private readonly ask: () => void;
  private records = 0;
  private prefixes = 0;
  private routes = 0;

  /** @param ask - asks for the next piece */
  constructor(
    { file, compress, routes, isTimed }: DumpRequest,
    identifier: number,
    peers: readonly DumpedPeer[],
    ask: () => void,
  ) {
    this.file = new OutputFile(file, compress, isTimed);
    this.ask = ask;
    this.atMs = performance.timeOrigin + performance.now();
    this.indexes = new Map(peers.map(({ peer }, index) => [peer, index]));
    const view = typeof routes === "string" ? VIEW : ADVERTISED_VIEW;
    this.writer.peerIndex(this.atMs, identifier, view, peers);
    this.flush();
  }

  /** A piece has come. */
  piece(octets: Uint8Array): void {
    for (const entry of prefixesOf(octets)) {
      this.prefixes++;
      this.routes += entry.paths.length;
      this.records += this.writer.rib(this.atMs, this.records, entry, (peer) =>
        this.indexes.get(peer),
      );
    }
    this.flush();
  }

  /** All is there. @returns what it is, or why it is not */
  async end(): Promise<DumpResult | string> {
    try {
      const octets = await this.file.close();
      return { prefixes: this.prefixes, routes: this.routes, octets };
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** No more of it will come. */
  giveUp(problem: string): void {
    this.file.giveUp(problem);
  }

  get fault(): string | null {
    return this.file.fault;
  }

  private flush(): void {
    this.file.write(this.writer.take());
    this.file.whenReady(this.ask);
  }
}
