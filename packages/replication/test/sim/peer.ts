/** Scripted BGP peers: they dial or listen, announce, withdraw, stall, hang up, and remember all. */

import {
  encodeNotification,
  encodeRouteRefresh,
  KEEPALIVE_OCTETS,
  readU16,
} from "@ts-bgp/wire-codec";
import { type Lab, Peer } from "../../../../testkit/router.ts";
import { Wire } from "../../../../testkit/wire.ts";
import type { Chance } from "./chance.ts";
import type { Clock } from "./clock.ts";
import { type Net, PeerTcp } from "./tcp.ts";

export const HOLD_SECONDS = 6;
const HEADER_OCTETS = 19;
const PREFIXES = 6;

export interface Place {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly net: Net;
  /** A SYN leaves for our service address. */
  dial(tcp: PeerTcp): void;
  violation(what: string): void;
}

/** What a route says of its origin: the shorter path wins, and no two peers have the same length. */
interface Announced {
  readonly path: readonly number[];
  readonly version: string;
}

/** One connection of a peer, with the BGP session on it. */
class Dialog {
  readonly tcp: PeerTcp;
  readonly wire: Wire;
  state: "connecting" | "opening" | "established" | "over" = "connecting";
  hasSentOpen = false;
  /** Something was done by which it may end. */
  isExcused = false;
  lastReceivedMs: number;
  lastSentMs: number;
  /** Octets that came and are no whole message yet. */
  tail: Uint8Array = new Uint8Array(0);

  constructor(tcp: PeerTcp, wire: Wire, nowMs: number) {
    this.tcp = tcp;
    this.wire = wire;
    this.lastReceivedMs = nowMs;
    this.lastSentMs = nowMs;
  }
}

export class BgpPeer {
  readonly index: number;
  readonly address: string;
  readonly as: number;
  /** Waits for connections of ours. */
  readonly listens: boolean;
  readonly routes: Map<string, Announced> = new Map();
  readonly dialogs: Dialog[] = [];
  /** No more churn or new faults; for the end of a run. */
  isQuiet = false;
  resets = 0;
  private readonly place: Place;
  private readonly codec: Peer;
  private versions = 0;

  constructor(place: Place, index: number, listens: boolean) {
    this.place = place;
    this.index = index;
    this.address = `192.0.2.${index + 1}`;
    this.as = 65001 + index;
    this.listens = listens;
    const { clock } = place;
    const lab = {
      get nowMs() {
        return clock.nowMs;
      },
      router: { sent() {}, received() {}, closed() {}, tables: { config: { neighbors: [] } } },
    } as unknown as Lab;
    this.codec = new Peer(lab, this.address, { as: this.as, holdTime: HOLD_SECONDS });
    for (let n = place.chance.int(0, 4); n > 0; n--) this.announce();
    clock.after(place.chance.int(0, 60), null, () => this.dial());
    clock.after(50, null, () => this.tick());
  }

  get current(): Dialog | undefined {
    const established = this.dialogs.find(({ state }) => state === "established");
    return established ?? this.dialogs.findLast(({ state }) => state !== "over");
  }

  get isUp(): boolean {
    return this.current?.state === "established";
  }

  /** What was seen of routes: prefixes with path and version. */
  get table(): Record<string, string> {
    const seen = this.current?.wire.table ?? new Map();
    const routes = [...seen].map(([prefix, { path, communities }]) => [
      prefix,
      `${path} ${communities}`,
    ]);
    return Object.fromEntries(routes.sort(([a], [b]) => (a! < b! ? -1 : 1)));
  }

  /** A connection with our side: ours to accept when this one dialled, the peer's otherwise. */
  connected(tcp: PeerTcp): void {
    const { place } = this;
    const { nowMs } = place.clock;
    const dialog = new Dialog(tcp, new Wire(this.codec, tcp.id), nowMs);
    dialog.wire.speaks = false;
    dialog.state = "opening";
    this.dialogs.push(dialog);
    tcp.app = {
      established: () => {},
      octets: (octets) => this.octets(dialog, octets),
      ended: (how) => this.ended(dialog, how),
    };
    // Some wait for the other's OPEN first.
    if (place.chance.oneIn(2)) this.open(dialog);
  }

  /** Changes a route or takes it back. */
  churn(): void {
    const { chance } = this.place;
    const { routes } = this;
    if (routes.size > 0 && chance.oneIn(3)) {
      const prefix = chance.pick([...routes.keys()]);
      routes.delete(prefix);
      if (this.isUp) this.say(this.codec.encode([prefix], [], []));
    } else this.announce();
  }

  stall(ms: number): void {
    const dialog = this.current;
    if (dialog === undefined) return;
    dialog.tcp.reads = false;
    this.place.clock.after(ms, null, () => {
      dialog.tcp.reads = true;
    });
  }

  hangUp(): void {
    const { chance } = this.place;
    const dialog = this.current;
    if (dialog === undefined) return;
    dialog.isExcused = true;
    const how = chance.int(0, 2);
    if (how === 0) dialog.tcp.abort();
    else {
      if (how === 1) dialog.tcp.send(encodeNotification(6, 4, new Uint8Array(0)));
      dialog.tcp.close();
      this.over(dialog);
    }
  }

