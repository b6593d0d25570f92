/**
 * One takeover between two programs: scripted peers have sessions, routes change, and then the other
 * program is the active one. No session may have ended, and each peer has what that one says.
 */

import { spawn } from "node:child_process";
import {
  isUndisturbed,
  nsrOf,
  PEER_AS,
  type TestPair,
  untilNsr,
  untilProtected,
  untilReady,
  withPair,
} from "../../testkit/pair.ts";
import type { Peer } from "../../testkit/peer.ts";
import { MAIN, neighborAddress, type SpeakerProcess, WAIT_MS } from "../../testkit/speaker.ts";
import { manyRoutes, manyWithdrawals, routeOctets, updateMessage } from "../../testkit/updates.ts";
import { attribute, four } from "../lab/raw-peer.ts";
import { until } from "../lab/until.ts";
import { advertised, Learned } from "./learned.ts";
import type { Doom } from "./variants.ts";

export const HOWS = ["kill", "switchover"] as const;
export type How = (typeof HOWS)[number];

export interface Trial {
  /** Of the side that is active first, and of the one that takes over: null for the present program. */
  readonly from: string | null;
  readonly to: string | null;
  readonly how: How;
  /** The one that takes over comes to other outputs, and says so. */
  readonly deviates: boolean;
  /** With what a session would end with the takeover, and is named before; null for nothing. */
  readonly dooms: Doom | null;
  /** An option that only the first active side knows; null for none. */
  readonly option: string | null;
  /** The two programs have peers sent other routes. */
  readonly decides: boolean;
  /** One of the programs is too old to say what differs. */
  readonly isRelease: boolean;
  /** The last peer reads nothing of many routes until the other program is the active one. */
  readonly stalls?: boolean;
}

const PEERS = 3;
const NOVEL_ATTRIBUTE = 99;
const PER_MESSAGE = 10;
const BULK = 40_000;

const CONFIG = JSON.parse(`{
  "defaults": {
    "passive": true, "import": "known", "export": "short", "route-server-client": true
  },
  "prefix-lists": { "all": ["0.0.0.0/1 ge 8 le 32", "128.0.0.0/1 le 24", "2001:db8::/32"] },
  "as-lists": { "peers": ["65001-65002", "65003"] },
  "policies": {
    "known": [{ "if": { "prefix": "all", "as-path": { "first": "peers" } }, "then": "accept" }],
    "short": [{ "if": { "as-path": { "length": { "max": 3 } } }, "then": "accept" }]
  }
}`);

/** Runs a trial in the network namespace of the caller; throws what was not as it should be. */
export async function runTrial(trial: Trial): Promise<void> {
  await withPair({ config: CONFIG }, async (pair) => {
    const a = await pair.startActive("a", { main: trial.from ?? MAIN });
    const peers = await peersOf(pair, trial.dooms);
    const isDoomed = trial.dooms !== null;
    const learned = peers.map((peer) => new Learned(peer));
    await announce(peers, 0);
    const b = await pair.startStandby("b", { main: trial.to ?? MAIN });
    await announce(peers, 40);
    await peers[0]!.sendAll(manyWithdrawals(5, 40));
    if (trial.stalls === true) await stall(peers);
    await untilProtected(a, PEERS);
    await untilAgreed(a, learned, trial.stalls === true);
    await checkNamed(trial, a, b);
    if (trial.how === "kill") a.signal("SIGKILL");
    else await a.ask({ command: "switchover" });
    const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
    const isPlanned = trial.how === "switchover";
    check(shown.last_switchover?.planned === isPlanned, "it was another kind of switchover");
    check(shown.last_switchover?.lost.length === 0, JSON.stringify(shown.last_switchover));
    peers[2]!.resume();
    await untilAgreed(b, learned, isDoomed);
    await announce(peers.slice(0, 2), 80);
    await peers[1]!.sendAll(manyWithdrawals(5, 80));
    await untilAgreed(b, learned, isDoomed);
    if (isDoomed) await peers[2]!.untilClosed();
    const kept = isDoomed ? peers.slice(0, 2) : peers;
    for (const peer of kept) check(isUndisturbed(peer), "a session has ended");
    // A new session, with what the old program knew of its neighbor.
    peers[1]!.end();
    const again = await pair.peer(2);
    learned[1] = new Learned(again);
    await announce([peers[0]!, again], 120);
    await untilAgreed(b, learned, isDoomed);
  });
}

