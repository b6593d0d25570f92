/** `tsbgp show ...`: what the speaker knows. */

import type { ShownConfigTrial, ShownConnection, ShownFeedStatus } from "@ts-bgp/daemon";
import type {
  ShownFamily,
  ShownGroup,
  ShownNeighbor,
  ShownNeighborDetail,
  ShownQuarantine,
  ShownRange,
  ShownRestart,
  ShownRoute,
  ShownTables,
} from "@ts-bgp/views";
import { clockMs } from "./clock.ts";
import { CLUSTER_OPTIONS, neighborsOfAll, routesOfAll, statusOfAll } from "./cluster-wide.ts";
import {
  type Arguments,
  type Command,
  noWords,
  oneWord,
  prefixWord,
  print,
  stringOption,
  UsageError,
} from "./command.ts";
import { askForList, askForOne, CONTROL_OPTIONS } from "./control-client.ts";
import { feedFields, showFeedsCommand } from "./feeds.ts";
import { showFollowersCommand, showForwardCommand } from "./forward.ts";
import { showMirrorsCommand } from "./mirror.ts";
import { showNsrCommand } from "./nsr.ts";
import { showReloadsCommand, trialFields } from "./reload.ts";
import { bfdFields, showBfdCommand } from "./show-bfd.ts";
import { showClusterCommand } from "./show-cluster.ts";
import { braked, limited } from "./show-limits.ts";
import { showRecordCommand } from "./show-record.ts";
import { showRpkiCommand } from "./show-rpki.ts";
import { type Column, duration, renderFields, size, TableWriter } from "./table.ts";

const sum = (n: ShownNeighbor, field: "received" | "accepted" | "advertised") =>
  n.families.reduce((all, family) => all + family[field], 0);

/** Some of the counts are of routes of an ended session. */
const staleMark = (n: ShownNeighbor) =>
  n.families.some(({ stale_until_ms }) => stale_until_ms !== null) ? ", stale routes" : "";

const stateOf = ({ speaker, disabled, quarantine, state }: ShownNeighbor) => {
  if (speaker !== null) return `With ${speaker}`;
  if (disabled) return "Disabled";
  return quarantine?.held === true ? "Quarantined" : state;
};

const NEIGHBOR_COLUMNS: readonly Column<ShownNeighbor>[] = [
  { title: "Neighbor", text: ({ address }) => address },
  { title: "AS", text: ({ as }) => String(as), right: true },
  { title: "State", text: (n) => stateOf(n) + staleMark(n) },
  {
    title: "Since",
    text: ({ since_ms, last_down }) => {
      const since = since_ms ?? last_down?.at_ms;
      return since === undefined ? "never" : duration(clockMs() - since);
    },
    right: true,
  },
  { title: "Received", text: (n) => String(sum(n, "received")), right: true },
  { title: "Accepted", text: (n) => String(sum(n, "accepted")), right: true },
  { title: "Sent", text: (n) => String(sum(n, "advertised")), right: true },
  { title: "Description", text: ({ description }) => description },
];

const showNeighbors: Command = {
  name: "show neighbors",
  usage: "",
  summary: "all neighbors, a line each",
  help: ["  --cluster   as the member of the cluster knows them that has their sessions"],
  options: CLUSTER_OPTIONS,
  run: async (args) => {
    noWords(args);
    if (args.options["cluster"] === true) return neighborsOfAll(args, NEIGHBOR_COLUMNS);
    const table = new TableWriter(NEIGHBOR_COLUMNS, print);
    return askForList<ShownNeighbor>(
      args,
      { command: "show-neighbors" },
      {
        item: (neighbor) => table.add(neighbor),
        end: () => table.end(),
      },
    );
  },
};

const showNeighbor: Command = {
  name: "show neighbor",
  usage: "ADDRESS",
  summary: "one neighbor with everything known of it; a description will do for its address",
  options: CONTROL_OPTIONS,
  run: async (args) => {
    const neighbor = oneWord(args, "the neighbor's address");
    return askForOne<ShownNeighborDetail & ShownConnection>(
      args,
      { command: "show-neighbor", neighbor },
      (n) => {
        for (const line of neighborLines(n)) print(line);
      },
    );
  },
};

