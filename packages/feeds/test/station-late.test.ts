/** What a station is told of a neighbor that comes up while it is connected: all that the neighbor could be sent. */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { BmpStationConfig } from "@ts-bgp/config";
import { BMP_TERMINATION, TABLE } from "@ts-bgp/feeds-codec";
import { expect, test } from "vitest";
import { BmpReader } from "../../../testkit/bmp-reader.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { Peers } from "../src/peers.ts";
import { Station } from "../src/station.ts";
import { TableWalk } from "../src/table-walk.ts";
import { ToldRoutes } from "../src/told-routes.ts";

/** A piece has 64 prefixes at least, so these take several. */
const PREFIXES = Array.from({ length: 200 }, (_, i) => `10.0.${i}.0/24`);
const SENDER = "192.0.2.1";
const [FIRST, SECOND] = ["192.0.2.2", "192.0.2.3"] as const;
const KEYS = { [FIRST]: "0 c0000202", [SECOND]: "0 c0000203" };
const RECEIVERS = [FIRST, SECOND];
/** Flag O, and none of the Loc-RIB. */
const OUT_PRE = 0x10;
const ROUTE_MONITORING = 0;

/** A router, and a station that is told of it as the feeds do that; pieces of walks come when they are to. */
class Scene {
  readonly lab: Lab;
  readonly station: Station;
  reader: BmpReader = new BmpReader();
  /** Numbers of walks that were begun, and of those that were given up. */
  readonly begun: number[] = [];
  readonly givenUp: number[] = [];
  /** Of the last one, what was asked for. */
  walked: unknown = null;
  private readonly peers: Peers = new Peers();
  private readonly walks: Map<number, TableWalk> = new Map();
  private asked: number | null = null;

  constructor(tables: readonly string[] = ["loc-rib", "adj-out-pre"], neighbors: string[] = []) {
    this.lab = new Lab(
      yamlOf(`
bmp: { stations: [ { address: 192.0.2.60, port: 11019, tables: [ ${tables.join(", ")} ] } ] }
defaults: { passive: true, route-server-client: true, import: accept-all, export: accept-all }
neighbors: [ { address: ${SENDER}, as: 65001 }, { address: ${FIRST}, as: 65002 }, { address: ${SECOND}, as: 65003 } ]
`),
    );
    const config = {
      ...{
        name: "station",
        tables,
        neighbors,
        queueOctetsMax: 1e7,
        mirrorMalformed: false,
        version: 3,
      },
    } as unknown as BmpStationConfig;
    this.station = new Station(config, {
      peers: this.peers,
      identity: { hostname: "host", version: "1", as: 65000, identifier: 1 },
      text: "",
      now: () => 0,
      newWalk: () => this.begun.push(this.begun.length + 1),
      walk: (number, walked, peers) => {
        this.asked = number;
        this.walked = { tables: walked, peers };
        if (this.walks.has(number)) return;
        this.walks.set(number, new TableWalk(this.lab.router, walked, peers));
      },
      endWalk: (number) => void this.givenUp.push(number),
      say: () => {},
    });
    this.lab
      .peer(SENDER, { as: 65001 })
      .up()
      .announce(PREFIXES, { path: [65001] });
    this.tell();
  }

  connect(): this {
    this.reader = new BmpReader();
    const write = (octets: Uint8Array) => this.reader.push(octets.slice());
    const ignore = () => {};
    const calls = { cork: ignore, uncork: ignore, write, end: write, destroy: ignore };
    const socket = Object.assign(new EventEmitter(), {
      writable: true,
      writableLength: 0,
      ...calls,
    });
    this.station.begin(socket as unknown as Socket);
    return this;
  }

  up(receiver: string): void {
    this.lab.peer(receiver, { as: receiver === FIRST ? 65002 : 65003 }).up();
    this.tell();
  }

  down(receiver: string): void {
    this.lab.peers.get(receiver)!.notify(6, 2);
    this.tell();
  }

  /** What has happened. */
  tell(): void {
    const { peers, station } = this;
    this.lab.run();
    for (const event of this.lab.observed.splice(0)) {
      if (event.kind === "up" && peers.goesUp(event)) station.up(event);
      const ended = event.kind === "down" ? peers.goesDown(event) : null;
      if (event.kind === "down" && ended !== null) station.down(ended, event);
      if (event.kind === "routes" && station.isUp) {
        station.routes(new ToldRoutes(event.octets, event.atMs));
      }
    }
    station.flush();
  }

  /** The piece that the station has asked for. @returns whether it has asked for one */
  piece(): boolean {
    const { asked } = this;
    if (asked === null) return false;
    this.asked = null;
    const octets = this.walks.get(asked)!.next(() => false);
    // The feeds hand it to the station whose walk it is of.
    if (this.station.walk === asked) this.station.walked(octets);
    return true;
  }

  walkAll(): this {
    while (this.piece());
    return this;
  }

  out(receiver: keyof typeof KEYS) {
    const { prefixes, ends } = this.reader.table(KEYS[receiver], OUT_PRE);
    return { prefixes: [...prefixes].sort(), ends: [...ends] };
  }

