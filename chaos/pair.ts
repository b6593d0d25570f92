/**
 * The sides under test, as an operator has them: `tsbgp run` with an `nsr` section, for each.
 *
 *     shared      all in one namespace, with one address
 *     namespace   each in its own, as if on several hosts, joined by cables for the replication links;
 *                 the service addresses are where the active is, which etcd in one more decides
 *     alone       one side without a partner: what happens without nonstop routing
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { askSpeaker, type NsrStatus, nsrStatus } from "../test/lab/ask.ts";
import { control } from "../test/lab/daemon.ts";
import { startEtcd } from "../test/lab/etcd.ts";
import type { Lab, LabNode, LabProcess } from "../test/lab/netns.ts";
import { cut, heal } from "../test/lab/partition.ts";
import { until } from "../test/lab/until.ts";
import { Host } from "./host.ts";
import type { Split, Way } from "./plan.ts";
import type { Pair, Side } from "./sides.ts";

const PROGRAM = "packages/cli/bin/tsbgp.mjs";
const MAIN = fileURLToPath(new URL(`../${PROGRAM}`, import.meta.url));
const SERVICE = { address4: "10.0.0.251", address6: "fd00::fb" } as const;
/** Of each side, by the side at the other end of the cable. */
const LINK = {
  a: { a: "", b: "10.9.0.1", c: "10.9.1.1" },
  b: { a: "10.9.0.2", b: "", c: "10.9.2.1" },
  c: { a: "10.9.1.2", b: "10.9.2.2", c: "" },
} as const;
/** Sides, and the device of their cable at both ends. */
const CABLES = [
  ["a", "b", "link0"],
  ["a", "c", "link1"],
  ["b", "c", "link2"],
] as const;
const LINK_PORT = 1790;
const ANSWER_MS = 2_000;
const TTL_SECONDS = 2;
/** It is answered when the other side has all sessions, of which there may be hundreds. */
const SWITCHOVER_MS = 30_000;

const CLUSTER = "chaos";
const KEYS = "keys";

const ALONE: NsrStatus = {
  ...{ role: "active", ready: false, reason: "alone", sessions: 0, protected: 0 },
  ...{ last_switchover: null, digest: { at_ms: 0, differences: 0 } },
};

export type PairKind = "shared" | "namespace" | "alone";
export type SideName = "a" | "b" | "c";

/** Standbys of a pair. */
export type Standbys = 1 | 2;

export interface LabPair extends Pair {
  readonly kind: PairKind;
  /** Write the configuration of both sides: `sections` and what makes them a pair. */
  configure(sections: Readonly<Record<string, unknown>>, logLevel?: "debug" | "info"): void;
  /** What the hosts of the sides have beside their addresses, as lines for `ip -batch`. */
  equipHosts(lines: readonly string[]): Promise<void>;
  /** The process of a side, `null` while it does not run. */
  pidOf(side: Side): number | null;
  /** Interrupt the replication link; only of a pair in namespaces. */
  cutLink(): Promise<void>;
  healLink(): Promise<void>;
  /** Cut ways that lead over the link or to etcd; only of a pair in namespaces. */
  split(active: Side, split: Split): Promise<void>;
  healSplit(): Promise<void>;
  /**
   * Nothing is heard of the host of a side any more, until the side is started again; not of a pair
   * in one namespace.
   *
   * @returns when its ways were cut, by the wall clock; its process was killed right after
   */
  loseHost(side: Side): Promise<number>;
  /** What `tsbgp switchover` does, without the start of a command. @returns whether it was done */
  orderSwitchover(side: Side): Promise<boolean>;
}

/** Why there can be no pair, or `null`. */
export function pairAvailable(): string | null {
  const schema = new URL("../packages/config/schema/ts-bgp.schema.json", import.meta.url);
  const isKnown = "nsr" in JSON.parse(readFileSync(schema, "utf8")).properties;
  return isKnown ? null : "this speaker's configuration has no nsr section";
}

/**
 * @param env - of the processes of all sides, beside what they have anyway
 * @param other - a folder with another tree, whose program all sides but `a` are; null for this one
 */
