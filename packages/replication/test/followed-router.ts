/** A router whose calls go through a journal, and machines that follow it bracket by bracket. */

import type { Config } from "@ts-bgp/config";
import type {
  BfdNews,
  ConnectionId,
  KernelNews,
  MemberNews,
  Order,
  Output,
  Router,
} from "@ts-bgp/router";
import type { SourceEnd } from "@ts-bgp/rpki";
import { expect } from "vitest";
import {
  configOctets,
  Journal,
  Machine,
  machineFromImage,
  machineImage,
  outputsSum,
  replay,
} from "../src/index.ts";
import { difference } from "./difference.ts";

export class Followed {
  readonly journal: Journal;
  /** What Lab takes for a router. */
  readonly router: Router;
  followers: Machine[] = [];
  brackets = 0;
  private readonly skipped = { records: 0, fields: 0 };

  constructor(config: Config, seed: number) {
    this.journal = new Journal(new Machine(config, seed));
    this.journal.isOn = true;
    const { router } = this.journal.machine;
    const calls = this.calls();
    this.router = new Proxy(router, {
      get: (target, name) =>
        (calls as Record<string | symbol, unknown>)[name] ?? Reflect.get(target, name, target),
    });
  }

  /** Another machine joins, by an image of this one. */
  join(): Machine {
    this.endBracket();
    const follower = machineFromImage(machineImage(this.journal.machine));
    this.followers.push(follower);
    return follower;
  }

  /** Checks that all followers are in the same state. */
  compare(): void {
    this.endBracket();
    for (const follower of this.followers) {
      expect(difference(this.journal.machine, follower)).toBe(null);
    }
  }

  /** Calls after the last outputs were taken, which gave none. */
  protected endBracket(): void {
    expect(this.bracket()).toEqual([]);
  }

  private calls() {
    const { journal } = this;
    return {
      start: (nowMs: number) => journal.run({ record: "start", nowMs }),
      shutdown: (text: string | null, isRestart: boolean, nowMs: number) =>
        journal.run({ record: "shutdown", text: text ?? "", restart: isRestart ? 1 : 0, nowMs }),
      accepted: (
        remoteAddress: string,
        remotePort: number,
        localAddress: string,
        otherAddress: string | null,
        nowMs: number,
      ) => {
        const call = {
          record: "accepted",
          remoteAddress,
          remotePort,
          localAddress,
          otherAddress: otherAddress ?? "",
          connection: 0,
          nowMs,
        } as const;
        const id = journal.run(call);
        if (id !== null) journal.run({ record: "tcp", connection: id, state: { remotePort } });
        return id;
      },
      connected: (
        connection: ConnectionId,
        localAddress: string,
        other: string | null,
        nowMs: number,
      ) => {
        const otherAddress = other ?? "";
        journal.run({ record: "connected", connection, localAddress, otherAddress, nowMs });
        journal.run({ record: "tcp", connection, state: { localAddress } });
      },
      connectFailed: (connection: ConnectionId, nowMs: number) =>
        journal.run({ record: "connectFailed", connection, nowMs }),
      received: (connection: ConnectionId, octets: Uint8Array) =>
        journal.run({ record: "received", connection, octets }),
      sent: (connection: ConnectionId, octets: number, nowMs: number) => {
        journal.run({ record: "sent", connection, octets, nowMs });
        const { send } = journal.machine.ledger.connections.get(connection)!;
        const total = send.acked + octets;
        journal.run({ record: "acked", connection, octets: total });
      },
      closed: (connection: ConnectionId, nowMs: number) =>
        journal.run({ record: "closed", connection, nowMs }),
      tick: (nowMs: number) => journal.run({ record: "tick", nowMs }),
      slice: (nowMs: number, mayGoOn: () => boolean) => journal.slice(nowMs, mayGoOn),
      configure: (config: Config, nowMs: number) =>
        journal.run({ record: "configure", config: configOctets(config), nowMs, about: null }),
      operate: (address: string, order: Order, nowMs: number) =>
        journal.run({ record: "operate", address, order, nowMs }),
      bfd: (address: string, news: BfdNews, nowMs: number) =>
        journal.run({ record: "bfd", address, news, nowMs }),
      member: (name: string, news: MemberNews, octets: Uint8Array, nowMs: number) =>
        journal.run({ record: "member", name, news, octets, nowMs }),
      kernel: (what: KernelNews, octets: Uint8Array, nowMs: number) =>
        journal.run({ record: "kernel", what, octets, nowMs }),
      shutDownGracefully: (isOn: boolean, nowMs: number) =>
        journal.run({ record: "gracefulShutdown", on: Number(isOn), nowMs }),
      payloads: (source: string, isBegin: boolean, octets: Uint8Array) =>
        journal.run({ record: "payloads", source, begin: Number(isBegin), octets }),
      payloadsEnd: (source: string, end: SourceEnd, nowMs: number) =>
        journal.run({ record: "payloadsEnd", source, end, nowMs }),
      takeOutputs: () => this.bracket(),
    };
  }

  protected bracket(): Output[] {
    const { outputs, calls, sum } = this.journal.take();
    this.brackets++;
    for (const follower of this.followers) {
      const done = replay(follower, calls, this.skipped);
      expect(outputsSum(done)).toBe(sum);
    }
    return outputs;
  }
}
