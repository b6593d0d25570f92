/**
 * The two sides under test, as an operator has them: `tsbgp run` with an `nsr` section, twice.
 *
 *     shared      both in one namespace, with one address
 *     namespace   each in its own, joined by a cable for the replication link; the service
 *                 addresses are where the active is
 *     alone       one side without a partner: what happens without nonstop routing
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { askSpeaker, type NsrStatus, nsrStatus } from "../test/lab/ask.ts";
import { control } from "../test/lab/daemon.ts";
import type { Lab, LabNode, LabProcess } from "../test/lab/netns.ts";
import { startEtcd } from "../packages/speaker/test/support/etcd-lab.ts";
import { until } from "../test/lab/until.ts";

const MAIN = fileURLToPath(new URL("../packages/cli/src/main.ts", import.meta.url));
const SERVICE = { address4: "10.0.0.251", address6: "fd00::fb" } as const;
const LINK = { a: "10.9.0.1", b: "10.9.0.2" } as const;
const LINK_PORT = 1790;
const ANSWER_MS = 2_000;

let etcdEndpoint = "";
const CLUSTER = "chaos";
const KEYS = "keys";

const ALONE: NsrStatus = {
  ...{ role: "active", ready: false, reason: "alone", sessions: 0, protected: 0 },
  last_switchover: null,
};

export type PairKind = "shared" | "namespace" | "alone";
export type SideName = "a" | "b";

export interface Side {
  readonly name: SideName;
  readonly node: LabNode;
  /** The running process, or the last one. */
  process(): LabProcess | undefined;
  start(): void;
  /** `null` when nothing answers. */
  status(): Promise<NsrStatus | null>;
  /** `tsbgp` with the side's control socket. */
  tsbgp(...args: string[]): Promise<string>;
}

export interface Pair {
  readonly kind: PairKind;
  /** Addresses the peers have sessions with. */
  readonly address4: string;
  readonly address6: string;
  readonly sides: readonly Side[];
  /** Write the configuration of both sides: `sections` and what makes them a pair. */
  configure(sections: Readonly<Record<string, unknown>>): void;
  /** Start what does not run; wait until there is an active, and a standby that is ready. */
  makeReady(withinMs: number): Promise<boolean>;
  /** The side that is active, `null` when none is or two are. */
  active(): Promise<Side | null>;
  /** Interrupt the replication link; only of a pair in namespaces. */
  cutLink(): Promise<void>;
  healLink(): Promise<void>;
}

/** Why there can be no pair, or `null`. */
export function pairAvailable(): string | null {
  const schema = new URL("../packages/config/schema/ts-bgp.schema.json", import.meta.url);
  const isKnown = "nsr" in JSON.parse(readFileSync(schema, "utf8")).properties;
  return isKnown ? null : "this speaker's configuration has no nsr section";
}

