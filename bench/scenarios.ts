/** What is measured: who announces what to whom, and when it has arrived. */

import { join } from "node:path";
import { FIRST_POLICIES, probeCommand, type SwapPolicies, swapPhases } from "./policy-swap.ts";
import { FIRST_AS, INJECTORS, SCALE, type StreamSet, WINNING_AS } from "./streams.ts";

export const SCENARIO_NAMES = ["s1", "s2", "s3", "s4", "s5", "s6", "join", "policy-swap"] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

/** A session of the load generator with the daemon. */
export interface Peer {
  readonly name: string;
  readonly address: string;
  readonly as: number;
  /** Streams that it can send. */
  readonly files: readonly string[];
  /** A prefix counts only while its path comes from this AS; 0 counts all. */
  readonly win: number;
  /** Whether what it receives is measured. */
  readonly receives: boolean;
  /** Of the daemon that its session is with; absent where there is one. */
  readonly remote?: string;
  /** What it sends is no load: nobody waits for its end. */
  readonly probes?: true;
}

export interface Phase {
  readonly name: string;
  /** For the load generator. */
  readonly commands: readonly string[];
  /** Prefixes that every receiver holds when the phase is over. */
  readonly want: number;
  /** Receivers still hold what they had before; else they begin to count anew. */
  readonly keepsHeld: boolean;
  /** Instead of `want`, of a receiver. */
  readonly wantOf?: (peer: Peer) => number;
  /** The daemon reads its configuration again, with these policies; the clock starts then. */
  readonly policies?: SwapPolicies;
  /** The standby is started with this phase, and not before; for daemons that have one. */
  readonly standbyJoins?: true;
}

export interface Scenario {
  /** For the table. */
  readonly name: string;
  readonly peers: readonly Peer[];
  /** All peers are clients of a route server. */
  readonly routeServer: boolean;
  /** Of the start; absent where all is accepted. */
  readonly policies?: SwapPolicies;
  readonly phases: readonly Phase[];
}

/** The daemon's AS and address; the load generator has 10.99.1.1 and those that follow. */
export const DAEMON_AS = 65000;
export const DAEMON_ADDRESS = "10.99.0.1";

const PACE = 5000;

export const STREAM_SETS: Readonly<Record<ScenarioName, readonly StreamSet[]>> = {
  s1: ["table"],
  s2: ["table"],
  s3: ["same"],
  s4: ["clients"],
  s5: ["table", "churn"],
  s6: ["members"],
  join: ["table", "churn"],
  "policy-swap": ["members", "probes"],
};

/**
 * @param directory - holds the streams of the scenario
 * @param clients - of `policy-swap`
 */
export function makeScenario(name: ScenarioName, directory: string, clients = 100): Scenario {
  switch (name) {
    case "s1":
      return fullTable(name, directory, 1, true);
    case "s2":
      return fullTable(name, directory, 10, false);
    case "s3":
      return samePrefixes(directory);
    case "s4":
      return routeServer(name, directory, "client", SCALE.clients, SCALE.clientPrefixes);
    case "s5":
      return churn(directory);
    case "s6":
      return routeServer(name, directory, "member", SCALE.members, SCALE.memberPrefixes);
    case "join":
      return join1M(directory);
    case "policy-swap":
      return policySwap(directory, clients);
  }
}

function fullTable(
  name: ScenarioName,
  directory: string,
  receivers: number,
  again: boolean,
): Scenario {
  const files = again ? ["table.updates", "table-changed.updates"] : ["table.updates"];
  const phases = [phase("announce", ["send in0 0"], SCALE.table)];
  if (again) phases.push(phase("reannounce", ["send in0 1"], SCALE.table));
  phases.push({ ...phase("withdraw", ["withdraw in0"], 0), keepsHeld: true });
  return { name, peers: peers(directory, [files], receivers, 0), routeServer: false, phases };
}

function samePrefixes(directory: string): Scenario {
  const injectors = Array.from({ length: INJECTORS }, (_, i) => [`same-${i}.updates`]);
  return {
    name: "s3",
    peers: peers(directory, injectors, 10, WINNING_AS),
    routeServer: false,
    phases: [
      phase("announce", ["send * 0"], SCALE.same),
      { ...phase("withdraw", ["withdraw *"], 0), keepsHeld: true },
    ],
  };
}

function churn(directory: string): Scenario {
  const files = ["table.updates", "churn-paced.updates", "churn.updates"];
  return {
    name: "s5",
    peers: peers(directory, [files], 1, 0),
    routeServer: false,
    phases: [
      phase("load", ["send in0 0"], SCALE.table),
      phase("paced", [`send in0 1 ${PACE}`], SCALE.pacedChurn),
      phase("blast", ["send in0 2"], SCALE.churn),
    ],
  };
}

/** A standby comes to a speaker that holds a full table, while updates arrive. */
function join1M(directory: string): Scenario {
  const [load, paced] = churn(directory).phases;
  return {
    ...churn(directory),
    name: "join",
    phases: [load!, { ...paced!, name: "join", standbyJoins: true }],
  };
}

/** Every client announces its own prefixes and receives everyone else's. */
function routeServer(
  name: ScenarioName,
  directory: string,
  kind: string,
  clients: number,
  each: number,
): Scenario {
  const files = Array.from({ length: clients }, (_, i) => [`${kind}-${i}.updates`]);
  return {
    name,
    peers: peers(directory, files, 0, 0).map((peer) => ({ ...peer, receives: true })),
    routeServer: true,
    phases: [
      phase("announce", ["send * 0"], each * (clients - 1)),
      { ...phase("withdraw", ["withdraw *"], 0), keepsHeld: true },
    ],
  };
}

/** The last peer is none of the clients: it sends the probes, and its prefix is the only one of its kind. */
function policySwap(directory: string, clients: number): Scenario {
  const base = routeServer("policy-swap", directory, "member", clients, SCALE.memberPrefixes);
  const [announce] = base.phases;
  const [probe] = peers(directory, [["probes.updates"]], 0, 0);
  const prober: Peer = {
    ...probe!,
    ...{ name: "probe", address: "10.99.9.1", as: FIRST_AS + clients, probes: true },
  };
  const swaps = swapPhases(clients).map(({ name, policies, wantOf }): Phase => {
    const of = (peer: Peer) => wantOf(base.peers.indexOf(peer));
    return { ...phase(name, [probeCommand(prober.name)], 0), policies, wantOf: of };
  });
  return {
    ...base,
    name: `policy-swap-${clients}`,
    peers: [...base.peers, prober],
    policies: FIRST_POLICIES,
    phases: [{ ...announce!, commands: base.peers.map(({ name }) => `send ${name} 0`) }, ...swaps],
  };
}

function phase(name: string, commands: readonly string[], want: number): Phase {
  return { name, commands, want, keepsHeld: false };
}

function peers(
  directory: string,
  injectors: readonly (readonly string[])[],
  receivers: number,
  win: number,
): Peer[] {
  const injecting = injectors.map((files, i) => ({
    name: `in${i}`,
    files: files.map((file) => join(directory, file)),
    win: 0,
    receives: false,
  }));
  const receiving = Array.from({ length: receivers }, (_, i) => {
    return { name: `out${i}`, files: [], win, receives: true };
  });
  return [...injecting, ...receiving].map((peer, i) => ({
    ...peer,
    address: `10.99.${1 + Math.floor(i / 200)}.${1 + (i % 200)}`,
    as: FIRST_AS + i,
  }));
}
