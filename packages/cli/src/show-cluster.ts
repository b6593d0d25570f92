/** `tsbgp show cluster`: the other members as this speaker follows them, and who follows it. */

import type { ShownCluster, ShownMember, ShownMembership, ShownTeller } from "@ts-bgp/daemon";
import { type Command, noWords, print } from "./command.ts";
import { askForOne, CONTROL_OPTIONS } from "./control-client.ts";
import { type Column, duration, TableWriter } from "./table.ts";

const MEMBERS: readonly Column<ShownMember>[] = [
  { title: "Member", text: ({ name }) => name },
  { title: "State", text: ({ state }) => state },
  { title: "Neighbors", text: ({ neighbors }) => String(neighbors), right: true },
  { title: "Routes", text: ({ routes }) => String(routes), right: true },
  { title: "Faulty", text: ({ faulty_runs }) => String(faulty_runs), right: true },
  { title: "Source", text: ({ source, listed, links }) => source ?? whyAway(listed, links) },
  { title: "Kept", text: ({ keep_until_ms }) => keptText(keep_until_ms), right: true },
];

const FOLLOWERS: readonly Column<ShownTeller>[] = [
  { title: "Followed by", text: ({ name }) => name },
  { title: "State", text: ({ state }) => state },
  { title: "For", text: ({ since_ms }) => duration(Date.now() - since_ms), right: true },
  { title: "Version", text: ({ software }) => software },
];

function whyAway(listed: boolean, links: ShownMember["links"]): string {
  return links[0]?.problem ?? (listed ? "" : "not in the list of members in etcd");
}

function membershipLines({ by, entry, has_entry, read_ms, problems }: ShownMembership): string[] {
  if (by === "file") return [];
  const read = read_ms === null ? "not read yet" : `read ${duration(Date.now() - read_ms)} ago`;
  const own = `Entry in etcd: ${entry}${has_entry ? "" : " (NOT THERE)"}; list ${read}`;
  return [own, ...problems.map((problem) => `Problem: ${problem}`)];
}

function clientsLine({ given, taken }: NonNullable<ShownCluster["clients"]>): string {
  return `Shared address: ${given} connections given to other members, ${taken} taken of them`;
}

function keptText(untilMs: number | null): string {
  return untilMs === null ? "" : duration(Math.max(0, untilMs - Date.now()));
}

export const showClusterCommand: Command = {
  name: "show cluster",
  usage: "",
  summary: "other members of the cluster, and what is known of their neighbors' routes",
  help: [
    "Kept: for so long the routes of a member that is away stay here.",
    "Faulty: so often routes that it told had attributes which are wrong, and were not taken as told.",
    "A standby follows nobody: what the active side was told is in its state.",
  ],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<ShownCluster>(args, { command: "show-cluster" }, (shown) => {
      const { self, membership, clients, members, followers } = shown;
      print(self === null ? "this speaker is no member of a cluster" : `Member ${self}`);
      // One of another version may say nothing of it.
      for (const line of membership ? membershipLines(membership) : []) print(line);
      if (clients) print(clientsLine(clients));
      const table = new TableWriter(MEMBERS, print);
      for (const member of members) table.add(member);
      table.end();
      for (const { name, last_fault } of members) {
        if (last_fault !== null) print(`Last fault of ${name}: ${last_fault}`);
      }
      const second = new TableWriter(FOLLOWERS, print);
      for (const follower of followers) second.add(follower);
      second.end();
    });
  },
};
