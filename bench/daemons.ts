/**
 * The daemons that are measured: each a program, its configuration and its command line.
 *
 * A daemon stays in the foreground, listens on port 179 of its address, waits for the peers to
 * connect, accepts everything, announces the best path of everything to everyone but its sender, and
 * puts nothing into a kernel. Every process of its session (setsid) is counted.
 */

import { accessSync, chmodSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nsrStatus } from "../test/lab/ask.ts";
import { swapSections } from "./policy-swap.ts";
import { DAEMON_ADDRESS, DAEMON_AS, type Scenario } from "./scenarios.ts";

export interface Daemon {
  readonly name: string;
  /** Name or path of the program. */
  readonly program: string;
  /** What to do when it is missing. */
  readonly remedy: string;
  /**
   * Writes the configuration.
   *
   * @param directory - of this run, readable for everyone
   * @returns the command line, without the program
   */
  prepare(scenario: Scenario, directory: string): string[];
  /** A second process that would take over; absent where there is none. */
  readonly standby?: Standby;
  /** Where a BMP station is to connect to; absent where there is none. */
  readonly station?: { readonly address: string; readonly port: number };
}

export interface Standby {
  /** As of the daemon. */
  prepare(scenario: Scenario, directory: string): string[];
  /** Whether the daemon is active, so that the other one becomes its standby. */
  isAwaited(directory: string): Promise<boolean>;
  /** Whether it could take over, and has everything. */
  isReady(directory: string): Promise<boolean>;
}

const HOLD_SECONDS = 240;

const ours: Daemon = {
  name: "ours",
  program:
    process.env["TSBGP"] ??
    fileURLToPath(new URL("../packages/cli/bin/tsbgp.mjs", import.meta.url)),
  remedy: "it is part of this repository",
  prepare: (scenario, directory) => prepareOurs(scenario, directory, null),
};

const STATION = { address: "127.0.0.1", port: 11_019 };

/** The same with a BMP station that is told everything. */
const oursWithStation: Daemon = {
  ...ours,
  name: "ours+bmp",
  station: STATION,
  prepare: (scenario, directory) => {
    const tables = ["adj-in-pre", "adj-in-post", "loc-rib", "adj-out-pre", "adj-out-post"];
    const station = { listen: STATION, tables };
    return prepareOurs(scenario, directory, null, { bmp: { stations: [station] } });
  },
};

/** The same in a pair: both sides on this host, in one namespace. */
const oursInPair: Daemon = {
  ...ours,
  name: "ours+standby",
  prepare: (scenario, directory) => prepareOurs(scenario, directory, "a"),
  standby: {
    prepare: (scenario, directory) => prepareOurs(scenario, directory, "b"),
    async isAwaited(directory) {
      return (await nsrStatus(join(directory, "a.sock")))?.role === "active";
    },
    async isReady(directory) {
      const [active, standby] = await Promise.all([
        nsrStatus(join(directory, "a.sock")),
        nsrStatus(join(directory, "b.sock")),
      ]);
      return active?.ready === true && standby?.role === "standby";
    },
  },
};

/**
 * @param side - of a pair; `null` for a speaker that runs alone
 * @param sections - more of the configuration
 */
function prepareOurs(
  scenario: Scenario,
  directory: string,
  side: "a" | "b" | null,
  sections: object = {},
): string[] {
  const name = side ?? "tsbgp";
  const { policies } = scenario;
  const path = join(directory, "nsr.sock");
  const pair = { cluster: "bench", self: side, mode: "shared", listen: path, peer: path };
  const file = write(
    directory,
    `${name}.yaml`,
    // JSON is YAML.
    JSON.stringify({
      router: { as: DAEMON_AS, id: DAEMON_ADDRESS },
      listen: [DAEMON_ADDRESS],
      control: { socket: join(directory, `${name}.sock`) },
      ...(side === null ? {} : { nsr: pair }),
      ...sections,
      ...(policies === undefined ? {} : swapSections(policies, scenario.peers.length - 1)),
      defaults: {
        passive: true,
        "hold-time": HOLD_SECONDS,
        families: ["ipv4-unicast"],
        "route-server-client": scenario.routeServer,
        "enforce-first-as": false,
        import: policies === undefined ? "accept-all" : "from-clients",
        export: policies === undefined ? "accept-all" : "to-clients",
      },
      neighbors: scenario.peers.map(({ address, as }) => ({ address, as })),
    }),
  );
  return ["run", "-c", file];
}

const bird2: Daemon = {
  name: "bird2",
  program: process.env["BIRD"] ?? "bird",
  remedy: "apt install bird2",
  prepare({ peers, routeServer }, directory) {
    const file = write(directory, "bird.conf", [
      `router id ${DAEMON_ADDRESS};`,
      `log "${directory}/bird.log" { warning, error, fatal, bug };`,
      "protocol device {}",
      ...peers.map(
        ({ address, as }, i) =>
          `protocol bgp p${i} { local ${DAEMON_ADDRESS} as ${DAEMON_AS}; ` +
          `neighbor ${address} as ${as}; passive yes; direct; hold time ${HOLD_SECONDS}; ` +
          `${routeServer ? "rs client; " : ""}ipv4 { import all; export all; }; }`,
      ),
    ]);
    return ["-f", "-c", file, "-s", join(directory, "ctl"), "-P", join(directory, "pid")];
  },
};