export async function createPair(
  lab: Lab,
  kind: PairKind,
  standbys: Standbys = 1,
  env: Readonly<Record<string, string>> = {},
  other: string | null = null,
): Promise<LabPair> {
  const first = lab.node("a");
  const names = (["a", "b", "c"] as const).slice(0, kind === "alone" ? 1 : 1 + standbys);
  const nodeOf = (name: SideName) =>
    name !== "a" && kind === "namespace" && names.includes(name) ? lab.node(name) : first;
  const nodes = { a: first, b: nodeOf("b"), c: nodeOf("c") };
  const cables = CABLES.filter(([one, other]) => names.includes(one) && names.includes(other));
  const hostOf = (name: SideName) => createHost(name, nodes[name], kind, cables);
  const hosts = { a: hostOf("a"), b: hostOf("b"), c: hostOf("c") };
  const processes: Processes = {};
  const mainOf = (name: SideName) =>
    name === "a" || other === null ? MAIN : resolve(other, PROGRAM);
  const sides = names.map((name) =>
    createSide(name, nodes[name], hosts[name], kind, processes, { env, main: mainOf(name) }),
  );
  let etcd = "";
  if (kind === "namespace") {
    for (const [one, other, device] of cables) {
      await joinByCable([one, nodes[one]], [other, nodes[other]], device);
    }
    const signed = names.flatMap((name) => ["--side", name]);
    const third = lab.node("etcd");
    etcd = third.address4;
    await startEtcd(third);
    await control(nodes.a, [process.execPath, MAIN, "keys", KEYS, "--cluster", CLUSTER, ...signed]);
  }
  const nameOf = ({ name }: Side): SideName => names.find((one) => one === name)!;
  const linkState = (state: "up" | "down") =>
    control(nodes.a, ["ip", "link", "set", "link0", state]).then(() => {});
  return {
    kind,
    address4: kind === "namespace" ? SERVICE.address4 : first.address4,
    address6: kind === "namespace" ? SERVICE.address6 : first.address6,
    sides,
    configure(sections, logLevel = "debug") {
      for (const name of names) {
        const node = nodes[name];
        const nsr =
          kind === "alone" ? {} : { nsr: nsrSection(kind, name, names, nodes.a.directory, etcd) };
        // JSON is YAML.
        writeFileSync(
          join(node.directory, `${name}.yaml`),
          JSON.stringify({
            ...sections,
            log: { level: logLevel, file: join(node.directory, `${name}.log`) },
            control: { socket: socketOf(node, name) },
            ...nsr,
          }),
        );
      }
    },
    async equipHosts(lines) {
      for (const name of kind === "namespace" ? names : names.slice(0, 1)) {
        await hosts[name].equip(lines);
      }
    },
    pidOf(side) {
      const running = processes[nameOf(side)];
      return running?.ended() === null ? running.pid : null;
    },
    async split(active, { ways, direction }) {
      const own = nameOf(active);
      const others = names.filter((name) => name !== own);
      const far = others.map((other) => LINK[other][own]);
      const cuts: [SideName, Readonly<Partial<Record<Way, readonly string[]>>>][] = [
        [own, { link: far, "active-etcd": [etcd] }],
        ...others.map((other): [SideName, { "standby-etcd": string[] }] => [
          other,
          { "standby-etcd": [etcd] },
        ]),
      ];
      for (const [name, addresses] of cuts) {
        const lost = ways.flatMap((way) => addresses[way] ?? []);
        if (lost.length > 0) await cut(nodes[name], lost, direction);
      }
    },
    async healSplit() {
      for (const name of names) await heal(nodes[name]);
    },
    cutLink: () => linkState("down"),
    healLink: () => linkState("up"),
    async loseHost(side) {
      const atMs = await hosts[nameOf(side)].lose();
      await side.kill();
      return atMs;
    },
    async orderSwitchover(side) {
      const own = nameOf(side);
      const socket = socketOf(nodes[own], own);
      return (await askSpeaker(socket, { command: "switchover" }, SWITCHOVER_MS)) !== null;
    },
  };
}

