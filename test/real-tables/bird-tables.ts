/** BIRD with tables of any size: as a relay, as a receiver, and what it holds as text. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bird } from "../lab/bird.ts";
import { control, untilReady } from "../lab/daemon.ts";
import type { LabNode, LabProcess } from "../lab/netns.ts";
import { until } from "../lab/until.ts";

const DUMP_MS = 60_000;

export type Family = "ipv4" | "ipv6";

/** A session of BIRD's. Next hops are taken as they are, reachable or not. */
export interface BirdSession {
  readonly localAddress: string;
  readonly peerAddress: string;
  readonly peerAs: number;
  readonly family: Family;
  /** Sends everything it has, every attribute unchanged where the protocol lets it. */
  readonly sends: boolean;
}

/** Attributes by prefix, each route as its lines of `show route all`, joined. */
export type BirdTable = ReadonlyMap<string, string>;

export interface BirdTables {
  routeCount(family: Family): Promise<number>;
  table(family: Family): Promise<BirdTable>;
  /** Of the sessions. */
  states(): Promise<string[]>;
}

export async function startBird(
  node: LabNode,
  as: number,
  sessions: readonly BirdSession[],
): Promise<BirdTables> {
  writeFileSync(join(node.directory, "bird.conf"), config(node, as, sessions));
  const running = node.spawn([
    bird.program,
    ...["-f", "-c", "bird.conf", "-s", "bird.ctl", "-P", "pid"],
  ]);
  const birdc = (...words: string[]) => control(node, ["birdc", "-s", "bird.ctl", ...words]);
  await untilReady("bird", running, async () =>
    /up and running/.test(await birdc("show", "status")),
  );
  return {
    async routeCount(family) {
      const answer = await birdc("show", "route", "table", tableOf(family), "count");
      return Number(/^(\d+) of \d+ routes/m.exec(answer)?.[1] ?? 0);
    },
    async table(family) {
      const file = join(node.directory, `${family}.txt`);
      const command = `birdc -s bird.ctl show route table ${tableOf(family)} all > ${file}`;
      await untilEnded(node.spawn(["sh", "-c", command]));
      return parseTable(readFileSync(file, "latin1"));
    },
    async states() {
      const answer = await birdc("show", "protocols");
      return [...answer.matchAll(/^p\d+ +BGP +\S+ +\S+ +\S+ +(\S+)/gm)].map((match) => match[1]!);
    },
  };
}

function tableOf(family: Family): string {
  return family === "ipv4" ? "master4" : "master6";
}

async function untilEnded(process: LabProcess): Promise<void> {
  await until(() => process.ended() !== null, DUMP_MS, "birdc has written the table");
  if (process.ended() !== "exit 0") throw new Error(`birdc: ${process.output()}`);
}

function config(node: LabNode, as: number, sessions: readonly BirdSession[]): string {
  return [
    "log stderr { info, warning, error, fatal };",
    `router id ${node.address4};`,
    // An attribute that came from another AS is sent on only when the filter sets it.
    "filter everything { if defined(bgp_med) then bgp_med = bgp_med; accept; }",
    "protocol device {}",
    ...sessions.flatMap((session, n) => [
      `protocol bgp p${n} {`,
      `  local ${session.localAddress} as ${as};`,
      `  neighbor ${session.peerAddress} as ${session.peerAs};`,
      "  multihop; hold time 240; interpret communities off;",
      "  connect delay time 0; connect retry time 1; error wait time 1, 1;",
      `  ${session.family} { gateway recursive; next hop keep;`,
      session.sends ? "    import none; export filter everything;" : "    import all; export none;",
      "  };",
      "}",
    ]),
    "",
  ].join("\n");
}

/** A line at the margin starts a prefix; what follows a tab is an attribute. */
function parseTable(text: string): Map<string, string> {
  const table = new Map<string, string>();
  const known = new Map<string, string>();
  let prefix = "";
  let attributes = "";
  const end = () => {
    if (prefix === "") return;
    let shared = known.get(attributes);
    if (shared === undefined) {
      shared = attributes;
      known.set(attributes, attributes);
    }
    table.set(prefix, shared);
  };
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    if (text.startsWith("\tBGP.", at)) {
      attributes += `${text.slice(at + "\tBGP.".length, newline).trimEnd()}\n`;
    } else if (/[0-9a-f:]/.test(text[at]!) && text.slice(at, newline).includes("/")) {
      end();
      prefix = text.slice(at, text.indexOf(" ", at));
      attributes = "";
    }
    at = newline + 1;
  }
  end();
  return table;
}
