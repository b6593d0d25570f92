/** What the active side of replication is given, and what it shows. */

import {
  type Follower,
  type Inherited,
  type Leader,
  octetsBehind,
  type Rights,
} from "@ts-bgp/pair";
import type { ConnectionId, Output } from "@ts-bgp/router";
import type { CaptureRoom } from "./capture-room.ts";
import { type Deviation, DeviationNews } from "./deviation.ts";
import type { ImageQueue } from "./image-queue.ts";
import type { RecordOf } from "./records.ts";

/** What the shell does for the active. */
export interface ActiveHooks {
  /** Sends a frame to a standby. */
  send(to: string, frame: Uint8Array): void;
  /** Whether it may be sent more of an image now; when not, `pump` is to be called once it may. */
  hasRoom?(to: string): boolean;
  /** Does what outputs want done. */
  release(outputs: readonly Output[]): void;
  /** TCP may acknowledge so many octets of a connection, in all. */
  acknowledge(connection: ConnectionId, octets: number): void;
  /** A connection is gone on all sides: the kernel may end it as it likes. */
  gone(connection: ConnectionId): void;
  /**
   * From now on TCP acknowledges no more than `acknowledge` allows.
   *
   * @returns by connection, how many octets may have been acknowledged before, in all
   */
  closeGate(): ReadonlyMap<ConnectionId, number>;
  openGate(): void;
  /** Gives standbys the right to take over; resolves to whether they have it, or rejects with why not. */
  declare(rights: Rights): Promise<boolean>;
  /**
   * Takes that right back from all but these; resolves to false when it was used: then this side must do
   * nothing more.
   */
  undeclare(rights: Rights): Promise<boolean>;
  /** A standby is gone or of no use: its link is to be closed. `isSlow`: it lacks nothing otherwise. */
  drop(side: string, reason: string, isSlow: boolean): void;
  /** Something that an operator may want to know. */
  say(id: ActiveEvent, message: string): void;
}

export type ActiveEvent =
  | "standby-joining"
  | "standby-ready"
  | "standby-lost"
  | "standby-differs"
  | "standby-deviates"
  | "standby-slow"
  | "fenced";

export interface ActiveOptions {
  readonly epoch: number;
  /**
   * A standby that owes acknowledgements and has not got further for so long is given up. One that is
   * behind and gets further is given ten times as long for each bracket: a bulk takes a while to store,
   * but what peers wait for, KEEPALIVEs as well, must not wait without end.
   */
  readonly patienceMs: number;
  /** What a side has that has taken over. */
  readonly estate?: Estate | null;
  /** Of all brackets that it makes: a number by chance, for mirrors; default 0, where there are none. */
  readonly stream?: number;
  /** Octets of brackets that are kept for standbys that come again with what they had; default 0. */
  readonly recentOctets?: number;
}

export type ActiveState =
  | "alone"
  | "joining"
  | "inheriting"
  | "holding"
  | "declared"
  | "undeclaring"
  | "fenced";

const STATES: Readonly<Record<Follower["phase"], ActiveState>> = {
  ...({ joining: "joining", heir: "inheriting", holding: "holding", naming: "holding" } as const),
  ...({ declared: "declared", removing: "undeclaring" } as const),
};
/** The best first. */
const BETTER: readonly ActiveState[] = [
  ...(["declared", "holding", "inheriting", "joining", "undeclaring"] as const),
];

/** What a side has that goes on with the router of another one. */
export interface Estate {
  /** Other standbys, which may have it as well. */
  readonly heirs: readonly string[];
  /** Brackets that can be handed on, up to the last that was run. */
  readonly brackets: readonly RecordOf<"bracket">[];
  /** Of the last one. */
  readonly number: number;
  /** As `ActiveOptions.stream`, of the active before; 0 where mirrors of that one cannot go on with this one. */
  readonly stream: number;
  readonly nowMs: number;
}

/** How far a standby is, for people. */
export interface StandbyState {
  readonly name: string;
  readonly state: ActiveState;
  /** Brackets and octets that it has not acknowledged, and brackets that it has not run. */
  readonly behind: { readonly brackets: number; readonly octets: number; readonly applied: number };
  /** When digests were last found equal, 0 for never. */
  readonly digestMs: number;
}

/** What there is to say of a standby that joins. */
export interface Joining {
  /** It may come to other outputs, and is sent these. */
  readonly wantsOutputs?: boolean;
  /** It is one of the first releases: it reads images with names, and configurations as they were then. */
  readonly needsNames?: boolean;
  /** Made ready for its image with `prepareCapture`, so that this takes less long. */
  readonly room?: CaptureRoom;
  /** The first bracket that it lacks, where it goes on with what it had; see `Active.keepsFrom`. */
  readonly lacks?: number;
}

/** What a standby is sent. */
export interface Outlet {
  /** What it is still to be sent when it joins; null when it is sent everything as it comes. */
  image: ImageQueue | null;
  /** Of one that goes on with what it had: the last bracket that it is sent in the place of an image; else 0. */
  readonly catchesUpTo: number;
  /** Bracket with the digests that were sent last; 0 when it has compared them. */
  digestNumber: number;
  digestMs: number;
  /** It may come to other outputs, and is sent these. */
  readonly wantsOutputs: boolean;
  /** How it differs while it goes on with these; null when it does not. */
  deviation: Deviation | null;
  readonly news: DeviationNews;
  /** See `Joining`. */
  needsNames: boolean;
}

/**
 * @returns how a standby differs: one with which sessions would end, or else one that differs now, or else
 *   one that did; null when none does
 */
export function gravest(outlets: Iterable<Outlet>): Deviation | null {
  const all = [...outlets].flatMap(({ deviation }) => deviation ?? []);
  const isGrave = ({ doomed }: Deviation) => doomed.length > 0;
  return all.find(isGrave) ?? all.find(({ what }) => what !== "") ?? all[0] ?? null;
}

export function newOutlet(
  image: ImageQueue | null,
  wantsOutputs: boolean,
  catchesUpTo = 0,
): Outlet {
  const news = new DeviationNews();
  const compared = { digestNumber: 0, digestMs: 0, deviation: null };
  return { image, catchesUpTo, wantsOutputs, ...compared, news, needsNames: false };
}

export function inheritedOf(estate: Estate | null): Inherited | undefined {
  if (estate === null) return undefined;
  const { brackets, number, heirs, nowMs } = estate;
  return { number, octets: brackets.map(({ calls }) => calls.length), heirs, nowMs };
}

/** @returns the best of the states towards all standbys, or that towards one */
export function stateOf({ isFenced, followers }: Leader, side: string | null = null): ActiveState {
  if (isFenced) return "fenced";
  const meant = followers.filter(({ name }) => side === null || name === side);
  const found = new Set(meant.map(({ phase }) => STATES[phase]));
  return BETTER.find((state) => found.has(state)) ?? "alone";
}

/** @returns brackets and octets that not all standbys have acknowledged */
export function behindOf(leader: Leader): { brackets: number; octets: number } {
  const { followers, number } = leader;
  const octets = followers.map((follower) => octetsBehind(leader, follower));
  const acked = Math.min(number, ...followers.map((follower) => follower.acked));
  return { brackets: number - acked, octets: Math.max(0, ...octets) };
}

export function standbyState(leader: Leader, follower: Follower, digestMs: number): StandbyState {
  const { name, phase, acked, applied } = follower;
  const octets = octetsBehind(leader, follower);
  const behind = { brackets: leader.number - acked, octets, applied: leader.number - applied };
  return { name, state: STATES[phase], behind, digestMs };
}
