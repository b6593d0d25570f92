/** This project's speaker as a process in a lab, driven as an operator drives it: by `tsbgp`. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ShownNeighbor } from "@ts-bgp/views";
import { killProcess, type NotificationView, untilReady } from "./daemon.ts";
import type { LabNode, LabProcess } from "./netns.ts";
import { until } from "./until.ts";

const END_MS = 20_000;
const MAIN = fileURLToPath(new URL("../../packages/cli/bin/tsbgp.mjs", import.meta.url));

/** Words that a command line of the program begins with. */
export const TSBGP: readonly string[] = [process.execPath, MAIN];

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output parsed, when the arguments have `--json` and it is JSON. */
  readonly json: unknown;
}

export interface Speaker {
  readonly as: number;
  readonly address4: string;
  readonly address6: string;
  /** Path of the control socket, for the configuration. */
  readonly socket: string;
  /** Write the configuration file. */
  configure(yaml: string): void;
  /** Returns when the control socket answers. @param env - of the process, beside that of this one */
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** @throws Error with the speaker's words when it refuses the file */
  reload(): Promise<void>;
  cli(args: readonly string[]): Promise<CliResult>;
  neighbor(address: string): Promise<NeighborStatus>;
  refresh(address: string): Promise<void>;
  disable(address: string, text: string): Promise<void>;
  enable(address: string): Promise<void>;
  stop(): Promise<void>;
  /** SIGKILL; returns when it is gone. */
  kill(): Promise<void>;
  /** Returns when it has ended by itself. */
  ended(): Promise<void>;
  logText(): string;
}

/** What the scenarios read of `tsbgp show neighbor X --json`. */
export interface NeighborStatus {
  readonly state: string;
  /** How often the session came up. */
  readonly established: number;
  readonly updatesReceived: number;
  readonly lastNotificationReceived: NotificationView | null;
}

/** Why the speaker cannot run here, or `null`. */
export function speakerAvailable(): string | null {
  return existsSync(MAIN) ? null : "there is no packages/cli/bin/tsbgp.mjs";
}

/** @param name - of one of several in a node */
export function createSpeaker(node: LabNode, as: number, name = ""): Speaker {
  const file = join(node.directory, `tsbgp${name}.yaml`);
  const socket = join(node.directory, `control${name}.sock`);
  let running: LabProcess | undefined;
  const tsbgp = (...args: string[]) => [...TSBGP, ...args];
  const cli = async (args: readonly string[]): Promise<CliResult> => {
    const result = await node.run(tsbgp(...args, "--socket", socket));
    return { ...result, json: args.includes("--json") ? parse(result.stdout) : undefined };
  };
  const insist = async (...args: string[]) => {
    const result = await cli(args);
    if (result.code === 0) return result;
    throw new Error(
      `tsbgp ${args.join(" ")}: exit ${result.code}: ${result.stderr}${result.stdout}`,
    );
  };

  return {
    as,
    address4: node.address4,
    address6: node.address6,
    socket,
    configure: (yaml) => writeFileSync(file, yaml),
    async start(env = {}) {
      running = node.spawn(tsbgp("run", "-c", file), { env });
      await untilReady("tsbgp", running, async () => (await cli(["show", "neighbors"])).code === 0);
    },
    signal: (signal) => running?.signal(signal),
    async reload() {
      await insist("reload");
    },
    cli,
    async neighbor(address) {
      return statusOf((await insist("show", "neighbor", address, "--json")).json as ShownNeighbor);
    },
    async refresh(address) {
      await insist("refresh", address);
    },
    async disable(address, text) {
      await insist("disable", address, "--reason", text);
    },
    async enable(address) {
      await insist("enable", address);
    },
    async stop() {
      await running?.stop();
    },
    kill: () => killProcess(running),
    async ended() {
      await until(() => running?.ended() !== null, END_MS, "the speaker has ended");
    },
    logText: () => running?.output() ?? "",
  };
}

function statusOf({
  state,
  established_count,
  messages,
  last_down,
}: ShownNeighbor): NeighborStatus {
  const notification = last_down?.notification ?? null;
  return {
    state: state.toLowerCase(),
    established: established_count,
    updatesReceived: messages.received.update,
    lastNotificationReceived:
      notification?.direction === "received"
        ? { ...notification, text: notification.text ?? "" }
        : null,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
