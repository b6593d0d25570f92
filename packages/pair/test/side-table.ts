/** All that the machine of a side does, as the table and the picture in docs/pair.md; run by itself it prints them. */
import { pathToFileURL } from "node:url";
import { newSide, type SideEvent, type State, stepSide } from "../src/index.ts";

export const STATES: readonly State[] = [
  ...([
    "waiting",
    "seeking",
    "connecting",
    "following",
    "claiming",
    "returning",
    "resuming",
    "opening",
  ] as const),
  ...(["leading", "settling", "closing", "giving", "given", "retaking", "leaving"] as const),
  "stopped",
];

/** The epoch that the side has, or had last. */
const EPOCH = 3;
const reason = "why";
const AFTER_STOP = "down, after a stop";

/** Each event with everything in it that makes a difference. */
export const EVENTS: readonly (readonly [text: string, event: SideEvent])[] = [
  ["start", { event: "start" }],
  ["waited", { event: "waited" }],
  ["role: none", { event: "role", epoch: null, reason: null }],
  ["role: next epoch", { event: "role", epoch: EPOCH + 1, reason: null }],
  ["role: later epoch", { event: "role", epoch: EPOCH + 3, reason: null }],
  ["passed over", { event: "passed-over" }],
  ["connected", { event: "connected" }],
  ["unreachable", { event: "unreachable", reason }],
  ["handover", { event: "handover", cause: "cause" }],
  ["lost, usable", { event: "lost", cause: "cause", isUsable: true }],
  ["lost, not usable", { event: "lost", cause: "cause", isUsable: false }],
  ["running", { event: "running" }],
  ["differs", { event: "differs", reason }],
  ["failed", { event: "failed", reason }],
  ["hold: held", { event: "hold", hold: "held", reason }],
  ["hold: unheard", { event: "hold", hold: "unheard", reason, standbys: ["b"] }],
  ["hold: doubtful", { event: "hold", hold: "doubtful", reason }],
  ["hold: lost", { event: "hold", hold: "lost", reason }],
  ["switchover, declared", { event: "switchover", refusal: null }],
  ["switchover, not declared", { event: "switchover", refusal: reason }],
  ["settled", { event: "settled", isSettled: true }],
  ["not settled", { event: "settled", isSettled: false }],
  ["gave", { event: "gave", isOurs: true, reason: null }],
  ["could not give", { event: "gave", isOurs: false, reason }],
  ["taken", { event: "taken", isTaken: true }],
  ["not taken", { event: "taken", isTaken: false }],
  ["down", { event: "down" }],
  [AFTER_STOP, { event: "down" }],
  ["stop", { event: "stop" }],
];

export interface Transition {
  readonly from: State;
  readonly event: string;
  readonly to: State;
  readonly actions: readonly string[];
}

/** @returns what happens in each state with each event, where something does */
export function transitions(): Transition[] {
  return STATES.flatMap((from) =>
    EVENTS.flatMap(([event, value]) => {
      const isStopping = event === AFTER_STOP;
      const side = { ...newSide(), state: from, epoch: EPOCH, hold: "held" as const, isStopping };
      const before = JSON.stringify(side);
      const actions = stepSide(side, value).map((action) => action.do);
      const isNothing = actions.length === 0 && JSON.stringify(side) === before;
      return isNothing ? [] : [{ from, event, to: side.state, actions }];
    }),
  );
}

/** @returns the table, in Markdown */
export function tableOf(all: readonly Transition[]): string {
  const rows = all.map(({ from, event, to, actions }) => {
    const next = to === from ? "" : to;
    return `| ${from} | ${event} | ${next} | ${actions.join(", ")} |`;
  });
  return ["| state | event | next | actions |", "|---|---|---|---|", ...rows].join("\n");
}

/** @returns the picture, for Mermaid */
export function pictureOf(all: readonly Transition[]): string {
  const events = new Map<string, string[]>();
  for (const { from, event, to } of all) {
    if (to === from) continue;
    const way = `${from} --> ${to}`;
    events.set(way, [...(events.get(way) ?? []), event.replaceAll(":", "")]);
  }
  const ways = [...events].map(([way, texts]) => `  ${way}: ${texts.join(" / ")}`);
  return ["```mermaid", "stateDiagram-v2", "  [*] --> waiting", ...ways, "```"].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const all = transitions();
  console.log(`${pictureOf(all)}\n\n${tableOf(all)}`);
}
