/** `tsbgp show feeds` and `tsbgp dump`: those who observe the speaker, and all routes as a file. */

import { resolve } from "node:path";
import type { ShownFeedFiles, ShownFeedStation, ShownFeedStatus, ShownFeeds } from "@ts-bgp/daemon";
import { type Command, noWords, oneWord, print, stringOption, UsageError } from "./command.ts";
import { askForOne, CONTROL_OPTIONS, order } from "./control-client.ts";
import { type Column, duration, renderFields, size, TableWriter } from "./table.ts";

const STATION_COLUMNS: readonly Column<ShownFeedStation>[] = [
  { title: "Station", text: ({ name }) => name },
  { title: "State", text: ({ state, complete }) => (complete ? `${state}, complete` : state) },
  {
    title: "For",
    text: ({ since_ms }) => (since_ms === null ? "" : duration(Date.now() - since_ms)),
    right: true,
  },
  { title: "Messages", text: ({ messages }) => String(messages), right: true },
  { title: "Sent", text: ({ octets }) => size(octets), right: true },
  { title: "Queued", text: ({ queued_octets }) => size(queued_octets), right: true },
  { title: "Memory", text: ({ held_octets }) => size(held_octets), right: true },
  { title: "Sessions", text: ({ sessions }) => String(sessions), right: true },
  { title: "Missed", text: ({ missed }) => String(missed), right: true },
  { title: "Problem", text: ({ problem }) => problem ?? "" },
];

/** Fields of `show status`. */
export function feedFields(feeds: ShownFeedStatus | null): [string, string][] {
  if (feeds === null) return [];
  const { stations, up, problems } = feeds;
  const text = problems === 0 ? "no problems" : `${problems} with a problem: show feeds`;
  return [["Feeds", `${up} of ${stations} BMP stations up, ${text}`]];
}

export const showFeedsCommand: Command = {
  name: "show feeds",
  usage: "",
  summary: "those who observe the speaker: BMP stations, and MRT files",
  help: [
    "Queued: what waits for the station. Memory: what that takes, at most queue-mb but for what happens at one time.",
    "Missed: how often the station was too slow, and was told everything anew. A standby has no feeds.",
  ],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<ShownFeeds>(args, { command: "show-feeds" }, ({ stations, mrt }) => {
      const table = new TableWriter(STATION_COLUMNS, print);
      for (const station of stations) table.add(station);
      table.end();
      if (mrt !== null) for (const line of renderFields(fieldsOf(mrt))) print(line);
    });
  },
};

function fieldsOf({
  dir,
  last_dump,
  last_updates,
  files,
  messages,
  missed,
  problem,
}: ShownFeedFiles) {
  const fields: [string, string][] = [
    ["MRT files", `in ${dir}: ${files} complete, ${messages} messages, ${missed} missed`],
    ["Last dump", last_dump ?? "none yet"],
    ["Last updates", last_updates ?? "none yet"],
  ];
  if (problem !== null) fields.push(["Problem", problem]);
  return fields;
}

export const dumpCommand: Command = {
  name: "dump",
  usage: "FILE [--accepted|--advertised X]",
  summary: "write routes into a file in the format MRT, from the speaker or from its standby",
  help: [
    "The speaker writes it; compressed when its name ends in .gz or .zst. Routes are those that neighbors have",
    "sent, as they sent them. A file of that name that is there already stays: then nothing is written.",
    "  --accepted        those that import policies accept, as these leave them",
    "  --advertised X    those that the neighbor X was sent, as it was sent them; they stand under its own address",
  ],
  options: {
    ...CONTROL_OPTIONS,
    accepted: { type: "boolean" },
    advertised: { type: "string" },
  },
  run: async (args) => {
    const word = oneWord(args, "the file");
    if (word === "-") throw new UsageError("the speaker writes the file: it must have a name");
    const file = resolve(word);
    const neighbor = stringOption(args, "advertised");
    const isAccepted = args.options["accepted"] === true;
    if (neighbor !== undefined && isAccepted) {
      throw new UsageError("--accepted and --advertised exclude each other");
    }
    const view = isAccepted ? "accepted" : neighbor === undefined ? "received" : "advertised";
    const request = {
      command: "dump",
      file,
      view,
      ...(neighbor === undefined ? {} : { neighbor }),
    };
    return order(args, request, ({ prefixes, routes, octets }) =>
      print(`${file}: ${routes} routes of ${prefixes} prefixes, ${size(Number(octets))}`),
    );
  },
};
