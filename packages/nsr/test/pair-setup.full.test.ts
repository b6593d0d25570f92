/** Sessions that are being set up, or torn down, at the moment in which the roles change. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { message } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { type MeddledPair, withMeddledPair } from "../../../testkit/meddled-pair.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { isUndisturbed, PEER_AS, PORT, untilNsr } from "../../../testkit/pair.ts";
import { KEEPALIVE, NOTIFICATION, OPEN, Peer } from "../../../testkit/peer.ts";
import { neighborAddress, type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import type { ShownNsr } from "../src/show-nsr.ts";

const REASON = enterOwnNetwork();
/** What is under way on one host is there in that time. */
const ARRIVE_MS = 1000;
/** Until everything is clean, which is little beside the hold time. */
const CLEAN_MS = 5000;
const ROUTES = 50;
const FULL_OPEN_OCTETS = 29;
const CEASE = [6, 4];
/** An address behind a cable that nobody is at the other end of. */
const AWAY = "10.9.0.2";
const ACROSS = "10.9.0.1";

const keepalive = message(KEEPALIVE, []);

/** A neighbor of which something is under way. */
class Neighbor {
  readonly address: string;
  readonly as: number;
  peer!: Peer;

  constructor(address: string, as: number) {
    this.address = address;
    this.as = as;
  }

  async connect(): Promise<void> {
    this.peer = await Peer.connect({ port: PORT, localAddress: this.address });
  }

  /** Connects, and has what the speaker says first. */
  async greeted(): Promise<void> {
    await this.connect();
    await until(() => this.peer.count(OPEN) > 0, WAIT_MS, "the speaker says OPEN");
  }

  async established(): Promise<void> {
    const { address, as } = this;
    this.peer = await Peer.establish({ port: PORT, localAddress: address, as });
  }

  /** Sends octets of its OPEN. */
  open(from: number, to?: number): void {
    this.peer.send(this.peer.openMessage({ as: this.as }).slice(from, to));
  }

  confirm(from = 0, to?: number): void {
    this.peer.send(keepalive.slice(from, to));
  }
}

/** A session, or an end that the peer sees. */
type Outcome = "up" | "ends";
/** How much the standby has of the last step. */
type Moment = "known" | "unknown" | "at once";

interface Phase {
  /** Gets there, but for the last step. */
  prepare(neighbor: Neighbor): Promise<void>;
  last(neighbor: Neighbor, active: SpeakerProcess): Promise<void> | void;
  /** What the peer does when roles have changed. */
  rest(neighbor: Neighbor): void;
  /** What may become of it. */
  readonly ends: Readonly<Record<Moment, readonly Outcome[]>>;
  /** Of the neighbor. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Why it cannot be taken over. */
  readonly lost?: string;
}

const always = (...ends: Outcome[]) => ({ known: ends, unknown: ends, "at once": ends });
const shutDown = ({ address }: Neighbor, active: SpeakerProcess) =>
  active.ask({ command: "disable", neighbor: address }).then(() => {});
const nothing = () => {};

