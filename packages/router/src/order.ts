/** What can be done to a neighbor: by an operator, and by the program itself. */

import { CEASE } from "@ts-bgp/wire-codec";
import { heldFor, type Quarantine, type QuarantineOrder, quarantined } from "./quarantine.ts";
import type { Session } from "./session.ts";
import type { Tables } from "./tables.ts";

/** `text` is for the peer (RFC 9003). */
export type Order =
  /** Ask the peer for its routes again (`in`), or send it ours again (`out`). */
  | { readonly do: "refresh"; readonly direction: "in" | "out" }
  | { readonly do: "reset"; readonly text: string | null }
  /** Holds until `enable`, whatever the configuration says. */
  | { readonly do: "disable"; readonly text: string | null }
  | { readonly do: "enable" }
  /** The program's own. */
  | QuarantineOrder
  | { readonly do: "release" };

/** Who is given orders; see `Neighbor`. */
export interface Ordered {
  readonly config: { readonly address: string };
  readonly tables: Tables;
  readonly stale: { readonly isRemoving: boolean };
  readonly session: Session | null;
  disabled: boolean;
  quarantine: Quarantine | null;
  start(): void;
  stop(subcode: number, text: string | null, restartAfterSeconds: number | null): void;
}

/**
 * Whether routes are still to be removed of a neighbor that is held down: whoever looks at one of them before
 * it goes may die of it.
 */
export function isGoing({ quarantine, stale, tables }: Ordered): boolean {
  return quarantine !== null && quarantine.untilMs > tables.nowMs && stale.isRemoving;
}

export function obey(neighbor: Ordered, order: Order): void {
  switch (order.do) {
    case "refresh":
      if (order.direction === "in") neighbor.session?.requestRefresh();
      else for (const family of neighbor.session?.families ?? []) neighbor.session!.resend(family);
      return;
    case "reset":
      // Whoever wants it to begin anew knows why it was held down.
      neighbor.quarantine = null;
      neighbor.stop(CEASE.ADMINISTRATIVE_RESET, order.text, 0);
      return;
    case "disable":
      neighbor.disabled = true;
      neighbor.stop(CEASE.ADMINISTRATIVE_SHUTDOWN, order.text, null);
      return;
    case "enable":
      neighbor.disabled = false;
      neighbor.quarantine = null;
      neighbor.start();
      return;
    case "quarantine": {
      const { tables, config } = neighbor;
      neighbor.quarantine = quarantined(neighbor.quarantine, order, tables.nowMs);
      const { text, seconds } = heldFor(neighbor.quarantine);
      const { cause, file, count } = neighbor.quarantine;
      const message = `held down for ${seconds} s: a message of it may have ended the process (${cause})`;
      tables.outputs.log("quarantine", "error", config.address, message, { seconds, count, file });
      // Nothing is decided and passed on before its routes are gone, see `isGoing`.
      neighbor.stop(CEASE.ADMINISTRATIVE_SHUTDOWN, text, seconds);
      return;
    }
    case "release":
      neighbor.quarantine = null;
      neighbor.start();
      return;
  }
}
