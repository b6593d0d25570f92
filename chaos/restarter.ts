/**
 * A scripted neighbor that restarts gracefully (RFC 4724) while something happens to the pair: as a program,
 * in a node's namespace, `node restarter.ts '{...}'`.
 *
 * Commands are lines on standard input: `leave` hangs up without a word, `return` comes back, says that it
 * went on forwarding, and announces all again up to End-of-RIB. Answers are lines: `up`, `left`.
 */
import { fileURLToPath } from "node:url";
import type { RouteView } from "../test/lab/daemon.ts";
import type { LabNode, LabProcess } from "../test/lab/netns.ts";
import { until } from "../test/lab/until.ts";
import { Peer } from "../testkit/peer.ts";
import type { Change } from "./feed.ts";
import { ATTRIBUTE, encodeUpdate } from "./updates.ts";

export const RESTARTER_AS = 64_950;
const BGP_PORT = 179;
const ROUTES = 20;
/** It is asked for more than any trial takes. */
const RESTART_SECONDS = 600;
/** The other side may have to notice first that a connection is dead. */
const UP_MS = 60_000;
const END_OF_RIB = Uint8Array.from([...new Array(16).fill(0xff), 0, 23, 2, 0, 0, 0, 0]);

/** All that it announces. */
export const RESTARTER_ROUTES: Change = {
  family: "ipv4-unicast",
  prefixes: Array.from({ length: ROUTES }, (_, i) => `10.200.${i}.0/24`),
  nlri: Uint8Array.from(Array.from({ length: ROUTES }, (_, i) => [24, 10, 200, i]).flat()),
  attributes: [
    { flags: 0x40, type: ATTRIBUTE.ORIGIN, octets: Uint8Array.of(0) },
    {
      flags: 0x40,
      type: ATTRIBUTE.AS_PATH,
      octets: Uint8Array.of(2, 1, 0, 0, RESTARTER_AS >>> 8, RESTARTER_AS & 0xff),
    },
  ],
};

/** @returns those of its routes that a daemon does not hold */
export function missingOf(views: readonly RouteView[]): string[] {
  const held = new Set(views.map(({ prefix }) => prefix));
  return RESTARTER_ROUTES.prefixes.filter((prefix) => !held.has(prefix));
}

/** The program, from outside. */
export class Restarter {
  private readonly process: LabProcess;

  private constructor(process: LabProcess) {
    this.process = process;
  }

  /** Returns when it has a session, and has announced its routes. */
  static async start(node: LabNode, host: string): Promise<Restarter> {
    const program = fileURLToPath(import.meta.url);
    const options: Options = { host, localAddress: node.address4 };
    const argv = [process.execPath, program, JSON.stringify(options)];
    const restarter = new Restarter(node.spawn(argv));
    await restarter.answered("up", 1);
    return restarter;
  }

  /** Returns when its connection is gone. */
  leave(): Promise<void> {
    return this.order("leave", "left");
  }

  /** Returns when it has announced its routes again. */
  comeBack(): Promise<void> {
    return this.order("return", "up");
  }

  private async order(command: string, answer: string): Promise<void> {
    const before = this.count(answer);
    this.process.write(`${command}\n`);
    await this.answered(answer, before + 1);
  }

  private async answered(answer: string, count: number): Promise<void> {
    await until(
      () => this.count(answer) >= count,
      UP_MS,
      `the restarting neighbor says "${answer}"`,
    );
  }

  private count(answer: string): number {
    return this.process
      .output()
      .split("\n")
      .filter((line) => line === answer).length;
  }
}

interface Options {
  readonly host: string;
  readonly localAddress: string;
}

async function run({ host, localAddress }: Options): Promise<void> {
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const { family, nlri, attributes } = RESTARTER_ROUTES;
  const comeUp = async (hasRestarted: boolean) => {
    const flags = hasRestarted ? 0x80 : 0;
    const time = [flags | (RESTART_SECONDS >>> 8), RESTART_SECONDS & 0xff];
    const peer = await Peer.establish({
      ...{ port: BGP_PORT, host, localAddress, as: RESTARTER_AS, holdTimeSeconds: 180 },
      capabilities: [64, 6, ...time, 0, 1, 1, 0x80],
      onUpdate: () => {},
    });
    await peer.sendAll(encodeUpdate(family, nlri, attributes, localAddress));
    await peer.sendAll(END_OF_RIB);
    say("up");
    return peer;
  };
  let peer = await comeUp(false);
  let typed = "";
  process.stdin.setEncoding("utf8").on("data", async (text) => {
    const lines = (typed + text).split("\n");
    typed = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "return") peer = await comeUp(true);
      if (line !== "leave") continue;
      peer.end();
      say("left");
    }
  });
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? "{}"));
