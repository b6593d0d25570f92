/** `tsbgp forward`, `show forward` and `show followers`: routes in kernels, and those who follow. */

import type { ShownFollower, ShownFollowers, ShownForward } from "@ts-bgp/daemon";
import { type Command, noWords, print } from "./command.ts";
import { askForOne, CONTROL_OPTIONS } from "./control-client.ts";
import { CONFIG_OPTION, configFile, runService, withConfigErrors } from "./run.ts";
import { type Column, duration, renderFields, size, TableWriter } from "./table.ts";
import { VERSION } from "./version.ts";

export const forwardCommand: Command = {
  name: "forward",
  usage: "-c FILE",
  summary: "put the routes of a speaker, or a pair, into this host's kernel",
  help: [
    "FILE names the servers and the kernel's table; `tsbgp check` checks it. Routes have protocol bgp.",
    "Routes stay when this command ends, and when a server of a pair, or with graceful-restart: full, dies or",
    "is upgraded.",
    "`tsbgp show forward` shows what there is. Needs CAP_NET_ADMIN, and on the speaker's host the speaker's user.",
    "SIGHUP opens the log file anew; SIGTERM and SIGINT end it.",
  ],
  options: CONFIG_OPTION,
  run: async (args) => {
    noWords(args);
    const file = configFile(args);
    return withConfigErrors(({ Forward }) => {
      const forward = new Forward({ file, version: VERSION });
      return runService(forward, () => forward.service.reopenLog());
    });
  },
};

const SERVERS: readonly Column<ShownForward["servers"][number]>[] = [
  { title: "Server", text: ({ address }) => address },
  { title: "State", text: ({ state }) => state },
  { title: "Epoch", text: ({ epoch }) => String(epoch), right: true },
  { title: "For", text: ({ since_ms }) => since(since_ms), right: true },
  { title: "Problem", text: ({ problem }) => problem ?? "" },
];

const FAMILIES: readonly Column<ShownForward["families"][number]>[] = [
  { title: "Family", text: ({ family }) => family },
  { title: "Routes", text: ({ routes }) => String(routes), right: true },
  { title: "In the kernel", text: ({ installed }) => String(installed), right: true },
  { title: "Added", text: ({ added }) => String(added), right: true },
  { title: "Replaced", text: ({ replaced }) => String(replaced), right: true },
  { title: "Deleted", text: ({ deleted }) => String(deleted), right: true },
  { title: "Groups", text: ({ groups }) => String(groups), right: true },
  { title: "Regrouped", text: ({ regrouped }) => String(regrouped), right: true },
  { title: "Unresolved", text: ({ unresolved }) => countsText(unresolved) },
  { title: "Refused", text: ({ refused }) => countsText(refused) },
];

export const showForwardCommand: Command = {
  name: "show forward",
  usage: "",
  summary: "a forwarding module: whom it listens to, and its routes in the kernel",
  help: [
    "Groups: of next hops, that routes lead by; Regrouped: times that one came to lead elsewhere with all of its",
    "routes, in place of a change of each.",
    "Unresolved: routes with a next hop that no connected or static route leads to, by why.",
    "Refused: routes that the kernel does not take, by its reason; they are tried again.",
  ],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<ShownForward>(args, { command: "show-forward" }, (shown) => {
      for (const line of renderFields(fieldsOf(shown))) print(line);
      const servers = new TableWriter(SERVERS, print);
      for (const server of shown.servers) servers.add(server);
      servers.end();
      const families = new TableWriter(FAMILIES, print);
      for (const family of shown.families) families.add(family);
      families.end();
    });
  },
};

function fieldsOf(shown: ShownForward): [string, string][] {
  const { source, complete, without_since_ms, keep_until_ms, table, metric, next_hop_groups } =
    shown;
  const fields: [string, string][] = [
    ["Table", `${table}, metric ${metric}`],
    ["Next-hop groups", next_hop_groups],
  ];
  if (source !== null) fields.push(["Listens to", complete ? `${source}, complete` : source]);
  if (without_since_ms !== null) fields.push(["No server", `for ${since(without_since_ms)}`]);
  if (keep_until_ms !== null) {
    const leftMs = keep_until_ms - Date.now();
    fields.push(["Routes go", leftMs > 0 ? `in ${duration(leftMs)}` : "now"]);
  }
  return fields;
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const all = Object.entries(counts).map(([why, count]) => `${count} ${why}`);
  return all.length === 0 ? "none" : all.join(", ");
}

function since(ms: number | null): string {
  return ms === null ? "" : duration(Date.now() - ms);
}

const FOLLOWERS: readonly Column<ShownFollower>[] = [
  { title: "Follower", text: ({ name }) => name },
  { title: "State", text: ({ state }) => state },
  { title: "For", text: ({ since_ms }) => since(since_ms), right: true },
  { title: "Routes sent", text: ({ told }) => String(told), right: true },
  { title: "Batches", text: ({ brackets }) => String(brackets), right: true },
  { title: "Lag", text: ({ lag }) => String(lag), right: true },
  { title: "Version", text: ({ software }) => software },
];

export const showFollowersCommand: Command = {
  name: "show followers",
  usage: "",
  summary: "processes that follow the routes that are used, such as tsbgp forward",
  help: [
    "Lag: changes that one has not been told yet; it is told the latest. A standby tells nobody.",
  ],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<ShownFollowers>(args, { command: "show-followers" }, (shown) => {
      const { routes, complete, octets, followers } = shown;
      const part = complete ? "" : ", not complete";
      for (const line of renderFields([["Routes", `${routes}${part}, ${size(octets)}`]]))
        print(line);
      const table = new TableWriter(FOLLOWERS, print);
      for (const follower of followers) table.add(follower);
      table.end();
    });
  },
};
