/**
 * What a station gets by a socket of the system is what plain encoding makes, octet by octet: however slowly it reads,
 * wherever others are in the same blocks, when its session ends in the middle of a part, and in the session that follows.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BmpStationConfig } from "@ts-bgp/config";
import { type RouteRun, RunWriter, runsOf, TABLE, toVersion4 } from "@ts-bgp/feeds-codec";
import type { ObservedSession } from "@ts-bgp/router";
import { encodeUpdate, FAMILY, KEEPALIVE_OCTETS } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import type { Writes } from "../src/orders.ts";
import { Peers } from "../src/peers.ts";
import { Station } from "../src/station.ts";
import { ToldRoutes } from "../src/told-routes.ts";
import { toldWrites } from "../src/told-writes.ts";
import { WriteBatch } from "../src/write-batch.ts";
import { PlainTelling } from "./plain-telling.ts";

const WAIT_MS = 5_000;
const AT_MS = 1_700_000_000_123.25;
const [OUT_OF_RESOURCES, TERMINATION] = [2, 5];
const NEIGHBORS = 6;
/** ORIGIN, AS_PATH and NEXT_HOP. */
const ATTRIBUTES = Uint8Array.of(
  ...[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9],
  ...[0x40, 3, 4, 10, 0, 0, 1],
);
const UPDATES = [1, 40, 800].map((count) =>
  encodeUpdate({
    withdrawn: Array.from({ length: count }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`),
  }),
);

/** Some by IPv6, some with path identifiers, some with AS numbers of 2 octets. */
const SESSIONS = Array.from({ length: NEIGHBORS }, (_, number): ObservedSession => {
  const isIpv6 = number % 3 === 2;
  const host = [192, 0, 2, 1 + number];
  const address = Uint8Array.from(
    isIpv6 ? [0x20, 1, 0xd, 0xb8, ...Array(8).fill(0), ...host] : host,
  );
  return {
    ...{ peer: 10 + number, connection: number, neighbor: `neighbor${number}`, group: "" },
    ...{ as: 4_200_000_000 + number, identifier: 1 + number, localAs: 65000, address },
    ...{ fourOctetAs: number !== 1, localAddress: address, localPort: 179, remotePort: 1024 },
    ...{ sinceMs: AT_MS, sentOpen: new Uint8Array(29), receivedOpen: new Uint8Array(29) },
    ...{ families: number === 4 ? FAMILY.IPV4_UNICAST : 3, addPathReceive: 0 },
    ...{ addPathSend: number % 2 === 0 ? FAMILY.IPV4_UNICAST : 0 },
  } as unknown as ObservedSession;
});

/** One connection of a station, as its other side reads it. */
class Reader {
  readonly plain: PlainTelling;
  readonly socket: Socket;
  isOver = false;
  private readonly chunks: Buffer[] = [];

  constructor(socket: Socket, plain: PlainTelling) {
    this.socket = socket;
    this.plain = plain;
    socket.on("data", (octets) => this.chunks.push(octets));
    socket.on("close", () => {
      this.isOver = true;
    });
    socket.on("error", () => {});
  }

  get octets(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get length(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }
}

/** A station, and all that it was told in each of its sessions. */
class Place {
  readonly station: Station;
  readonly config: BmpStationConfig;
  reader: Reader | null = null;
  /** Sessions that the station has ended, and the octets that it had sent in them. */
  readonly ended: { readonly reader: Reader; readonly sent: number }[] = [];
  private octetsBefore = 0;
  /** What the next session is to begin with. */
  private text = "";
  private readonly path: string;
  private readonly peers: Peers;

  constructor(path: string, peers: Peers, config: Partial<BmpStationConfig>) {
    this.path = path;
    this.peers = peers;
    this.config = {
      ...{ name: "station", tables: ["adj-out-pre", "adj-out-post"], neighbors: [] },
      ...{ queueOctetsMax: 1 << 30, mirrorMalformed: false, version: 3, ...config },
    } as unknown as BmpStationConfig;
    this.station = new Station(this.config, {
      peers,
      identity: { hostname: "host", version: "1", as: 65000, identifier: 1 },
      text: "",
      now: () => AT_MS,
      newWalk: () => 1,
      walk: () => {},
      endWalk: () => {},
      say: () => {},
    });
  }

  get told(): ObservedSession[] {
    const { neighbors } = this.config;
    const isTold = ({ neighbor }: ObservedSession) =>
      neighbors.length === 0 || neighbors.includes(neighbor);
    return [...this.peers.up.values()].filter(isTold);
  }

  get sent(): number {
    return this.station.show().octets - this.octetsBefore;
  }

  /** Begins a session, in which what came before is told of no more. */
  async begin(server: Server): Promise<void> {
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const socket = connect({ path: this.path });
    socket.on("error", () => {});
    const plain = new PlainTelling(this.told, "host", "ts-bgp 1", this.text);
    this.text = "";
    this.reader = new Reader(await accepted, plain);
    this.octetsBefore = this.station.show().octets;
    this.station.begin(socket);
  }

  /** To be called whenever its session may have ended: of its own accord when it has. */
  notice(): void {
    const { reader } = this;
    if (reader === null || this.station.isUp) return;
    this.ended.push({ reader, sent: this.sent });
    this.text = `; messages were missed: ${this.station.show().problem}`;
    reader.socket.resume();
    this.reader = null;
  }

  /** In the version that it is told. */
  expected({ plain }: Reader): Buffer {
    return this.config.version === 4 ? Buffer.from(toVersion4(plain.octets)) : plain.octets;
  }
}

/** Several stations with the same neighbors: everything, little memory, some neighbors, and the other version. */
async function withPlaces(use: (scene: Scene) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bmp-"));
  const path = join(directory, "socket");
  const server = createServer();
  try {
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const scene = new Scene(path, server);
    for (const place of scene.places) await place.begin(server);
    await use(scene);
    for (const { station } of scene.places) station.end(0, null);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
}

class Scene {
  readonly places: readonly Place[];
  private readonly server: Server;

  constructor(path: string, server: Server) {
    this.server = server;
    const peers = new Peers();
    for (const session of SESSIONS) peers.goesUp(session);
    this.places = [
      {},
      { queueOctetsMax: 1 << 20 },
      { neighbors: ["neighbor1", "neighbor2"], tables: ["adj-out-pre"] as const },
      { version: 4 as const, tables: ["adj-out-post"] as const },
    ].map((config) => new Place(path, peers, config));
  }

  routes(octets: Uint8Array, isPiece: boolean): void {
    const told = new ToldRoutes(octets, AT_MS);
    const runs: RouteRun[] = [...runsOf(octets)];
    for (const { station, reader, config } of this.places) {
      if (config.tables.includes("adj-out-pre")) reader?.plain.exported(runs, AT_MS);
      if (isPiece) station.walked(octets);
      else station.routes(told);
    }
    this.notice();
  }

  /** @param parts - numbers of neighbors, and messages that each was sent */
  writes(parts: readonly (readonly [number, readonly Uint8Array[]])[], writes: Writes): void {
    const isTold = () => true;
    for (const { reader, config, told } of this.places) {
      if (!config.tables.includes("adj-out-post")) continue;
      for (const [number, messages] of parts) {
        const session = SESSIONS[number]!;
        if (!told.includes(session)) continue;
        for (const message of messages) {
          if (message !== KEEPALIVE_OCTETS) reader?.plain.sent(session, message, writes.atMs);
        }
      }
    }
    const byRow = new Map(SESSIONS.map((session) => [session.peer, session]));
    for (const write of toldWrites(writes, isTold)) {
      for (const { station } of this.places) station.sent(byRow.get(write.peer)!, write);
    }
    this.notice();
  }

  /** What was told in a turn is sent at its end. */
  flush(): void {
    for (const { station } of this.places) station.flush();
    this.notice();
  }

  notice(): void {
    for (const place of this.places) place.notice();
  }

  async again(number: number): Promise<void> {
    this.flush();
    const place = this.places[number]!;
    if (place.reader === null) await place.begin(this.server);
  }

  /** The other side is gone, in the middle of whatever was on its way. */
  async cut(number: number): Promise<void> {
    this.flush();
    const place = this.places[number]!;
    const { reader, station } = place;
    if (reader === null) return;
    reader.socket.destroy();
    await until(() => !station.isUp, WAIT_MS, "the station notices");
    place.reader = null;
    const { octets } = reader;
    expect(place.expected(reader).subarray(0, octets.length).equals(octets)).toBe(true);
  }

  /** All that was told arrives, and no more; what sessions that were ended had sent, and a last message. */
  async check(): Promise<void> {
    this.flush();
    for (const place of this.places) {
      const { reader } = place;
      if (reader !== null) {
        reader.socket.resume();
        const expected = place.expected(reader);
        await until(() => reader.length >= expected.length, WAIT_MS, "all has arrived");
        expect(reader.octets.equals(expected)).toBe(true);
        expect(place.sent).toBe(expected.length);
        expect(place.station.show().queuedOctets).toBe(0);
      }
      for (const { reader: before, sent } of place.ended) {
        await until(() => before.isOver, WAIT_MS, "the session is over");
        const { octets } = before;
        expect(octets.subarray(0, sent).equals(place.expected(before).subarray(0, sent))).toBe(
          true,
        );
        const last = octets.subarray(sent);
        expect([last.readUInt32BE(1), last[5]]).toEqual([last.length, TERMINATION]);
      }
    }
  }
}

interface Run {
  readonly from: number;
  readonly isIpv6: boolean;
  readonly isWithdrawn: boolean;
  readonly routes: number;
}

function runsOctets(all: readonly Run[]): Uint8Array {
  const writer = new RunWriter();
  for (const { from, isIpv6, isWithdrawn, routes } of all) {
    const family = isIpv6 ? FAMILY.IPV6_UNICAST : FAMILY.IPV4_UNICAST;
    const attributes = { buf: ATTRIBUTES, at: 0, end: ATTRIBUTES.length };
    writer.run(TABLE.LOC_RIB, family, 10 + from, false, isWithdrawn ? null : attributes);
    for (let i = 0; i < routes; i++) writer.prefix(0x0a000000 + (i << 8), 0, 0, 0, 24, 0);
  }
  return writer.take();
}

interface Written {
  readonly kinds: readonly number[];
  readonly cuts: readonly (readonly [number, number, number])[];
}

/** Messages in one buffer, of which neighbors were sent parts, as routing hands them over. */
function writesOf(all: readonly Written[]): [[number, Uint8Array[]][], Writes] {
  const batch = new WriteBatch();
  const parts: [number, Uint8Array[]][] = [];
  for (const { kinds, cuts } of all) {
    const messages = kinds.map((kind) => UPDATES[kind] ?? KEEPALIVE_OCTETS);
    const buf = Uint8Array.from(Buffer.concat(messages));
    const starts = [0];
    for (const { length } of messages) starts.push(starts.at(-1)! + length);
    for (const [number, a, b] of cuts) {
      const from = a % messages.length;
      const to = from + 1 + (b % (messages.length - from));
      parts.push([number, messages.slice(from, to)]);
      batch.add(10 + number, buf.subarray(starts[from], starts[to]));
    }
  }
  return [parts, { ...batch.take(), atMs: AT_MS }];
}

const neighbor = fc.nat(NEIGHBORS - 1);
const place = fc.nat(3);
const run: fc.Arbitrary<Run> = fc.record({
  // Of some there is no neighbor.
  from: fc.nat(NEIGHBORS),
  isIpv6: fc.boolean(),
  isWithdrawn: fc.boolean(),
  routes: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 500, max: 9000 })),
});
const written: fc.Arbitrary<Written> = fc.record({
  kinds: fc.array(fc.nat(UPDATES.length), { minLength: 1, maxLength: 60 }),
  cuts: fc.array(fc.tuple(neighbor, fc.oneof(fc.constant(0), fc.nat()), fc.nat()), {
    minLength: 1,
    maxLength: 12,
  }),
});
const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        runs: fc.array(run, { minLength: 1, maxLength: 8 }),
        isPiece: fc.boolean(),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ writes: fc.array(written, { minLength: 1, maxLength: 3 }) }),
    },
    { weight: 4, arbitrary: fc.constant({ flush: true } as const) },
    { weight: 6, arbitrary: fc.record({ turns: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 3, arbitrary: fc.record({ pause: place }) },
    { weight: 2, arbitrary: fc.record({ resume: place }) },
    { weight: 1, arbitrary: fc.record({ miss: place }) },
    { weight: 1, arbitrary: fc.record({ cut: place }) },
    { weight: 2, arbitrary: fc.record({ again: place }) },
  ),
  { minLength: 10, maxLength: 60, size: "max" },
);
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never;

async function take(scene: Scene, step: Step): Promise<void> {
  const { places } = scene;
  if ("runs" in step) scene.routes(runsOctets(step.runs), step.isPiece);
  else if ("writes" in step) scene.writes(...writesOf(step.writes));
  else if ("flush" in step) scene.flush();
  else if ("pause" in step) places[step.pause]!.reader?.socket.pause();
  else if ("resume" in step) places[step.resume]!.reader?.socket.resume();
  else if ("cut" in step) await scene.cut(step.cut);
  else if ("again" in step) await scene.again(step.again);
  else if ("miss" in step) {
    places[step.miss]!.station.miss("a test wants that");
    scene.notice();
  } else {
    scene.flush();
    for (let turn = 0; turn < step.turns; turn++) await new Promise(setImmediate);
  }
}

test("stations get what plain encoding makes, whatever happens to them", async () => {
  await fc.assert(
    fc.asyncProperty(steps, (all) =>
      withPlaces(async (scene) => {
        for (const step of all) await take(scene, step);
        await scene.check();
      }),
    ),
    // A smaller example may have to wait for what does not come, again and again.
    { numRuns: 20, endOnFailure: true },
  );
});

test("a station ends in the middle of a part, others go on in the same blocks, and it comes again", async () => {
  await withPlaces(async (scene) => {
    const [whole, little, , other] = scene.places as [Place, Place, Place, Place];
    for (const { reader } of [whole, little, other]) reader!.socket.pause();
    const kinds = Array.from({ length: 200 }, () => 2);
    const [parts, writes] = writesOf([
      { kinds, cuts: SESSIONS.map((_, number) => [number, 0, kinds.length - 1]) },
    ]);
    scene.writes(parts, writes);
    scene.flush();
    // As much as the system takes; the rest waits.
    await until(() => whole.station.show().octets > 1 << 18, WAIT_MS, "some was sent");
    const first = whole.reader!;
    whole.station.miss("a test wants that");
    scene.notice();
    const [{ sent }] = whole.ended as [(typeof whole.ended)[0]];
    // Behind what begins the session, parts of equal length follow on each other.
    const partOctets = parts[0]![1].reduce((sum, { length }) => sum + 48 + length, 0);
    const begin = first.plain.octets.length - parts.length * partOctets;
    expect(sent).toBeGreaterThan(begin);
    expect((sent - begin) % partOctets).not.toBe(0);
    expect(other.station.show().queuedOctets).toBeGreaterThan(0);
    await scene.again(0);
    scene.writes(parts, writes);
    await scene.check();
    const last = first.octets.subarray(sent);
    expect(last[5]).toBe(TERMINATION);
    expect(last.readUInt16BE(last.length - 2)).toBe(OUT_OF_RESOURCES);
  });
});
