/** BIRD and FRR with BFD, and what they say of it: neighbors of a speaker that has BFD as well. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { control, untilReady } from "./daemon.ts";
import type { LabNode, LabProcess } from "./netns.ts";

export interface BfdTimes {
  readonly intervalMs: number;
  readonly multiplier: number;
  /** Null for none. */
  readonly auth?: { readonly type: string; readonly secret: string } | null;
  readonly isMultihop?: boolean;
}

export interface BfdPeer {
  readonly node: LabNode;
  readonly as: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** SIGKILL: it says nothing more. */
  kill(): void;
  /** Of the BFD session with an address: its state in lower case, null when there is none. */
  bfdState(address: string): Promise<string | null>;
  /** How often BFD went down, by its own account. */
  downs(): Promise<number>;
  /** Of the BGP session. */
  isEstablished(address: string): Promise<boolean>;
  logText(): string;
}

export const PEER_AS = 65_001;

/** @param addresses - of the speaker */
export function birdWithBfd(
  node: LabNode,
  speakerAs: number,
  addresses: readonly string[],
  times: BfdTimes,
): BfdPeer {
  let running: LabProcess | undefined;
  const birdc = (...words: string[]) => control(node, ["birdc", "-s", "bird.ctl", ...words]);
  const log = () => running?.output() ?? "";
  return {
    node,
    as: PEER_AS,
    async start() {
      writeFileSync(
        join(node.directory, "bird.conf"),
        birdConfig(node, speakerAs, addresses, times),
      );
      running = node.spawn([
        "/usr/sbin/bird",
        "-f",
        "-c",
        "bird.conf",
        "-s",
        "bird.ctl",
        "-P",
        "pid",
      ]);
      await untilReady("bird", running, async () =>
        /up and running/.test(await birdc("show", "status")),
      );
    },
    stop: async () => running?.stop(),
    kill: () => running?.signal("SIGKILL"),
    async bfdState(address) {
      const line = (await birdc("show", "bfd", "sessions"))
        .split("\n")
        .find((text) => text.startsWith(`${address} `));
      return line?.split(/\s+/)[2]?.toLowerCase() ?? null;
    },
    downs: async () => log().split("changed state from Up to Down").length - 1,
    async isEstablished(address) {
      const text = await birdc("show", "protocols", `p${addresses.indexOf(address)}`);
      return /Established/.test(text);
    },
    logText: log,
  };
}

function birdConfig(
  node: LabNode,
  speakerAs: number,
  addresses: readonly string[],
  { intervalMs, multiplier, auth = null, isMultihop = false }: BfdTimes,
): string {
  const times = `interval ${intervalMs} ms; idle tx interval 1 s; multiplier ${multiplier};`;
  const keyed =
    auth === null
      ? ""
      : `authentication ${auth.type.replaceAll("-", " ")}; password "${auth.secret}" { id 7; };`;
  const where = isMultihop ? "multihop" : 'interface "*"';
  return [
    "log stderr all;",
    "debug protocols { states, events };",
    `router id ${node.address4};`,
    "protocol device {}",
    `protocol bfd { debug { states, events }; ${where} { ${times} ${keyed} }; }`,
    ...addresses.flatMap((address, k) => [
      `protocol bgp p${k} {`,
      `  local ${address.includes(":") ? node.address6 : node.address4} as ${PEER_AS};`,
      `  neighbor ${address} as ${speakerAs}; passive on;`,
      isMultihop ? "  multihop 2;" : "  direct;",
      `  bfd on; ${address.includes(":") ? "ipv6" : "ipv4"} { import all; export none; };`,
      "}",
    ]),
    "",
  ].join("\n");
}

/** The same of FRR, whose BFD has no authentication. */
export function frrWithBfd(
  node: LabNode,
  speakerAs: number,
  addresses: readonly string[],
  times: BfdTimes,
): BfdPeer {
  const running = new Map<string, LabProcess>();
  const vtysh = (daemon: string, command: string) =>
    control(node, ["vtysh", "--vty_socket", node.directory, "-d", daemon, "-c", command]);
  const sessions = async (counters = "") => {
    const text = await vtysh("bfdd", `show bfd peers ${counters} json`);
    return JSON.parse(text) as readonly Readonly<Record<string, unknown>>[];
  };
  const start = (name: string) => {
    const own = ["-f", `${name}.conf`, "-i", `${node.directory}/${name}.pid`, "-P", "0"];
    const sockets = ["--vty_socket", node.directory, "-z", `${node.directory}/zserv`];
    const more = name === "bfdd" ? ["--bfdctl", `${node.directory}/bfdd.sock`] : [];
    const started = node.spawn([`/usr/lib/frr/${name}`, ...own, ...sockets, ...more]);
    running.set(name, started);
    return started;
  };
  const all = () => [...running.values()];
  return {
    node,
    as: PEER_AS,
    async start() {
      for (const name of ["zebra", "bfdd"]) {
        writeFileSync(join(node.directory, `${name}.conf`), "log stdout\n");
      }
      const config = frrConfig(node, speakerAs, addresses, times);
      writeFileSync(join(node.directory, "bgpd.conf"), config);
      await control(node, ["chown", "-R", "frr:frr", node.directory]);
      const zebra = start("zebra");
      await untilReady("zebra", zebra, async () => existsSync(join(node.directory, "zserv")));
      const bfdd = start("bfdd");
      await untilReady("bfdd", bfdd, async () => (await vtysh("bfdd", "show version")) !== "");
      const bgpd = start("bgpd");
      await untilReady("bgpd", bgpd, async () => (await vtysh("bgpd", "show version")) !== "");
    },
    async stop() {
      await Promise.all(all().map((one) => one.stop()));
    },
    kill() {
      for (const one of all()) one.signal("SIGKILL");
    },
    async bfdState(address) {
      const found = (await sessions()).find(({ peer }) => peer === address);
      return found === undefined ? null : String(found["status"]);
    },
    async downs() {
      const counts = (await sessions("counters")).map((one) => Number(one["session-down"]));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async isEstablished(address) {
      const text = await vtysh("bgpd", `show bgp neighbors ${address} json`);
      return JSON.parse(text)[address]?.["bgpState"] === "Established";
    },
    logText: () =>
      all()
        .map((one) => one.output())
        .join("\n"),
  };
}

function frrConfig(
  node: LabNode,
  speakerAs: number,
  addresses: readonly string[],
  { intervalMs, multiplier }: BfdTimes,
): string {
  return [
    "log stdout",
    `router bgp ${PEER_AS}`,
    ` bgp router-id ${node.address4}`,
    " no bgp ebgp-requires-policy",
    ...addresses.flatMap((address) => [
      ` neighbor ${address} remote-as ${speakerAs}`,
      ` neighbor ${address} passive`,
      ` neighbor ${address} bfd ${multiplier} ${intervalMs} ${intervalMs}`,
      ` address-family ${address.includes(":") ? "ipv6" : "ipv4"} unicast`,
      `  neighbor ${address} activate`,
      " exit-address-family",
    ]),
    "",
  ].join("\n");
}
