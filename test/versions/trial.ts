/**
 * One takeover between two programs: scripted peers have sessions, routes change, and then the other
 * program is the active one. No session may have ended, and each peer has what that one says.
 */

import {
  isUndisturbed,
  PEER_AS,
  type TestPair,
  untilNsr,
  untilProtected,
  untilReady,
  withPair,
} from "../../testkit/pair.ts";
import type { Peer } from "../../testkit/peer.ts";
import { MAIN, neighborAddress, type SpeakerProcess, WAIT_MS } from "../../testkit/speaker.ts";
import { manyWithdrawals, routeOctets, updateMessage } from "../../testkit/updates.ts";
import { attribute, four } from "../lab/raw-peer.ts";
import { until } from "../lab/until.ts";
import { advertised, Learned } from "./learned.ts";

export const HOWS = ["kill", "switchover"] as const;
export type How = (typeof HOWS)[number];

export interface Trial {
  /** Of the side that is active first, and of the one that takes over: null for the present program. */
  readonly from: string | null;
  readonly to: string | null;
  readonly how: How;
  /** The one that takes over comes to other outputs, and says so. */
  readonly deviates: boolean;
  /** A session that agreed on capability 200 would end with the takeover, and is named before. */
  readonly dooms: boolean;
}

const PEERS = 3;
const NOVEL_CAPABILITY = [200, 0];
const NOVEL_ATTRIBUTE = 99;
const PER_MESSAGE = 10;

const CONFIG = JSON.parse(`{
  "defaults": {
    "passive": true, "import": "accept-all", "export": "short", "route-server-client": true
  },
  "policies": { "short": [{ "if": { "as-path": { "length": { "max": 3 } } }, "then": "accept" }] }
}`);

/** Runs a trial in the network namespace of the caller; throws what was not as it should be. */
export async function runTrial(trial: Trial): Promise<void> {
  await withPair({ config: CONFIG }, async (pair) => {
    const a = await pair.startActive("a", { main: trial.from ?? MAIN });
    const peers = await peersOf(pair, trial.dooms);
    const learned = peers.map((peer) => new Learned(peer));
    await announce(peers, 0);
    const b = await pair.startStandby("b", { main: trial.to ?? MAIN });
    await announce(peers, 40);
    await peers[0]!.sendAll(manyWithdrawals(5, 40));
    await untilProtected(a, PEERS);
    await untilAgreed(a, learned, false);
    await checkNamed(trial, a, b);
    if (trial.how === "kill") a.signal("SIGKILL");
    else await a.ask({ command: "switchover" });
    const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
    const isPlanned = trial.how === "switchover";
    check(shown.last_switchover?.planned === isPlanned, "it was another kind of switchover");
    check(shown.last_switchover?.lost.length === 0, JSON.stringify(shown.last_switchover));
    await untilAgreed(b, learned, trial.dooms);
    await announce(peers.slice(0, 2), 80);
    await peers[1]!.sendAll(manyWithdrawals(5, 80));
    await untilAgreed(b, learned, trial.dooms);
    if (trial.dooms) await peers[2]!.untilClosed();
    const kept = trial.dooms ? peers.slice(0, 2) : peers;
    for (const peer of kept) check(isUndisturbed(peer), "a session has ended");
    // A new session, with what the old program knew of its neighbor.
    peers[1]!.end();
    const again = await pair.peer(2);
    learned[1] = new Learned(again);
    await untilAgreed(b, learned, trial.dooms);
  });
}

async function peersOf(pair: TestPair, dooms: boolean): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (let k = 1; k <= PEERS; k++) {
    const capabilities = dooms && k === PEERS ? NOVEL_CAPABILITY : [];
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

/** Waits until each peer has what a side says that it was sent. */
async function untilAgreed(
  side: SpeakerProcess,
  learned: readonly Learned[],
  hasLost: boolean,
): Promise<void> {
  for (const k of learned.keys()) {
    if (hasLost && k === PEERS - 1) continue;
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
    if (!trial.dooms) continue;
    const { deviation } = await untilNsr(
      side,
      "a session is named",
      ({ deviation: { doomed } }) => {
        return doomed.length === 1;
      },
    );
    const [one] = deviation.doomed;
    check(one!.address === neighborAddress(PEERS), `another one is named: ${one!.address}`);
    check(one!.cause.includes("capability 200"), `another cause is named: ${one!.cause}`);
  }
}

function check(isRight: boolean, what: string): void {
  if (!isRight) throw new Error(what);
}