const PHASES: Readonly<Record<string, Phase>> = {
  "has sent nothing": {
    prepare: async () => {},
    last: (neighbor) => neighbor.connect(),
    rest(neighbor) {
      neighbor.open(0);
      neighbor.confirm();
    },
    // A connection that nobody knows of is reset by what the peer says.
    ends: { known: ["up"], unknown: ["ends"], "at once": ["up", "ends"] },
  },
  "has sent a part of the header": {
    prepare: (neighbor) => neighbor.greeted(),
    last: (neighbor) => neighbor.open(0, 10),
    rest(neighbor) {
      neighbor.open(10);
      neighbor.confirm();
    },
    ends: always("up"),
  },
  "has sent half of its OPEN": {
    prepare: (neighbor) => neighbor.greeted(),
    last: (neighbor) => neighbor.open(0, FULL_OPEN_OCTETS),
    rest(neighbor) {
      neighbor.open(FULL_OPEN_OCTETS);
      neighbor.confirm();
    },
    ends: always("up"),
  },
  "has sent its OPEN": {
    prepare: (neighbor) => neighbor.greeted(),
    last: (neighbor) => neighbor.open(0),
    rest: (neighbor) => neighbor.confirm(),
    ends: always("up"),
  },
  "has sent its OPEN and a part of a KEEPALIVE": {
    async prepare(neighbor) {
      await neighbor.greeted();
      neighbor.open(0);
      await until(() => neighbor.peer.count(KEEPALIVE) > 0, WAIT_MS, "the speaker confirms");
    },
    last: (neighbor) => neighbor.confirm(0, 18),
    rest: (neighbor) => neighbor.confirm(18),
    ends: always("up"),
  },
  "has sent the KEEPALIVE that makes it a session": {
    prepare: async (neighbor) => {
      await neighbor.greeted();
      neighbor.open(0);
    },
    last: (neighbor) => neighbor.confirm(),
    rest: nothing,
    ends: always("up"),
  },
  "has sent a NOTIFICATION": {
    prepare: (neighbor) => neighbor.established(),
    last: ({ peer }) => void peer.send(message(NOTIFICATION, CEASE)),
    rest: nothing,
    ends: always("ends"),
  },
  "has sent a NOTIFICATION and does not hang up": {
    async prepare(neighbor) {
      await neighbor.established();
      neighbor.peer.pause();
    },
    last: ({ peer }) => void peer.send(message(NOTIFICATION, CEASE)),
    rest: ({ peer }) => peer.resume(),
    ends: always("ends"),
  },
  "has sent a NOTIFICATION in place of an OPEN": {
    prepare: (neighbor) => neighbor.greeted(),
    last: ({ peer }) => void peer.send(message(NOTIFICATION, [2, 2])),
    rest: nothing,
    ends: always("ends"),
  },
  "has hung up": {
    prepare: (neighbor) => neighbor.established(),
    last: ({ peer }) => peer.end(),
    rest: nothing,
    ends: always("ends"),
  },
  "was shut down by the operator": {
    prepare: (neighbor) => neighbor.established(),
    last: shutDown,
    rest: nothing,
    // An order that the standby has not got is not carried out.
    ends: { known: ["ends"], unknown: ["up"], "at once": ["up", "ends"] },
  },
  "was shut down by the operator and does not hang up": {
    async prepare(neighbor) {
      await neighbor.established();
      neighbor.peer.pause();
    },
    last: shutDown,
    rest: ({ peer }) => peer.resume(),
    ends: { known: ["ends"], unknown: ["up"], "at once": ["up", "ends"] },
  },
  "is not protected": {
    prepare: async () => {},
    last: (neighbor) => neighbor.connect(),
    rest(neighbor) {
      neighbor.open(0);
      neighbor.confirm();
    },
    ends: always("ends"),
    options: { nsr: "off" },
    lost: "it was not protected",
  },
};

const TITLES = Object.keys(PHASES);
/** The first one has a session all the time. */
const addressOf = (title: string) => neighborAddress(2 + TITLES.indexOf(title));
const asOf = (title: string) => PEER_AS + 1 + TITLES.indexOf(title);
const AWAY_AS = PEER_AS + 100;

const CONFIG = {
  neighbors: [
    { address: neighborAddress(1), as: PEER_AS },
    ...TITLES.map((title) => ({
      address: addressOf(title),
      as: asOf(title),
      ...PHASES[title]!.options,
    })),
    { address: AWAY, as: AWAY_AS, passive: false },
  ],
};

function ip(...words: string[]): void {
  expect(spawnSync("ip", words).stderr.toString()).toBe("");
}

/** Lays a cable to nowhere: what is sent to AWAY is never answered. */
function layCable(): void {
  ip("link", "add", "far0", "type", "veth", "peer", "name", "far1");
  for (const name of ["far0", "far1"]) ip("link", "set", name, "up");
  ip("address", "add", `${ACROSS}/24`, "dev", "far0");
  ip("neighbor", "add", AWAY, "lladdr", "02:00:00:00:00:02", "dev", "far0", "nud", "permanent");
}

const TCP_STATES = { established: "01", synSent: "02", timeWait: "06", listen: "0A" } as const;

interface Tcp {
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  readonly state: string;
}

/** TCP of the test's own network. */
function tcpOf(): Tcp[] {
  const lines = readFileSync("/proc/thread-self/net/tcp", "utf8").trim().split("\n").slice(1);
  return lines.map((line) => {
    const [, near = "", far = "", state = ""] = line.trim().split(/\s+/);
    const [local, localPort] = endOf(near);
    const [remote, remotePort] = endOf(far);
    return { local, localPort, remote, remotePort, state };
  });
}

