/**
 * The state that both sides have, and the one way in which it changes: a call, as a record.
 *
 * The active runs a call when something happens and writes it into the journal; the standby reads it
 * there and runs it. Nothing else touches the router or the ledger.
 */

import { type Compared, type Config, type ConfigDiff, canaryConfig, sharing } from "@ts-bgp/config";
import { type ConnectionId, FAMILIES, type Output, Router } from "@ts-bgp/router";
import { type Explained, explainRoute } from "@ts-bgp/views";
import { countsBefore, newWatch } from "./abort-if.ts";
import {
  type ConfigAbout,
  type ConfigHistory,
  configAboutIn,
  newHistory,
  noteConfig,
  noteConfirmed,
  noteStart,
} from "./config-history.ts";
import { comparedIn, configFrom, configOctets } from "./config-octets.ts";
import {
  bfdNewsIn,
  kernelNewsIn,
  memberNewsIn,
  orderIn,
  questionIn,
  sourceEndIn,
} from "./json-fields.ts";
import { Ledger } from "./ledger.ts";
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
  | "confirm"
  | "operate"
  | "explain"
  | "gracefulShutdown"
  | "tcp"
  | "acked"
  | "payloads"
  | "payloadsEnd"
  | "bfd"
  | "member"
  | "kernel";

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

/** How each call is run. */
const RUN: { readonly [N in CallName]: (machine: Machine, call: Call<N>) => ResultOf<N> } = {
  start: ({ router, history }, { nowMs }) => {
    noteStart(history, nowMs);
    router.start(nowMs);
  },
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
  configure: ({ router, history }, { config, nowMs, about }) => {
    const known = configAboutIn(about);
    const compared = comparedIn(config);
    const given = configFrom(config);
    if (known?.trySeconds == null) {
      const diff = router.configure(given, nowMs, compared);
      noteConfig(history, known, router.tables.config, diff, nowMs);
      return diff;
    }
    return beginTrial({ router, history }, known, { given, compared }, nowMs);
  },
  confirm: ({ history }, { by }) => noteConfirmed(history, by),
  operate: ({ router }, { address, order, nowMs }) =>
    router.operate(address, orderIn(order), nowMs),
  // An active of an older version has its standby run what it is asked; one of this version leaves nothing to be run.
  explain: ({ router }, { question }) => explainRoute(router, questionIn(question)),
  gracefulShutdown: ({ router }, { on, nowMs }) => router.shutDownGracefully(on === 1, nowMs),
  tcp: ({ ledger }, { connection, state }) => ledger.opened(connection, state),
  payloads: ({ router }, { source, begin, octets }) => router.payloads(source, begin === 1, octets),
  payloadsEnd: ({ router }, { source, end, nowMs }) =>
    router.payloadsEnd(source, sourceEndIn(end), nowMs),
  bfd: ({ router }, { address, news, nowMs }) => router.bfd(address, bfdNewsIn(news), nowMs),
  member: ({ router }, { name, news, octets, nowMs }) =>
    router.member(name, memberNewsIn(news), octets, nowMs),
  kernel: ({ router }, { what, octets, nowMs }) => router.kernel(kernelNewsIn(what), octets, nowMs),
  acked: ({ ledger }, { connection, octets }) => ledger.acknowledged(connection, octets),
};

/** @returns what the configuration changes now: for all, or for some neighbors first */
function beginTrial(
  { router, history }: Pick<Machine, "router" | "history">,
  about: ConfigAbout,
  { given, compared }: { given: Config; compared: Compared | null },
  nowMs: number,
): ConfigDiff {
  const { canary = null, abortIf = [] } = about;
  const old = router.tables.config;
  const before = countsBefore(router, canary);
  // What was compared beforehand shares parts with the one in force already.
  const whole = canary === null || compared?.old === old ? given : sharing(old, given);
  const next = canary === null ? given : canaryConfig(old, whole, canary);
  const diff = router.configure(next, nowMs, next === given ? compared : null);
  const reset = diff.changed.filter((one) => one.reset).map(({ address }) => address);
  noteConfig(history, about, router.tables.config, diff, nowMs, {
    ...(abortIf.length === 0 ? {} : { watch: newWatch(abortIf, before, reset, nowMs) }),
    ...(canary === null ? {} : { whole }),
  });
  return diff;
}

export class Machine {
  readonly router: Router;
  readonly ledger: Ledger = new Ledger();
  readonly history: ConfigHistory;
  /** Whether the tables keep digests, for `digestOf`. */
  isDigested = false;

  /** @param seed - see Router */
  constructor(config: Config, seed: number) {
    // The value that a standby has as well, not one that shares parts with it.
    this.router = new Router(configFrom(configOctets(config)), seed);
    this.history = newHistory(this.router.tables.config);
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
