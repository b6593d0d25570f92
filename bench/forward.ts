/**
 * Routes into the kernel: `node bench/forward.ts [ROUTES] [WHO...]`, as root. Each of `tsbgp forward`, with groups of next
 * hops and without, BIRD and FRR has the same routes from one neighbor, with one next hop, which is behind a gateway. It is
 * measured until the kernel has all routes, and from a change of the gateway until packets to 64 of them go the new way.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { enterOwnNetwork } from "../testkit/own-network.ts";
import { ownName } from "./leftovers.ts";
import { usageOf } from "./usage.ts";

const MAIN = join(import.meta.dirname, "../packages/cli/src/main.ts");
const NETWORK = "203.0.113.0/24";
const NEXT_HOP = "203.0.113.5";
const GATEWAYS = ["192.0.2.9", "198.51.100.9"] as const;
const SOURCES = ["192.0.2.1", "198.51.100.1"] as const;
/** The neighbor is in a namespace of its own: FRR takes no other process of its host for one. */
const NEIGHBOR = "198.18.0.2";
const SPEAKER = "198.18.0.1";
const NAMESPACE = ownName("neighbor");
/** To count routes takes the kernel some time. */
const LOOK_MS = 500;
const PROBE_MS = 2;
const QUIET_MS = 5000;
const LIMIT_MS = 600_000;
const SAMPLE = 64;
const KB_PER_MB = 1024;

interface Stack {
  readonly name: string;
  /** Where it listens. */
  readonly port: number;
  start(directory: string): Promise<ChildProcess[]>;
}

const ours = (name: string, groups: string): Stack => ({
  ...{ name, port: 1790 },
  async start(directory) {
    const path = (file: string) => join(directory, file);
    const speaker = {
      router: { as: 64_500, id: "192.0.2.1" },
      listen: [{ address: SPEAKER, port: 1790 }],
      control: { socket: path("control.sock") },
      followers: { listen: path("followers.sock") },
      defaults: { passive: true, import: "accept-all", export: "accept-all" },
      neighbors: [{ address: NEIGHBOR, as: 65_001 }],
    };
    const module = {
      servers: path("followers.sock"),
      control: { socket: path("forward.sock") },
      forward: { families: ["ipv4"], "next-hop-groups": groups },
    };
    writeFileSync(path("speaker.yaml"), JSON.stringify(speaker));
    writeFileSync(path("forward.yaml"), JSON.stringify(module));
    const run = (command: string, file: string) =>
      start(process.execPath, MAIN, command, "-c", path(file));
    const first = run("run", "speaker.yaml");
    await untilThere(path("followers.sock"));
    return [first, run("forward", "forward.yaml")];
  },
});

const bird: Stack = {
  ...{ name: "BIRD", port: 1791 },
  async start(directory) {
    writeFileSync(
      join(directory, "bird.conf"),
      `router id 192.0.2.1;
protocol device {}
protocol kernel { learn; scan time 3600; ipv4 { import all; export where source = RTS_BGP; }; }
protocol bgp { local ${SPEAKER} port 1791 as 64500; neighbor ${NEIGHBOR} as 65001; multihop; passive;
  ipv4 { import all; export none; gateway recursive; }; }
`,
    );
    const file = (name: string) => join(directory, name);
    const child = start("bird", "-f", "-c", file("bird.conf"), "-s", file("bird.ctl"));
    await untilThere(file("bird.ctl"));
    return [child];
  },
};

const frr: Stack = {
  ...{ name: "FRR", port: 1792 },
  async start(directory) {
    const file = (name: string) => join(directory, name);
    writeFileSync(file("zebra.conf"), "log stdout errors\n");
    writeFileSync(
      file("bgpd.conf"),
      `router bgp 64500
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 neighbor ${NEIGHBOR} remote-as 65001
 neighbor ${NEIGHBOR} ebgp-multihop 255
 neighbor ${NEIGHBOR} passive
`,
    );
    spawnSync("chown", ["-R", "frr:frr", directory]);
    const common = ["-P", "0", "--vty_socket", directory, "-z", file("zserv")];
    const own = (name: string) => ["-f", file(`${name}.conf`), "-i", file(`${name}.pid`)];
    const zebra = start("/usr/lib/frr/zebra", ...own("zebra"), ...common);
    await untilThere(file("zserv"));
    const bgpd = start("/usr/lib/frr/bgpd", ...own("bgpd"), ...common, "-p", "1792");
    await untilThere(file("bgpd.vty"));
    return [zebra, bgpd];
  },
};

const STACKS = [ours("ts-bgp", "auto"), ours("ts-bgp, off", "off"), bird, frr];

function start(program = "", ...words: readonly string[]): ChildProcess {
  return spawn(program, words, { stdio: "ignore" });
}

function ip(words: string, input = ""): string {
  const options = { input, encoding: "utf8", maxBuffer: 1 << 30 } as const;
  const { status, stdout, stderr } = spawnSync("ip", words.split(" "), options);
  if (status !== 0) throw new Error(`ip ${words}: ${stderr}`);
  return stdout;
}

async function until(isSo: () => boolean | Promise<boolean>, ms: number): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !(await isSo()); await sleep(ms)) {
    if (performance.now() > endMs) throw new Error("it takes too long");
  }
}

const untilThere = (file: string) => until(() => existsSync(file), LOOK_MS);

