/**
 * `tsbgp demo`: the speaker of a configuration with two sample clients, so that there is something to
 * look at. The clients connect from the addresses that configs/route-server.yaml has for them.
 *
 *     this process: terminal, signals, HTTP --orders--> demo-inside.ts, in a namespace of its own:
 *                                                       clients, tsbgp run (a), tsbgp run (b)
 *
 * Where there can be no namespace, a single speaker and the clients run in this process.
 */

import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Daemon } from "@ts-bgp/daemon";
import { FAMILY } from "@ts-bgp/wire-codec";
import { type Command, EXIT, noWords, print } from "./command.ts";
import { inUse, isInUse } from "./control-relay.ts";
import { httpSocketOf, socketOf } from "./demo-files.ts";
import type { InsideOrder, InsideReport } from "./demo-inside.ts";
import { namespaceOptions, spawnInNamespace } from "./demo-namespace.ts";
import { CONFIG_OPTION, configFile, runDaemon, withConfigErrors } from "./run.ts";
import { SAMPLE_ROUTES, startClients } from "./sample-clients.ts";
import { showRoutesCommand } from "./show.ts";

type DaemonPackage = typeof import("@ts-bgp/daemon");
type Config = Daemon["config"];

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const INSIDE = fileURLToPath(new URL("demo-inside.ts", import.meta.url));

export const demoCommand: Command = {
  name: "demo",
  usage: "-c FILE [--once] [--single]",
  summary: "run a pair of speakers with two sample clients, as `npm start` does",
  help: [
    "The pair runs in a network namespace of its own, which needs no root: only what asks the",
    "speaker reaches it. On a terminal, k kills the active process, s switches over, q ends.",
    "  --once      kill the active process once and end; exit 0 when no client was disturbed, else 1",
    "  --single    one speaker without a standby, in this network namespace, where others reach it",
  ],
  options: { ...CONFIG_OPTION, once: { type: "boolean" }, single: { type: "boolean" } },
  run: async (args) => {
    noWords(args);
    const file = configFile(args);
    const once = args.options["once"] === true;
    return withConfigErrors(async (daemon) => {
      const { config } = daemon.readConfigFile(file);
      if (args.options["single"] === true) return runSingle(daemon, file);
      try {
        const outcome = await runPair(file, config, once);
        if (typeof outcome === "number") return outcome;
        print(`No pair, ${once ? "so nothing to kill" : "but a single speaker"}: ${outcome}`);
      } catch (error) {
        process.stderr.write(`tsbgp: ${(error as Error).message}\n`);
        return EXIT.UNUSABLE;
      }
      return once ? EXIT.NO : runSingle(daemon, file);
    });
  },
};

const HINTS: readonly (readonly [command: string, what: string])[] = [
  ["show neighbors", ""],
  ["show routes --neighbor 127.0.0.11 --rejected", "what was not accepted, and why"],
  ["explain export 11.2.0.0/16 127.0.0.12", "why a client does not get a route"],
  ["show routes 33.1.0.0/16", "two paths, the best one marked"],
  ["--help", ""],
];

/** @param folder - of a pair; null for a single speaker */
function hintLines(file: string, { http }: Config, folder: string | null): string[] {
  const hints = [...HINTS];
  if (folder !== null) {
    hints.push(
      ["show nsr", "whether the standby can take over"],
      [`show nsr -s ${socketOf(folder, "b")}`, "what b says"],
      ["switchover", "has the standby take over"],
    );
  }
  const width = Math.max(...hints.map(([command]) => command.length));
  return [
    "",
    "In another terminal, in this folder, try",
    ...hints.map(([command, what]) => `  npx tsbgp ${command.padEnd(width + 4)}${what}`.trimEnd()),
    ...(http === null
      ? []
      : [
          `In a browser: ${httpUrl(http)} has sessions, routes, reasons and nonstop routing, live.`,
          `Metrics: ${httpUrl(http)}metrics`,
        ]),
    ...(folder === null ? [] : [`Logs: ${folder}/a.log and b.log`]),
    `The configuration is ${file}: change it, then \`npx tsbgp reload\`.`,
  ];
}

