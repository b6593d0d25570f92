/** What is done to the active's container while routes change, and what must come of it. */
import type { Disturbance } from "../../chaos/disturb.ts";
import type { TrialPlan } from "../../chaos/plan.ts";
import { reached, type Side } from "../../chaos/sides.ts";
import { type Disturb, runTrial, type TrialResult } from "../../chaos/trial.ts";
import type { Check } from "./checks.ts";
import type { NetworkName } from "./deployment.ts";
import { docker } from "./engine.ts";
import type { Stage } from "./stage.ts";

const TAKEOVER_MS = 5_000;
const PAUSE_MS = 1_500;

/** Does something to the active side. @returns whether the other one must be active afterwards */
type Deed = (stage: Stage, victim: Side, told: Told) => Promise<boolean>;

/** Who is told of something that is wrong, or that explains a figure. */
interface Told {
  problem(text: string): void;
  remark(text: string): void;
}

interface Disturbing {
  readonly name: string;
  /** As in chaos/plan.ts. */
  readonly moment: TrialPlan["moment"];
  readonly deed: Deed;
}

const KILL: Disturbing = {
  name: "docker kill -s KILL",
  moment: "bulk",
  deed: async (_, victim) => {
    await victim.kill();
    return true;
  },
};

const KILL_TWICE: Disturbing = { ...KILL, name: "docker kill, again when ready", moment: "again" };

const STOP: Disturbing = {
  name: "docker stop",
  moment: "churn",
  deed: async ({ deployment }, victim) => {
    await docker(["stop", deployment.container(victim.name)]);
    return true;
  },
};

const PAUSE: Disturbing = {
  name: "docker pause",
  moment: "churn",
  deed: async (stage, victim, { problem, remark }) => {
    await victim.pause();
    const isTaken = await takenOver(stage, victim, PAUSE_MS);
    await victim.resume();
    if (isTaken) return true;
    const isHeldBack = stage.deployment.isShared && (await cgroupVersion()) === "1";
    if (isHeldBack) remark("by a cgroup of version 1 the paused side could die only when resumed");
    else problem("nobody took over meanwhile");
    return true;
  },
};

const SWITCHOVER: Disturbing = {
  name: "docker exec tsbgp switchover",
  moment: "churn",
  deed: async (_, victim) => {
    await victim.tsbgp("switchover", "--wait");
    return true;
  },
};

function disconnect(network: NetworkName): Disturbing {
  return {
    name: `docker network disconnect ${network}`,
    moment: "churn",
    deed: async (stage, victim, { problem }) => {
      await stage.deployment.disconnect(victim.name, network);
      if (!(await takenOver(stage, victim, TAKEOVER_MS))) problem("nobody took over meanwhile");
      await stage.deployment.connect(victim.name, network);
      return true;
    },
  };
}

/**
 * A side that is out of reach of everybody may still call itself active: it cannot know.
 *
 * @returns whether another side became active in time
 */
function takenOver({ deployment }: Stage, victim: Side, withinMs: number): Promise<boolean> {
  const others = deployment.sides.filter((side) => side !== victim);
  return reached(async () => {
    const all = await Promise.all(others.map((side) => side.status()));
    return all.some((status) => status?.role === "active");
  }, withinMs);
}

async function cgroupVersion(): Promise<string> {
  return (await docker(["info", "--format", "{{.CgroupVersion}}"])).trim();
}

const ADDRESS_MODE: readonly Disturbing[] = [
  KILL,
  KILL_TWICE,
  PAUSE,
  disconnect("link"),
  disconnect("peering"),
  STOP,
  SWITCHOVER,
];
const SHARED_MODE: readonly Disturbing[] = [KILL, KILL_TWICE, PAUSE, STOP];

/** @param record - told of each trial */
export function disturbanceChecks(
  file: string,
  record: (result: TrialResult) => void,
): readonly Check[] {
  const all = file === "compose.yml" ? ADDRESS_MODE : SHARED_MODE;
  const label = file === "compose.yml" ? "" : "shared: ";
  return all.map((one): Check => {
    return { name: one.name, run: (stage) => check(stage, one, label, record) };
  });
}

async function check(
  stage: Stage,
  { name, moment, deed }: Disturbing,
  label: string,
  record: (result: TrialResult) => void,
): Promise<string> {
  const scene = await stage.scene();
  const remarks: string[] = [];
  const remark = (text: string) => remarks.push(`; ${text}`);
  const disturb: Disturb = async (victim, problem): Promise<Disturbance> => {
    const atMs = Date.now();
    const movesRole = await deed(stage, victim, { problem, remark });
    return { cutAtMs: null, atMs, movesRole };
  };
  stage.trials++;
  const startMs = Date.now();
  const result = await runTrial(scene, planOf(stage.trials, label + name, moment), disturb);
  record(result);
  if (result.problems.length > 0) throw new Error(result.problems.join("\n  "));
  const { silenceMs, silentPeer, retransmissionMs } = result;
  const apart =
    retransmissionMs > 0
      ? `, behind a peer's retransmission timer ${retransmissionMs.toFixed(1)} ms`
      : "";
  const account = accountOf(result.lastSwitchover, startMs);
  return `silence ${silenceMs.toFixed(1)} ms at ${silentPeer}${apart}${account}${remarks.join("")}`;
}

/** What the active side says of how it became that, if it was since then. */
function accountOf(switchover: unknown, sinceMs: number): string {
  const { cause, at_ms, ms } = (switchover ?? { at_ms: 0, ms: {} }) as ShownSwitchover;
  if (at_ms < sinceMs) return "";
  const times = Object.entries(ms).map(([name, value]) => `${name} ${value}`);
  return `; ${cause}: ${times.join(", ")} ms`;
}

/** What is read of it. */
interface ShownSwitchover {
  readonly cause: string;
  readonly at_ms: number;
  readonly ms: Readonly<Record<string, number>>;
}

/**
 * Before a disturbance: containers that have just changed their roles may be slow for some hundred
 * milliseconds, and a session counts as one with traffic by its average.
 */
const TRAFFIC_MS = 2000;

function planOf(trial: number, mode: string, moment: TrialPlan["moment"]): TrialPlan {
  const times = { delayMs: TRAFFIC_MS, bulkMs: 50, joinMs: 0 };
  return { trial, clients: 0, mode, detail: "", moment, ...times, seed: trial };
}