function neighborLines(n: ShownNeighborDetail & ShownConnection): string[] {
  const { capabilities, octets, last_down, last_failure, congestion_control } = n;
  const ago = (ms: number) => `${duration(clockMs() - ms)} ago`;
  const failure: [string, string][] =
    last_failure === null || last_failure.at_ms === last_down?.at_ms
      ? []
      : [["Last connection", `${last_failure.reason}, ${ago(last_failure.at_ms)}`]];
  const list = (names: readonly string[]) => (names.length === 0 ? "none" : names.join(", "));
  const kind = n.route_server_client ? ", route server client" : "";
  const reflected = n.route_reflector_client ? ", route reflector client" : "";
  const fields: [string, string][] = [
    ["Neighbor", `${n.address}, AS ${n.as}${kind}${reflected}`],
    ["Description", n.description || "none"],
    ["Group", n.group || "none"],
    ...(n.dynamic === null ? [] : ([["Dynamic", `of ${n.dynamic}`]] satisfies [string, string][])),
    ["State", stateOf(n) === n.state ? n.state : `${stateOf(n)} (${n.state})`],
    ["Up since", n.since_ms === null ? "not established" : ago(n.since_ms)],
    ["Last down", last_down === null ? "never" : `${last_down.reason}, ${ago(last_down.at_ms)}`],
    ...failure,
    ...bfdFields(n.bfd),
    ["Local", `${n.local_address ?? "any address"}, AS ${n.local_as}`],
    ["Graceful restart", gracefulRestart(n)],
    ...braked(n),
    ["Import policy", list(n.import)],
    ["Export policy", list(n.export)],
  ];
  if (capabilities !== null) {
    const yes = Object.entries(capabilities).filter(([, value]) => value === true);
    fields.push(
      ["Identifier", n.identifier ?? ""],
      ["Hold time", `${n.hold_time} s, keepalive every ${n.keepalive_time} s`],
      ["Capabilities", list(yes.map(([name]) => name.replaceAll("_", " ")))],
      [
        "ADD-PATH",
        `receives ${list(capabilities.add_path_receive)}, sends ${list(capabilities.add_path_send)}`,
      ],
      [
        "Roles",
        `local ${capabilities.local_role ?? "none"}, peer ${capabilities.peer_role ?? "none"}`,
      ],
    );
  }
  if (octets !== null) {
    const { received, sent, queued } = octets;
    fields.push([
      "Octets",
      `${size(received)} received, ${size(sent)} sent, ${size(queued)} queued`,
    ]);
  }
  if (congestion_control !== null) fields.push(["Congestion control", congestion_control]);
  for (const way of ["received", "sent"] as const) {
    const counts = Object.entries(n.messages[way]).map(([type, count]) => `${count} ${type}`);
    fields.push([`Messages ${way}`, counts.join(", ").replaceAll("_", " ")]);
  }
  const faults = Object.entries(n.update_faults_by_action).filter(([, count]) => count > 0);
  const actions = faults.map(([action, count]) => `${count} ${action}`);
  fields.push(["Faulty UPDATEs", list(actions)]);
  for (const f of n.families) {
    const limit = limited(f.max_prefix, "prefixes") + limited(f.max_prefix_accepted, "accepted");
    const counts = `${f.received} received, ${f.accepted} accepted, ${f.rejected} rejected`;
    const stale =
      f.stale_until_ms === null
        ? ""
        : `, some or all of an ended session${lastResort(f)}, kept ${duration(f.stale_until_ms - clockMs())} at most`;
    const sync = f.held ? ", after our restart" : f.synced ? "" : ", still being sent";
    const sent =
      f.group === null
        ? ""
        : `; ${f.advertised} advertised${sync}${limited(f.max_prefix_out, "routes")} (group ${f.group})`;
    fields.push([f.family, `${counts}${stale}${limit}${sent}`]);
  }
  return renderFields(fields);
}

