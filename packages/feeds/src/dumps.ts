/** Dumps that are being written: tables are walked here, piece by piece, as the thread of the feeds asks for them. */

import type { Neighbor, Router } from "@ts-bgp/router";
import { parseIpv4 } from "@ts-bgp/wire-codec";
import { type DumpedRoutes, dumpedRoutes } from "./dumped-routes.ts";
import type { DumpRequest, DumpResult, DumpsRequest, FeedOrder } from "./orders.ts";
import { RibWalk } from "./rib-walk.ts";

/** A piece of a walk is over when it has lasted this long. */
const PIECE_MS = 1;

export interface DumpsHooks {
  /** Tells the thread of the feeds, which is begun where there is none. */
  order(order: FeedOrder): void;
  say(level: "info" | "warn", message: string): void;
}

export class Dumps {
  private readonly hooks: DumpsHooks;
  private readonly walked: Map<number, WalkedDump> = new Map();
  private number = 0;
  /** Dumps of what neighbors were sent are being written, one after the other. */
  private isBusy = false;

  constructor(hooks: DumpsHooks) {
    this.hooks = hooks;
  }

  /** Writes routes of a router into a file. @returns what it has; rejects when it cannot be written */
  async write(router: Router, request: DumpRequest): Promise<DumpResult> {
    const routes = dumpedRoutes(router, request);
    const walk = new RibWalk(router, routes.writePaths);
    const number = ++this.number;
    const { promise, resolve, reject } = Promise.withResolvers<DumpResult>();
    this.walked.set(number, { walk, routes, resolve, reject });
    const identifier = parseIpv4(router.tables.config.router.id)!;
    const { peers } = routes;
    this.hooks.order({ order: "dump", dump: number, request, identifier, peers });
    return promise;
  }

  /**
   * Writes a file for each neighbor that is named and has a session. How it went with each is said by the thread,
   * but for those that are left out.
   *
   * @param isWanted - whether the others are still to be written
   */
  async writeAdvertised(
    router: Router,
    request: DumpsRequest,
    isWanted: () => boolean,
  ): Promise<void> {
    if (this.isBusy) {
      this.hooks.say("warn", "mrt: dumps of what neighbors are sent last longer than tables-every");
      return;
    }
    this.isBusy = true;
    try {
      await this.writeEach(router, request, isWanted);
    } finally {
      this.isBusy = false;
    }
  }

  private async writeEach(
    router: Router,
    { neighbors, begin, end, compress }: DumpsRequest,
    isWanted: () => boolean,
  ): Promise<void> {
    const named = new Set(neighbors);
    const left = [...router.neighbors.values()].filter(
      ({ session, config: { address, group } }) =>
        session !== null && (named.has(address) || (group !== "" && named.has(group))),
    );
    for (let next = left.shift(); next !== undefined && isWanted(); next = left.shift()) {
      if (!isUp(router, next)) continue;
      const advertised = next.config.address;
      const file = `${begin}${advertised.replaceAll(/[^\w.]/g, "-")}${end}`;
      const routes = { advertised };
      const problem = await this.write(router, { file, routes, compress, isTimed: true }).then(
        () => null,
        (error: Error) => error.message,
      );
      if (problem === null) continue;
      if (!isUp(router, next)) this.hooks.say("info", `mrt: ${file}: ${problem}`);
      else {
        // What one disk does not take it takes of nobody.
        const why = `${left.length} dumps are left out after ${file}: ${problem}`;
        if (left.length > 0) this.hooks.say("warn", `mrt: ${why}`);
        return;
      }
    }
  }

  /** The next piece is wanted. */
  on(number: number): void {
    const dump = this.walked.get(number);
    if (dump === undefined) return;
    const end = performance.now() + PIECE_MS;
    let problem = dump.routes.problem();
    const octets = problem === null ? dump.walk.next(() => performance.now() < end) : null;
    if (dump.walk.lacks) {
      problem = "the disk was too slow: prefixes were moved meanwhile";
      this.hooks.say("warn", `mrt: a dump is given up: ${problem}`);
    }
    if (problem !== null) {
      this.hooks.order({ order: "dump-off", dump: number, problem });
      return;
    }
    this.hooks.order({ order: "dump-piece", dump: number, octets });
  }

  over(number: number, result: DumpResult | string): void {
    const dump = this.walked.get(number);
    this.walked.delete(number);
    if (typeof result === "string") dump?.reject(new Error(result));
    else dump?.resolve(result);
  }

  /** The thread is gone. */
  fail(problem: string): void {
    for (const { reject } of this.walked.values()) reject(new Error(problem));
    this.walked.clear();
  }
}

interface WalkedDump {
  readonly walk: RibWalk;
  readonly routes: DumpedRoutes;
  resolve(result: DumpResult): void;
  reject(error: Error): void;
}

function isUp({ neighbors }: Router, neighbor: Neighbor): boolean {
  const { address } = neighbor.config;
  return neighbors.get(address) === neighbor && neighbor.session !== null;
}
