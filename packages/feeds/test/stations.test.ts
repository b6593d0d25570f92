/** Stations as they are reached: one that is slow, one that connects, one that goes and comes. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { BmpReader } from "../../../testkit/bmp-reader.ts";
import { configOf, Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { Feeds, type Observable } from "../src/index.ts";

const WAIT_MS = 30_000;
const PEER = "192.0.2.1";
const PEER_KEY = "0 c0000201";
const PREFIXES = 600;

/** A router whose outputs are handed to feeds, as a speaker does it. */
class Scene {
  readonly yaml: string;
  readonly lab: Lab;
  readonly feeds: Feeds;
  readonly peer: Peer;
  readonly said: string[] = [];
  private readonly speaker: Observable;

  constructor(station: string) {
    this.yaml = yamlOf(`
bmp: { stations: [ ${station} ] }
neighbors: [ { address: ${PEER}, as: 65001, passive: true, import: accept-all } ]
`);
    this.lab = new Lab(this.yaml);
    this.speaker = { router: this.lab.router, observers: new Set() };
    this.feeds = new Feeds({
      version: "test",
      describe: () => "started",
      say: (level, message) => void this.said.push(`${level} ${message}`),
    });
    this.peer = this.lab.peer(PEER, { as: 65001 }).up();
    this.lab.observed.length = 0;
    this.feeds.use(this.speaker, configOf(this.yaml));
  }

  announce(round: number): void {
    const prefixes = Array.from({ length: PREFIXES }, (_, i) => `10.${i >> 8}.${i & 0xff}.0/24`);
    this.peer.announce(prefixes, { path: [65001, 1 + round] });
    this.tell();
  }

  tell(): void {
    this.lab.run();
    for (const event of this.lab.observed.splice(0)) this.feeds.event(event);
  }

  get station() {
    return this.feeds.stations[0];
  }
}

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function listening(use: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer(use).listen(0, "127.0.0.1");
  ends.push(() => void server.close());
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

function sceneWith(station: string): Scene {
  const scene = new Scene(station);
  ends.push(() => scene.feeds.stop());
  return scene;
}

function readerOf(socket: Socket): BmpReader {
  const reader = new BmpReader();
  socket.on("data", (octets) => reader.push(octets));
  ends.push(() => socket.destroy());
  return reader;
}

const isWhole = (reader: BmpReader) => reader.table(PEER_KEY, 0).ends.has("ipv4-unicast");

describe("a station", () => {
  test("that is too slow is told so, and everything anew; nobody waits for it", async () => {
    const readers: BmpReader[] = [];
    const { port } = await listening((socket) => {
      // The first session is not read from.
      if (readers.length > 0) readers.push(readerOf(socket));
      else {
        readers.push(new BmpReader());
        socket.pause();
        ends.push(() => socket.destroy());
      }
    });
    const scene = sceneWith(`{ address: 127.0.0.1, port: ${port}, queue-mb: 1 }`);
    await until(() => scene.station?.state === "up", WAIT_MS, "the station is up");
    for (let round = 0; scene.station?.missed !== 1; round++) {
      scene.announce(round);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => readers.length === 2 && isWhole(readers[1]!), WAIT_MS, "all is told anew");
    const [first] = readers[1]!.messages;
    expect(first?.type).toBe(4);
    expect(BmpReader.infos(first!.body).get(0)).toMatch(/^started; messages were missed: /);
    expect(readers[1]!.table(PEER_KEY, 0).prefixes.size).toBe(PREFIXES);
    expect(scene.said).toContainEqual(expect.stringMatching(/^warn .* all is told anew$/));
  });

  test("that connects is told everything, and is waited for again when it is gone", async () => {
    const probe = await listening(() => {});
    probe.server.close();
    const { port } = probe;
    const scene = sceneWith(`{ listen: { address: 127.0.0.1, port: ${port} }, from: 127.0.0.1 }`);
    scene.announce(0);
    for (let session = 1; session <= 2; session++) {
      // One that comes before the thread knows that the one before is gone is turned away.
      const { socket, reader } = await until(
        async () => {
          const attempt = connect(port, "127.0.0.1");
          attempt.on("error", () => {});
          const found = readerOf(attempt);
          const isOver = () => attempt.closed || isWhole(found);
          await until(isOver, WAIT_MS, "all is told, or it is turned away");
          return isWhole(found) ? { socket: attempt, reader: found } : null;
        },
        WAIT_MS,
        "all is told",
      );
      expect(reader.messages.slice(0, 2).map(({ type }) => type)).toEqual([4, 3]);
      expect(reader.table(PEER_KEY, 0).prefixes.size).toBe(PREFIXES);
      socket.destroy();
      await until(() => scene.station?.state === "waiting", WAIT_MS, "it is gone");
    }
  });

  test("is told how many routes there are before and after policy", async () => {
    const reader = Promise.withResolvers<BmpReader>();
    const { port } = await listening((socket) => reader.resolve(readerOf(socket)));
    const scene = sceneWith(`{ address: 127.0.0.1, port: ${port}, statistics: 1 }`);
    scene.announce(0);
    const { messages } = await reader.promise;
    const numbers = () => {
      const report = messages.findLast(({ type }) => type === 1)?.body;
      return report === undefined ? null : statisticsIn(report);
    };
    await until(() => numbers()?.get("7") === PREFIXES, WAIT_MS, "the numbers are told");
    // Whose routes all are, to it none can be sent.
    expect([...numbers()!]).toEqual([
      ...["0", "1", "2", "3", "4", "5", "11", "12", "13"].map((type) => [type, 0]),
      ...[
        ["7", PREFIXES],
        ["9 1", PREFIXES],
      ],
      ...[
        ["14", 0],
        ["16 1", 0],
        ["15", 0],
        ["17 1", 0],
      ],
    ]);
    scene.feeds.use(null, { bmp: null, mrt: null });
  });

  test("is told how a session has ended, and when there is none that it is told of", async () => {
    const reader = Promise.withResolvers<BmpReader>();
    const { port } = await listening((socket) => reader.resolve(readerOf(socket)));
    const scene = sceneWith(`{ address: 127.0.0.1, port: ${port} }`);
    const { messages } = await reader.promise;
    await until(() => messages.some(({ type }) => type === 3), WAIT_MS, "the session is told");
    scene.peer.notify(6, 2, "bye");
    scene.tell();
    await until(() => messages.some(({ type }) => type === 2), WAIT_MS, "its end is told");
    const down = messages.find(({ type }) => type === 2)!;
    // A NOTIFICATION of the peer, with what it said.
    expect([down.body[0], down.body[19], down.body[20], down.body[21]]).toEqual([3, 3, 6, 2]);
    // Without the section the feeds end, and say so.
    scene.feeds.use(null, { bmp: null, mrt: null });
    await until(() => messages.at(-1)?.type === 5, WAIT_MS, "the end is told");
  });
});

/** Values by type, and by AFI where it is of a family (RFC 7854 section 4.8). */
function statisticsIn(body: Uint8Array): Map<string, number> {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const found = new Map<string, number>();
  for (let at = 4; at < body.length; ) {
    const [type, octets] = [view.getUint16(at), view.getUint16(at + 2)];
    const end = at + 4 + octets;
    const isOfFamily = octets === 11;
    const value = octets === 4 ? view.getUint32(at + 4) : Number(view.getBigUint64(end - 8));
    found.set(isOfFamily ? `${type} ${view.getUint16(at + 4)}` : `${type}`, value);
    at = end;
  }
  return found;
}
