/**
 * `tsbgp demo`: the speaker of a configuration with two sample clients, so that there is something to
 * look at. The clients connect from the addresses that configs/route-server.yaml has for them.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { InjectOptions } from "@ts-bgp/inject";
import type { Daemon } from "@ts-bgp/speaker";
import { type AttributeValue, encodeUpdate, FAMILY, parseAddress } from "@ts-bgp/wire-codec";
import { type Command, noWords, print } from "./command.ts";
import { CONFIG_OPTION, configFile, runDaemon, withConfigErrors } from "./run.ts";
import { showRoutesCommand } from "./show.ts";

/** A route of a sample client; the client's own AS is put in front of the path. */
interface SampleRoute {
  readonly prefix: string;
  readonly path: readonly number[];
  readonly communities?: readonly string[];
  readonly large?: readonly string[];
}

interface SampleClient {
  readonly address: string;
  /** Not its own address: a loopback address is no next hop that a router takes. */
  readonly nextHop: string;
  readonly as: number;
  readonly routes: readonly SampleRoute[];
}

const CLIENTS: readonly SampleClient[] = [
  {
    address: "127.0.0.11",
    nextHop: "192.0.2.11",
    as: 64501,
    routes: [
      { prefix: "11.1.0.0/16", path: [] },
      { prefix: "11.2.0.0/16", path: [], communities: ["0:64502"] },
      { prefix: "11.3.0.0/16", path: [210001], large: ["64500:101:0"] },
      { prefix: "33.1.0.0/16", path: [210002, 210003] },
      { prefix: "11.4.1.128/25", path: [] },
      { prefix: "10.1.0.0/16", path: [] },
    ],
  },
  {
    address: "127.0.0.12",
    nextHop: "192.0.2.12",
    as: 64502,
    routes: [
      { prefix: "22.1.0.0/16", path: [] },
      { prefix: "22.2.0.0/16", path: [210004], communities: ["64502:100"] },
      { prefix: "33.1.0.0/16", path: [210003] },
    ],
  },
];

const HINTS = (file: string, port: number | null) => [
  "",
  "A route server runs here with two sample clients. In another terminal, in this folder, try",
  "  npx tsbgp show neighbors",
  "  npx tsbgp show routes --neighbor 127.0.0.11 --rejected    what was not accepted, and why",
  "  npx tsbgp explain export 11.2.0.0/16 127.0.0.12           why a client does not get a route",
  "  npx tsbgp show routes 33.1.0.0/16                         two paths, the best one marked",
  "  npx tsbgp --help",
  ...(port === null ? [] : [`Metrics: http://127.0.0.1:${port}/metrics`]),
  `The configuration is ${file}: change it, then \`npx tsbgp reload\`.`,
  "Ctrl-C ends it.",
  "",
];

export const demoCommand: Command = {
  name: "demo",
  usage: "-c FILE",
  summary: "run the speaker with two sample clients, as `npm start` does",
  options: CONFIG_OPTION,
  run: async (args) => {
    noWords(args);
    const file = configFile(args);
    return withConfigErrors(({ Daemon }) =>
      runDaemon(Daemon, file, async (daemon) => {
        const { listen, http, control } = daemon.config;
        const end = new AbortController();
        const clients = startClients(listen[0]!.port, end.signal);
        await routesAreThere(daemon);
        print("");
        await showRoutesCommand.run({ options: { socket: control.socket }, words: [] }, []);
        for (const line of HINTS(file, http?.port ?? null)) print(line);
        return async () => {
          end.abort();
          await clients;
        };
      }),
    );
  },
};

/** Runs the clients until the signal; resolves when they are gone. */
async function startClients(port: number, signal: AbortSignal): Promise<void> {
  const { inject } = await import("@ts-bgp/inject");
  const folder = mkdtempSync(path.join(os.tmpdir(), "tsbgp-demo-"));
  const runs = CLIENTS.map(({ address, nextHop, as, routes }) => {
    const file = path.join(folder, `${address}.updates`);
    writeFileSync(file, Buffer.concat(routes.map((route) => updateOf(as, route))));
    const options = {
      session: sessionOf(address, as, port),
      source: { kind: "updates", path: file, families: 1, partial: false },
      nextHop4: parseAddress(nextHop),
      nextHop6: null,
      keepNextHop: false,
      rate: null,
      flap: null,
      once: false,
      withdraw: false,
    } as const;
    return inject(options, () => {}, signal);
  });
  await Promise.all(runs);
  rmSync(folder, { recursive: true });
}

function sessionOf(address: string, as: number, port: number): InjectOptions["session"] {
  return {
    host: "127.0.0.1",
    port,
    localAddress: address,
    localAs: as,
    identifier: null,
    holdTimeSeconds: 90,
    families: 1,
    addPath: false,
    reconnect: true,
  };
}

function updateOf(as: number, route: SampleRoute): Uint8Array {
  const { prefix, path: behind, communities = [], large = [] } = route;
  const attributes: AttributeValue[] = [
    { type: 1, value: "IGP" },
    { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [as, ...behind] }] } },
    { type: 3, value: "192.0.2.1" },
  ];
  if (communities.length > 0) attributes.push({ type: 8, value: communities });
  if (large.length > 0) attributes.push({ type: 32, value: large });
  return encodeUpdate({ attributes, nlri: [prefix] });
}

/** Waits, not for long, until the speaker has read what the clients send. */
async function routesAreThere({ speaker }: Daemon): Promise<void> {
  const { paths } = speaker!.router.tables.rib(FAMILY.IPV4_UNICAST);
  const wanted = CLIENTS.reduce((sum, { routes }) => sum + routes.length, 0);
  for (let n = 0; n < 100 && paths.size < wanted; n++) await delay(50);
}