  /** Messages with routes of the Loc-RIB. */
  get ofLocRib(): number {
    return this.reader.messages.filter(({ type, peer }) => {
      return type === ROUTE_MONITORING && peer.startsWith("3 ");
    }).length;
  }
}

const ALL = { prefixes: [...PREFIXES].sort(), ends: ["ipv4-unicast"] };
const NOTHING = { prefixes: [], ends: [] };

test("all there is, and that it is all; nobody else is told anything again", () => {
  const scene = new Scene().connect().walkAll();
  scene.up(FIRST);
  scene.walkAll();
  expect(scene.out(FIRST)).toEqual(ALL);
  const { ofLocRib } = scene;
  const before = scene.reader.messages.filter(({ peer }) => peer === KEYS[FIRST]).length;
  scene.up(SECOND);
  expect(scene.station.show().isComplete).toBe(false);
  expect(scene.out(SECOND)).toEqual(NOTHING);
  scene.walkAll();
  expect(scene.station.show().isComplete).toBe(true);
  expect(scene.out(SECOND)).toEqual(ALL);
  expect(scene.ofLocRib).toBe(ofLocRib);
  expect(scene.reader.messages.filter(({ peer }) => peer === KEYS[FIRST])).toHaveLength(before);
});

test.each([0, 1, 2])("all there is, of those that come up behind %i pieces of a walk", (pieces) => {
  const scene = new Scene().connect();
  for (let i = 0; i < pieces; i++) scene.piece();
  for (const receiver of RECEIVERS) scene.up(receiver);
  while (scene.station.walk === 1) {
    for (const receiver of RECEIVERS) expect(scene.out(receiver)).toEqual(NOTHING);
    scene.piece();
  }
  scene.walkAll();
  for (const receiver of RECEIVERS) expect(scene.out(receiver)).toEqual(ALL);
  // One walk for both.
  expect(scene.begun).toEqual([1, 2]);
});

test.each([0, 1, 2, 3, 4])("what changes behind %i pieces is told once and for all", (pieces) => {
  const scene = new Scene().connect().walkAll();
  scene.up(FIRST);
  for (let i = 0; i < pieces; i++) scene.piece();
  const sender = scene.lab.peers.get(SENDER)!;
  sender.withdraw([PREFIXES[0]!, PREFIXES[199]!]).announce(["10.1.0.0/24"], { path: [65001] });
  scene.tell();
  scene.walkAll();
  const prefixes = [...PREFIXES.slice(1, 199), "10.1.0.0/24"].sort();
  expect(scene.out(FIRST)).toEqual({ ...ALL, prefixes });
});

test("a session that ends is told no more, and the next one everything", () => {
  const scene = new Scene().connect().walkAll();
  scene.up(FIRST);
  scene.piece();
  scene.down(FIRST);
  expect(scene.givenUp).toEqual([2]);
  scene.walkAll();
  scene.reader.messages.length = 0;
  expect(scene.out(FIRST)).toEqual(NOTHING);
  scene.up(FIRST);
  scene.walkAll();
  expect(scene.out(FIRST)).toEqual(ALL);
  // One of two: the walk is still wanted.
  scene.up(SECOND);
  scene.down(FIRST);
  scene.walkAll();
  expect(scene.out(SECOND)).toEqual(ALL);
  expect(scene.givenUp).toEqual([2]);
});

test("a session that ends before its walk has none", () => {
  const scene = new Scene().connect();
  scene.up(FIRST);
  scene.down(FIRST);
  expect(scene.walkAll().begun).toEqual([1]);
  expect(scene.out(FIRST)).toEqual(NOTHING);
});

test("another session of the station has it in the walk of all", () => {
  const scene = new Scene().connect().walkAll();
  scene.up(FIRST);
  scene.piece();
  scene.up(SECOND);
  scene.station.end(BMP_TERMINATION.ADMIN_CLOSE, null);
  expect(scene.givenUp).toEqual([2]);
  scene.connect().walkAll();
  for (const receiver of RECEIVERS) expect(scene.out(receiver)).toEqual(ALL);
  expect(scene.begun).toEqual([1, 2, 3]);
});

test.each([
  { tables: ["loc-rib"], neighbors: [] },
  { tables: ["adj-out-pre"], neighbors: [SECOND] },
])("a station that does not want it has no walk: $tables of $neighbors", (wanted) => {
  const scene = new Scene(wanted.tables, wanted.neighbors).connect().walkAll();
  scene.up(FIRST);
  expect(scene.walkAll().begun).toEqual([1]);
  expect(scene.out(FIRST)).toEqual(NOTHING);
});

test("the walk is of the Loc-RIB alone, and of nobody's routes", () => {
  const scene = new Scene(["adj-in-pre", "adj-out-pre"]).connect().walkAll();
  scene.up(FIRST);
  expect(scene.walkAll().walked).toEqual({ tables: [TABLE.LOC_RIB], peers: [] });
});
