/**
 * A pair with hundreds of scripted clients, and a capture at them.
 *
 *     pair ---- clients           each with an IPv4 session and a table of its own
 *
 * What a client must hold is what the others announce, as it is; the clients compare that themselves
 * (exchange/clients.c), for there is too much of it for a capture. Octets, flags and silences are judged
 * by the capture, as of other peers.
 */

import type { ClientsStat } from "../exchange/clients.ts";
import {
  differencesOf,
  type Exchange,
  faultsBetween,
  fillExchange,
  openExchange,
  settle,
} from "../exchange/exchange.ts";
import { startCapture } from "./capture.ts";
import type { PairKind } from "./pair.ts";
import type { LabTrialScene } from "./scene.ts";
import type { Traffic, Verdict } from "./traffic.ts";
import { WireWatch } from "./wire-watch.ts";

/** Routes that change in a second, of all clients together: every client is told all of them. */
const CHURN = 200;

/**
 * Returns when all clients have everything and nothing moves any more.
 *
 * @param prefixes - of all clients together, about
 * @throws Error when the pair or a session does not come up; the lab's words are printed
 */
export async function setCrowd(
  kind: PairKind,
  clients: number,
  prefixes: number,
  seed: number,
): Promise<LabTrialScene> {
  const routes = Math.max(1, Math.round(prefixes / clients));
  const exchange = await openExchange({ kind, clients, routes, seed });
  const { lab, pair, node } = exchange;
  try {
    const watch = new WireWatch([pair.address4], { readsRoutes: false });
    const capture = await startCapture(node, watch, "blocks");
    await fillExchange(exchange);
    return {
      ...{ lab, pair, watch },
      look: () => capture.read(),
      startTraffic: () => CrowdTraffic.start(exchange),
      remove() {
        capture.close();
        lab.remove();
      },
    };
  } catch (error) {
    console.error(lab.describe());
    lab.remove();
    throw error;
  }
}

class CrowdTraffic implements Traffic {
  readonly flowsOn: boolean = true;
  /** Every client is told all changes; a busy speaker tells it several of them at once. */
  readonly betweenMs: number = 100;
  private readonly exchange: Exchange;
  private readonly before: ClientsStat;

  private constructor(exchange: Exchange, before: ClientsStat) {
    this.exchange = exchange;
    this.before = before;
  }

  static async start(exchange: Exchange): Promise<CrowdTraffic> {
    return new CrowdTraffic(exchange, await exchange.clients.stat());
  }

  async begin(): Promise<void> {
    this.exchange.clients.churn(CHURN);
  }

  /** Everybody's table, all of it again. */
  async announceBulk(): Promise<void> {
    this.exchange.clients.announce();
  }

  async end(): Promise<string[]> {
    this.exchange.clients.churn(0);
    return [];
  }

  async resets(): Promise<number> {
    return (await this.exchange.clients.stat()).closed - this.before.closed;
  }

  async settle(withinMs: number, look: () => void): Promise<Verdict> {
    const { clients } = this.exchange;
    const check = await settle(this.exchange, withinMs);
    look();
    const { closed, malformed, duplicates } = faultsBetween(this.before, await clients.stat());
    const differences = differencesOf(check);
    const problems: string[] = [];
    if (differences > 0) problems.push(`${differences} routes differ: ${JSON.stringify(check)}`);
    if (malformed > 0) problems.push(`${malformed} malformed messages`);
    if (duplicates > 0) problems.push(`${duplicates} UPDATEs said what the client held already`);
    if (closed > 0) problems.push(`sessions ended: ${clients.ends.join("; ")}`);
    return { differences, messageFaults: malformed + duplicates, problems };
  }
}