function lastResort({ stale }: ShownFamily): string {
  return stale === "long-lived" ? " as a last resort" : "";
}

function gracefulRestart({ graceful_restart }: ShownNeighborDetail): string {
  const { mode, restart_time, restart_time_max, own_restart_time } = graceful_restart;
  const { notification, long_lived_stale_time } = graceful_restart;
  if (mode === "off") return "off";
  const asked = restart_time === null ? "" : `the neighbor asks for ${restart_time} s, `;
  const own = own_restart_time === null ? "" : `; asked to keep ours for ${own_restart_time} s`;
  const notified = notification === true ? "; also when a NOTIFICATION comes" : "";
  const times = Object.entries(long_lived_stale_time ?? {});
  const long = times.map(([family, seconds]) => `; as a last resort ${seconds} s of ${family}`);
  const kept = `routes kept for ${restart_time_max} s at most`;
  return `${mode}, ${asked}${kept}${own}${notified}${long.join("")}`;
}

const STATUS_MARKS = { best: "*>", accepted: "* ", rejected: "x ", advertised: "> " } as const;

const ROUTE_COLUMNS: readonly Column<ShownRoute>[] = [
  { title: "  ", text: ({ status }) => STATUS_MARKS[status] },
  {
    title: "Prefix",
    text: ({ prefix, path_id }) => (path_id === undefined ? prefix : `${prefix} [${path_id}]`),
  },
  { title: "From", text: ({ neighbor }) => neighbor },
  { title: "Next hop", text: ({ next_hop }) => next_hop ?? "" },
  { title: "Pref", text: ({ local_pref }) => String(local_pref ?? ""), right: true },
  { title: "MED", text: ({ med }) => String(med ?? ""), right: true },
  {
    title: "AS path",
    text: ({ as_path, origin }) =>
      `${as_path ?? ""} ${String(origin ?? "?")[0]?.toLowerCase()}`.trim(),
  },
  {
    title: "Communities, or why rejected",
    text: (route) => {
      const rpki =
        (route.stale === undefined
          ? ""
          : `stale${route.stale === "long-lived" ? " (llgr)" : ""}  `) +
        (route.rpki === undefined ? "" : `rpki ${route.rpki}  `) +
        (route.aspa === undefined ? "" : `aspa ${route.aspa}  `);
      if (route.reason !== undefined) return `${rpki}${route.reason.text}`;
      const { communities = [], large_communities = [], extended_communities = [] } = route;
      const all = [...communities, ...large_communities, ...extended_communities];
      const names = all.map((numbers) => route.community_names?.[numbers] ?? numbers);
      return `${rpki}${names.join(" ")}`;
    },
  },
];

const VIEWS = ["received", "accepted", "rejected", "advertised"] as const;
const MATCHES = ["exact", "covering", "longer"] as const;

export const showRoutesCommand: Command = {
  name: "show routes",
  usage: "[PREFIX|ADDRESS] [--neighbor X --received|--accepted|--rejected|--advertised]",
  summary: "routes of the Loc-RIB, or of one neighbor",
  help: [
    "An address shows the routes of its longest match; a prefix its own routes.",
    "  --exact --covering --longer   which prefixes PREFIX stands for",
    "  --best                        best paths only",
    "  -4 --ipv4, -6 --ipv6          one address family",
    "  --cluster                     with the member that each comes of; of a neighbor of another",
    "                                member, as that one has them",
    "  --neighbor X                  routes from X: accepted, as policy left them (default);",
    "                                received, as they came; rejected, with the reason; or",
    "                                advertised to X, as they are on the wire; X may be `static`",
    "                                for the routes of the configuration, `kernel` for those of the",
    "                                host's kernel",
    "Marks: *> best, * accepted, x rejected, > advertised.",
  ],
  options: {
    ...CLUSTER_OPTIONS,
    neighbor: { type: "string", short: "n" },
    best: { type: "boolean", short: "b" },
    ipv4: { type: "boolean", short: "4" },
    ipv6: { type: "boolean", short: "6" },
    ...Object.fromEntries(
      [...VIEWS, ...MATCHES].map((name) => [name, { type: "boolean" as const }]),
    ),
  },
  run: async (args) => {
    const request = routeRequest(args);
    if (args.options["cluster"] === true) return routesOfAll(args, request, ROUTE_COLUMNS);
    const table = new TableWriter(ROUTE_COLUMNS, print);
    return askForList<ShownRoute>(args, request, {
      item: (route) => table.add(route),
      end: () => {
        table.end();
        if (table.count === 0) print("no routes");
      },
    });
  },
};

