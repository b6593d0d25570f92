/** `tsbgp show bfd`: whether the paths to neighbors are there. */

import type { ShownBfd } from "@ts-bgp/views";
import { clockMs } from "./clock.ts";
import { type Command, noWords, print } from "./command.ts";
import { askForList, CONTROL_OPTIONS } from "./control-client.ts";
import { type Column, duration, TableWriter } from "./table.ts";

const hex = (number: number) => (number === 0 ? "" : number.toString(16).padStart(8, "0"));

const COLUMNS: readonly Column<ShownBfd>[] = [
  { title: "Neighbor", text: ({ address }) => address },
  { title: "State", text: ({ state }) => state },
  { title: "Remote", text: ({ remote_state }) => remote_state },
  {
    title: "For",
    text: ({ since_ms }) => (since_ms === null ? "" : duration(clockMs() - since_ms)),
    right: true,
  },
  { title: "Interval", text: ({ interval_ms }) => `${interval_ms} ms`, right: true },
  { title: "Detection", text: ({ detection_ms }) => `${detection_ms} ms`, right: true },
  {
    title: "Discriminators",
    text: (one) => `${hex(one.discriminator)} ${hex(one.remote_discriminator)}`,
  },
  { title: "Authentication", text: ({ authentication }) => authentication ?? "none" },
  { title: "Downs", text: ({ downs }) => String(downs), right: true },
  { title: "Last down", text: ({ last_down }) => bfdDownText(last_down) },
];

/** @returns why and when it went down last; empty when it never did */
function bfdDownText(down: ShownBfd["last_down"]): string {
  return down === null ? "" : `${down.reason}, ${duration(clockMs() - down.at_ms)} ago`;
}

/** @returns a line for `show neighbor`; none of a neighbor without BFD */
export function bfdFields(bfd: ShownBfd | null): [string, string][] {
  if (bfd === null) return [];
  const { state, detection_ms, last_down } = bfd;
  const detection = detection_ms === 0 ? "" : `, lost after ${detection_ms} ms of silence`;
  const down = last_down === null ? "" : `; last down: ${bfdDownText(last_down)}`;
  return [["BFD", `${state}${detection}${down}`]];
}

export const showBfdCommand: Command = {
  name: "show bfd",
  usage: "",
  summary: "BFD: whether the paths to neighbors are there, and how soon that is known",
  help: [
    "Detection: silence of the neighbor for so long takes the session down, and that of BGP with it.",
    "Neighbors without `bfd` in the configuration are not shown.",
  ],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    const table = new TableWriter(COLUMNS, print);
    return askForList<ShownBfd>(
      args,
      { command: "show-bfd" },
      { item: (one) => table.add(one), end: () => table.end() },
    );
  },
};
