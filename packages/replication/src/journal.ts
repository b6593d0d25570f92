/** What happens on the active, run and written down, bracket by bracket. */

import type { ConnectionId, Output } from "@ts-bgp/router";
import type { Call, CallName, Machine, ResultOf } from "./machine.ts";
import { joined, OctetWriter } from "./octet-writer.ts";
import { outputsSum } from "./outputs-sum.ts";
import { KINDS } from "./records.ts";

/** One bracket, as the active made it. */
export interface Made {
  readonly outputs: Output[];
  /** By connection that received something, how many octets in all. */
  readonly received: ReadonlyMap<ConnectionId, number>;
  /** Connections that are gone. */
  readonly gone: readonly ConnectionId[];
  /** Records of the calls; empty when nothing is written down. */
  readonly calls: Uint8Array;
  /** See `outputsSum`; 0 when nothing is written down. */
  readonly sum: number;
  /** Among the calls are some that mirrors are not to have as they are, see `concealedCalls`. */
  readonly hasSecrets: boolean;
}

const NO_OCTETS = new Uint8Array(0);

export class Journal {
  readonly machine: Machine;
  /** Whether calls are written down. To be set between brackets. */
  isOn = false;
  private readonly out: OctetWriter = new OctetWriter();
  private received: Map<ConnectionId, number> = new Map();
  private gone: ConnectionId[] = [];
  private hasSecrets = false;
  /** Octets of configurations that came into force in this bracket, and in the one that was taken last. */
  private configuring: Uint8Array[] = [];
  configured: readonly Uint8Array[] = [];

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Octets that were written down since the last bracket ended. */
  get octets(): number {
    return this.out.length;
  }

  /** Runs a call. @returns what the router's method returns */
  run<N extends CallName>(call: Call<N>): ResultOf<N> {
    const result = this.machine.run(call);
    // A standby that numbers otherwise is to know the connection by the number that calls will say.
    const isNew = this.isOn && call.record === "accepted";
    const given = isNew ? { connection: (result as ConnectionId | null) ?? 0 } : null;
    const written: unknown = given === null ? call : { ...call, ...given };
    if (this.isOn) KINDS.write(this.out, call.record, written as never);
    this.note(call);
    return result;
  }

  /** Runs a slice. @returns whether there is more to do */
  slice(nowMs: number, mayGoOn: () => boolean): boolean {
    let goneOn = 0;
    const more = this.machine.slice(nowMs, () => {
      const goesOn = mayGoOn();
      if (goesOn) goneOn++;
      return goesOn;
    });
    if (this.isOn) KINDS.write(this.out, "slice", { nowMs, goneOn });
    return more;
  }

  /** Ends the bracket. */
  take(): Made {
    const outputs = this.machine.takeOutputs();
    const { received, gone, hasSecrets } = this;
    this.received = new Map();
    this.gone = [];
    this.hasSecrets = false;
    this.configured = this.configuring;
    this.configuring = [];
    const made = { outputs, received, gone, hasSecrets };
    // It may have been turned off in the middle of a bracket: the next standby is not to get a half one.
    const pieces = this.out.take();
    if (!this.isOn) return { ...made, calls: NO_OCTETS, sum: 0 };
    return { ...made, calls: joined(pieces), sum: outputsSum(outputs) };
  }

  private note(call: Call): void {
    if (call.record === "received") {
      const connection = this.machine.ledger.connections.get(call.connection);
      if (connection !== undefined) this.received.set(call.connection, connection.received);
    }
    if (call.record === "configure" && this.isOn) this.configuring.push(call.config);
    if (call.record === "closed") this.gone.push(call.connection);
    if (call.record === "configure" || call.record === "tcp") this.hasSecrets = true;
  }
}
