/** A pair of speakers in a lab whose neighbors have BFD: on one host, or on two with addresses that move. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShownNsr } from "@ts-bgp/nsr";
import { PEER_AS } from "./bfd-peers.ts";
import { killProcess } from "./daemon.ts";
import type { LabNode, LabProcess } from "./netns.ts";
import { TSBGP } from "./speaker.ts";
import { until } from "./until.ts";

const WAIT_MS = 30_000;

export interface PairSide {
  readonly name: string;
  start(): void;
  /** SIGKILL; returns when it is gone. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** Null while it does not answer. */
  nsr(): Promise<ShownNsr | null>;
  cli(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }>;
}

/** What both sides have. */
export interface PairSpec {
  /** For the sockets of both. */
  readonly directory: string;
  readonly as: number;
  readonly id: string;
  /** Of all neighbors, as the file has it. */
  readonly bfd: object;
  /** With the local address to use, where that is one that moves. */
  readonly neighbors: readonly { readonly address: string; readonly "local-address"?: string }[];
  /** Addresses that move, with their prefix lengths; empty on one host. */
  readonly services: readonly string[];
}

export function pairSide(node: LabNode, name: string, spec: PairSpec): PairSide {
  const { directory, as, id, bfd, neighbors, services } = spec;
  const file = join(directory, `${name}.yaml`);
  const socket = join(directory, `${name}.sock`);
  const link = join(directory, "nsr.sock");
  const moves = services.map((address) => ({ address, interface: "eth0" }));
  const mode = services.length === 0 ? "shared" : "address";
  const pair = { cluster: "bfd", self: name, mode, listen: link, peer: link };
  const config = {
    router: { as, id },
    control: { socket },
    nsr: { ...pair, ...(services.length === 0 ? {} : { "service-addresses": moves }) },
    defaults: {
      ...{ as: PEER_AS, import: "accept-all", export: "accept-all", "connect-retry": 1 },
      bfd,
    },
    neighbors,
  };
  writeFileSync(file, JSON.stringify(config));
  let running: LabProcess | undefined;
  const cli = (...args: readonly string[]) => node.run([...TSBGP, ...args, "--socket", socket]);
  return {
    name,
    start() {
      running = node.spawn([...TSBGP, "run", "-c", file]);
    },
    kill: () => killProcess(running),
    stop: async () => running?.stop(),
    async nsr() {
      const { code, stdout } = await cli("show", "nsr", "--json");
      return code === 0 ? (JSON.parse(stdout) as ShownNsr) : null;
    },
    cli,
  };
}

/** Returns when one is active, the other one ready, and all sessions would survive. */
export async function untilProtected(
  [a, b]: readonly [PairSide, PairSide],
  sessions: number,
): Promise<{ active: PairSide; standby: PairSide }> {
  return until(
    async () => {
      const shown = [await a.nsr(), await b.nsr()];
      const at = shown.findIndex((one) => one?.role === "active");
      const isReady = at >= 0 && shown[at]!.ready && shown[at]!.protected === sessions;
      if (!isReady) return null;
      return at === 0 ? { active: a, standby: b } : { active: b, standby: a };
    },
    WAIT_MS,
    `${sessions} sessions are protected`,
  );
}
