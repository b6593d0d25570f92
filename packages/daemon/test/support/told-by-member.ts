/** A member of a cluster that tells, at the end of a Unix socket, and a stand-in that says what a test lets it say. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import net, { type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FrameWriter, recordOctets } from "@ts-bgp/follow";
import type { Caller } from "@ts-bgp/nsr/links";
import type { Router } from "@ts-bgp/router";
import { Teller } from "../../src/cluster/teller.ts";
import type { ControlHandler } from "../../src/control.ts";

/** Waits at a socket of its own for those who follow. */
export class Place {
  readonly path: string;
  private readonly folder = mkdtempSync(join(tmpdir(), "member-"));
  private readonly server: net.Server;
  private readonly sockets: Socket[] = [];

  constructor(called: (socket: Socket) => void) {
    this.path = join(this.folder, "a.sock");
    this.server = net.createServer((socket) => {
      socket.on("error", () => {});
      this.sockets.push(socket);
      called(socket);
    });
  }

  open(): Promise<void> {
    return new Promise((resolve) => {
      this.server.listen(this.path, () => {
        chmodSync(this.path, 0o600);
        resolve();
      });
    });
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Member `a`, which tells the routes of a router to member `b`. */
export class Telling {
  readonly place: Place;
  readonly tellers: Teller[] = [];
  readonly reasons: string[] = [];
  readonly faults: string[] = [];
  /** What it is asked, and answers to that. */
  answer: ControlHandler = async function* () {
    yield* [];
    return {};
  };

  constructor(router: Router) {
    this.place = new Place((stream) => {
      const caller: Caller = { stream, name: null, welcome() {}, refuse() {} };
      const source = {
        ...{ name: "cluster", self: "a", software: "1", router, epoch: 0 },
        admits: (name: string) => name === "b",
      };
      const hooks = {
        source: () => source,
        answer: (...asked: Parameters<ControlHandler>) => this.answer(...asked),
        fault: (what: string) => void this.faults.push(what),
        joined: (teller: Teller) => void this.tellers.push(teller),
        left: (_: Teller, reason: string) => void this.reasons.push(reason),
      };
      void new Teller(caller, hooks);
    });
  }
}

/** What a member says on a connection. */
export class Said {
  private readonly socket: Socket;
  private readonly writer: FrameWriter = new FrameWriter();

  constructor(socket: Socket) {
    this.socket = socket;
  }

  say(...record: Parameters<typeof recordOctets>): void {
    this.socket.write(this.writer.frame(recordOctets(...record)));
  }
}