/** bgpd alone, without zebra: nothing is installed anywhere. */
const frr: Daemon = {
  name: "frr",
  program: process.env["FRR_BGPD"] ?? "/usr/lib/frr/bgpd",
  remedy: "apt install frr",
  prepare({ peers, routeServer }, directory) {
    const file = write(directory, "bgpd.conf", [
      `router bgp ${DAEMON_AS}`,
      ` bgp router-id ${DAEMON_ADDRESS}`,
      " no bgp ebgp-requires-policy",
      " no bgp network import-check",
      " bgp disable-ebgp-connected-route-check",
      ` timers bgp 60 ${HOLD_SECONDS}`,
      " no bgp enforce-first-as",
      ...peers.flatMap(({ address, as }) => [
        ` neighbor ${address} remote-as ${as}`,
        ` neighbor ${address} passive`,
        ` neighbor ${address} advertisement-interval 0`,
        ` neighbor ${address} disable-connected-check`,
      ]),
      " address-family ipv4 unicast",
      ...peers.flatMap(({ address }) => [
        `  neighbor ${address} activate`,
        ...(routeServer ? [`  neighbor ${address} route-server-client`] : []),
      ]),
      " exit-address-family",
    ]);
    const own = ["-i", join(directory, "pid"), "--vty_socket", directory];
    return ["-f", file, "-Z", "-S", "-P", "0", ...own, "--log", `file:${directory}/bgpd.log`];
  },
};

const gobgp: Daemon = {
  name: "gobgp",
  program: process.env["GOBGPD"] ?? "gobgpd",
  remedy: "apt install gobgpd",
  prepare({ peers, routeServer }, directory) {
    const file = write(directory, "gobgpd.toml", [
      "[global.config]",
      `as = ${DAEMON_AS}`,
      `router-id = "${DAEMON_ADDRESS}"`,
      `local-address-list = ["${DAEMON_ADDRESS}"]`,
      ...peers.flatMap(({ address, as }) => [
        "[[neighbors]]",
        "[neighbors.config]",
        `neighbor-address = "${address}"`,
        `peer-as = ${as}`,
        "[neighbors.transport.config]",
        "passive-mode = true",
        "[neighbors.timers.config]",
        `hold-time = ${HOLD_SECONDS}`,
        "[[neighbors.afi-safis]]",
        "[neighbors.afi-safis.config]",
        'afi-safi-name = "ipv4-unicast"',
        ...(routeServer ? ["[neighbors.route-server.config]", "route-server-client = true"] : []),
      ]),
    ]);
    return ["-f", file, "-l", "error", "--api-hosts", "127.0.0.1:50051"];
  },
};

const openbgpd: Daemon = {
  name: "openbgpd",
  program: process.env["OPENBGPD"] ?? "/usr/sbin/bgpd",
  remedy: "apt install openbgpd",
  prepare({ peers, routeServer }, directory) {
    // It changes its root to this directory.
    mkdirSync("/run/openbgpd", { recursive: true });
    const file = write(directory, "bgpd.conf", [
      `AS ${DAEMON_AS}`,
      `router-id ${DAEMON_ADDRESS}`,
      `listen on ${DAEMON_ADDRESS}`,
      `holdtime ${HOLD_SECONDS}`,
      "fib-update no",
      `socket "${directory}/ctl"`,
      ...(routeServer ? ["transparent-as yes"] : []),
      ...peers.flatMap(({ address, as }) => [
        `neighbor ${address} {`,
        ` remote-as ${as}`,
        " passive",
        " enforce neighbor-as no",
        " announce IPv4 unicast",
        "}",
      ]),
      "allow from any",
      "allow to any",
    ]);
    return ["-d", "-f", file];
  },
};

export const DAEMONS: readonly Daemon[] = [ours, bird2, frr, gobgp, openbgpd];

/** What `--nsr` compares. */
export const NSR_DAEMONS: readonly Daemon[] = [ours, oursInPair];
/** What `--bmp` compares. */
export const BMP_DAEMONS: readonly Daemon[] = [ours, oursWithStation];

/** @returns the path of a program, or null when there is none that can be run */
export function findProgram(program: string): string | null {
  const places = program.includes("/")
    ? [program]
    : `${process.env["PATH"]}${delimiter}/usr/sbin${delimiter}/sbin`
        .split(delimiter)
        .map((folder) => join(folder, program));
  return places.find(isExecutable) ?? null;
}

/** A script of Node.js is run by the one that runs this. */
export function commandLine(path: string, rest: readonly string[]): string[] {
  return path.endsWith(".mjs") ? [process.execPath, path, ...rest] : [path, ...rest];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, path.endsWith(".mjs") ? constants.R_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function write(directory: string, name: string, text: string | readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(path, typeof text === "string" ? text : `${text.join("\n")}\n`);
  // OpenBGPD refuses a file that others may write; daemons that give up root must read theirs.
  chmodSync(path, 0o644);
  return path;
}
