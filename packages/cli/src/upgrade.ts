/** `tsbgp upgrade check`: what a standby of another version would do otherwise, before it is given the role. */

import { setTimeout as delay } from "node:timers/promises";
import type { ShownNsr } from "@ts-bgp/nsr";
import type { ShownRoute } from "@ts-bgp/views";
import { type Command, EXIT, noWords, print, stringOption } from "./command.ts";
import { ask, CONTROL_OPTIONS, ControlError, exitCodeOf, socketOf } from "./control-client.ts";
import { secondsOf, TIMEOUT_SECONDS } from "./nsr.ts";
import { type Column, TableWriter } from "./table.ts";

/** Routes that a neighbor would be sent, or not, or otherwise. */
interface ShownChange {
  neighbor: string;
  added: number;
  removed: number;
  changed: number;
}

interface ShownCheck {
  /** Whether the version that was asked does all as the active one does. */
  same: boolean;
  doomed: ShownNsr["deviation"]["doomed"];
  unknown_options: readonly string[];
  /** Neighbors with a difference; null when the active side was not asked. */
  routes: ShownChange[] | null;
}

/** A route that is on its way differs for a moment: what differs is looked at again after this. */
const AGAIN_MS = 1000;
/** Time between questions whether it is ready. */
const LOOK_MS = 100;

const DOOMED_COLUMNS: readonly Column<ShownCheck["doomed"][number]>[] = [
  { title: "Would end", text: ({ address }) => address },
  { title: "Why", text: ({ cause }) => cause },
];
const ROUTE_COLUMNS: readonly Column<ShownChange>[] = [
  { title: "Neighbor", text: ({ neighbor }) => neighbor },
  { title: "More", text: ({ added }) => String(added) },
  { title: "Fewer", text: ({ removed }) => String(removed) },
  { title: "Otherwise", text: ({ changed }) => String(changed) },
];

export const upgradeCheckCommand: Command = {
  name: "upgrade check",
  usage: "[--active PATH] [--wait] [--timeout SECONDS]",
  summary: "what a standby of another version would do otherwise",
  help: [
    "Asks the side that runs the new version and is the standby: which sessions would end with a",
    "switchover to it, and why, and which options of the configuration in force it does not know.",
    "  --active PATH        control socket of the active side: which routes each neighbor would be sent more,",
    "                       fewer, or with other attributes",
    "  --wait               first wait until the standby is there, and ready",
    `  --timeout SECONDS    wait no longer than that; default ${TIMEOUT_SECONDS}`,
    "Exit: 0 nothing is otherwise, 1 something is, or the standby is not ready, 2 no speaker to ask.",
  ],
  options: {
    ...CONTROL_OPTIONS,
    active: { type: "string", short: "a" },
    wait: { type: "boolean", short: "w" },
    timeout: { type: "string", short: "t" },
  },
  run: async (args) => {
    noWords(args);
    const socket = socketOf(args);
    const seconds = secondsOf(args);
    if (args.options["wait"] === true) await untilReady(socket, seconds);
    let same = false;
    const code = await exitCodeOf(async () => {
      const check = await checkOf(socket, stringOption(args, "active") ?? null);
      same = check.same;
      if (args.options["json"] === true) print(JSON.stringify(check));
      else for (const line of checkLines(check)) print(line);
    });
    return code === EXIT.OK && !same ? EXIT.NO : code;
  },
};

/** Returns as well when the time is over: what is not as it should be then is found by who asks next. */
async function untilReady(socket: string, seconds: number): Promise<void> {
  for (const endMs = Date.now() + 1000 * seconds; Date.now() < endMs; await delay(LOOK_MS)) {
    // One that is being started does not answer yet.
    const shown = await nsrOf(socket).catch(() => null);
    if (shown?.role === "standby" && shown.ready) return;
  }
}

async function checkOf(socket: string, active: string | null): Promise<ShownCheck> {
  const shown = await nsrOf(socket);
  if (shown.role !== "standby") {
    throw new ControlError(`this side is not the standby, but ${shown.role}`, false);
  }
  if (!shown.ready) throw new ControlError(`the standby is not ready: ${shown.reason}`, false);
  const routes = active === null ? null : await changesOf(socket, active);
  const { deviation, unknown_options } = shown;
  const { doomed } = deviation;
  const same = doomed.length + unknown_options.length + (routes ?? []).length === 0;
  return { same, doomed, unknown_options, routes };
}

async function nsrOf(socket: string): Promise<ShownNsr> {
  let shown: ShownNsr | null = null;
  await ask(socket, { command: "show-nsr" }, (item) => {
    shown = item as ShownNsr;
  });
  return shown!;
}

async function changesOf(socket: string, active: string): Promise<ShownChange[]> {
  const { neighbors } = await nsrOf(active);
  const changes: ShownChange[] = [];
  for (const { address } of neighbors) {
    let found = await differing(socket, active, address);
    if (found.size > 0) {
      await delay(AGAIN_MS);
      const again = await differing(socket, active, address);
      found = new Map([...found].filter(([key, how]) => again.get(key) === how));
    }
    if (found.size === 0) continue;
    const count = (how: string) => [...found.values()].filter((one) => one === how).length;
    const counts = { added: count("added"), removed: count("removed"), changed: count("changed") };
    changes.push({ neighbor: address, ...counts });
  }
  return changes;
}

/** @returns how the routes of a neighbor differ, by prefix and path identifier */
async function differing(
  socket: string,
  active: string,
  neighbor: string,
): Promise<Map<string, keyof Omit<ShownChange, "neighbor">>> {
  const [own, theirs] = await Promise.all([socket, active].map((one) => sentTo(one, neighbor)));
  const found = new Map<string, keyof Omit<ShownChange, "neighbor">>();
  for (const [key, text] of own!) {
    if (!theirs!.has(key)) found.set(key, "added");
    else if (theirs!.get(key) !== text) found.set(key, "changed");
  }
  for (const key of theirs!.keys()) if (!own!.has(key)) found.set(key, "removed");
  return found;
}

async function sentTo(socket: string, neighbor: string): Promise<Map<string, string>> {
  const routes = new Map<string, string>();
  await ask(socket, { command: "show-routes", view: "advertised", neighbor }, (item) => {
    const {
      prefix,
      path_id: id,
      neighbor: _,
      neighbor_as: __,
      other,
      ...rest
    } = item as ShownRoute;
    // By what they are, not by their order, nor by the names that a version has for them.
    const unnamed = (other ?? []).map(({ type, value }) => [`attribute ${type}`, value]);
    const fields = [...Object.entries(rest), ...unnamed].map((field) => JSON.stringify(field));
    routes.set(`${prefix} ${id ?? ""}`, fields.sort().join(" "));
  });
  return routes;
}

function checkLines({ same, doomed, unknown_options: unknown, routes }: ShownCheck): string[] {
  const lines: string[] = [];
  if (doomed.length > 0) addTable(lines, DOOMED_COLUMNS, doomed);
  if (routes !== null && routes.length > 0) addTable(lines, ROUTE_COLUMNS, routes);
  if (unknown.length > 0) lines.push(`Options that it does not know: ${unknown.join(", ")}`);
  const what = routes === null ? "no session would end" : "no session would end, no route differ";
  if (same) lines.push(`${what}, and all options are known`);
  return lines;
}

function addTable<T>(lines: string[], columns: readonly Column<T>[], rows: readonly T[]): void {
  const table = new TableWriter(columns, (line) => lines.push(line));
  for (const row of rows) table.add(row);
  table.end();
}
