/** The command line of the benchmark. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ACTS, type Act } from "../exchange/episode.ts";
import { CLIENTS_MAX, ROUTES_MAX } from "../exchange/exchange.ts";
import { BMP_DAEMONS, DAEMONS, NSR_DAEMONS } from "./daemons.ts";
import { SCENARIO_NAMES, type ScenarioName } from "./scenarios.ts";
import { SCALE } from "./streams.ts";

const TAKEOVER_DEFAULTS = { clients: [10, 100], routes: 572, churn: 200, bulkPercent: 75 } as const;

const SWAP_CLIENTS = [100];

export const HELP = `Usage: npm run bench -- [OPTION]...

Measures this speaker and the BGP daemons that are installed, in turn, with load that comes in over
BGP sessions and results that are read at the other end of BGP sessions. Prints a table with ratios
to BIRD 2. Needs Linux, root, iproute2 and gcc. The figures that count are ratios of one run.

  --scenario LIST   of s1,s2,s3,s4,s5,s6,join,policy-swap,takeover. Default: s1 to s5
  --daemon LIST     of ${DAEMONS.map(({ name }) => name).join(",")}. Default: all that are installed
  --runs N          runs of each; the table has their medians. Default 3
  --timeout S       seconds that a phase may take. Default 180
  --nice=N          priority of daemon and load, -20 to 19. Default -15
  --nsr             this speaker without and with a standby, ratios to without; the default
                    scenarios are then s1 to s5 and join
  --bmp             this speaker without and with a BMP station that is told all tables and reads as
                    fast as it can, ratios to without; the default scenario is then s4
  --json            one JSON object a line for each phase of each run, in place of the table
  --help            this text

Of takeover and policy-swap:
  --clients LIST    how many; each number is measured by itself. Default ${TAKEOVER_DEFAULTS.clients.join(",")},
                    of policy-swap ${SWAP_CLIENTS.join(",")}, at most ${SCALE.members}

Of takeover alone:
  --routes R        prefixes that each client announces. Default ${TAKEOVER_DEFAULTS.routes}
  --churn N         routes that change in a second, of all clients together. Default ${TAKEOVER_DEFAULTS.churn}
  --bulk-at P       percent of a bulk that clients have been told at the kill. Default ${TAKEOVER_DEFAULTS.bulkPercent}
  --act LIST        of ${ACTS.join(",")}. Default: all; host needs etcd
  --other DIR       a folder with another version's tree, in which npm ci was run: the second side
                    is its program, so that every takeover is from one version to the other

Scenarios (all routes are IPv4, all is accepted, nothing goes into a kernel):
  s1  1 injector, 1M prefixes, 1 receiver: announce, announce with other attributes, withdraw
  s2  1 injector, 1M prefixes, 10 receivers: announce, withdraw
  s3  10 injectors, the same 100k prefixes with different paths, 10 receivers: until every receiver
      has the right best path; withdraw
  s4  route server, 50 clients with 4k prefixes each: announce, withdraw
  s5  as s1, then single-prefix updates: 50k at 5,000/s (latency), 200k flat out
  s6  exchange point: 700 clients with 572 prefixes each, 280M announcements out; takes minutes
  join  as s5, but a standby is started with the paced updates: seconds until it could take over
  policy-swap  route server, clients with 572 prefixes each: this speaker reloads its configuration
      with another community for a third of the routes (import-third), for all (import-all), and for
      all on the way out (export-all): until every client has been told all that has changed
  takeover  a pair of this speaker as route server, and what its clients notice when the active is
      killed (kill), gives its role away (switchover), is killed while all clients announce their
      tables again (bulk), or its host is lost (host, of a pair on two hosts with etcd); and when a
      new standby joins (join, after each of them)

Times are from the first octet written by the first injector until the last receiver holds exactly
what it should. CPU is that of the daemon's processes until all has been quiet for 1.5 s, peak RSS
is the sum over them since their start. "other s" is processor time of anything else on the machine
until the receivers held what they should: look at it before believing a slow run.

Of takeover, silence is the longest time that a session was told nothing, from the disturbance until
6 s after it; median and maximum are over the sessions, beside those of equal traffic just before.
FIN, RST, OPEN and NOTIFICATION are what clients saw; "differ" counts routes that a client holds in
another way than they were sent last; "ready s" is from the start of a side, or the order, until a
standby could take over again. It exits with 1 when a session was lost or a route differs.

Of policy-swap, times are from the order to reload; p50, p99 and max are those of single updates
that another neighbor sends meanwhile, "turn ms" is the longest turn of the daemon's event loop.

Other programs: environment variables TSBGP, BIRD, FRR_BGPD, GOBGPD and OPENBGPD hold their paths.
`;

const TAKEOVER = "takeover";
const SWAP = "policy-swap";

export interface TakeoverOptions {
  readonly clients: readonly number[];
  /** Of each client. */
  readonly routes: number;
  readonly churn: number;
  readonly acts: readonly Act[];
  /** When the kill in a bulk comes. */
  readonly bulkPercent: number;
  /** Folder of the second side's program; null for this one. */
  readonly other: string | null;
}