/** @param text - address, as the kernel has it in memory, and port */
function endOf(text: string): [address: string, port: number] {
  const octets = Buffer.from(text.slice(0, 8), "hex").reverse();
  return [octets.join("."), Number.parseInt(text.slice(9), 16)];
}

/** Attempts to connect that have no answer. */
const attempts = () =>
  tcpOf().filter(({ state, remotePort }) => state === TCP_STATES.synSent && remotePort === 179);

/** Connections with the speaker's port that are not gone, seen from both ends. */
function connectionsOf(): string[] {
  const gone: readonly string[] = [TCP_STATES.timeWait, TCP_STATES.listen];
  return tcpOf()
    .filter(({ localPort, remotePort }) => localPort === PORT || remotePort === PORT)
    .filter(({ state }) => !gone.includes(state))
    .map(({ local, localPort, remote, state }) =>
      localPort === PORT ? `to ${remote}: ${state}` : `from ${local}: ${state}`,
    )
    .sort();
}

/** What became of a neighbor when its peer has said the rest; one that has to end is given the time for it. */
async function outcomeOf(
  title: string,
  neighbor: Neighbor,
  side: SpeakerProcess,
  moment: Moment,
): Promise<Outcome> {
  const { peer, address } = neighbor;
  PHASES[title]!.rest(neighbor);
  await delay(ARRIVE_MS);
  const mayStay = PHASES[title]!.ends[moment].includes("up");
  const isUp = async () => (await side.neighbor(address)).state === "Established";
  await until(
    async () => peer.closed || (mayStay && (await isUp())),
    CLEAN_MS,
    `something becomes of the neighbor that ${title}`,
  );
  if (peer.closed) return "ends";
  expect(isUndisturbed(peer), title).toBe(true);
  return "up";
}

/** Has a neighbor come with a new connection, which it can at once. */
async function comesAgain(neighbor: Neighbor, side: SpeakerProcess): Promise<void> {
  await side.ask({ command: "enable", neighbor: neighbor.address });
  await neighbor.established();
}

/** An attempt that nobody answers is made on the other side as well, and given up for what comes. */
async function attemptGoesOn(before: readonly Tcp[], side: SpeakerProcess): Promise<Peer> {
  const isAnother = () =>
    attempts().length === 1 && attempts()[0]!.localPort !== before[0]!.localPort;
  await until(isAnother, CLEAN_MS, "the attempt is made again");
  expect((await side.neighbor(AWAY)).state).toBe("Connect");
  ip("address", "add", `${AWAY}/32`, "dev", "lo");
  const peer = await Peer.establish({ port: PORT, localAddress: AWAY, as: AWAY_AS });
  await until(() => attempts().length === 0, CLEAN_MS, "the attempt is given up");
  return peer;
}

type Change = (scene: MeddledPair) => Promise<void> | void;
const kill: Change = ({ a }) => a.signal("SIGKILL");
const switchOver: Change = ({ a }) => a.ask({ command: "switchover" }).then(() => {});

const CHANGES: readonly (readonly [string, Moment, Change])[] = [
  ["a kill, when the standby has everything,", "known", kill],
  ["a kill, when the standby does not have the last step,", "unknown", kill],
  ["a kill in the same instant", "at once", kill],
  ["a switchover", "known", switchOver],
  ["a switchover in the same instant", "at once", switchOver],
];

async function changes(scene: MeddledPair, moment: Moment, change: Change): Promise<void> {
  const { pair, proxy, a, b } = scene;
  const steady = await pair.peer(1);
  await steady.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
  const neighbors = new Map(
    TITLES.map((title) => [title, new Neighbor(addressOf(title), asOf(title))]),
  );
  for (const [title, neighbor] of neighbors) await PHASES[title]!.prepare(neighbor);
  await until(() => attempts().length === 1, WAIT_MS, "the speaker tries to connect");
  const tried = attempts();
  await delay(ARRIVE_MS);
  if (moment === "unknown") proxy.stall();
  for (const [title, neighbor] of neighbors) await PHASES[title]!.last(neighbor, a);
  if (moment !== "at once") await delay(ARRIVE_MS);
  await change(scene);
  const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");

  const outcomes = await Promise.all(
    [...neighbors].map(async ([title, neighbor]) => {
      const outcome = await outcomeOf(title, neighbor, b, moment);
      return `${title}: ${outcome}`;
    }),
  );
  const expected = TITLES.map((title) => {
    const { ends } = PHASES[title]!;
    const found = ends[moment].find((end) => outcomes.includes(`${title}: ${end}`));
    return `${title}: ${found ?? ends[moment].join(" or ")}`;
  });
  expect(outcomes).toEqual(expected);
  expectLost(shown, moment);

  for (const [title, neighbor] of neighbors) {
    if (!outcomes.includes(`${title}: ends`)) continue;
    await comesAgain(neighbor, b);
  }
  const away = await attemptGoesOn(tried, b);
  expect(isUndisturbed(steady)).toBe(true);
  await allClean(b);
  for (const { peer } of [...neighbors.values(), { peer: away }]) peer.end();
}