async function peersOf(pair: TestPair, dooms: Doom | null): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (let k = 1; k <= PEERS; k++) {
    const capabilities = k === PEERS ? (dooms?.capability ?? []) : [];
    peers.push(await pair.peer(k, { capabilities }));
  }
  return peers;
}

/**
 * Has all peers announce the same prefixes, so that the last step of the decision process decides, some of
 * them with paths that are as long as policy lets them be, and some with an attribute that nobody knows.
 */
async function announce(peers: readonly Peer[], from: number): Promise<void> {
  for (const [k, peer] of peers.entries()) {
    for (let first = from; first < from + 40; first += PER_MESSAGE) {
      const tail = first % 20 === 0 ? [65_100, 65_101] : [65_100];
      const path = [PEER_AS + k, ...tail];
      const attributes = [
        ...attribute(0x40, 1, [0]),
        ...attribute(0x40, 2, [2, path.length, ...path.flatMap(four)]),
        ...attribute(0x40, 3, [192, 0, 2, 99]),
        ...attribute(0x80, 4, four(first)),
        ...(first % 30 === 0 ? attribute(0xc0, NOVEL_ATTRIBUTE, [1, 2, 3]) : []),
      ];
      const nlri: number[] = [];
      for (let n = first; n < first + PER_MESSAGE; n++) nlri.push(...routeOctets(n));
      await peer.sendAll(Buffer.from(updateMessage([], attributes, nlri)));
    }
  }
}

/** Much is on its way to the last peer, which has not read it: messages are cut anywhere. */
async function stall(peers: readonly Peer[]): Promise<void> {
  peers.at(-1)!.pause();
  await peers[0]!.sendAll(manyRoutes({ as: PEER_AS, count: BULK, from: 1000 }));
}

/** Waits until each peer has what a side says that it was sent. */
async function untilAgreed(
  side: SpeakerProcess,
  learned: readonly Learned[],
  isWithoutLast: boolean,
): Promise<void> {
  for (const k of learned.keys()) {
    if (isWithoutLast && k === PEERS - 1) continue;
    let texts = ["", ""];
    const isSame = async () => {
      const told = await advertised(side, neighborAddress(k + 1));
      texts = [JSON.stringify(told), JSON.stringify(learned[k]!.table)];
      return texts[0] !== "{}" && texts[0] === texts[1];
    };
    try {
      await until(isSame, WAIT_MS, `peer ${k + 1} has what it was sent`);
    } catch (error) {
      throw new Error(`${(error as Error).message}\ntold ${texts[0]}\nhas  ${texts[1]}`);
    }
  }
}

/** What differs, and which session would end, is known before. */
async function checkNamed(trial: Trial, a: SpeakerProcess, b: SpeakerProcess): Promise<void> {
  if (trial.isRelease) return;
  for (const [side, role] of [
    [a, "active"],
    [b, "standby"],
  ] as const) {
    await untilReady(side, role);
    if (trial.deviates) {
      await untilNsr(side, "it is said that outputs differ", ({ deviation }) => {
        return deviation.brackets > 0;
      });
    }
    const { unknown_options: unknown } = await nsrOf(side);
    const isNamed = side === b && trial.option !== null;
    check(unknown.join() === (isNamed ? trial.option : ""), `unknown options: ${unknown.join()}`);
    if (trial.dooms === null) continue;
    const { deviation } = await untilNsr(
      side,
      "a session is named",
      ({ deviation: { doomed } }) => {
        return doomed.length === 1;
      },
    );
    const [one] = deviation.doomed;
    check(one!.address === neighborAddress(PEERS), `another one is named: ${one!.address}`);
    check(one!.cause.includes(trial.dooms.cause), `another cause is named: ${one!.cause}`);
  }
  if (trial.stalls === true) return;
  const isOtherwise = trial.dooms !== null || trial.decides || trial.option !== null;
  const code = await upgradeCheck(trial, a, b);
  check(code === Number(isOtherwise), `upgrade check exits with ${code}`);
}

/** @returns what `tsbgp upgrade check` of the program that is to take over exits with */
function upgradeCheck(trial: Trial, a: SpeakerProcess, b: SpeakerProcess): Promise<number | null> {
  const words = [trial.to ?? MAIN, "upgrade", "check", "--socket", b.socket, "--active", a.socket];
  const child = spawn(process.execPath, words, { stdio: "ignore" });
  return new Promise((resolve) => child.on("close", resolve));
}

function check(isRight: boolean, what: string): void {
  if (!isRight) throw new Error(what);
}
