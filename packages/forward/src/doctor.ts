/** Whether a host lets a module write its routes, and sends packets by them; and what to do if not. */

import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { type DoctorRow, missingCapabilities } from "@ts-bgp/takeover";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import type { Place } from "./kernel-route.ts";
import { RTPROT_BGP } from "./kernel-route.ts";
import { netlinkProcesses } from "./netlink-processes.ts";
import type { NextHopObject } from "./next-hop-object.ts";
import { RouteSocket } from "./route-socket.ts";

/** Where a module is to write, and by what next hops resolve. */
export interface ForwardPlace extends Place {
  readonly families: readonly ("ipv4" | "ipv6")[];
  readonly nextHopTable: number;
  /** Empty for none. */
  readonly linkLocalInterface: string;
  /** Whether routes are to lead by groups of next hops. */
  readonly nextHopGroups: boolean;
}

/** What was found. Numbers are null where they cannot be read. */
export interface ForwardProbes {
  readonly hasNetAdmin: boolean;
  readonly families: readonly FamilyProbes[];
  /** Interfaces that drop packets which they would not send back the same way (RFC 3704 section 2.2). */
  readonly strictInterfaces: readonly string[];
  /** net.ipv4.fib_multipath_use_neigh: next hops that do not answer are left out of several. */
  readonly usesNeighbors: number | null;
  /** net.ipv6.route.max_size: a small number in kernels before 6.3. */
  readonly ipv6RoutesMax: number | null;
  readonly hasLinkLocalInterface: boolean;
  /** Whether the kernel has next hops as objects. */
  readonly hasNextHopGroups: boolean;
  /** FRR's zebra runs in this network namespace, or objects of its are there. */
  readonly hasZebra: boolean;
  /** net.ipv4.nexthop_compat_mode: whether the kernel tells of each route when an object changes that it goes by. */
  readonly compatMode: number | null;
}

export interface FamilyProbes {
  readonly family: "ipv4" | "ipv6";
  readonly forwards: number | null;
  /** Routes of protocol bgp with the metric: an earlier module's. */
  readonly own: number;
  /** Routes of other protocols with this metric: where they are, nothing is written. */
  readonly inTheWay: number;
  /** Metrics that other writers of protocol bgp have. */
  readonly otherMetrics: readonly number[];
  /** Routes of others that next hops can resolve by: for IPv4 those of IPv6 count too. */
  readonly resolving: number;
}

/** Routes of a whole table of the Internet, and some. */
const IPV6_ROUTES = 1_000_000;
const STRICT = 1;
export const COMPAT_MODE = "ipv4/nexthop_compat_mode";
const RTPROT_ZEBRA = 11;

/** Looks at this host, in this network namespace; reads all routes of the tables. Throws a KernelError. */
export function probeForward(place: ForwardPlace): ForwardProbes {
  const socket = new RouteSocket();
  try {
    return {
      hasNetAdmin: missingCapabilities(["CAP_NET_ADMIN"]).length === 0,
      families: place.families.map((family) => probeFamily(socket, place, family)),
      strictInterfaces: strictInterfaces(),
      usesNeighbors: sysctl("ipv4/fib_multipath_use_neigh"),
      ipv6RoutesMax: sysctl("ipv6/route/max_size"),
      hasLinkLocalInterface: interfaceNumbers().has(place.linkLocalInterface),
      ...probeObjects(socket),
      compatMode: sysctl(COMPAT_MODE),
    };
  } finally {
    socket.close();
  }
}

/** @returns the numbers of interfaces that are up and have a link-local address, by name */
export function interfaceNumbers(): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const one of addresses)
      if (one.family === "IPv6" && one.scopeid) found.set(name, one.scopeid);
  }
  return found;
}

/** @returns a row for everything, in the order in which it should be mended; minor is what routes are written without */
export function diagnoseForward(place: ForwardPlace, probes: ForwardProbes): DoctorRow[] {
  const { hasNetAdmin, strictInterfaces: strict, usesNeighbors, ipv6RoutesMax } = probes;
  const rows: DoctorRow[] = [
    row(
      "CAP_NET_ADMIN",
      hasNetAdmin,
      hasNetAdmin ? "effective" : "missing",
      "give it to the process: AmbientCapabilities=CAP_NET_ADMIN in its unit, --cap-add NET_ADMIN for a container",
    ),
  ];
  for (const family of probes.families) rows.push(...familyRows(place, family));
  const { linkLocalInterface } = place;
  if (linkLocalInterface !== "") {
    const isThere = probes.hasLinkLocalInterface;
    const detail = isThere
      ? "has a link-local address"
      : "is not there, or has no link-local address";
    const whatToDo = "correct link-local-interface, or bring the interface up with IPv6";
    rows.push(row(`interface ${linkLocalInterface}`, isThere, detail, whatToDo));
  }
  if (place.nextHopGroups) rows.push(...groupRows(probes));
  if (place.families.includes("ipv4")) {
    const detail = strict.length === 0 ? "not strict" : `strict on ${strict.join(", ")}`;
    const remedy =
      "sysctl net.ipv4.conf.all.rp_filter=2 (or 0 there and for each of them): packets that come another way than" +
      " their source's route are dropped otherwise";
    rows.push(minor("reverse path", strict.length === 0, detail, remedy));
    const isOn = usesNeighbors !== 0;
    const neighborDetail = isOn
      ? "those that answer"
      : "all of several, whether they answer or not";
    const neighborRemedy = "sysctl net.ipv4.fib_multipath_use_neigh=1";
    rows.push(minor("next hops used", isOn, neighborDetail, neighborRemedy));
  }
  if (place.families.includes("ipv6") && ipv6RoutesMax !== null) {
    const isEnough = ipv6RoutesMax >= IPV6_ROUTES;
    const remedy = `sysctl net.ipv6.route.max_size=${2 * IPV6_ROUTES}`;
    rows.push(minor("room for ipv6 routes", isEnough, `${ipv6RoutesMax}`, remedy));
  }
  return rows;
}

