/** The server of mirrors and what it takes to follow, in this process, over a real socket. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as netConnect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Active,
  type AnyRecord,
  FrameReader,
  frameOf,
  Journal,
  Machine,
} from "@ts-bgp/replication";
import type { LogEvent } from "@ts-bgp/speaker";
import { afterEach } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { programDigest } from "../src/build.ts";
import type { Hello } from "../src/hello.ts";
import { MirrorFollower } from "../src/mirror-follower.ts";
import { mirrorHello } from "../src/mirror-hello.ts";
import { MirrorServer, type Through } from "../src/mirror-server.ts";

export const WAIT_MS = 5000;
const CLUSTER = "m";
const BUILD = programDigest();
const NEIGHBORS = "neighbors: [ { address: 192.0.2.1, as: 65001, passive: true } ]";

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

/** @returns the path of a socket in a folder that is gone after the test */
export function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-mirror-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  return join(folder, "m.sock");
}

/**
 * A speaker that runs alone, as far as mirrors have to do with it.
 *
 * @param copyMs - that it is held up for by each copy of its state, at least
 * @param through - of one that is a mirror itself
 */
export async function serve(path: string, copyMs = 0, through: Through | null = null) {
  const journal = new Journal(new Machine(configOf(yamlOf(NEIGHBORS)), 1));
  const nothing = () => {};
  const active = new Active(
    journal,
    { epoch: 1, patienceMs: 1000, stream: 7 },
    {
      ...{ send: nothing, release: nothing, acknowledge: nothing, gone: nothing },
      ...{ openGate: nothing, drop: nothing, say: nothing },
      ...{ closeGate: () => new Map(), declare: async () => true, undeclare: async () => true },
    },
  );
  journal.run({ record: "start", nowMs: 0 });
  active.commit(0);
  const lines: string[] = [];
  const server = new MirrorServer({ software: "1", log: ({ message }) => lines.push(message) });
  const commit = () => {
    const endMs = performance.now() + copyMs;
    while (performance.now() < endMs);
    active.commit(0);
    return active.number;
  };
  const mirrored = {
    mirrors: active.mirrors,
    machine: journal.machine,
    epoch: 1,
    side: "a",
    through,
    commit,
  };
  const config = { cluster: CLUSTER, listen: { path }, tls: null, names: [], max: 8 };
  server.use(mirrored, config);
  ends.push(() => server.use(null, null));
  await until(async () => existsSync(path), WAIT_MS, "it listens");
  return { server, lines };
}

/** Somebody who says what a test wants, to a server or as one. */
export class Speaks {
  readonly socket: Socket;
  readonly records: AnyRecord[] = [];

  constructor(socket: Socket, heard: (record: AnyRecord) => void = () => {}) {
    this.socket = socket;
    const reader = new FrameReader(null);
    socket.on("error", () => {});
    socket.on("data", (octets) => {
      reader.push(octets);
      for (let next = reader.next(); next !== null; next = reader.next()) {
        this.records.push(next);
        heard(next);
      }
    });
    ends.push(() => socket.destroy());
  }

  hello(role: "active" | "mirror", name: string, more: Partial<Hello> = {}): void {
    const self = { cluster: CLUSTER, name, software: "1", build: BUILD };
    this.socket.write(frameOf("hello", { ...mirrorHello(self, role, {}), ...more }));
  }

  /** Names of what has come. */
  get heard(): string[] {
    return this.records.map(({ record }) => record);
  }

  /** What it has said of when to come again, as in the record `bye`; null when it has not closed the link. */
  get again(): number | null {
    return this.records.map((each) => (each.record === "bye" ? each.again : null)).at(-1) ?? null;
  }

  /** Why the other end has closed the link; null when it has not said so. */
  get bye(): string | null {
    return this.records.map((each) => (each.record === "bye" ? each.reason : null)).at(-1) ?? null;
  }
}

/** @returns somebody who has connected to a server */
export function connect(path: string, heard?: (record: AnyRecord) => void): Speaks {
  return new Speaks(netConnect(path), heard);
}

/** Listens as a server that says what a test wants to each who comes. */
export function pretend(path: string, say: (to: Speaks, hello: Hello) => void): void {
  const server = createServer((socket) => {
    const speaks: Speaks = new Speaks(socket, (record) => {
      if (record.record === "hello") say(speaks, record);
    });
  }).listen(path);
  ends.push(() => server.close());
}

/** A mirror that follows from now on. @param paths - of its servers, those that are preferred first */
export function follow(paths: string | readonly string[], imageOctetsMax?: number) {
  const lines: string[] = [];
  const follower = new MirrorFollower({
    config: {
      cluster: CLUSTER,
      self: "m1",
      servers: [paths].flat().map((path) => ({ path })),
      tls: null,
    },
    ...{ software: "1", log: ({ message }: LogEvent) => lines.push(message) },
    ...{ changed() {}, seen() {}, ...(imageOctetsMax === undefined ? {} : { imageOctetsMax }) },
  });
  void follower.run();
  ends.push(() => follower.stop());
  return { follower, lines };
}
