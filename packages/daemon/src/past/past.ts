/**
 * What can be asked of a record: all that a speaker can be asked that changes nothing, as of a time; what is otherwise
 * at another time; and what has become of a prefix. It takes no speaker.
 */

import {
  type Difference,
  type Playback,
  PlaybackError,
  type Progress,
  playTo,
  recordedIn,
  startPlayback,
} from "@ts-bgp/nsr";
import { differences, digestOf, type Machine } from "@ts-bgp/replication";
import { PrefixWatch, type RouteChange, RoutesBefore, routesIn } from "@ts-bgp/views";
import { prefixOf } from "../arguments.ts";
import { COMMANDS, type Served } from "../commands.ts";
import { ControlError, type ControlRequest } from "../control.ts";
import { standIn } from "../stand-in.ts";
import type { Compared } from "./past-messages.ts";

/** Commands that are about the state alone. */
const OF_STATE: ReadonlySet<string> = new Set([
  ...["show-neighbors", "show-neighbor", "show-routes", "show-rejections", "show-groups"],
  ...["show-rpki", "show-bfd", "show-quarantine", "explain-import", "explain-export"],
]);
type StateCommand = (served: Served, request: ControlRequest) => AsyncGenerator<unknown, object>;

/** A record as it is asked. */
export interface AskedRecord {
  readonly directory: string;
  readonly progress: Progress;
  /** Is told what whoever asks should know of an answer. */
  readonly note: (text: string) => void;
}

/** Asks what was; rejects with a PlaybackError or a ControlError. */
export async function askPast(
  machine: Machine,
  request: ControlRequest,
  item: (value: unknown) => void,
): Promise<Readonly<Record<string, unknown>>> {
  if (!OF_STATE.has(request.command)) {
    throw new ControlError(`"${request.command}" cannot be asked of a record`, "bad");
  }
  const served = standIn(machine, "this is what was: it takes no orders");
  const answer = (COMMANDS[request.command] as StateCommand)(served, request);
  for (;;) {
    const { value, done } = await answer.next();
    if (done === true) return { ...value };
    if (value !== null) item(value);
  }
}

/** @returns the state at a time, in milliseconds since 1970; to be closed */
export function pastAt(
  { directory, progress, note }: AskedRecord,
  atMs: number,
): Promise<Playback> {
  return playTo(directory, atMs, progress, note);
}

/** Tells of each path that is otherwise at the second time. */
export async function diffPast(
  record: AskedRecord,
  [firstMs, secondMs]: readonly [number, number],
  compared: Compared,
  item: (change: RouteChange) => void,
): Promise<void> {
  const queries = queriesOf(compared);
  const known = new RoutesBefore();
  let playback = await pastAt(record, firstMs);
  const read = (each: (route: Parameters<RoutesBefore["add"]>[0]) => void) => {
    const { router } = playback.machine;
    for (const query of queries) for (const routes of routesIn(router, query)) routes.forEach(each);
  };
  read((route) => known.add(route));
  // The state at the first time becomes that at the second one, unless another file has that.
  const { sequence } = playback.file;
  const isInOther = recordedIn(record.directory).some(
    (file) => file.sequence > sequence && file.startMs <= secondMs,
  );
  if (secondMs < firstMs || isInOther || !(await playback.to(secondMs, record.progress))) {
    await playback.close();
    playback = await pastAt(record, secondMs);
  }
  read((route) => {
    const change = known.changeTo(route);
    if (change !== null) item(change);
  });
  for (const change of known.gone()) item(change);
  await playback.close();
}

function queriesOf({ prefix, isLonger }: Compared): Parameters<typeof routesIn>[1][] {
  if (prefix === null)
    return ([1, 2] as const).map((family) => ({ family, prefix, match: "exact" }));
  const { family, key } = prefixOf({ command: "", prefix });
  return [{ family, prefix: key, match: isLonger ? "covered" : "exact" }];
}

