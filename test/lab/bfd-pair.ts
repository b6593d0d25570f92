/** A pair of speakers on one host of a lab, whose neighbors have BFD. */
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
  readonly as: number;
  /** Of all neighbors, as the file has it. */
  readonly bfd: object;
  /** Their addresses. */
  readonly neighbors: readonly string[];
}

export function pairSide(node: LabNode, name: string, { as, bfd, neighbors }: PairSpec): PairSide {
  const file = join(node.directory, `${name}.yaml`);
  const socket = join(node.directory, `${name}.sock`);
  const link = join(node.directory, "nsr.sock");
  const config = {
    router: { as, id: node.address4 },
    control: { socket },
    nsr: { cluster: "bfd", self: name, mode: "shared", listen: link, peer: link },
    defaults: {
      ...{ as: PEER_AS, import: "accept-all", export: "accept-all", "connect-retry": 1 },
      bfd,
    },
    neighbors: neighbors.map((address) => ({ address })),
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
