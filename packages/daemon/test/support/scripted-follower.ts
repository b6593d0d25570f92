/** A follower that says what a test lets it say, and keeps what it is told. */
import type { Socket } from "node:net";
import { type AnyRecord, FrameReader, FrameWriter, readRuns, recordOctets } from "@ts-bgp/follow";
import { until } from "../../../../test/lab/until.ts";
import { WAIT_MS } from "../../../../testkit/speaker.ts";

export const HELLO = {
  version: 1,
  name: "followers",
  follower: "test",
  families: 3,
  software: "1",
  several: 0,
  network: "",
};

export class Scripted {
  readonly records: AnyRecord[] = [];
  closed = false;
  private readonly socket: Socket;
  private readonly writer: FrameWriter = new FrameWriter();

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader("server");
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("data", (octets: Buffer) => {
      reader.push(octets);
      for (let next = reader.next(); next !== null; next = reader.next()) this.records.push(next);
    });
  }

  say(...record: Parameters<typeof recordOctets>): void {
    this.socket.write(this.writer.frame(recordOctets(...record)));
  }

  raw(octets: Uint8Array): void {
    this.socket.write(octets);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.destroy();
  }

  has(record: AnyRecord["record"]): Promise<unknown> {
    const isThere = () => this.records.some((one) => one.record === record);
    return until(isThere, WAIT_MS, `the follower is told ${record}`);
  }

  /** @returns prefixes that it has been told, with their next hops */
  get routes(): Map<number, string> {
    const found = new Map<number, string>();
    for (const one of this.records) {
      if (one.record !== "bracket") continue;
      let hop = "";
      readRuns(
        one.routes,
        (_, hops) => {
          hop = hops.map((octets) => octets.join(".")).join(" ");
        },
        (_, w0) => void (hop === "" ? found.delete(w0) : found.set(w0, hop)),
      );
    }
    return found;
  }

  get reason(): string {
    const bye = this.records.find((one) => one.record === "bye");
    return bye?.record === "bye" ? bye.reason : "";
  }
}
