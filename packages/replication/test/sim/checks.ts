/** What must hold at every step of a run, whatever happens: I1 to I5, and what peers see. */

import type { ActiveEvent, Call, LedgerConnection, Machine, Standby } from "../../src/index.ts";
import { machineFromImage, machineImage, replay } from "../../src/index.ts";
import { difference } from "../difference.ts";
import type { Process } from "./process.ts";
import type { Shell, Tcp } from "./shell.ts";
import { type HostTcp, Octets, type Segment } from "./tcp.ts";
import type { World } from "./world.ts";

/** What a bracket leaves behind, by number of the endpoint. */
type Totals = ReadonlyMap<number, { readonly received: number; readonly appended: number }>;

export class Checks {
  readonly violations: string[] = [];
  private readonly world: World;
  /** Totals of the active's brackets. */
  private brackets: Map<number, Totals> = new Map();
  /** What the router has written to each endpoint, by brackets that count. */
  private readonly wrote: Map<number, Octets> = new Map();
  private latest: Shell | null = null;
  /** Last bracket that the standby has stored. */
  private storedNumber = 0;
  /** The state that the standby was sent, and what it was sent behind it. */
  private shadow: Machine | null = null;
  private shadowCalls: { number: number; calls: Uint8Array }[] = [];

  constructor(world: World) {
    this.world = world;
  }

  violation(what: string): void {
    this.violations.push(`${this.world.clock.nowMs} ms: ${what}`);
    this.world.trace(() => `VIOLATION ${what}`);
    // What comes after it tells little.
    this.world.clock.isStopped = true;
  }

  /** Another router begins: nothing of what was before counts. */
  begun(shell: Shell): void {
    for (const standby of this.world.arbiter.before.standbys) {
      if (standby === shell.process.side || !this.world.couldTakeOver(standby)) continue;
      this.violation(`${shell.process.side} begins anew, and ${standby} could have taken over`);
    }
    for (const peer of this.world.peers) peer.excuse();
    this.world.trace(() => `${shell.process.side} begins anew, epoch ${shell.epoch}`);
    this.world.begins++;
  }

  /** Writes down what an active does. */
  watch(shell: Shell): void {
    this.brackets = new Map();
    this.storedNumber = 0;
    this.latest = shell;
    const { journal } = shell;
    const take = journal.take.bind(journal);
    journal.take = () => {
      // What a side still does that has lost its role counts for nobody.
      if (this.latest !== shell) return take();
      const { connections } = journal.machine.ledger;
      const closing = new Set(
        [...connections.values()].filter((c) => c.closing).map(({ id }) => id),
      );
      const made = take();
      shell.isDirty = false;
      for (const output of made.outputs) {
        if (output.do === "close") closing.add(output.connection);
        if (output.do !== "write" || closing.has(output.connection)) continue;
        const connection = connections.get(output.connection);
        if (connection !== undefined) this.wroteTo(connection).append(output.octets);
      }
      if (this.shadow !== null && made.calls.length > 0) {
        this.shadowCalls.push({ number: shell.active.number + 1, calls: made.calls });
      }
      return made;
    };
  }

  /** A frame leaves the active. */
  sending(shell: Shell): void {
    const { number, state } = shell.active;
    if (this.latest !== shell || (this.brackets.has(number) && state !== "joining")) return;
    const { machine } = shell.journal;
    const totals = [...machine.ledger.connections.values()].map(
      ({ tcp, received, send }) =>
        [(tcp as Tcp).endpoint, { received, appended: send.appended }] as const,
    );
    this.brackets.set(number, new Map(totals));
  }

  /** A standby is being sent the state. */
  joining(shell: Shell): void {
    if (!this.world.isShadowed) return;
    this.shadow = machineFromImage(machineImage(shell.journal.machine));
    this.shadowCalls = [];
  }

  stored(standby: Standby): void {
    this.storedNumber = standby.number;
  }

  call(shell: Shell, call: Call): void {
    const { active, process } = shell;
    if (call.record === "received") {
      const connection = shell.journal.machine.ledger.connections.get(call.connection)!;
      const { out } = shell.endpointOf(connection.tcp as Tcp);
      if (out.conflict(connection.received, call.octets) >= 0)
        this.violation("received other octets");
      if (connection.received + call.octets.length > out.end) this.violation("received too much");
    }
    if (call.record !== "tick") return;
    const { gateIsClosed } = process.kernel;
    if (active.state === "declared" && (!gateIsClosed || active.reason !== null)) {
      this.violation("I5: declared, with an open gate or a reason why not");
    }
    if (active.state === "alone" && (gateIsClosed || active.reason === null)) {
      this.violation("I5: alone, with a closed gate or no reason");
    }
  }

