/** What peers' TCP has acknowledged, told to the ledger of both sides: it need not be kept any longer. */

import type { Journal, LedgerConnection } from "@ts-bgp/replication";
import type { Protection } from "./protection.ts";

/** Connections that are looked at at once: each costs a system call. */
const LOOKS = 128;

export class AcknowledgementLooks {
  private readonly journal: Journal;
  private readonly protection: Protection;
  /** Connections of this round that were not looked at yet. */
  private rest: Iterator<LedgerConnection, undefined> = [].values();

  constructor(journal: Journal, protection: Protection) {
    this.journal = journal;
    this.protection = protection;
  }

  /** Looks at a bounded number of connections, all of them in turn. */
  look(): void {
    const { journal, protection } = this;
    const { connections } = journal.machine.ledger;
    for (let looks = 0; looks < LOOKS; looks++) {
      const { value, done } = this.rest.next();
      if (done === true) {
        this.rest = connections.values();
        return;
      }
      const { id, send } = value;
      if (send.acked === send.appended) continue;
      const octets = protection.acknowledgedOctets(id);
      if (octets > send.acked) journal.run({ record: "acked", connection: id, octets });
    }
  }
}
