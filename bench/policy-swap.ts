/**
 * The scenario `policy-swap`: clients of a route server with routes in force, and a `reload` of a configuration
 * that differs in one rule of a policy, which sets another community. Every client is told all that has changed.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { askSpeaker } from "../test/lab/ask.ts";
import { FIRST_AS, SCALE } from "./streams.ts";

/** The community that each rule sets: of a third of the routes, of all, and of all on the way out. */
export interface SwapPolicies {
  readonly third: number;
  readonly all: number;
  readonly out: number;
}

export const FIRST_POLICIES: SwapPolicies = { third: 1, all: 1, out: 1 };
/** Every third client is one whose routes the first rule marks. */
const ONE_OF = 3;
/** Updates of somebody else that come meanwhile: how late they are is what peers notice. */
const PROBES_A_SECOND = 10;

const COMMUNITIES = 64_512;
const HTTP_PORT = 9790;
const RELOAD_MS = 120_000;

export interface SwapPhase {
  readonly name: string;
  readonly policies: SwapPolicies;
  /** Prefixes that a client is told anew. */
  wantOf(client: number): number;
}

/** @returns each rule changed by itself, the others as they were after the one before */
export function swapPhases(clients: number): SwapPhase[] {
  const each = SCALE.memberPrefixes;
  const marked = Math.ceil(clients / ONE_OF);
  const others = (count: number, isOne: boolean) => each * (count - (isOne ? 1 : 0)) + 1;
  const all = () => others(clients, true);
  return [
    {
      name: "import-third",
      policies: { third: 2, all: 1, out: 1 },
      wantOf: (client) => others(marked, client % ONE_OF === 0),
    },
    { name: "import-all", policies: { third: 2, all: 2, out: 1 }, wantOf: all },
    { name: "export-all", policies: { third: 2, all: 2, out: 2 }, wantOf: all },
  ];
}

/** @returns a command for the load generator: a session that sends probes */
export function probeCommand(name: string): string {
  return `send ${name} 0 ${PROBES_A_SECOND}`;
}

/** @returns sections of a configuration: policies, which neighbors use, and metrics */
export function swapSections({ third, all, out }: SwapPolicies, clients: number) {
  const marks = (field: number, value: number) => ({
    community: { add: [`${COMMUNITIES + field}:${value}`] },
  });
  const marked = Array.from(
    { length: Math.ceil(clients / ONE_OF) },
    (_, k) => FIRST_AS + k * ONE_OF,
  );
  return {
    http: { port: HTTP_PORT },
    "as-lists": { marked },
    policies: {
      "from-clients": {
        default: "accept",
        rules: [
          { name: "a third", if: { "as-path": { first: "marked" } }, set: marks(0, third) },
          { name: "all", set: marks(1, all) },
        ],
      },
      "to-clients": { default: "accept", rules: [{ name: "all", set: marks(2, out) }] },
    },
  };
}

/** Has a speaker read its configuration again. @returns whether it has */
export async function reload(socket: string): Promise<boolean> {
  return (await askSpeaker(socket, { command: "reload" }, RELOAD_MS)) !== null;
}

/** @returns the longest turn of the event loop since the last question, milliseconds */
export function longestTurnMs(namespace: string): number {
  const script = `process.stdout.write(await (await fetch("http://127.0.0.1:${HTTP_PORT}/metrics")).text())`;
  const node = [process.execPath, "--input-type=module", "-e", script];
  const asked = spawnSync("ip", ["netns", "exec", namespace, ...node], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return 1000 * Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(asked.stdout)?.[1]);
}

/** @returns the control socket of a speaker that runs alone, in the folder of its run */
export function socketIn(directory: string): string {
  return join(directory, "tsbgp.sock");
}
