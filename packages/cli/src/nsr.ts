/** `tsbgp show nsr` and `tsbgp switchover`: the pair that the speaker is one side of. */

import { setTimeout as delay } from "node:timers/promises";
import type { ShownSpare } from "@ts-bgp/daemon";
import type { Outcome, ShownNsr, Switchover } from "@ts-bgp/nsr";
import {
  type Arguments,
  type Command,
  noWords,
  oneWord,
  print,
  stringOption,
  UsageError,
} from "./command.ts";
import {
  ask,
  askForOne,
  CONTROL_OPTIONS,
  ControlError,
  exitCodeOf,
  socketOf,
} from "./control-client.ts";
import { socketOfSide, spareLines } from "./spare.ts";
import { type Column, duration, renderFields, size, TableWriter } from "./table.ts";

type ShownProtection = ShownNsr["neighbors"][number];
type ShownNeed = ShownNsr["host"][number];

export const showNsrCommand: Command = {
  name: "show nsr",
  usage: "",
  summary: "nonstop routing: whether the standby can take over, and if not, why",
  help: ["The first line is for people; scripts take `ready` and `protected` from --json."],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<ShownNsr | ShownSpare>(args, { command: "show-nsr" }, (shown) => {
      const lines = "pairs" in shown ? spareLines(shown) : nsrLines(shown, Date.now());
      for (const line of lines) print(line);
    });
  },
};

const UNPROTECTED_COLUMNS: readonly Column<ShownProtection>[] = [
  { title: "Not protected", text: ({ address }) => address },
  { title: "Why", text: ({ reason }) => reason },
];

const MISSING_COLUMNS: readonly Column<ShownNeed>[] = [
  { title: "Missing", text: ({ what }) => what },
  { title: "Found", text: ({ detail }) => detail },
  { title: "What to do", text: ({ what_to_do: advice }) => advice },
];

/** What a speaker does not say that was started before the program was replaced by this version. */
const UNSAID = {
  arbiter: { kind: "none", problem: "" },
  holds_back: false,
  peer: { ways_down: [], ends: 0, ended: "" },
  deviation: { what: "", brackets: 0, doomed: [] },
  unknown_options: [],
  standbys: [],
  log: { file: "", octets: 0, problem: "" },
};

/** @returns lines: how the pair is in a sentence, the facts, what is missing, what is unprotected */
export function nsrLines(answer: ShownNsr, nowMs: number): string[] {
  const shown = { ...UNSAID, ...answer, peer: { ...UNSAID.peer, ...answer.peer } };
  const lines = [headline(shown)];
  if (shown.cluster === "") return lines;
  lines.push("", ...renderFields(fieldsOf(shown, nowMs)));
  // While nobody can take over, no session is protected, for the reason in the first line.
  const unprotected = shown.ready ? shown.neighbors.filter((one) => !one.protected) : [];
  addTable(lines, UNPROTECTED_COLUMNS, unprotected);
  addTable(lines, MISSING_COLUMNS, missingOf(shown));
  return lines;
}

function addTable<T>(lines: string[], columns: readonly Column<T>[], rows: readonly T[]): void {
  if (rows.length === 0) return;
  lines.push("");
  const table = new TableWriter(columns, (line) => lines.push(line));
  for (const row of rows) table.add(row);
  table.end();
}

function missingOf({ host }: ShownNsr): ShownNeed[] {
  return host.filter(({ ok }) => !ok);
}

function hostText(shown: ShownNsr): string {
  const { length } = shown.host;
  const missing = missingOf(shown);
  const vital = missing.filter(({ minor }) => !minor).length;
  if (length === 0) return "not looked at yet";
  if (vital > 0) return `lacks ${vital} of ${length}`;
  const better = missing.length === 0 ? "" : `, better with ${missing.length} more`;
  return `has all that is needed, ${length - missing.length} checks${better}`;
}

function headline(shown: ShownNsr): string {
  const { cluster, side, role, ready, sessions, peer } = shown;
  const self = cluster === "" ? "this speaker" : `${side} of ${cluster}`;
  const other = peer.side || "the other side";
  const because = shown.reason === "" ? "" : `: ${shown.reason}`;
  const all = shown.protected === sessions ? "all" : `ONLY ${shown.protected} of`;
  const what = sessions === 0 ? "; no session is up" : ` ${all} ${sessions} sessions`;
  const absent = shown.standbys.filter((one) => !one.ready).map((one) => one.side);
  const missing = absent.length === 0 ? "" : `; NOT READY: ${absent.join(", ")}`;
  const { problem } = shown.arbiter;
  const but = problem === "" ? "" : `, BUT ONLY once ${shown.arbiter.kind} answers`;
  if (shown.holds_back) return `${self} is active, and SENDS NOTHING: ${problem || shown.reason}`;
  switch (role) {
    case "simplex":
      return `${self} runs ALONE, and sessions end with it${because}`;
    case "mirror":
      return `this is a mirror of ${cluster}${because}`;
    case "starting":
      return `${self} is starting${because}`;
    case "active":
      if (!ready) return `${self} is active, NOT PROTECTED${because}`;
      return `${self} is active, ${readyOnes(shown) || other} can take over${what}${but}${missing}`;
    case "standby":
      if (!ready) return `${self} is standby, NOT READY${because}`;
      return `${self} is standby, and can take over from ${other}${but}`;
  }
}