export interface BenchOptions {
  readonly scenarios: readonly ScenarioName[];
  /** Null where that scenario is not asked for. */
  readonly takeover: TakeoverOptions | null;
  /** Numbers of clients of `policy-swap`. */
  readonly swapClients: readonly number[];
  /** Names; null for all that are installed. */
  readonly daemons: readonly string[] | null;
  readonly runs: number;
  readonly timeoutSeconds: number;
  readonly nice: number;
  readonly json: boolean;
  /** Compare this speaker without and with a standby. */
  readonly nsr: boolean;
  /** Compare this speaker without and with a BMP station. */
  readonly bmp: boolean;
}

/** The command line is not as it should be; the message is for people. */
export class UsageError extends Error {}

/** @returns null when help is asked for */
export function parseArguments(argv: readonly string[]): BenchOptions | null {
  const { values } = parse(argv);
  if (values.help === true) return null;
  const nsr = values.nsr === true;
  const bmp = values.bmp === true;
  if (nsr && bmp) throw new UsageError("--bmp does not go with --nsr");
  const known = (nsr ? NSR_DAEMONS : bmp ? BMP_DAEMONS : DAEMONS).map(({ name }) => name);
  const daemons = values.daemon?.flatMap((list) => list.split(",")) ?? null;
  for (const name of daemons ?? []) {
    if (!known.includes(name)) {
      throw new UsageError(`--daemon ${name}: there are ${known.join(", ")}`);
    }
  }
  const scenarios = values.scenario?.flatMap((list) => list.split(","));
  const others = scenarios?.filter((name) => name !== TAKEOVER);
  return {
    scenarios: others?.map(scenarioName) ?? (bmp ? ["s4"] : defaultScenarios(nsr)),
    takeover: takeoverOptions(
      values,
      scenarios?.includes(TAKEOVER) === true,
      scenarios?.includes(SWAP),
    ),
    swapClients: swapClients(values, scenarios?.includes(SWAP) === true),
    daemons,
    runs: number("runs", values.runs, 1, 1000) ?? 3,
    timeoutSeconds: number("timeout", values.timeout, 1, 86_400) ?? 180,
    nice: number("nice", values.nice, -20, 19) ?? -15,
    json: values.json === true,
    nsr,
    bmp,
  };
}

type Values = ReturnType<typeof parse>["values"];

function swapClients(values: Values, isAsked: boolean): readonly number[] {
  const words = isAsked ? values.clients?.flatMap((list) => list.split(",")) : undefined;
  return words?.map((word) => number("clients", word, 2, SCALE.members)!) ?? SWAP_CLIENTS;
}

function takeoverOptions(
  values: Values,
  isAsked: boolean,
  isSwapAsked = false,
): TakeoverOptions | null {
  if (!isAsked) {
    const all = ["clients", "routes", "churn", "act", "bulk-at", "other"] as const;
    const own = all.find((name) => values[name] && !(isSwapAsked && name === "clients"));
    if (own !== undefined) throw new UsageError(`--${own} goes with --scenario ${TAKEOVER} alone`);
    return null;
  }
  const words = values.clients?.flatMap((list) => list.split(","));
  const clients = words?.map((word) => number("clients", word, 2, CLIENTS_MAX)!);
  const acts = values.act?.flatMap((list) => list.split(","));
  const options = {
    clients: clients ?? TAKEOVER_DEFAULTS.clients,
    routes: number("routes", values.routes, 1, 100_000) ?? TAKEOVER_DEFAULTS.routes,
    churn: number("churn", values.churn, 1, 100_000) ?? TAKEOVER_DEFAULTS.churn,
    acts: acts?.map(actOf) ?? ACTS,
    bulkPercent: number("bulk-at", values["bulk-at"], 1, 99) ?? TAKEOVER_DEFAULTS.bulkPercent,
    other: otherTree(values.other),
  };
  const most = Math.max(...options.clients) * options.routes;
  if (most > ROUTES_MAX) throw new UsageError(`${most} routes: at most ${ROUTES_MAX} in all`);
  return options;
}

function otherTree(folder: string | undefined): string | null {
  if (folder === undefined || existsSync(join(folder, "packages/cli/bin/tsbgp.mjs")))
    return folder ?? null;
  throw new UsageError(`--other ${folder}: there is no tree of ts-bgp`);
}

function actOf(word: string): Act {
  const act = ACTS.find((known) => known === word);
  if (act !== undefined) return act;
  throw new UsageError(`--act ${word}: there are ${ACTS.join(", ")}`);
}

function defaultScenarios(nsr: boolean): ScenarioName[] {
  const others = ["s6", SWAP, ...(nsr ? [] : ["join"])];
  return SCENARIO_NAMES.filter((name) => !others.includes(name));
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        scenario: { type: "string", multiple: true },
        daemon: { type: "string", multiple: true },
        runs: { type: "string" },
        clients: { type: "string", multiple: true },
        routes: { type: "string" },
        churn: { type: "string" },
        act: { type: "string", multiple: true },
        "bulk-at": { type: "string" },
        other: { type: "string" },
        timeout: { type: "string" },
        nice: { type: "string" },
        json: { type: "boolean" },
        nsr: { type: "boolean" },
        bmp: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function scenarioName(text: string): ScenarioName {
  const name = SCENARIO_NAMES.find((known) => known === text);
  if (name !== undefined) return name;
  throw new UsageError(`--scenario ${text}: there are ${[...SCENARIO_NAMES, TAKEOVER].join(", ")}`);
}

function number(name: string, text: string | undefined, min: number, max: number): number | null {
  if (text === undefined) return null;
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} ${text}: say a whole number from ${min} to ${max}`);
}