/** What could not be taken over is named with its cause, and nothing else. */
function expectLost(shown: ShownNsr, moment: Moment): void {
  const lost = TITLES.filter((title) => PHASES[title]!.lost !== undefined).map((title) => ({
    address: addressOf(title),
    cause: PHASES[title]!.lost,
  }));
  const possible = { known: [lost], unknown: [[]], "at once": [lost, []] }[moment];
  expect(possible).toContainEqual(shown.last_switchover?.lost);
}

/** All neighbors have one session, and there is nothing beside them. */
async function allClean(side: SpeakerProcess): Promise<void> {
  const { items } = await side.ask({ command: "show-neighbors" });
  const states = items.map((item) => (item as { state: string }).state);
  expect(states).toEqual(CONFIG.neighbors.map(() => "Established"));
  const addresses = CONFIG.neighbors.map(({ address }) => address);
  const whole = addresses.flatMap((address) => [
    `from ${address}: ${TCP_STATES.established}`,
    `to ${address}: ${TCP_STATES.established}`,
  ]);
  const isClean = () => isDeepStrictEqual(connectionsOf(), whole.sort());
  await until(isClean, CLEAN_MS, "nothing is half open").catch(() => {});
  expect(connectionsOf()).toEqual(whole.sort());
}

describe.skipIf(REASON !== null)(`a neighbor in any phase (${REASON ?? "on one host"})`, () => {
  beforeAll(layCable);
  afterEach(() => void spawnSync("ip", ["address", "del", `${AWAY}/32`, "dev", "lo"]));

  test.each(CHANGES)("has a clean end or goes on after %s", (_, moment, change) =>
    withMeddledPair({ nsr: { "patience-ms": 30_000 }, config: CONFIG }, (scene) =>
      changes(scene, moment, change),
    ),
  );
});

/** Neighbors of which one after the other repeats what it has sent, for as long as a takeover takes. */
const MANY = 60;
const APART_MS = 2;
/** Just before the first one does: no kernel waits less than 200 ms. */
const REPEATED_MS = 185;

describe.skipIf(REASON !== null)(
  `octets that a peer sends again (${REASON ?? "on one host"})`,
  () => {
    const neighbors = Array.from({ length: MANY }, (_, k) => ({
      address: neighborAddress(k + 1),
      as: PEER_AS + k,
    }));

    test("in the middle of a takeover are not acknowledged by what the dead side left behind", () =>
      withMeddledPair(
        { nsr: { "patience-ms": 30_000 }, config: { neighbors } },
        async ({ a, b, proxy }) => {
          const greeted = neighbors.map(({ address, as }) => new Neighbor(address, as));
          for (const neighbor of greeted) await neighbor.greeted();
          await delay(ARRIVE_MS);
          proxy.stall();
          const began = performance.now();
          for (const neighbor of greeted) {
            neighbor.open(0);
            await delay(APART_MS);
          }
          await delay(Math.max(0, REPEATED_MS - (performance.now() - began)));
          a.signal("SIGKILL");
          await untilNsr(b, "b is active", ({ role }) => role === "active");
          const unanswered = () => greeted.filter(({ peer }) => peer.count(KEEPALIVE) === 0);
          await until(() => unanswered().length === 0, CLEAN_MS, "all are answered").catch(
            () => {},
          );
          expect(unanswered().map(({ address }) => address)).toEqual([]);
          for (const { peer } of greeted) peer.end();
        },
      ));
  },
);
