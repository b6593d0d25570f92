/** Commands that make the running speaker do something, and the one that makes it explain itself. */

import type { Explained, ExplainedStep } from "@ts-bgp/views";
import { type Command, oneWord, prefixWord, print, stringOption, UsageError } from "./command.ts";
import { askForOne, CONTROL_OPTIONS, order } from "./control-client.ts";
import { RELOAD_COMMANDS } from "./reload.ts";
import { stopCommand } from "./stop.ts";

function explain(direction: "import" | "export"): Command {
  const asks = direction === "import" ? "is used or not" : "is sent to a neighbor or not";
  return {
    name: `explain ${direction}`,
    usage: "PREFIX NEIGHBOR",
    summary: `why a route ${asks}: each check and rule it came to`,
    help: [
      "Exit: 0 it says why, whatever the outcome is, 1 the speaker knows no such neighbor,",
      "2 it could not be asked.",
    ],
    options: CONTROL_OPTIONS,
    run: async (args) => {
      const [prefix, neighbor, ...rest] = args.words;
      if (prefix === undefined) throw new UsageError("the prefix is missing");
      if (neighbor === undefined) throw new UsageError("the neighbor's address is missing");
      if (rest.length > 0) throw new UsageError(`there is no place for "${rest[0]}"`);
      const request = { command: `explain-${direction}`, prefix: prefixWord(prefix), neighbor };
      return askForOne<Explained>(args, request, (explained) => {
        for (const line of explainedLines(explained)) print(line);
      });
    },
  };
}

function explainedLines({ prefix, neighbor, direction, verdict, paths }: Explained): string[] {
  const way = direction === "import" ? "from" : "to";
  const lines = [`${prefix} ${way} ${neighbor}: ${verdict}`];
  for (const { path, steps } of paths) {
    const id = path.path_id === undefined ? "" : `, path id ${path.path_id}`;
    lines.push(`  path from ${path.neighbor}${id}, AS path ${path.as_path ?? "unreadable"}`);
    for (const step of steps) lines.push(...stepLines(step));
  }
  return lines;
}

function stepLines({ step, passed, text, rules }: ExplainedStep): string[] {
  const lines = [`    ${passed ? "yes" : "no "} ${step}: ${text}`];
  for (const rule of rules ?? []) {
    const { source } = rule;
    const where = source === undefined ? "" : ` (${source.file}:${source.line})`;
    const outcome = rule.matches ? rule.action : "does not match";
    lines.push(`          ${rule.policy} / ${rule.rule}${where}: ${outcome}`);
    for (const { condition, holds, found } of rule.conditions) {
      lines.push(`            ${holds ? "yes" : "no "} ${condition}   found: ${found}`);
    }
    for (const change of rule.modifications) lines.push(`            set ${change}`);
  }
  return lines;
}

const refresh: Command = {
  name: "refresh",
  usage: "NEIGHBOR [--in|--out]",
  summary: "have the neighbor send its routes again (--in, default), or send it ours (--out)",
  options: { ...CONTROL_OPTIONS, in: { type: "boolean" }, out: { type: "boolean" } },
  run: async (args) => {
    const neighbor = oneWord(args, "the neighbor's address");
    if (args.options["in"] && args.options["out"]) {
      throw new UsageError("--in and --out exclude each other");
    }
    const direction = args.options["out"] === true ? "out" : "in";
    const done = direction === "in" ? "was asked for its routes" : "is sent our routes again";
    return order(args, { command: "refresh", neighbor, direction }, () =>
      print(`${neighbor} ${done}`),
    );
  },
};

const gracefulShutdown: Command = {
  name: "graceful-shutdown",
  usage: "on|off",
  summary: "before maintenance: have all peers prefer other paths (RFC 8326), or no more",
  help: [
    "While it is on, each route is sent with the community GRACEFUL_SHUTDOWN, to internal peers with",
    "LOCAL_PREF 0 as well. Survives a takeover; `show status` says whether it is on.",
  ],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    const state = oneWord(args, "on or off");
    if (state !== "on" && state !== "off") throw new UsageError(`"${state}" is not on or off`);
    return order(args, { command: "graceful-shutdown", state }, () =>
      print(`graceful shutdown is ${state}`),
    );
  },
};

function toNeighbor(name: string, summary: string, done: string): Command {
  const takesReason = name !== "enable" && name !== "release";
  return {
    name,
    usage: takesReason ? "NEIGHBOR [--reason TEXT]" : "NEIGHBOR",
    summary,
    options: takesReason
      ? { ...CONTROL_OPTIONS, reason: { type: "string", short: "r" } }
      : CONTROL_OPTIONS,
    run: async (args) => {
      const neighbor = oneWord(args, "the neighbor's address");
      const text = stringOption(args, "reason");
      const request = { command: name, neighbor, ...(text === undefined ? {} : { text }) };
      return order(args, request, () => print(`${neighbor} ${done}`));
    },
  };
}

export const OPERATE_COMMANDS: readonly Command[] = [
  explain("import"),
  explain("export"),
  ...RELOAD_COMMANDS,
  stopCommand,
  refresh,
  toNeighbor("reset", "end the session and let it begin anew", "is reset"),
  toNeighbor(
    "disable",
    "take the session down until enabled, telling the neighbor why",
    "is disabled",
  ),
  toNeighbor("enable", "let a disabled session begin", "is enabled"),
  gracefulShutdown,
  toNeighbor("release", "take a neighbor out of quarantine (`show quarantine`)", "is released"),
];
