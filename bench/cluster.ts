/**
 * `node bench/cluster.ts [CLIENTS]...`: clients of a cluster of two, each announcing 572 prefixes and receiving those of all
 * others, beside the same clients of one speaker alone: processor time and memory of each process, the time until all have
 * all, and how long a single update takes from a client of one to a client of the other.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, removeLeftovers } from "./leftovers.ts";
import { buildLoad, Load, RunError } from "./load.ts";
import { Namespaces } from "./namespaces.ts";
import { DAEMON_ADDRESS, DAEMON_AS, type Peer } from "./scenarios.ts";
import { FIRST_AS, prepareStreams, SCALE } from "./streams.ts";
import { sessionPids, usageOf } from "./usage.ts";

const TSBGP = join(import.meta.dirname, "../packages/cli/bin/tsbgp.mjs");
const OTHER_ADDRESS = "10.99.0.2";
const NAMES = ["a", "b"] as const;
const ADDRESSES = [DAEMON_ADDRESS, OTHER_ADDRESS] as const;
const PROBES_PER_SECOND = 20;
const SECONDS_MAX = 600;

/** How many neighbors of a link the kernel keeps, of all network namespaces together. */
const NEIGHBORS_MAX = "net.ipv4.neigh.default.gc_thresh3";

const sizes = process.argv.slice(2).map(Number);
removeLeftovers();
for (const clients of sizes.length === 0 ? [SCALE.members] : sizes) {
  checkHost(clients);
  for (const speakers of [1, 2] as const) await measure(clients, speakers);
}

/** A table that is too small for all clients has them wait for each other, and the figures are of that. */
function checkHost(clients: number): void {
  const max = Number(readFileSync(`/proc/sys/${NEIGHBORS_MAX.replaceAll(".", "/")}`, "utf8"));
  const needed = 2 * (clients + 3);
  if (max >= needed) return;
  console.error(`${NEIGHBORS_MAX} is ${max}: ${clients} clients take ${needed} (sysctl -w)`);
  process.exit(1);
}

async function measure(clients: number, speakers: 1 | 2): Promise<void> {
  const directory = makeDirectory();
  const scale = { ...SCALE, members: clients };
  const streams = prepareStreams(["members", "probes"], console.error, scale);
  const program = buildLoad(directory);
  const namespaces = new Namespaces();
  const peers = peersOf(clients, speakers, streams);
  const daemons: ChildProcess[] = [];
  let load: Load | null = null;
  try {
    namespaces.make(
      DAEMON_ADDRESS,
      peers.map(({ address }) => address),
    );
    const other = ["-n", namespaces.daemon, "addr", "add", `${OTHER_ADDRESS}/16`, "dev", "veth0"];
    spawnSync("ip", other, { stdio: "inherit" });
    for (const i of speakers === 1 ? [0] : [0, 1]) {
      const file = join(directory, `${NAMES[i]}.yaml`);
      writeFileSync(file, configOf(i, speakers, peers, directory));
      const argv = ["netns", "exec", namespaces.daemon, process.execPath, TSBGP, "run", "-c", file];
      daemons.push(spawn("ip", argv, { detached: true, stdio: ["ignore", "ignore", "inherit"] }));
    }
    load = new Load(program, namespaces.load, peers, directory);
    await load.expect("ready", SECONDS_MAX, "the load generator does not begin");
    load.command("connect");
    await load.expect("up", SECONDS_MAX, "the sessions do not come up");
    await load.quiet(1, 20);
    await announce(load, daemons, clients, speakers);
  } finally {
    load?.close();
    for (const { pid } of daemons) {
      for (const one of sessionPids(pid!)) process.kill(one, "SIGKILL");
    }
    await Promise.all(
      daemons.map((child) => child.exitCode ?? child.signalCode ?? once(child, "exit")),
    );
    namespaces.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The last one sends the probes: a client of the last speaker, for whom nobody waits. */
function peersOf(clients: number, speakers: 1 | 2, streams: string): Peer[] {
  return Array.from({ length: clients + 1 }, (_, i): Peer => {
    const isProbe = i === clients;
    const owner = isProbe ? speakers - 1 : i % speakers;
    return {
      name: isProbe ? "probe" : `in${i}`,
      address: `10.99.${1 + Math.floor(i / 200)}.${1 + (i % 200)}`,
      as: FIRST_AS + i,
      files: [join(streams, isProbe ? "probes.updates" : `member-${i}.updates`)],
      win: 0,
      receives: !isProbe,
      remote: ADDRESSES[owner]!,
    };
  });
}

function configOf(i: number, speakers: 1 | 2, peers: readonly Peer[], directory: string): string {
  const members = Object.fromEntries(NAMES.map((name) => [name, join(directory, `${name}.sock`)]));
  const neighbors = peers.map(({ address, as, remote }) => ({
    ...{ address, as },
    ...(speakers === 1
      ? {}
      : { speaker: NAMES[ADDRESSES.indexOf(remote as typeof DAEMON_ADDRESS)] }),
  }));
  return JSON.stringify({
    router: { as: DAEMON_AS, id: DAEMON_ADDRESS },
    listen: [ADDRESSES[i]],
    control: { socket: join(directory, `${NAMES[i]}.control`) },
    defaults: {
      ...{ passive: true, "route-server-client": true, "hold-time": 240 },
      "enforce-first-as": false,
      ...{ import: "accept-all", export: "accept-all" },
    },
    neighbors,
    ...(speakers === 1 ? {} : { cluster: { self: NAMES[i], members } }),
  });
}

async function announce(
  load: Load,
  daemons: readonly ChildProcess[],
  clients: number,
  speakers: number,
): Promise<void> {
  const usages = () => daemons.map(({ pid }) => usageOf(sessionPids(pid!)));
  const before = usages();
  const names = Array.from({ length: clients }, (_, i) => `in${i}`);
  load.command(
    "reset",
    ...names.map((name) => `want ${name} ${SCALE.memberPrefixes * (clients - 1)}`),
  );
  load.command(...names.map((name) => `send ${name} 0`));
  let began = Infinity;
  for (;;) {
    const event = await load.next(1000 * SECONDS_MAX);
    if (event === null) throw new RunError("clients do not get what they should");
    if (event.ev === "sent") began = Math.min(began, event.t0);
    if (event.ev !== "goal") continue;
    console.log(
      `${clients} clients, ${speakers} speakers: ${(event.t - began).toFixed(1)} s until all have all`,
    );
    break;
  }
  await load.quiet(1.5, 30);
  for (const [i, { cpuSeconds, peakRssMb }] of usages().entries()) {
    const seconds = (cpuSeconds - before[i]!.cpuSeconds).toFixed(2);
    console.log(
      `  speaker ${NAMES[i]}: ${seconds} s of processor time, ${peakRssMb.toFixed(0)} MB at most`,
    );
  }
  load.command(`send probe 0 ${PROBES_PER_SECOND}`);
  for (;;) {
    const event = await load.next(1000 * SECONDS_MAX);
    if (event === null) throw new RunError("the probes are not sent");
    if (event.ev === "sent" && event.peer === "probe") break;
  }
  await load.quiet(1.5, 30);
  const latency = await load.latency();
  const ms = (seconds: number) => (1000 * seconds).toFixed(1);
  if (latency === null) throw new RunError("no probe has arrived");
  console.log(`  an update: ${ms(latency.p50)} ms (p50), ${ms(latency.p99)} ms (p99)`);
}