/** Prefixes of the main table. */
function prefixCount(): number {
  const [, count = "0"] = /Main:.*?Prefixes:\s+(\d+)/s.exec(
    readFileSync("/proc/net/fib_triestat", "utf8"),
  ) ?? ["", "0"];
  return Number(count);
}

/** What the kernel has taken for itself. */
function kernelMb(): number {
  const text = readFileSync("/proc/meminfo", "utf8");
  const kb = ["Slab", "Percpu"].map((key) => Number(new RegExp(`${key}: +(\\d+)`).exec(text)?.[1]));
  return kb.reduce((sum, each) => sum + each) / KB_PER_MB;
}

/** @returns the own address that packets to it would have, which is that of the way they go */
async function sourceFor(destination: string): Promise<string> {
  const socket = createSocket("udp4");
  socket.connect(9, destination);
  await once(socket, "connect");
  const { address } = socket.address();
  socket.close();
  return address;
}

function sample(): string[] {
  const lines = ip("-4 route show").split("\n");
  const prefixes = lines.filter((line) => line.includes(GATEWAYS[0]) && !line.startsWith("203."));
  const step = Math.max(1, Math.floor(prefixes.length / SAMPLE));
  return prefixes
    .filter((_, k) => k % step === 0)
    .map((line) => line.split(/[ /]/)[0]!.replace(/\.0$/, ".1"));
}

const text = (value: number, digits = 1) => value.toFixed(digits);

async function measure({ name, port, start: begin }: Stack, routes: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "tsbgp-bench-forward-"));
  spawnSync("chmod", ["755", directory]);
  ip(`route replace ${NETWORK} via ${GATEWAYS[0]} proto static`);
  const beforeCount = prefixCount();
  const children = await begin(directory);
  const pids = children.map(({ pid }) => pid!);
  await sleep(QUIET_MS);
  const kernelBefore = kernelMb();
  const used = () => pids.map((pid) => usageOf([pid]));
  const first = used();
  const words = ["--synthetic", `${routes}`, "--next-hop", NEXT_HOP, "--as", "65001"];
  const inject = start(
    ...["ip", "netns", "exec", NAMESPACE, process.execPath],
    ...[MAIN, "inject", `${SPEAKER}:${port}`, ...words, "--reconnect"],
  );
  try {
    let beganMs = 0;
    await until(() => {
      const count = prefixCount() - beforeCount;
      if (count > 0 && beganMs === 0) beganMs = performance.now();
      return count >= routes;
    }, LOOK_MS);
    const fillMs = performance.now() - beganMs;
    await sleep(QUIET_MS);
    const filled = used();
    const kernel = kernelMb() - kernelBefore;
    const destinations = new Set(sample());
    const moveMs = performance.now();
    let firstMs = 0;
    ip(`route replace ${NETWORK} via ${GATEWAYS[1]} proto static`);
    await until(async () => {
      for (const each of destinations) {
        if ((await sourceFor(each)) !== SOURCES[1]) continue;
        firstMs ||= performance.now();
        destinations.delete(each);
      }
      return destinations.size === 0;
    }, PROBE_MS);
    const lastMs = performance.now();
    await sleep(QUIET_MS);
    const moved = used();
    const cpu = (to: typeof first, from: typeof first) =>
      to.map(({ cpuSeconds }, k) => text(cpuSeconds - from[k]!.cpuSeconds)).join(" + ");
    const memory = filled.map(({ peakRssMb }) => text(peakRssMb, 0)).join(" + ");
    process.stdout.write(
      `${name}: from the first route in the kernel to the last ${text(fillMs / 1000)} s, processor ${cpu(filled, first)} s, ` +
        `memory ${memory} MB, kernel ${text(kernel, 0)} MB; another gateway: first and last of ${SAMPLE} ` +
        `${text((firstMs - moveMs) / 1000, 2)} and ${text((lastMs - moveMs) / 1000, 2)} s, processor ${cpu(moved, filled)} s\n`,
    );
  } finally {
    for (const child of [inject, ...children]) child.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  }
}

function addLinks(): void {
  const lines = ["d", "e"].flatMap((link, k) => [
    `link add ${link}0 type veth peer name ${link}1`,
    `address add ${SOURCES[k]}/24 dev ${link}0`,
    `link set ${link}0 up`,
    `link set ${link}1 up`,
  ]);
  ip(`link add f0 type veth peer name eth0 netns ${NAMESPACE}`);
  lines.push(`address add ${SPEAKER}/24 dev f0`, "link set f0 up");
  ip(`-n ${NAMESPACE} address add ${NEIGHBOR}/24 dev eth0`);
  ip(`-n ${NAMESPACE} link set eth0 up`);
  ip("-batch -", lines.map((line) => `${line}\n`).join(""));
}

const [count = "1000000", ...who] = process.argv.slice(2);
const reason = enterOwnNetwork();
if (reason !== null) throw new Error(reason);
mkdirSync(tmpdir(), { recursive: true });
for (const stack of STACKS) {
  if (who.length > 0 && !who.includes(stack.name)) continue;
  ip(`netns add ${NAMESPACE}`);
  try {
    addLinks();
    await measure(stack, Number(count));
    // Routes go with them.
    for (const link of ["d0", "e0", "f0"]) ip(`link delete ${link}`);
  } finally {
    ip(`netns delete ${NAMESPACE}`);
  }
}
