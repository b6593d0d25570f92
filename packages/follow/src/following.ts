/**
 * A follower of one server, or of the sides of a pair: which of them it listens to, and what becomes of its tables.
 * A server that is lost changes nothing in them. When another one is listened to, its copy is compared with what
 * is there, and only the difference is a change.
 */

import type { Family } from "@ts-bgp/wire-codec";
import type { FollowedTable } from "./followed-table.ts";
import type { HopId } from "./hops.ts";
import type { RecordOf } from "./records.ts";
import { readRuns } from "./route-octets.ts";

/** What is known of a server. */
interface Server {
  isActive: boolean;
  epoch: number;
}

export interface FollowingHooks {
  /** Has a server begin to tell. */
  activate(server: number): void;
  /** Its copy is complete: the tables have what the server has. */
  complete(server: number): void;
}

export class Following {
  /** The server that is listened to; null while none is active. */
  source: number | null = null;
  /** Its copy is complete. */
  isComplete = false;
  /** Routes told, and in how many brackets. */
  readonly counts = { told: 0, brackets: 0 };
  private readonly tables: ReadonlyMap<Family, FollowedTable>;
  private readonly servers: Map<number, Server> = new Map();
  private readonly hooks: FollowingHooks;

  constructor(tables: readonly FollowedTable[], hooks: FollowingHooks) {
    this.tables = new Map(tables.map((table) => [table.family, table]));
    this.hooks = hooks;
  }

  /** @returns the FAMILY bits of the tables */
  get families(): number {
    return [...this.tables.keys()].reduce((bits: number, family) => bits | family, 0);
  }

  /** A server that is connected has said what it is: whatever it was asked for before is void. */
  role(server: number, { active, epoch }: Pick<RecordOf<"role">, "active" | "epoch">): void {
    this.servers.set(server, { isActive: active === 1, epoch });
    if (server === this.source) this.forget();
    this.choose();
  }

  lost(server: number): void {
    this.servers.delete(server);
    if (server === this.source) this.forget();
    this.choose();
  }

  /** Takes what the server that is listened to tells; throws a FormatError, with nothing applied, for octets that are no routes. */
  bracket(server: number, { routes }: Pick<RecordOf<"bracket">, "routes">): void {
    if (server !== this.source) return;
    // Once to see that all of it is right, and once to take it: a bracket counts as a whole.
    readRuns(
      routes,
      () => {},
      () => {},
    );
    let hop: HopId = 0;
    let table: FollowedTable | undefined;
    this.counts.told += readRuns(
      routes,
      (family, hops) => {
        table = this.tables.get(family);
        hop = table?.hops.intern(...hops) ?? 0;
      },
      (_, w0, w1, w2, w3, bits) => table?.set(w0, w1, w2, w3, bits, hop),
    );
    this.counts.brackets++;
  }

  complete(server: number): void {
    if (server !== this.source || this.isComplete) return;
    for (const table of this.tables.values()) table.endCopy();
    this.isComplete = true;
    this.hooks.complete(server);
  }

  /** Everything goes: no server was there for too long. */
  clear(): void {
    if (this.source !== null) return;
    for (const table of this.tables.values()) {
      table.beginCopy();
      table.endCopy();
    }
  }

  private forget(): void {
    this.source = null;
    this.isComplete = false;
  }

  /** Of several that say they are active, the one of the latest epoch is; it is listened to until it is not. */
  private choose(): void {
    let best = this.source;
    for (const [server, { isActive, epoch }] of this.servers) {
      if (!isActive) continue;
      if (best === null || epoch > this.servers.get(best)!.epoch) best = server;
    }
    if (best === this.source || best === null) return;
    this.source = best;
    this.isComplete = false;
    for (const table of this.tables.values()) table.beginCopy();
    this.hooks.activate(best);
  }
}