/** What has become of a path, and when. */
export interface PastChange extends RouteChange {
  /** Milliseconds since 1970; of the first ones the beginning of the record, since when they are there at least. */
  at_ms: number;
  /**
   * `there`: it was there at the beginning. `gap`: it happened while nothing was recorded, some time before. Null for
   * what happened then.
   */
  seen: "there" | "gap" | null;
}

/**
 * Tells of each change of a prefix's paths.
 *
 * @param untilMs - null for the end of the record
 */
export async function historyOf(
  record: AskedRecord,
  prefix: string,
  [fromMs, untilMs]: readonly [number | null, number | null],
  item: (change: PastChange) => void,
): Promise<void> {
  const { family, key } = prefixOf({ command: "", prefix });
  const watch = new PrefixWatch(family, key);
  const endMs = untilMs ?? Number.POSITIVE_INFINITY;
  const files = recordedIn(record.directory);
  const begun = fromMs === null ? null : await pastAt(record, fromMs);
  let seen: PastChange["seen"] = "there";
  const look = (playback: Playback) => {
    for (const change of watch.look(playback.machine.router)) {
      item({ at_ms: playback.atMs, seen, ...change });
    }
    seen = null;
  };
  let before: Playback | null = null;
  const from = begun === null ? 0 : files.findIndex(({ file }) => file === begun.file.file);
  for (const file of files.slice(from)) {
    if (file.startMs > endMs) break;
    const playback: Playback =
      before === null && begun !== null ? begun : await startPlayback(file);
    if (before !== null && !follows(before, playback)) seen = "gap";
    look(playback);
    await playback.to(endMs, record.progress, () => look(playback));
    await playback.close();
    before = playback;
  }
}

/** Whether the one begins where the other has ended, and nothing was missed. */
function follows(before: Playback, { place }: Playback): boolean {
  const { stream, epoch, number } = before.place;
  return stream === place.stream && epoch === place.epoch && number === place.number;
}

/** What has come of the replay of one file. */
export interface ReplayedFile {
  file: string;
  from_ms: number;
  to_ms: number;
  brackets: number;
  /** Brackets whose digests were compared as well. */
  digests: number;
  octets: number;
  /** Version that has recorded it, and whether it is this very program. */
  software: string;
  same_program: boolean;
  /** Its state is the one that the file before ends with; null where that file ends elsewhere. */
  joins: boolean | null;
  /** Why it was not replayed to its end; null when it was. */
  problem: string | null;
  /** Where it comes to something else first; null when it does not, or for another reason. */
  differs: Difference | null;
  took_ms: number;
}

/** Replays all that is recorded, file by file, and compares it with what was. */
export async function replayRecord(
  { directory, progress }: AskedRecord,
  item: (file: ReplayedFile) => void,
): Promise<void> {
  let before: Playback | null = null;
  for (const file of recordedIn(directory)) {
    const startMs = performance.now();
    let playback: Playback | null = null;
    let joins: boolean | null = null;
    let problem: string | null = null;
    let differs: Difference | null = null;
    try {
      playback = await startPlayback(file);
      if (before !== null && follows(before, playback)) {
        const what = differences(digestOf(before.machine), digestOf(playback.machine));
        joins = what.length === 0;
        if (!joins) problem = `its state is not the one before in ${what.join(", ")}`;
      }
      await playback.to(Number.POSITIVE_INFINITY, progress);
    } catch (error) {
      if (!(error instanceof PlaybackError)) throw error;
      problem = error.message;
      ({ differs } = error);
    }
    const { brackets = 0, digests = 0, octets = 0 } = playback?.counts ?? {};
    const { software = "", isThis = false } = playback?.recordedBy ?? {};
    item({
      ...{ file: file.file, from_ms: file.startMs, to_ms: playback?.atMs ?? file.startMs },
      ...{ brackets, digests, octets, software, same_program: isThis, joins, problem, differs },
      took_ms: Math.round(performance.now() - startMs),
    });
    await playback?.close();
    before = problem === null ? playback : null;
  }
}