function readyOnes({ standbys }: ShownNsr): string {
  return standbys
    .filter(({ ready }) => ready)
    .map(({ side }) => side)
    .join(" or ");
}

/** @returns what there is to say of each standby, where there may be several */
function standbyFields(
  { standbys }: ShownNsr,
  age: (ms: number) => string,
): (readonly [string, string])[] {
  return standbys.map((standby) => {
    const { side, ready, state, link, over, behind, since_ms: sinceMs } = standby;
    if (state === "alone") return ["Standby", `${side}, does not follow`];
    const can = ready ? "can take over" : `NOT READY (${state})`;
    const where = over === "" ? "" : ` over ${over}`;
    const late = `${behind.brackets} brackets (${size(behind.octets)}) behind`;
    return ["Standby", `${side}, ${can}, link ${link}${age(sinceMs)}${where}, ${late}`];
  });
}

function fieldsOf(shown: ShownNsr, nowMs: number): (readonly [string, string])[] {
  const { peer, behind, digest, gate, last_switchover: last } = shown;
  const age = (ms: number) => (ms === 0 ? "" : ` for ${duration(nowMs - ms)}`);
  const ago = (ms: number) => `${duration(nowMs - ms)} ago`;
  const over = peer.over === "" ? "" : ` over ${peer.over}`;
  const link = `link ${peer.link}${age(peer.since_ms)}${over}, software ${peer.software}`;
  const packets =
    `${gate.passed} packets passed, ${gate.held} had to wait, ` +
    `${gate.guarded} FIN or RST stopped`;
  const fields: (readonly [string, string])[] = [
    ["Role", `${shown.role}${age(shown.since_ms)}, epoch ${shown.epoch}, mode ${shown.mode}`],
    ...(shown.standbys.length > 1
      ? standbyFields(shown, age)
      : [["Other side", peer.side === "" ? "none" : `${peer.side}, ${link}`] as const]),
  ];
  if (shown.role !== "standby") {
    fields.push(["Sessions", `${shown.protected} of ${shown.sessions} protected`]);
  }
  fields.push(
    [
      "Behind",
      `${behind.brackets} brackets (${size(behind.octets)}) not acknowledged, ` +
        `${behind.applied} not applied`,
    ],
    ["Compared", digest.at_ms === 0 ? "never" : `${ago(digest.at_ms)}, no difference`],
    ["Gate", gate.kind === "none" ? "none" : `${gate.kind}, ${packets}`],
    ...logFields(shown),
    ...warningsOf(shown),
    ["Host", hostText(shown)],
    ["Last switchover", last === null ? "never" : `${ago(last.at_ms)}, ${outcome(last)}`],
  );
  if (last === null) return fields;
  fields.push(["Its phases", phases(last)]);
  for (const { address, cause } of last.lost) fields.push(["Lost", `${address}: ${cause}`]);
  return fields;
}

function logFields({ log, role }: ShownNsr): (readonly [string, string])[] {
  if (role !== "standby" || log.file === "" || log.problem !== "") return [];
  const what = log.octets === 0 ? "is about to begin" : size(log.octets);
  return [["Log", `${log.file}, ${what}`]];
}

/** What should not happen, and is nothing to say otherwise. */
function warningsOf({
  arbiter,
  deviation,
  digest,
  gate,
  log,
  peer,
  skipped,
  standbys,
  unknown_options: unknown,
}: ShownNsr): (readonly [string, string])[] {
  const dropped = gate.overflowed + gate.overruns;
  const fields: (readonly [string, string])[] = [];
  for (const way of peer.ways_down) fields.push(["Way down", `no heartbeat comes by ${way}`]);
  for (const { side, ends = 0, ended } of standbys.length > 0 ? standbys : [peer]) {
    const times = ends === 1 ? "once" : `${ends} times in a row`;
    if (ends > 0) fields.push(["Ended", `${side}, ${times} as a standby, by ${ended}`]);
  }
  if (log.problem !== "") fields.push(["Log", `NONE is kept in ${log.file}: ${log.problem}`]);
  if (arbiter.problem !== "") fields.push(["Arbiter", arbiter.problem]);
  const { differences } = digest;
  if (differences > 0) {
    fields.push(["Differed", `${differences} times; the standby was sent the state anew`]);
  }
  const { what, brackets, doomed } = deviation;
  if (brackets > 0 || what !== "") {
    const now = what === "" ? "" : `, now in ${what}`;
    fields.push([
      "Deviates",
      `the standby, in ${brackets} brackets${now}; peers are sent the active's`,
    ]);
  }
  for (const { address, cause } of doomed) fields.push(["Would end", `${address}: ${cause}`]);
  if (dropped > 0)
    fields.push(["Queue full", `${dropped} times: packets were dropped, and sent again`]);
  if (unknown.length > 0) {
    fields.push(["Not known", `options of a newer version, which are kept: ${unknown.join(", ")}`]);
  }
  if (skipped > 0) {
    fields.push(["Not known", `${skipped} records or fields of the other side, which is newer`]);
  }
  return fields;
}