function routeRequest(args: Arguments): { command: string; [name: string]: unknown } {
  const prefix = args.words.length === 0 ? null : prefixWord(oneWord(args, "the prefix"));
  const view = chosen(args, VIEWS);
  const match = chosen(args, MATCHES);
  const neighbor = stringOption(args, "neighbor");
  if (view !== undefined && neighbor === undefined) {
    throw new UsageError(`--${view} needs --neighbor`);
  }
  if (match !== undefined && prefix === null) throw new UsageError(`--${match} needs a prefix`);
  const { ipv4, ipv6, best } = args.options;
  return {
    command: "show-routes",
    ...(prefix === null ? {} : { prefix }),
    ...(neighbor === undefined ? {} : { neighbor }),
    ...(view === undefined ? {} : { view }),
    ...(match === undefined ? {} : { match: match === "longer" ? "covered" : match }),
    ...(ipv4 === ipv6 ? {} : { family: ipv4 === true ? 1 : 2 }),
    best: best === true,
  };
}

/** The one of several switches that was given. */
function chosen<N extends string>(args: Arguments, names: readonly N[]): N | undefined {
  const given = names.filter((name) => args.options[name] === true);
  if (given.length > 1) throw new UsageError(`--${given[0]} and --${given[1]} exclude each other`);
  return given[0];
}

const GROUP_COLUMNS: readonly Column<ShownGroup>[] = [
  { title: "Group", text: ({ number }) => String(number), right: true },
  { title: "Family", text: ({ family }) => family },
  { title: "Kind", text: ({ kind }) => kind },
  { title: "Members", text: ({ members }) => String(members), right: true },
  { title: "Catching up", text: ({ catching_up }) => String(catching_up), right: true },
  { title: "Lag", text: ({ lag }) => String(lag), right: true },
  { title: "Adj-RIB-Out", text: (g) => size(g.adj_rib_out_octets), right: true },
  { title: "Export policy", text: ({ policies }) => policies.join(" ") || "none" },
];

const showGroups: Command = {
  name: "show groups",
  usage: "",
  summary: "update groups: neighbors that are sent the same octets",
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    const table = new TableWriter(GROUP_COLUMNS, print);
    return askForList<ShownGroup>(
      args,
      { command: "show-groups" },
      {
        item: (group) => table.add(group),
        end: () => table.end(),
      },
    );
  },
};

interface ShownMemory extends ShownTables {
  process: { rss: number; heap_used: number; external: number; array_buffers: number };
}

const showMemory: Command = {
  name: "show memory",
  usage: "",
  summary: "sizes of the tables, and the memory they take",
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<ShownMemory>(args, { command: "show-memory" }, (memory) => {
      const { attribute_sets, families, process: own } = memory;
      const fields: [string, string][] = [
        ["Process", `${size(own.rss)} resident, ${size(own.heap_used)} JavaScript heap`],
        ["Attribute sets", `${attribute_sets.count}, ${size(attribute_sets.octets)}`],
      ];
      for (const f of families) {
        fields.push(
          [
            f.family,
            `${f.prefixes} prefixes (${size(f.prefix_octets)}), ${f.paths} paths (${size(f.path_octets)})`,
          ],
          [
            "",
            `Adj-RIB-Out ${size(f.adj_rib_out_octets)}, change log ${size(f.change_log_octets)}`,
          ],
        );
      }
      for (const [name, value] of fields) print(name === "" ? `    ${value}` : `${name}: ${value}`);
    });
  },
};