  /** A segment leaves for a peer. */
  leaving(host: HostTcp, segment: Segment, process: Process): void {
    const { word } = this.world.arbiter;
    const who = `${process.side}, epoch ${process.epoch}`;
    if (word.active !== process.side || word.epoch !== process.epoch) {
      this.violation(`I4: ${who} writes in epoch ${word.epoch}`);
      return;
    }
    const { id } = host.peer;
    const { seq, octets, ack } = segment;
    const end = seq + octets.length;
    const wrote = this.wrote.get(id);
    if (octets.length > 0 && (wrote === undefined || wrote.conflict(seq, octets) >= 0)) {
      this.violation(`octets ${seq} to ${end} of ${id} leave that the router did not write`);
    }
    if (word.standbys.length === 0) return;
    const totals = this.brackets.get(this.storedNumber)?.get(id);
    const { received, appended } = totals ?? { received: 0, appended: 0 };
    if (octets.length > 0 && end > appended) {
      this.violation(`I2: ${end} octets leave for ${id}, ${appended} are stored`);
    }
    // What was acknowledged before the gate knew of the connection is in its snapshot.
    if (!host.isProtected || !host.isAccepted || ack <= this.ackedBefore(process, id)) return;
    if (ack > received)
      this.violation(`I1: ${ack} octets of ${id} acknowledged, ${received} stored`);
  }

  /** The standby is about to be named. */
  naming(process: Process): void {
    const totals = this.brackets.get(this.storedNumber);
    const { connections } = process.shell!.journal.machine.ledger;
    const known = new Set([...connections.values()].map(({ tcp }) => (tcp as Tcp).endpoint));
    for (const host of process.kernel.sockets.values()) {
      if (host.isGone || !host.isAccepted || !host.isProtected) continue;
      const { id } = host.peer;
      // Neither side has it any more.
      if (!known.has(id) && totals?.has(id) !== true) continue;
      const { received, appended } = totals?.get(id) ?? { received: 0, appended: 0 };
      if (host.ackedOut > Math.max(received, this.ackedBefore(process, id))) {
        this.violation(
          `I1: declared with ${host.ackedOut} of ${id} acknowledged, ${received} stored`,
        );
      }
      if (Math.min(host.max, host.out.end) > appended) {
        this.violation(`I2: declared with ${host.max} sent to ${id}, ${appended} stored`);
      }
    }
  }

  /** A standby is about to go on with its machine. */
  takingOver(standby: Standby, machine: Machine): void {
    this.world.takeovers++;
    this.world.trace(() => `takes over at bracket ${standby.number}`);
    for (const connection of machine.ledger.connections.values()) {
      this.wroteTo(connection).truncate(connection.send.appended);
    }
    const totals = this.brackets.get(this.storedNumber);
    if (standby.applied !== this.storedNumber) this.violation("I3: not all that is stored was run");
    for (const { tcp, received, send } of machine.ledger.connections.values()) {
      const then = totals?.get((tcp as Tcp).endpoint);
      if (then?.received !== received || then?.appended !== send.appended) {
        this.violation(`I3: other totals than after bracket ${this.storedNumber}`);
      }
    }
    const { shadow } = this;
    this.shadow = null;
    if (shadow === null) return;
    for (const { number, calls } of this.shadowCalls) {
      if (number <= this.storedNumber) replay(shadow, calls, { records: 0, fields: 0 });
    }
    const found = difference(shadow, machine);
    if (found !== null) this.violation(`I3: ${found}`);
  }

  /** A peer has said where it is. */
  resuming({ send, id }: LedgerConnection, ack: number): void {
    if (ack > send.appended) this.violation(`connection ${id}: the peer has more than was stored`);
    if (ack < send.acked)
      this.violation(`connection ${id}: the peer has less than it acknowledged`);
  }

  said(shell: Shell, id: ActiveEvent, message: string): void {
    this.world.trace(() => `${shell.process.side} says ${id}: ${message}`);
    if (id === "standby-joining") this.joining(shell);
    if (id === "standby-ready") this.world.declared++;
    if (id === "standby-differs") this.violation(`the active was told that ${message} differs`);
  }

  differs(number: number, what: string): void {
    this.violation(`I3: ${what} differs at bracket ${number}`);
  }

  private ackedBefore({ shell }: Process, endpoint: number): number {
    for (const { tcp } of shell?.journal.machine.ledger.connections.values() ?? []) {
      if ((tcp as Tcp).endpoint === endpoint) return (tcp as Tcp).acked;
    }
    return 0;
  }

  private wroteTo(connection: LedgerConnection): Octets {
    const { endpoint } = connection.tcp as Tcp;
    let wrote = this.wrote.get(endpoint);
    if (wrote === undefined) {
      wrote = new Octets();
      this.wrote.set(endpoint, wrote);
    }
    return wrote;
  }
}
