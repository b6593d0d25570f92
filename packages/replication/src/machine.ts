/**
 * The state that both sides have, and the one way in which it changes: a call, as a record.
 *
 * The active runs a call when something happens and writes it into the journal; the standby reads it
 * there and runs it. Nothing else touches the router or the ledger.
 */

import { type Config, type ConfigDiff, complete } from "@ts-bgp/config";
import { type AsEntries, asTexts, type PrefixEntries, prefixTexts } from "@ts-bgp/policy";
import { type ConnectionId, FAMILIES, type Output, Router } from "@ts-bgp/router";
import { type Explained, explainRoute } from "@ts-bgp/views";
import { fromImage, imageOf } from "./image.ts";
import { Classes } from "./image-format.ts";
import { bfdNewsIn, orderIn, questionIn, sourceEndIn } from "./json-fields.ts";
import { Ledger } from "./ledger.ts";
import { joined } from "./octet-writer.ts";
import type { RecordOf } from "./records.ts";

/** Records that change the state. */
export type CallName =
  | "start"
  | "shutdown"
  | "accepted"
  | "connected"
  | "connectFailed"
  | "received"
  | "sent"
  | "closed"
  | "tick"
  | "configure"
  | "operate"
  | "explain"
  | "gracefulShutdown"
  | "tcp"
  | "acked"
  | "payloads"
  | "payloadsEnd"
  | "bfd";

export type Call<N extends CallName = CallName> = { [K in N]: RecordOf<K> }[N];

/** What calls give that give something. */
interface Results {
  accepted: ConnectionId | null;
  /** Whether more may be read from the connection. */
  received: boolean;
  configure: ConfigDiff;
  explain: Explained;
}

/** What the router's method returns. */
export type ResultOf<N extends CallName> = {
  [K in N]: K extends keyof Results ? Results[K] : void;
}[N];

/** Rows of each table that a slice has count in its digest, until all do. */
const DIGEST_ROWS = 1 << 13;

const NO_CLASSES = new Classes([], []);
type Of<T> = Readonly<Record<string, T>>;

/** Lists of a configuration as the first releases know them. */
export const FIRST_LISTS = {
  prefixLists: (lists: unknown) => each(lists as Of<PrefixEntries>, prefixTexts),
  asLists: (lists: unknown) => each(lists as Of<AsEntries>, asTexts),
};
const FIRST_CONFIG = NO_CLASSES.without([], FIRST_LISTS);

function each<T>(lists: Of<T>, textsOf: (list: T) => readonly string[]): Of<readonly string[]> {
  return Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, textsOf(list)]));
}

/** A configuration as octets, for the record `configure`. */
export function configOctets(config: Config, isForAny = true): Uint8Array {
  return joined(imageOf(config, isForAny ? NO_CLASSES : FIRST_CONFIG));
}

/**
 * @returns what `configOctets` was given, by whatever version, see `complete`; throws a FormatError when it
 *   is not that
 */
export function configFrom(octets: Uint8Array): Config {
  const config = fromImage([octets], NO_CLASSES) as Config;
  complete(config);
  return config;
}

/** How each call is run. */
const RUN: { readonly [N in CallName]: (machine: Machine, call: Call<N>) => ResultOf<N> } = {
  start: ({ router }, { nowMs }) => router.start(nowMs),
  shutdown: ({ router }, { text, restart, nowMs }) =>
    router.shutdown(text === "" ? null : text, restart === 1, nowMs),
  accepted: ({ router }, call) => {
    const { remoteAddress, remotePort, localAddress, otherAddress, connection, nowMs } = call;
    const ends = [remoteAddress, remotePort, localAddress, otherAddress || null] as const;
    return router.accepted(...ends, nowMs, connection);
  },
  connected: ({ router, ledger }, { connection, localAddress, otherAddress, nowMs }) => {
    ledger.answered(connection);
    router.connected(connection, localAddress, otherAddress || null, nowMs);
  },
  connectFailed: ({ router, ledger }, { connection, nowMs }) => {
    ledger.answered(connection);
    router.connectFailed(connection, nowMs);
  },
  received: ({ router, ledger }, { connection, octets }) => {
    ledger.received(connection, octets.length);
    return router.received(connection, octets);
  },
  sent: ({ router, ledger }, { connection, octets, nowMs }) => {
    ledger.sent(connection, octets);
    router.sent(connection, octets, nowMs);
  },
  closed: ({ router, ledger }, { connection, nowMs }) => {
    ledger.closed(connection);
    router.closed(connection, nowMs);
  },
  tick: ({ router }, { nowMs }) => router.tick(nowMs),
  configure: ({ router }, { config, nowMs }) => router.configure(configFrom(config), nowMs),
  operate: ({ router }, { address, order, nowMs }) =>
    router.operate(address, orderIn(order), nowMs),
  explain: ({ router }, { question }) => explainRoute(router, questionIn(question)),
  gracefulShutdown: ({ router }, { on, nowMs }) => router.shutDownGracefully(on === 1, nowMs),
  tcp: ({ ledger }, { connection, state }) => ledger.opened(connection, state),
  payloads: ({ router }, { source, begin, octets }) => router.payloads(source, begin === 1, octets),
  payloadsEnd: ({ router }, { source, end, nowMs }) =>
    router.payloadsEnd(source, sourceEndIn(end), nowMs),
  bfd: ({ router }, { address, news, nowMs }) => router.bfd(address, bfdNewsIn(news), nowMs),
  acked: ({ ledger }, { connection, octets }) => ledger.acknowledged(connection, octets),
};

export class Machine {
  readonly router: Router;
  readonly ledger: Ledger = new Ledger();
  /** Whether the tables keep digests, for `digestOf`. */
  isDigested = false;

  /** @param seed - see Router */
  constructor(config: Config, seed: number) {
    // The value that a standby has as well, not one that shares parts with it.
    this.router = new Router(configFrom(configOctets(config)), seed);
  }

  run<N extends CallName>(call: Call<N>): ResultOf<N> {
    return RUN[call.record](this, call);
  }

  /** Runs a slice, see Router. @returns whether there is more to do */
  slice(nowMs: number, mayGoOn: () => boolean): boolean {
    const { tables } = this.router;
    const more = this.router.slice(nowMs, mayGoOn);
    if (this.isDigested) {
      for (const family of FAMILIES) tables.rib(family).stepDigest(DIGEST_ROWS);
      for (const { group } of tables.groups.entries) group.adjRibOut.stepDigest(DIGEST_ROWS);
    }
    return more;
  }

  /** Hands over what the calls since the last time want done. */
  takeOutputs(): Output[] {
    const outputs = this.router.takeOutputs();
    this.ledger.note(outputs);
    return outputs;
  }

  /** Number of the attempt to connect to a neighbor that is under way; 0 for none. */
  attemptOf(neighbor: string): ConnectionId | 0 {
    for (const [id, target] of this.ledger.attempts) if (target.neighbor === neighbor) return id;
    return 0;
  }

  /** Octets that were written to a connection and have not left; null for one that is gone or closed. */
  backlogOf(id: ConnectionId): number | null {
    const connection = this.ledger.connections.get(id);
    if (connection === undefined || connection.closing) return null;
    return connection.send.appended - connection.sent;
  }
}