function httpUrl({ address, port }: NonNullable<Config["http"]>): string {
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}/`;
}

/** @returns the exit code, or why there is no pair */
async function runPair(file: string, config: Config, once: boolean): Promise<number | string> {
  if (await isInUse(config.control.socket)) throw new Error(inUse(config.control.socket));
  let options: readonly string[];
  try {
    options = namespaceOptions();
  } catch (error) {
    return (error as Error).message;
  }
  const folder = newFolder();
  try {
    const http = await relayHttp(config.http, httpSocketOf(folder));
    const child = spawnInNamespace(options, [INSIDE, file, folder, config.control.socket]);
    const outcome = await orderInside(child, once, () => showPair(file, config, folder));
    http?.close();
    return outcome;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Passes on what the user wants, until that comes to its end. @returns as `runPair` does */
async function orderInside(
  child: ChildProcess,
  once: boolean,
  show: () => Promise<void>,
): Promise<number | string> {
  let outcome: number | string = EXIT.OK;
  const order = (what: InsideOrder) => {
    if (child.connected) child.send(what, () => {});
  };
  const end = () => order("end");
  const ready = async () => {
    if (once) {
      outcome = EXIT.NO;
      order("kill");
      return;
    }
    await show();
    for (const line of [listenForKeys(order) ? KEYS : "Ctrl-C ends it.", ""]) print(line);
  };
  for (const signal of SIGNALS) process.on(signal, end);
  child.on("message", (report: InsideReport) => {
    if (report.kind === "line") print(report.text);
    if (report.kind === "ready") void ready();
    if (report.kind === "impossible") outcome = report.reason;
    if (report.kind !== "done" || !once) return;
    outcome = report.undisturbed ? EXIT.OK : EXIT.NO;
    end();
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  for (const signal of SIGNALS) process.off(signal, end);
  process.stdin.pause();
  return code === 0 || outcome !== EXIT.OK ? outcome : EXIT.NO;
}

async function showPair(file: string, config: Config, folder: string): Promise<void> {
  print("");
  await showRoutesCommand.run({ options: { socket: config.control.socket }, words: [] }, []);
  for (const line of hintLines(file, config, folder)) print(line);
}

const KEYS = "Keys: k kills the active process, s switches over, q ends it (or Ctrl-C).";
const ORDERS: Readonly<Record<string, InsideOrder>> = {
  k: "kill",
  s: "switchover",
  q: "end",
  // Ctrl-C and Ctrl-D, which raw mode makes ordinary keys.
  "\x03": "end",
  "\x04": "end",
};

/** @returns whether there is a terminal */
function listenForKeys(order: (what: InsideOrder) => void): boolean {
  const { stdin } = process;
  if (!stdin.isTTY) return false;
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.on("data", (keys: string) => {
    for (const key of keys) if (Object.hasOwn(ORDERS, key)) order(ORDERS[key]!);
  });
  // The terminal is gone.
  stdin.on("error", () => order("end"));
  stdin.on("end", () => order("end"));
  return true;
}

/** Passes connections on to a socket that a process in another namespace has. */
async function relayHttp(http: Config["http"], socket: string): Promise<net.Server | null> {
  if (http === null) return null;
  const server = net.createServer((client) => {
    const speaker = net.connect(socket);
    client.on("error", () => speaker.destroy());
    speaker.on("error", () => client.destroy());
    client.pipe(speaker).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", ({ message }) => {
      reject(new Error(`http on ${http.address} port ${http.port}: ${message}`));
    });
    server.listen(http.port, http.address, resolve);
  });
  return server;
}

function runSingle({ Daemon }: DaemonPackage, file: string): Promise<number> {
  return runDaemon(Daemon, file, { hangUp: "stop", started: (daemon) => showSingle(daemon, file) });
}

/** @returns what ends the sample clients */
async function showSingle(daemon: Daemon, file: string): Promise<() => Promise<void>> {
  const { listen, control } = daemon.config;
  const folder = newFolder();
  const clients = await startClients(listen[0]!.port, folder);
  await routesAreThere(daemon);
  print("");
  await showRoutesCommand.run({ options: { socket: control.socket }, words: [] }, []);
  for (const line of [...hintLines(file, daemon.config, null), "Ctrl-C ends it.", ""]) print(line);
  return async () => {
    await Promise.all(clients.map((client) => client.end()));
    rmSync(folder, { recursive: true, force: true });
  };
}

function newFolder(): string {
  return mkdtempSync(path.join(os.tmpdir(), "tsbgp-demo-"));
}

/** Waits, not for long, until the speaker has read what the clients send. */
async function routesAreThere({ speaker }: Daemon): Promise<void> {
  const { paths } = speaker!.router.tables.rib(FAMILY.IPV4_UNICAST);
  for (let n = 0; n < 100 && paths.size < SAMPLE_ROUTES; n++) await delay(50);
}
