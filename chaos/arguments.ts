/** The command line of the chaos harness. */
import { parseArgs } from "node:util";
import { CLIENTS_MAX } from "../exchange/exchange.ts";
import type { Standbys } from "./pair.ts";
import { DISTURBING, MODES, type Mode, type Peers, SCENES, type SceneKind } from "./plan.ts";

const CLIENTS = 100;

export const HELP = `Usage: npm run chaos -- [OPTION]...

Kills, stops, cuts and switches a pair of speakers at random instants, while BIRD, FRR, GoBGP and
scripted peers have sessions with it and routes change; and tells what the peers noticed. Needs
Linux, root and the daemons (node test/lab/install.ts).

  --trials N      default 20
  --seed S        a whole number; equal seeds make equal choices. Default: the time
  --mode LIST     of ${MODES.join(",")}. Default: all but none
  --scene LIST    of ${SCENES.join(",")}. Default: both, clients in every third trial of a mode
  --clients N     how many there are in such a scene. Default ${CLIENTS}
  --prefixes N    size of the IPv4 table; IPv6 has a quarter of it. Default 20000. Of many clients,
                  the prefixes of all of them together
  --standbys N    1 or 2; with 2 the side that takes over from a lost one is lost right after it, and
                  there are daemons only. Default 1
  --alone         one side without a partner, to see that the harness finds what then goes wrong
  --keep DIR      where failing trials leave captures and logs. Default: the temporary directory
  --nice=N        priority of everything, -20 to 19. Default -10
  --json          one JSON object a line for each trial
  --help          this text

Scenes:
  daemons      BIRD, FRR, GoBGP and scripted peers
  clients      many scripted clients with small tables; routes change until a second after a standby
               is ready again

Modes of a pair in one namespace:
  process      kill -9 of the active
  planned      \`tsbgp switchover\`
  interrupted  the same, and kill -9 of the old active up to 60 ms after the order
  pause        SIGSTOP of the active until the other has taken over, then SIGCONT
  none         nothing happens: what traffic alone looks like
Modes of a pair with a namespace for each side, between which service addresses move:
  namespace    the host of the active is lost: all its interfaces go down at once, then its process
               is killed; it starts again with nothing of before
  link         the replication link is cut and healed, then kill -9 of the active, whose kernel
               lives on
  split        ways between active, standby and etcd are cut for a while, in one direction or both,
               and one side may be stopped meanwhile
`;

export interface ChaosOptions extends Peers {
  readonly trials: number;
  readonly seed: number;
  readonly modes: readonly Mode[];
  readonly prefixes: number;
  readonly alone: boolean;
  readonly standbys: Standbys;
  readonly keep: string | null;
  readonly nice: number;
  readonly json: boolean;
}

/** The command line is not as it should be; the message is for people. */
export class UsageError extends Error {}

/** @returns null when help is asked for */
export function parseArguments(argv: readonly string[], nowMs: number): ChaosOptions | null {
  const { values } = parse(argv);
  if (values.help === true) return null;
  const standbys = number("standbys", values.standbys, 1, 2) ?? 1;
  if (standbys === 2 && values.alone === true)
    throw new UsageError("--alone: there are no standbys");
  const words = values.mode?.flatMap((list) => list.split(","));
  return {
    trials: number("trials", values.trials, 1, 1_000_000) ?? 20,
    seed: number("seed", values.seed, 0, 0xffff_ffff) ?? nowMs % 0x1_0000_0000,
    modes: words?.map(modeOf) ?? DISTURBING,
    scenes: scenesOf(values),
    clients: number("clients", values.clients, 2, CLIENTS_MAX) ?? CLIENTS,
    prefixes: number("prefixes", values.prefixes, 100, 500_000) ?? 20_000,
    alone: values.alone === true,
    standbys: standbys as Standbys,
    keep: values.keep ?? null,
    nice: number("nice", values.nice, -20, 19) ?? -10,
    json: values.json === true,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        trials: { type: "string" },
        seed: { type: "string" },
        mode: { type: "string", multiple: true },
        scene: { type: "string", multiple: true },
        clients: { type: "string" },
        prefixes: { type: "string" },
        alone: { type: "boolean" },
        standbys: { type: "string" },
        keep: { type: "string" },
        nice: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function scenesOf({
  scene,
  alone,
  clients,
  standbys,
}: ReturnType<typeof parse>["values"]): SceneKind[] {
  const words = scene?.flatMap((list) => list.split(","));
  const scenes = words?.map((word) => {
    const kind = SCENES.find((known) => known === word);
    if (kind !== undefined) return kind;
    throw new UsageError(`--scene ${word}: there are ${SCENES.join(", ")}`);
  });
  const isDaemonsAlone = scenes?.includes("clients") === false;
  if (isDaemonsAlone && clients !== undefined) {
    throw new UsageError("--clients: a scene of daemons has none");
  }
  if (standbys === "2" && (scenes?.includes("clients") || clients !== undefined)) {
    throw new UsageError("--standbys 2: there are daemons only");
  }
  if (standbys === "2") return ["daemons"];
  if (alone !== true) return [...new Set(scenes ?? SCENES)];
  if (scenes?.includes("clients") || clients !== undefined) {
    throw new UsageError("--alone: clients come to a pair");
  }
  return ["daemons"];
}

function modeOf(word: string): Mode {
  const mode = MODES.find((known) => known === word);
  if (mode !== undefined) return mode;
  throw new UsageError(`--mode ${word}: there are ${MODES.join(", ")}`);
}

function number(name: string, text: string | undefined, min: number, max: number): number | null {
  if (text === undefined) return null;
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} ${text}: say a whole number from ${min} to ${max}`);
}
