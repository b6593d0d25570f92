/** What every peer must hold: everything that the others announce, as they announced it. */
import type { Family, RouteView } from "../test/lab/daemon.ts";
import type { Change } from "./feed.ts";
import { type Attribute, type RouteText, routeText, shownText } from "./updates.ts";

/** Differences that are told in words. */
const TOLD_MAX = 2;

export interface Differences {
  readonly count: number;
  /** The first few. */
  readonly told: readonly string[];
}

/** What one peer announces, by prefix. `hidden` is unknown for routes of a daemon. */
interface Source {
  readonly address: string;
  readonly family: Family;
  readonly routes: () => ReadonlyMap<string, { shown: string; hidden: string | null }>;
}

export class Expectation {
  private readonly sources: Source[] = [];
  private readonly fed: Map<string, Map<string, RouteText>> = new Map();
  private readonly texts: Map<string, WeakMap<readonly Attribute[], RouteText>> = new Map();

  /** A scripted session, by its address; nothing is announced yet. */
  addFeed(address: string, family: Family): void {
    const routes = new Map<string, RouteText>();
    this.fed.set(address, routes);
    this.texts.set(address, new WeakMap());
    this.sources.push({ address, family, routes: () => routes });
  }

  /** @param routes - prefixes and `shown` texts of everything it originates at the time */
  addDaemon(address: string, family: Family, routes: () => [string, string][]): void {
    const isOurs = (prefix: string) => prefix.includes(":") === (family === "ipv6-unicast");
    const current = () =>
      new Map(
        routes()
          .filter(([prefix]) => isOurs(prefix))
          .map(([prefix, shown]) => [prefix, { shown, hidden: null }]),
      );
    this.sources.push({ address, family, routes: current });
  }

  /** A scripted session has sent this. */
  apply(address: string, { prefixes, attributes }: Change): void {
    const routes = this.fed.get(address)!;
    for (const prefix of prefixes) {
      if (attributes === null) routes.delete(prefix);
      else routes.set(prefix, this.textOf(address, attributes));
    }
  }

  /** Compare what the capture says a peer was told. */
  compareTold(address: string, told: ReadonlyMap<string, RouteText>): Differences {
    return this.compare(address, told, ({ shown, hidden }, route) =>
      shown === route.shown && (hidden === null || hidden === route.hidden)
        ? null
        : `${route.shown} ${route.hidden}`,
    );
  }

  /** Compare what the daemon itself says it holds. */
  compareHeld(address: string, views: readonly RouteView[]): Differences {
    const held = new Map(views.map((view) => [view.prefix, shownText(view)]));
    return this.compare(address, held, ({ shown }, text) => (shown === text ? null : text));
  }

  private compare<T>(
    address: string,
    held: ReadonlyMap<string, T>,
    difference: (expected: { shown: string; hidden: string | null }, actual: T) => string | null,
  ): Differences {
    const { family } = this.sources.find((source) => source.address === address)!;
    const told: string[] = [];
    let count = 0;
    let found = 0;
    const differs = (text: string, routes = 1) => {
      count += routes;
      if (told.length < TOLD_MAX) told.push(text);
    };
    for (const source of this.sources) {
      if (source.address === address || source.family !== family) continue;
      for (const [prefix, route] of source.routes()) {
        const actual = held.get(prefix);
        if (actual === undefined) {
          differs(`${prefix} is missing: ${route.shown}`);
          continue;
        }
        found++;
        const other = difference(route, actual);
        if (other !== null) differs(`${prefix} expected ${route.shown} found ${other}`);
      }
    }
    const extra = held.size - found;
    if (extra > 0) differs(`${extra} routes too many`, extra);
    return { count, told };
  }

  private textOf(address: string, attributes: readonly Attribute[]): RouteText {
    const texts = this.texts.get(address)!;
    let text = texts.get(attributes);
    if (text === undefined) {
      text = routeText(attributes, address);
      texts.set(attributes, text);
    }
    return text;
  }
}