/** In one namespace it is the host of all. */
function createHost(
  name: SideName,
  node: LabNode,
  kind: PairKind,
  cables: readonly (typeof CABLES)[number][],
): Host {
  const segment = [`${node.address4}/24`, `${node.address6}/64`];
  const links = cables.flatMap(([one, other, device]) => {
    if (one !== name && other !== name) return [];
    const far = one === name ? other : one;
    return [{ name: device, addresses: [`${LINK[name][far]}/30`] }];
  });
  return new Host(node, [
    { name: "eth0", addresses: segment },
    ...(kind === "namespace" ? links : []),
  ]);
}

/** The newest process of each side that was started. */
type Processes = Partial<Record<SideName, LabProcess>>;

function createSide(
  name: SideName,
  node: LabNode,
  host: Host,
  kind: PairKind,
  processes: Processes,
  { env, main }: { readonly env: Readonly<Record<string, string>>; readonly main: string },
): Side {
  const socket = socketOf(node, name);
  const signal = async (which: NodeJS.Signals) => processes[name]?.signal(which);
  const isRunning = async () => processes[name]?.ended() === null;
  return {
    name,
    isRunning,
    async start() {
      await host.start();
      const file = join(node.directory, `${name}.yaml`);
      processes[name] = node.spawn([process.execPath, main, "run", "-c", file], { env });
    },
    kill: () => signal("SIGKILL"),
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    async status() {
      if (!(await isRunning())) return null;
      if (kind !== "alone") return nsrStatus(socket);
      const answer = await askSpeaker(socket, { command: "show-neighbors" });
      return answer === null ? null : ALONE;
    },
    tsbgp: (...args) => control(node, [process.execPath, main, ...args, "--socket", socket]),
  };
}

function socketOf(node: LabNode, name: SideName): string {
  return join(node.directory, `${name}.sock`);
}

/** @param directory - one for all sides */
function nsrSection(
  kind: PairKind,
  self: SideName,
  names: readonly SideName[],
  directory: string,
  etcd: string,
) {
  const common = { cluster: CLUSTER, self };
  const others = names.filter((name) => name !== self);
  const waysTo = <T>(way: (other: SideName) => T) =>
    others.length === 1
      ? { peer: way(others[0]!) }
      : { peers: Object.fromEntries(others.map((other) => [other, way(other)])) };
  if (kind === "shared") {
    const path = join(directory, "nsr.sock");
    return { ...common, mode: "shared", listen: path, ...waysTo(() => path) };
  }
  const keys = join(directory, KEYS);
  return {
    ...common,
    mode: "address",
    arbiter: {
      // The namespaces are of this host.
      etcd: { endpoints: `http://${etcd}:2379`, insecure: true },
      ttl: TTL_SECONDS,
    },
    tls: {
      cert: join(keys, `${self}.crt`),
      key: join(keys, `${self}.key`),
      ca: join(keys, "ca.crt"),
    },
    listen: {
      address: others.length === 1 ? LINK[self][others[0]!] : "0.0.0.0",
      port: LINK_PORT,
    },
    ...waysTo((other) => ({ address: LINK[other][self], port: LINK_PORT })),
    "service-addresses": [
      { address: `${SERVICE.address4}/24`, interface: "eth0" },
      { address: `${SERVICE.address6}/64`, interface: "eth0" },
    ],
  };
}

async function joinByCable(
  [one, a]: readonly [SideName, LabNode],
  [other, b]: readonly [SideName, LabNode],
  device: string,
): Promise<void> {
  // A process of the namespace stands for its name.
  const holder = b.spawn(["sleep", "infinity"]);
  const peer = ["peer", "name", device, "netns", String(holder.pid)];
  await until(
    () => control(a, ["ip", "link", "add", device, "type", "veth", ...peer]).then(() => true),
    ANSWER_MS,
    "the cable between the sides",
  );
  for (const [node, address] of [
    [a, LINK[one][other]],
    [b, LINK[other][one]],
  ] as const) {
    await control(node, ["ip", "address", "add", `${address}/30`, "dev", device]);
    await control(node, ["ip", "link", "set", device, "up"]);
  }
}
