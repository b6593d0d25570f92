/** What is told once for each of many neighbors has room in the queue of a station by the memory that it takes. */

import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { BmpStationConfig } from "@ts-bgp/config";
import { RunWriter, TABLE } from "@ts-bgp/feeds-codec";
import type { ObservedSession } from "@ts-bgp/router";
import { FAMILY } from "@ts-bgp/wire-codec";
import { expect, test } from "vitest";
import { Peers } from "../src/peers.ts";
import { Station } from "../src/station.ts";
import { ToldRoutes } from "../src/told-routes.ts";

const NEIGHBORS = 700;
const QUEUE_OCTETS = 1 << 20;
const PREFIXES = 1200;
/** Of all that an event or a piece with these makes, at least. */
const FAN_OUT_OCTETS = 4 * PREFIXES * NEIGHBORS;
/** ORIGIN, AS_PATH and NEXT_HOP. */
const ATTRIBUTES = Uint8Array.of(
  ...[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9],
  ...[0x40, 3, 4, 10, 0, 0, 1],
);

function session(number: number): ObservedSession {
  const [high, low] = [number >> 8, number & 0xff];
  return {
    ...{ peer: 10 + number, connection: number, neighbor: `10.9.${high}.${low}`, group: "" },
    ...{ as: 65001, identifier: 1 + number, localAs: 65000, fourOctetAs: true },
    ...{ address: Uint8Array.of(10, 9, high, low), localAddress: Uint8Array.of(192, 0, 2, 254) },
    ...{ localPort: 179, remotePort: 179, sinceMs: 0 },
    ...{ sentOpen: new Uint8Array(29), receivedOpen: new Uint8Array(29) },
    ...{ families: FAMILY.IPV4_UNICAST, addPathReceive: 0, addPathSend: 0 },
  } as unknown as ObservedSession;
}

/** A station with a socket that takes nothing until `drain`, as none does within a turn. */
class Scene {
  readonly station: Station;
  /** Octets that a piece may have, of each that was asked for. */
  readonly asked: number[] = [];
  private readonly calls = { cork() {}, uncork() {}, end() {}, destroy() {} };
  private readonly socket = Object.assign(new EventEmitter(), {
    writable: true,
    writableLength: 0,
    ...this.calls,
  });

  constructor(neighbors: readonly string[] = []) {
    const { socket } = this;
    const write = ({ length }: Uint8Array) => {
      socket.writableLength += length;
    };
    const peers = new Peers();
    for (let i = 0; i < NEIGHBORS; i++) peers.goesUp(session(i));
    const config = {
      ...{ name: "station", tables: ["adj-out-pre"], neighbors },
      ...{ queueOctetsMax: QUEUE_OCTETS, mirrorMalformed: false, version: 3 },
    } as unknown as BmpStationConfig;
    this.station = new Station(config, {
      peers,
      identity: { hostname: "host", version: "1", as: 65000, identifier: 1 },
      text: "",
      now: () => 0,
      newWalk: () => 1,
      walk: (_walk, _tables, _peers, octetsMax) => void this.asked.push(octetsMax),
      endWalk: () => {},
      say: () => {},
    });
    this.station.begin(Object.assign(socket, { write }) as unknown as Socket);
    this.drain();
  }

  get missed(): number {
    return this.station.show().missed;
  }

  get waiting(): number {
    return this.station.show().queuedOctets;
  }

  get held(): number {
    return this.station.show().heldOctets;
  }

  drain(): void {
    do {
      this.socket.writableLength = 0;
      this.socket.emit("drain");
    } while (this.waiting > 0);
  }
}

function routes(): Uint8Array {
  const writer = new RunWriter();
  const attributes = { buf: ATTRIBUTES, at: 0, end: ATTRIBUTES.length };
  writer.run(TABLE.LOC_RIB, FAMILY.IPV4_UNICAST, 5, false, attributes);
  for (let i = 0; i < PREFIXES; i++) writer.prefix(0x0a000000 + (i << 8), 0, 0, 0, 24, 0);
  return writer.take();
}

test("changes of one turn have room, and what comes while much memory is held has none", () => {
  const scene = new Scene();
  scene.station.up(session(NEIGHBORS));
  const turn = () => {
    for (let event = 0; event < 6; event++) scene.station.routes(new ToldRoutes(routes(), 0));
    scene.station.flush();
  };
  turn();
  expect(scene.missed).toBe(0);
  expect(scene.held).toBeGreaterThan(QUEUE_OCTETS);
  expect(scene.waiting).toBeGreaterThan(6 * FAN_OUT_OCTETS);
  const { messages } = scene.station.show();
  turn();
  expect(scene.missed).toBe(1);
  // Nothing is told, and counted, once it is clear that it is too slow.
  expect(scene.station.show().messages - messages).toBeLessThan(2 * NEIGHBORS);
});

test("changes that follow on each other have room for as long as they are little memory", () => {
  const scene = new Scene();
  let turns = 0;
  for (; scene.missed === 0; turns++) {
    expect(scene.held).toBeLessThan(1.5 * QUEUE_OCTETS);
    scene.station.routes(new ToldRoutes(routes(), 0));
    scene.station.flush();
  }
  // Copies of the first would have filled the queue.
  expect(turns).toBeGreaterThan(3);
  expect(scene.held).toBe(0);
});

test("a piece of the tables has room, again and again", () => {
  const scene = new Scene();
  for (let piece = 1; piece <= 3; piece++) {
    expect(scene.asked).toHaveLength(piece);
    scene.station.walked(routes());
    expect(scene.missed).toBe(0);
    expect(scene.waiting).toBeGreaterThan(FAN_OUT_OCTETS);
    scene.drain();
    scene.station.walkOn();
  }
});

test("a smaller piece is asked for where many neighbors are told of it", () => {
  const [all] = new Scene().asked;
  const [one] = new Scene(["10.9.0.1"]).asked;
  expect(one).toBe(QUEUE_OCTETS / 4);
  expect(all).toBeLessThan(one! / 10);
});