  /** Whatever happens to the connections that there are now has a reason. */
  excuse(): void {
    for (const dialog of this.dialogs) dialog.isExcused = true;
  }

  private announce(): void {
    const { chance } = this.place;
    const prefix = `10.${chance.int(0, PREFIXES - 1)}.0.0/16`;
    const tail = Array.from({ length: this.index + 4 * chance.int(0, 1) }, () => 65100);
    const version = `${this.as}:${++this.versions}`;
    this.routes.set(prefix, { path: [this.as, ...tail], version });
    if (this.isUp) this.sendRoute(prefix);
  }

  private sendRoute(prefix: string): void {
    const { path, version } = this.routes.get(prefix)!;
    this.say(this.codec.updateOf([prefix], { path, communities: [version] }));
  }

  private say(octets: Uint8Array): void {
    const dialog = this.current;
    if (dialog !== undefined) this.send(dialog, octets);
  }

  private send(dialog: Dialog, octets: Uint8Array): void {
    dialog.lastSentMs = this.place.clock.nowMs;
    dialog.tcp.send(octets);
  }

  private dial(): void {
    if (this.listens || this.current !== undefined) return;
    const { clock, net } = this.place;
    const tcp = new PeerTcp(net, this.index);
    this.place.dial(tcp);
    clock.after(120, null, () => this.dial());
  }

  private open(dialog: Dialog): void {
    dialog.hasSentOpen = true;
    this.send(dialog, this.codec.open);
  }

  private octets(dialog: Dialog, octets: Uint8Array): void {
    if (dialog.state === "over") return;
    const all = new Uint8Array(dialog.tail.length + octets.length);
    all.set(dialog.tail);
    all.set(octets, dialog.tail.length);
    dialog.lastReceivedMs = this.place.clock.nowMs;
    let at = 0;
    while (all.length - at >= HEADER_OCTETS) {
      const length = readU16(all, at + 16);
      const type = all[at + 18]!;
      const isSound = all.subarray(at, at + 16).every((octet) => octet === 0xff);
      if (!isSound || length < HEADER_OCTETS || length > 4096 || type < 1 || type > 5) {
        this.place.violation(`peer ${this.index} got what is no message`);
        return;
      }
      if (all.length - at < length) break;
      this.message(dialog, all.slice(at, at + length), type);
      at += length;
    }
    dialog.tail = all.slice(at);
  }

  private message(dialog: Dialog, octets: Uint8Array, type: number): void {
    const { place } = this;
    if (dialog.state === "over") return;
    dialog.wire.write(octets);
    if (type === 3) {
      if (dialog.state === "established") this.lost(dialog, "got a NOTIFICATION");
      return;
    }
    if (type === 1) {
      if (dialog.wire.of("OPEN").length > 1) place.violation(`peer ${this.index} got two OPENs`);
      if (!dialog.hasSentOpen) this.open(dialog);
      this.send(dialog, KEEPALIVE_OCTETS);
    } else if (type === 4 && dialog.state === "opening") {
      for (const other of this.dialogs) {
        if (other.state !== "established") continue;
        this.lost(other, "saw its session replaced");
        other.tcp.abort();
      }
      dialog.state = "established";
      for (const prefix of this.routes.keys()) this.sendRoute(prefix);
      this.send(dialog, this.codec.encode([], [], []));
    } else if (type === 5 && octets[21] === 0) this.resend(dialog);
  }

  /** Answers a ROUTE-REFRESH. */
  private resend(dialog: Dialog): void {
    const message = (subtype: number) => encodeRouteRefresh({ afi: 1, safi: 1, subtype });
    this.send(dialog, message(1));
    for (const prefix of this.routes.keys()) this.sendRoute(prefix);
    this.send(dialog, message(2));
  }

  private tick(): void {
    const { clock } = this.place;
    const dialog = this.current;
    if (dialog?.state === "established") {
      const third = (HOLD_SECONDS * 1000) / 3;
      if (clock.nowMs - dialog.lastSentMs >= third) this.send(dialog, KEEPALIVE_OCTETS);
      if (clock.nowMs - dialog.lastReceivedMs > 3 * third) {
        this.lost(dialog, "heard nothing for its hold time");
        dialog.tcp.abort();
      }
    } else if (dialog !== undefined && clock.nowMs - dialog.lastReceivedMs > 1500) {
      // A session that does not come up is begun anew.
      dialog.isExcused = true;
      dialog.tcp.abort();
    }
    clock.after(50, null, () => this.tick());
  }

  private ended(dialog: Dialog, how: "closed" | "reset"): void {
    if (dialog.state === "established") this.lost(dialog, `saw its connection ${how}`);
    this.over(dialog);
  }

  private lost(dialog: Dialog, what: string): void {
    this.resets++;
    if (!dialog.isExcused) this.place.violation(`peer ${this.index} ${what}`);
    this.over(dialog);
  }

  private over(dialog: Dialog): void {
    if (dialog.state === "over") return;
    dialog.state = "over";
    this.place.clock.after(this.place.chance.int(10, 60), null, () => this.dial());
  }
}
