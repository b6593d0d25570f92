/** What peers' TCP has acknowledged, told to the ledger of both sides: it need not be kept any longer. */

import type { Journal, LedgerConnection } from "@ts-bgp/replication";
import type { Protection } from "./protection.ts";

/**
 * Looks at once, each of which costs a system call: so many, or with many connections so large a part of
 * them that a round takes about a second. What is not known to be acknowledged costs a takeover its copies.
 */
const LOOKS = 128;
const LOOKS_PART = 1 / 10;

export class AcknowledgementLooks {
  private readonly journal: Journal;
  private readonly protection: Protection;
  /** Connections of this round that were not looked at yet. */
  private rest: Iterator<LedgerConnection, undefined> = [].values();

  constructor(journal: Journal, protection: Protection) {
    this.journal = journal;
    this.protection = protection;
  }

  /** Looks at a bounded number of connections that have something on its way, all of them in turn. */
  look(): void {
    const { journal, protection } = this;
    const { connections } = journal.machine.ledger;
    const looksMax = Math.max(LOOKS, Math.ceil(connections.size * LOOKS_PART));
    for (let looks = 0; looks < looksMax; ) {
      const { value, done } = this.rest.next();
      if (done === true) {
        this.rest = connections.values();
        return;
      }
      const { id, send } = value;
      if (send.acked === send.appended) continue;
      looks++;
      const octets = protection.acknowledgedOctets(id);
      if (octets > send.acked) journal.run({ record: "acked", connection: id, octets });
    }
  }
}