export async function createPair(lab: Lab, kind: PairKind): Promise<Pair> {
  const first = lab.node("a");
  const nodes = { a: first, b: kind === "namespace" ? lab.node("b") : first };
  const names: SideName[] = kind === "alone" ? ["a"] : ["a", "b"];
  const sides = names.map((name) => createSide(name, nodes[name], kind));
  if (kind === "namespace") {
    etcdEndpoint = (await startEtcd(lab.node("etcd"))).endpoint;
    await joinByCable(nodes.a, nodes.b);
    await control(nodes.a, [process.execPath, MAIN, "keys", KEYS, "--cluster", CLUSTER]);
  }
  const linkState = (state: "up" | "down") =>
    control(nodes.a, ["ip", "link", "set", "link0", state]).then(() => {});
  const pair: Pair = {
    kind,
    address4: kind === "namespace" ? SERVICE.address4 : first.address4,
    address6: kind === "namespace" ? SERVICE.address6 : first.address6,
    sides,
    configure(sections) {
      for (const { name, node } of sides) {
        const nsr = kind === "alone" ? {} : { nsr: nsrSection(kind, name, nodes.a.directory) };
        // JSON is YAML.
        writeFileSync(
          join(node.directory, `${name}.yaml`),
          JSON.stringify({ ...sections, control: { socket: socketOf(node, name) }, ...nsr }),
        );
      }
    },
    async makeReady(withinMs) {
      for (const side of sides) {
        if (side.process()?.ended() === null) continue;
        side.start();
        // Whoever starts first on a machine without an active becomes the active.
        if (!(await pair.active())) await reached(() => pair.active(), withinMs);
      }
      if (kind === "alone") return true;
      return reached(async () => {
        const all = await Promise.all(sides.map((side) => side.status()));
        const active = all.find((status) => status?.role === "active");
        const hasStandby = all.some((status) => status?.role === "standby");
        return hasStandby && active?.ready === true && active.protected === active.sessions;
      }, withinMs);
    },
    async active() {
      const all = await Promise.all(sides.map((side) => side.status()));
      const active = sides.filter((_, i) => all[i]?.role === "active");
      return active.length === 1 ? active[0]! : null;
    },
    cutLink: () => linkState("down"),
    healLink: () => linkState("up"),
  };
  return pair;
}

/** @returns whether it came true in time */
export async function reached(
  check: () => unknown | Promise<unknown>,
  withinMs: number,
): Promise<boolean> {
  try {
    await until(async () => Boolean(await check()), withinMs, "it");
    return true;
  } catch {
    return false;
  }
}

function createSide(name: SideName, node: LabNode, kind: PairKind): Side {
  const socket = socketOf(node, name);
  let running: LabProcess | undefined;
  return {
    name,
    node,
    process: () => running,
    start() {
      const file = join(node.directory, `${name}.yaml`);
      running = node.spawn([process.execPath, MAIN, "run", "-c", file]);
    },
    async status() {
      if (running === undefined || running.ended() !== null) return null;
      if (kind !== "alone") return nsrStatus(socket);
      const answer = await askSpeaker(socket, { command: "show-neighbors" });
      return answer === null ? null : ALONE;
    },
    tsbgp: (...args) => control(node, [process.execPath, MAIN, ...args, "--socket", socket]),
  };
}

function socketOf(node: LabNode, name: SideName): string {
  return join(node.directory, `${name}.sock`);
}

/** @param directory - one for both sides */
function nsrSection(kind: PairKind, self: SideName, directory: string) {
  const common = { cluster: CLUSTER, self };
  if (kind === "shared") {
    const path = join(directory, "nsr.sock");
    return { ...common, mode: "shared", listen: path, peer: path };
  }
  const keys = join(directory, KEYS);
  const other = self === "a" ? "b" : "a";
  return {
    ...common,
    mode: "address",
    arbiter: { etcd: [etcdEndpoint], ttl: 3 },
    tls: {
      cert: join(keys, `${self}.crt`),
      key: join(keys, `${self}.key`),
      ca: join(keys, "ca.crt"),
    },
    listen: { address: LINK[self], port: LINK_PORT },
    peer: { address: LINK[other], port: LINK_PORT },
    "service-addresses": [
      { address: `${SERVICE.address4}/24`, interface: "eth0" },
      { address: `${SERVICE.address6}/64`, interface: "eth0" },
    ],
  };
}

async function joinByCable(a: LabNode, b: LabNode): Promise<void> {
  // A process of the namespace stands for its name.
  const holder = b.spawn(["sleep", "infinity"]);
  const peer = ["peer", "name", "link0", "netns", String(holder.pid)];
  await until(
    () => control(a, ["ip", "link", "add", "link0", "type", "veth", ...peer]).then(() => true),
    ANSWER_MS,
    "the cable between the sides",
  );
  for (const [node, address] of [
    [a, LINK.a],
    [b, LINK.b],
  ] as const) {
    await control(node, ["ip", "address", "add", `${address}/30`, "dev", "link0"]);
    await control(node, ["ip", "link", "set", "link0", "up"]);
  }
}
