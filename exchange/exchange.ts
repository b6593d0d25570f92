/**
 * An exchange point on one machine: a pair as route server, and any number of scripted clients.
 *
 *     active ----+
 *                +---- segment ---- clients, all in one namespace and one process (clients.c)
 *     standby ---+
 *
 * The benchmark, the chaos trials with many clients and the soak run in it. Kinds of pairs are those
 * of chaos/pair.ts.
 */
import os from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { createPair, type LabPair, type PairKind } from "../chaos/pair.ts";
import { activeOf, reached } from "../chaos/sides.ts";
import type { NsrStatus } from "../test/lab/ask.ts";
import { control } from "../test/lab/daemon.ts";
import { createLab, type Lab, type LabNode } from "../test/lab/netns.ts";
import { Clients, type ClientsCheck, type ClientsStat } from "./clients.ts";

const SPEAKER_AS = 4_200_001_000;
const FIRST_AS = 4_200_100_000;
const CLIENTS_NETWORK = "10.1.0.0/16";
/** The first two octets of the clients' addresses, which follow each other from 10.1.0.1 on. */
const CLIENTS_PREFIX = "10.1";
const HOLD_SECONDS = 90;
const UP_MS = 30_000;
const READY_MS = 30_000;
const SETTLE_MS = 20_000;
const ANNOUNCEMENTS_PER_SECOND = 10_000_000;
/** Nothing more is under way after so much time without an UPDATE. */
const QUIET_MS = 500;
/** Each answer costs the active side some work, and more of it with many sessions. */
const READY_POLL_MS = 200;

export const CLIENTS_MAX = 5000;
/** Of all clients together: each has a /24 from 16.0.0.0 on. */
export const ROUTES_MAX = 10_000_000;

export interface ExchangeOptions {
  readonly kind: PairKind;
  readonly clients: number;
  /** Prefixes that each client announces. */
  readonly routes: number;
  /** Chooses the routes that change. */
  readonly seed: number;
  /** Of TCP in the namespaces; that of the machine unless given. */
  readonly congestionControl?: string;
  /** Of the speaker's processes, beside what they have anyway. */
  readonly env?: Readonly<Record<string, string>>;
  /** A folder with another tree, whose program the second side is; null for this one. */
  readonly other?: string | null;
  /** Neighbors beside the clients, as they stand in a configuration. */
  readonly guests?: readonly Readonly<Record<string, unknown>>[];
  /** Sections of the speaker's configuration beside its own, or in their place. */
  readonly sections?: Readonly<Record<string, unknown>>;
}

export interface Exchange {
  readonly options: ExchangeOptions;
  readonly lab: Lab;
  readonly pair: LabPair;
  /** Where the clients are. */
  readonly node: LabNode;
  readonly clients: Clients;
}

/**
 * What clients noticed in some time. Where a session was lost, FIN, RST and NOTIFICATION say how, and
 * OPEN that it came up again.
 */
export interface Faults {
  readonly closed: number;
  readonly fins: number;
  readonly resets: number;
  readonly opens: number;
  readonly notifications: number;
  readonly expired: number;
  readonly malformed: number;
  /** UPDATEs that said what the client held already. */
  readonly duplicates: number;
}

/**
 * Starts a pair and its clients; nobody is connected yet.
 *
 * @throws Error when the pair does not become ready; the lab's words are printed
 */
export async function openExchange(options: ExchangeOptions): Promise<Exchange> {
  const obstacle = memoryObstacle(options);
  if (obstacle !== null) throw new Error(obstacle);
  const lab = createLab(options.congestionControl);
  try {
    const pair = await createPair(lab, options.kind, 1, options.env, options.other);
    const node = lab.node("clients");
    await equip(pair, node, options.clients);
    pair.configure({ ...sections(pair, options), ...options.sections }, "info");
    const clients = new Clients(node, {
      remote: pair.address4,
      firstAddress: addressOfClient(0),
      firstAs: FIRST_AS,
      ...{ clients: options.clients, routes: options.routes, seed: options.seed },
      holdSeconds: HOLD_SECONDS,
    });
    await clients.ready();
    const exchange = { options, lab, pair, node, clients };
    for (const side of pair.sides) {
      await side.start();
      // Whoever starts first becomes the active.
      const isDecided = async () => !(await side.isRunning()) || (await activeOf(pair)) !== null;
      await reached(isDecided, READY_MS);
      if ((await activeOf(pair)) === null) throw new Error("no side is active");
    }
    if (!(await isReadyWithin(exchange, READY_MS))) throw new Error("the pair is not ready");
    return exchange;
  } catch (error) {
    console.error(lab.describe());
    lab.remove();
    throw error;
  }
}

/** Every client keeps four octets for each route of everybody. */
function memoryObstacle({ clients, routes }: ExchangeOptions): string | null {
  const octets = 4 * clients ** 2 * routes;
  if (octets < os.freemem() / 2) return null;
  return `${clients} clients with ${routes} routes each take ${(octets / 2 ** 30).toFixed(1)} GiB`;
}

