/**
 * The state that both sides have, and the one way in which it changes: a call, as a record.
 *
 * The active runs a call when something happens and writes it into the journal; the standby reads it
 * there and runs it. Nothing else touches the router or the ledger.
 */

import type { Config } from "@ts-bgp/config";
import {
  type Explained,
  explainRoute,
  FAMILIES,
  type Order,
  type Output,
  type Question,
  Router,
} from "@ts-bgp/router";
import { Classes, fromImage, imageOf } from "./image.ts";
import { Ledger } from "./ledger.ts";
import { joined } from "./octet-writer.ts";
import type { RecordOf } from "./records.ts";

/** Records that change the state. */
export type Call = RecordOf<
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
  | "tcp"
  | "acked"
>;

/** Rows of each table that a slice has count in its digest, until all do. */
const DIGEST_ROWS = 1 << 13;

const NO_CLASSES = new Classes([], []);

/** A configuration as octets, for the record `configure`. */
export function configOctets(config: Config): Uint8Array {
  return joined(imageOf(config, NO_CLASSES));
}

/** @returns what `configOctets` was given; throws a FormatError when it is not that */
export function configFrom(octets: Uint8Array): Config {
  return fromImage([octets], NO_CLASSES) as Config;
}

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

  /** @returns what the router's method returns */
  run(call: Call): unknown {
    const { router, ledger } = this;
    switch (call.record) {
      case "received":
        ledger.received(call.connection, call.octets.length);
        return router.received(call.connection, call.octets);
      case "sent":
        ledger.sent(call.connection, call.octets);
        return router.sent(call.connection, call.octets, call.nowMs);
      case "acked":
        return ledger.acknowledged(call.connection, call.octets);
      case "tcp":
        return ledger.opened(call.connection, call.state);
      case "accepted":
        return router.accepted(
          call.remoteAddress,
          call.remotePort,
          call.localAddress,
          call.otherAddress || null,
          call.nowMs,
        );
      case "connected":
        ledger.answered(call.connection);
        return router.connected(
          call.connection,
          call.localAddress,
          call.otherAddress || null,
          call.nowMs,
        );
      case "connectFailed":
        ledger.answered(call.connection);
        return router.connectFailed(call.connection, call.nowMs);
      case "closed":
        ledger.closed(call.connection);
        return router.closed(call.connection, call.nowMs);
      default:
        return this.order(call);
    }
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

  private order(
    call: Exclude<Call, { record: "received" | "sent" | "acked" | "tcp" }>,
  ): Explained | unknown {
    const { router } = this;
    switch (call.record) {
      case "start":
        return router.start(call.nowMs);
      case "shutdown":
        return router.shutdown(call.text === "" ? null : call.text, call.nowMs);
      case "tick":
        return router.tick(call.nowMs);
      case "configure":
        return router.configure(configFrom(call.config), call.nowMs);
      case "operate":
        return router.operate(call.address, call.order as Order, call.nowMs);
      case "explain":
        return explainRoute(router, call.question as Question);
      default:
        return undefined;
    }
  }
}