const QUARANTINE_COLUMNS: readonly Column<ShownQuarantine>[] = [
  { title: "Neighbor", text: ({ address }) => address },
  { title: "AS", text: ({ as }) => String(as), right: true },
  { title: "Since", text: ({ since_ms }) => duration(clockMs() - since_ms), right: true },
  {
    title: "Held for",
    text: ({ held, until_ms }) => (held ? duration(until_ms - clockMs()) : "over"),
    right: true,
  },
  { title: "Times", text: ({ count }) => String(count), right: true },
  { title: "Cause", text: ({ cause }) => cause },
  { title: "Message", text: ({ file }) => file ?? "not kept" },
];

const showQuarantineCommand: Command = {
  name: "show quarantine",
  usage: "",
  summary: "neighbors that are held down because the program died of a message of theirs",
  help: [
    "The message is in a file that `tsbgp decode` reads. `tsbgp release NEIGHBOR` ends it before its",
    "time, which doubles with each time of a day: 1 minute, 2, 4, up to an hour.",
  ],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    const table = new TableWriter(QUARANTINE_COLUMNS, print);
    return askForList<ShownQuarantine>(
      args,
      { command: "show-quarantine" },
      {
        item: (one) => table.add(one),
        end: () => table.end(),
      },
    );
  },
};

/** So many neighbors that are waited for are named. */
const WAITED_FOR_NAMED = 5;

function restartFields(restart: ShownRestart | null): [string, string][] {
  if (restart === null) return [];
  const left = duration(restart.until_ms - clockMs());
  return restart.families.map(({ family, waits_for, held }) => {
    const named = waits_for.slice(0, WAITED_FOR_NAMED).join(", ");
    const more = waits_for.length - WAITED_FOR_NAMED;
    const whom = waits_for.length === 0 ? "nobody" : more > 0 ? `${named} and ${more} more` : named;
    const text = `${held} sessions are sent nothing yet: waits for ${whom}, ${left} at most`;
    return [`Restart, ${family}`, text];
  });
}

interface ShownStatus {
  version: string;
  as: number;
  id: string;
  started_ms: number;
  neighbors: number;
  established: number;
  restart: ShownRestart | null;
  dynamic_neighbors: ShownRange[];
  graceful_shutdown: boolean;
  config_trial: ShownConfigTrial | null;
  feeds: ShownFeedStatus | null;
}

const showStatus: Command = {
  name: "show status",
  usage: "",
  summary: "the speaker in a few lines",
  help: ["  --cluster   all members of the cluster, a line each"],
  options: CLUSTER_OPTIONS,
  run: async (args) => {
    noWords(args);
    if (args.options["cluster"] === true) return statusOfAll(args);
    return askForOne<ShownStatus>(args, { command: "show-status" }, (status) => {
      const { version, as, id, started_ms, neighbors, established, restart, feeds } = status;
      const lines = renderFields([
        ["Version", version],
        ["Router", `AS ${as}, identifier ${id}`],
        ["Running for", duration(clockMs() - started_ms)],
        ["Neighbors", `${established} of ${neighbors} established`],
        ...status.dynamic_neighbors.map(
          ({ prefix, neighbors: count, limit }) =>
            ["Dynamic", `${count} of at most ${limit} neighbors of ${prefix}`] as const,
        ),
        ...restartFields(restart),
        ...(status.graceful_shutdown
          ? ([["Graceful shutdown", "on: all routes are sent with GRACEFUL_SHUTDOWN"]] as const)
          : []),
        ...trialFields(status.config_trial),
        ...feedFields(feeds),
      ]);
      for (const line of lines) print(line);
    });
  },
};

export const SHOW_COMMANDS: readonly Command[] = [
  showStatus,
  showNeighbors,
  showNeighbor,
  showRoutesCommand,
  showGroups,
  showMemory,
  showNsrCommand,
  showMirrorsCommand,
  showRecordCommand,
  showRpkiCommand,
  showFeedsCommand,
  showFollowersCommand,
  showClusterCommand,
  showForwardCommand,
  showBfdCommand,
  showQuarantineCommand,
  showReloadsCommand,
];