function outcome({ cause, planned, resumed, lost }: Switchover): string {
  const how = planned ? "planned" : "after a failure";
  const rest = lost.length === 0 ? "none lost" : `${lost.length} LOST`;
  return `${how}, ${cause}: ${resumed} resumed, ${rest}`;
}

function phases({ ms }: Switchover): string {
  const { total, silence, ...parts } = ms;
  const text = (value: number) => value.toFixed(1);
  const each = Object.entries(parts).map(([name, value]) => `${name} ${text(value)}`);
  return `${text(total)} ms (${each.join(", ")}), ${text(silence)} ms without an active side`;
}

/** How long is waited unless `--timeout` says otherwise. */
export const TIMEOUT_SECONDS = 30;
/** Time between questions whether the pair is ready. */
const POLL_MS = 100;

export const switchoverCommand: Command = {
  name: "switchover",
  usage: "[CLUSTER] [--to NAME] [--wait] [--timeout SECONDS]",
  summary: "let the standby take over now; peers do not notice",
  help: [
    "Returns when the other side is active, and names the sessions that ended with it. It refuses while",
    "the standby is not ready. With the control socket of a spare, CLUSTER is the pair to do it for.",
    "  --to NAME            to this standby; default: the first that is ready, in the order of `peers`",
    "  --wait               first wait until the standby is ready",
    `  --timeout SECONDS    give up after so long; default ${TIMEOUT_SECONDS}`,
    "Exit: 0 done, 1 refused or failed, with the reason, 2 no speaker to ask.",
  ],
  options: {
    ...CONTROL_OPTIONS,
    to: { type: "string" },
    wait: { type: "boolean", short: "w" },
    timeout: { type: "string", short: "t" },
  },
  run: async (args) => {
    const cluster = args.words.length === 0 ? null : oneWord(args, "the cluster");
    const seconds = secondsOf(args);
    const signal = AbortSignal.timeout(seconds * 1000);
    const to = stringOption(args, "to") ?? null;
    const order = { command: "switchover", ...(to === null ? {} : { to }) };
    return exitCodeOf(async () => {
      const asked = socketOf(args);
      const socket = cluster === null ? asked : await socketOfSide(asked, cluster);
      if (args.options["wait"] === true) await becomesReady(socket, to, seconds, signal);
      const end = await ask(socket, order, () => {}, signal).catch((error) => {
        if (!signal.aborted) throw error;
        const advice = "`tsbgp show nsr` on either side shows how far it came";
        throw new ControlError(`no answer within ${seconds} s; ${advice}`, false);
      });
      if (args.options["json"] === true) print(JSON.stringify(end));
      else for (const line of outcomeLines(end as Partial<Outcome>)) print(line);
    });
  },
};

/** @param outcome - empty of a speaker that does not say it */
function outcomeLines({ resumed, lost = [] }: Partial<Outcome>): string[] {
  const went =
    resumed === undefined ? "" : `: ${resumed} of ${resumed + lost.length} sessions went on`;
  const ended = lost.map(({ address, cause }) => `  ended: ${address}: ${cause}`);
  return [`the other side is active now${went}`, ...ended];
}

/** @returns what `--timeout` says */
export function secondsOf(args: Arguments): number {
  const text = stringOption(args, "timeout") ?? String(TIMEOUT_SECONDS);
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds <= 0 || seconds > 86_400) {
    throw new UsageError(`--timeout takes a number of seconds, not "${text}"`);
  }
  return seconds;
}

/** Resolves once a standby can take over; rejects when the time is over. */
async function becomesReady(
  socket: string,
  to: string | null,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  let reason = "";
  for (;;) {
    try {
      let shown: ShownNsr | null = null;
      await ask(socket, { command: "show-nsr" }, (item) => (shown = item as ShownNsr), signal);
      const { ready, reason: now, standbys = [] } = shown! as ShownNsr;
      if (to === null ? ready : standbys.some((one) => one.side === to && one.ready)) return;
      reason = now;
      await delay(POLL_MS, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new ControlError(`not ready after ${seconds} s: ${reason || "no answer"}`, false);
    }
  }
}