function groupRows({ hasNextHopGroups: isOn, hasZebra, compatMode }: ForwardProbes): DoctorRow[] {
  const detail = isOn ? "the kernel has them" : "the kernel has none: each route has its own";
  const remedy = "run Linux 5.3 or later, or write next-hop-groups: off";
  const rows = [minor("next-hop groups", isOn, detail, remedy)];
  if (!isOn) return rows;
  const zebraRemedy =
    "give FRR a network namespace of its own, or write next-hop-groups: off: some versions of zebra change and delete" +
    " next hops of others when they start";
  const zebra = hasZebra ? "zebra runs here, or has left next hops" : "no zebra";
  rows.push(minor("FRR", !hasZebra, zebra, zebraRemedy));
  const isQuiet = compatMode !== 1;
  const compat = isQuiet
    ? "off"
    : "on: 16 groups at most, and each change of one is told for each route";
  const compatRemedy =
    "sysctl net.ipv4.nexthop_compat_mode=0, unless another program reads gateways of these routes and knows no nhid";
  rows.push(minor("compat mode", isQuiet, compat, compatRemedy));
  return rows;
}

function familyRows(place: ForwardPlace, probes: FamilyProbes): DoctorRow[] {
  const { table, metric, nextHopTable } = place;
  const { family, forwards, own, inTheWay, otherMetrics, resolving } = probes;
  const key = family === "ipv4" ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
  const lower = otherMetrics.filter((each) => each < metric);
  const writers = otherMetrics.length === 0 ? "nobody" : `metric ${otherMetrics.join(", ")}`;
  return [
    minor(
      `${family} table ${table}`,
      inTheWay === 0,
      `${own} own routes, ${inTheWay} of others with metric ${metric}`,
      "give forward: metric a number that no other route in the table has: theirs stay, and those of the module are refused",
    ),
    minor(
      `${family} other bgp routes`,
      lower.length === 0,
      writers,
      `another daemon writes routes with a lower metric, which win: end it, or give forward: metric a number below ${Math.min(...lower)}`,
    ),
    minor(
      `${family} next hops`,
      resolving > 0,
      `${resolving} routes of table ${nextHopTable} lead to them`,
      "no next hop resolves by a default route alone: give interfaces addresses, bring them up, or correct next-hop-table",
    ),
    minor(
      `${family} forwarding`,
      forwards !== 0,
      forwards === null ? "cannot be read" : forwards === 0 ? "off" : "on",
      `sysctl ${key}=1: packets of others are dropped without it`,
    ),
  ];
}

function probeFamily(
  socket: RouteSocket,
  { table, metric, nextHopTable }: ForwardPlace,
  family: "ipv4" | "ipv6",
): FamilyProbes {
  const code: Family = family === "ipv4" ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
  const counts = { own: 0, inTheWay: 0, resolving: 0 };
  const otherMetrics = new Set<number>();
  const begin = () => {
    counts.own = 0;
    counts.inTheWay = 0;
    otherMetrics.clear();
  };
  socket.read(code, table, 0, begin, (route) => {
    if (route.protocol === RTPROT_BGP && route.metric === metric) counts.own++;
    else if (route.protocol === RTPROT_BGP) otherMetrics.add(route.metric);
    else if (route.metric === metric) counts.inTheWay++;
  });
  for (const each of new Set([code, FAMILY.IPV6_UNICAST])) {
    const before = counts.resolving;
    const beginResolving = () => {
      counts.resolving = before;
    };
    socket.read(each, nextHopTable, 0, beginResolving, ({ protocol, bits, isSpecial, isDead }) => {
      if (protocol !== RTPROT_BGP && bits > 0 && !isSpecial && !isDead) counts.resolving++;
    });
  }
  const forwards = sysctl(family === "ipv4" ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding");
  return { family, forwards, ...counts, otherMetrics: [...otherMetrics].sort((a, b) => a - b) };
}

function probeObjects(socket: RouteSocket): { hasNextHopGroups: boolean; hasZebra: boolean } {
  let hasZebra = netlinkProcesses().includes("zebra");
  const take = ({ protocol }: NextHopObject) => {
    if (protocol === RTPROT_ZEBRA) hasZebra = true;
  };
  try {
    socket.readNextHops(() => {}, take);
    return { hasNextHopGroups: true, hasZebra };
  } catch {
    return { hasNextHopGroups: false, hasZebra };
  }
}

/** The kernel takes the larger one of the number of all and that of an interface. */
function strictInterfaces(): string[] {
  const all = sysctl("ipv4/conf/all/rp_filter") ?? 0;
  return Object.keys(networkInterfaces()).filter(
    (name) => name !== "lo" && Math.max(all, sysctl(`ipv4/conf/${name}/rp_filter`) ?? 0) === STRICT,
  );
}

/** @returns a setting of the kernel's, of a path below /proc/sys/net; null where it cannot be read */
export function sysctl(path: string): number | null {
  try {
    return Number(readFileSync(`/proc/sys/net/${path}`, "utf8"));
  } catch {
    return null;
  }
}

function row(what: string, ok: boolean, detail: string, whatToDo: string): DoctorRow {
  return { what, ok, detail, whatToDo: ok ? "" : whatToDo };
}

function minor(what: string, ok: boolean, detail: string, whatToDo: string): DoctorRow {
  return { ...row(what, ok, detail, whatToDo), isMinor: true };
}