/**
 * Connects all clients, and has them announce their tables.
 *
 * @throws Error when that does not end as it should
 */
export async function fillExchange(exchange: Exchange): Promise<void> {
  try {
    await fill(exchange);
  } catch (error) {
    console.error(exchange.lab.describe());
    throw error;
  }
}

async function fill(exchange: Exchange): Promise<void> {
  const { clients, options } = exchange;
  clients.connect();
  const isUp = async () => (await clients.stat()).up === options.clients;
  if (!(await reached(isUp, UP_MS))) throw new Error("the clients do not get their sessions");
  clients.announce();
  const check = await settle(exchange);
  if (differencesOf(check) > 0) throw new Error(`tables differ: ${JSON.stringify(check)}`);
  if (!(await isReadyWithin(exchange, READY_MS))) throw new Error("the pair is not ready");
}

/** @param index - from 0 */
export function addressOfClient(index: number): string {
  return `${CLIENTS_PREFIX}.${(index + 1) >> 8}.${(index + 1) & 0xff}`;
}

/** Ends the churn, waits until all clients hold what they should, and compares all tables. */
export async function settle(
  { clients, options }: Exchange,
  withinMs: number = settleMs(options),
): Promise<ClientsCheck> {
  clients.churn(0);
  let last: ClientsStat | null = null;
  let quietSince = performance.now();
  const isQuiet = async () => {
    const stat = await clients.stat();
    if (stat.updates !== last?.updates || stat.sending > 0) quietSince = performance.now();
    last = stat;
    const isComplete = stat.up === options.clients && stat.complete === options.clients;
    return isComplete && performance.now() - quietSince > QUIET_MS;
  };
  await reached(isQuiet, withinMs);
  let check = await clients.check();
  await reached(async () => {
    check = await clients.check();
    return differencesOf(check) === 0;
  }, QUIET_MS);
  return check;
}

/** @returns how long it may take until all have been told all tables */
function settleMs({ clients, routes }: ExchangeOptions): number {
  return SETTLE_MS + ((clients ** 2 * routes) / ANNOUNCEMENTS_PER_SECOND) * 1000;
}

/** Routes that clients hold in another way than they should. */
export function differencesOf({ different, missing, extra, echoed }: ClientsCheck): number {
  return different + missing + extra + echoed;
}

/** What was counted between two answers. */
export function faultsBetween(before: ClientsStat, after: ClientsStat): Faults {
  const since = (key: keyof Faults) => after[key] - before[key];
  return {
    ...{ closed: since("closed"), fins: since("fins"), resets: since("resets") },
    ...{ opens: since("opens"), notifications: since("notifications"), expired: since("expired") },
    ...{ malformed: since("malformed"), duplicates: since("duplicates") },
  };
}

/** Whether anybody noticed anything. */
export function hasFaults(faults: Faults): boolean {
  return Object.values(faults).some((count) => count > 0);
}

/**
 * Waits until a standby could take over all sessions, of which there are as many as clients are up. A
 * side without a partner needs none.
 */
export async function isReadyWithin(exchange: Exchange, withinMs: number): Promise<boolean> {
  return reached(async () => {
    await delay(READY_POLL_MS);
    const { up } = await exchange.clients.stat();
    const all = await Promise.all(exchange.pair.sides.map((side) => side.status()));
    if (all.length === 1) return all[0]?.role === "active";
    return all.some((status) => isReadyFor(status, up)) && hasStandby(all);
  }, withinMs);
}

function isReadyFor(status: NsrStatus | null, sessions: number): boolean {
  return status?.role === "active" && status.ready && status.protected >= sessions;
}

function hasStandby(all: readonly (NsrStatus | null)[]): boolean {
  return all.some((status) => status?.role === "standby");
}

/** Every address of the clients' network is the node's; the sides need not ask who has them. */
async function equip(pair: LabPair, node: LabNode, clients: number): Promise<void> {
  await control(node, ["ip", "route", "add", "local", CLIENTS_NETWORK, "dev", "eth0"]);
  const [link] = JSON.parse(await control(node, ["ip", "-json", "link", "show", "dev", "eth0"]));
  // Permanent entries do not count against the limit of the kernel's table (gc_thresh3), which is 1024
  // for all namespaces together.
  const neighbors = Array.from({ length: clients }, (_, i) => {
    return `neigh replace ${addressOfClient(i)} lladdr ${link.address} nud permanent dev eth0`;
  });
  await pair.equipHosts([`route add ${CLIENTS_NETWORK} dev eth0`, ...neighbors]);
}

function sections(pair: LabPair, { clients, guests = [] }: ExchangeOptions) {
  return {
    router: { as: SPEAKER_AS, id: pair.address4 },
    defaults: {
      import: "accept-all",
      export: "accept-all",
      passive: true,
      "route-server-client": true,
      "hold-time": HOLD_SECONDS,
      families: ["ipv4-unicast"],
    },
    neighbors: [
      ...Array.from({ length: clients }, (_, i) => {
        return { address: addressOfClient(i), as: FIRST_AS + i };
      }),
      ...guests,
    ],
  };
}
