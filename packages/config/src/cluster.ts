/** The section of a cluster: speakers that have the sessions of one route server between them. */

import { parseHostAddress } from "./addresses.ts";
import { checkEtcdAccess } from "./arbiter.ts";
import type { Checker } from "./checker.ts";
import type { FileCluster, FileShape } from "./file-shape.ts";
import { checkLinkTls } from "./followers.ts";
import type { Layers } from "./layers.ts";
import type { ClusterConfig, ClusterEtcd, LinkAddress, NsrConfig } from "./link-types.ts";
import { didYouMean } from "./mistakes.ts";
import { checkLink, linksIn, type PlacedLink, SOCKET_PATH_OCTETS_MAX, textOf } from "./nsr.ts";
import type { Section } from "./yaml-file.ts";

/** What certificates of members are for unless the file says so. */
const CLUSTER_NAME = "cluster";
const HOLD_SECONDS = 90;
const TTL_SECONDS = 10;
/** What an arbiter reads there counts for roles, and it takes nothing that is not its own. */
const ARBITERS = /^ts-bgp(\/|$)/;
const ETCD_DANGER = "whoever is on the way could hide members";

export function checkCluster(
  { cluster, followers, mirrors }: FileShape,
  nsr: NsrConfig | null,
  controlSocket: string,
  checker: Checker,
): ClusterConfig | null {
  if (cluster === undefined) return null;
  const { yaml } = checker;
  const name = cluster.name ?? CLUSTER_NAME;
  const others: readonly (readonly [string | undefined, string])[] = [
    [nsr?.cluster, "nsr"],
    [followers === undefined ? undefined : (followers.name ?? "followers"), "followers"],
    [mirrors?.cluster, "mirrors"],
  ];
  const taken = others.find(([other]) => other === name);
  if (taken !== undefined) {
    const at = yaml.wrote(cluster, "name") ? yaml.valueAt(cluster, "name") : yaml.at(cluster);
    yaml.add(
      at,
      `"${name}" is the name of ${taken[1]}: certificates for that would open this link`,
    );
  }
  const holdSeconds = cluster["hold-seconds"] ?? HOLD_SECONDS;
  if (cluster.etcd !== undefined) {
    const etcd = checkEtcd(cluster, cluster.etcd, name, nsr, checker);
    const { listen, tls } = checkListen(cluster, name, checker);
    refuseShared(cluster, "etcd has members of other hosts", yaml);
    const { self } = cluster;
    return { name, self, members: [], etcd, listen, sharesAddress: false, holdSeconds, tls };
  }
  const { self, members: written } = cluster;
  if (written === undefined) {
    const isBroken = yaml.wrote(cluster, "members") || yaml.wrote(cluster, "etcd");
    const message =
      '"members" is missing: where each is followed; or "etcd", which has a list of them';
    if (!isBroken) yaml.add(yaml.at(cluster), message);
    return null;
  }
  const names = Object.keys(written);
  const links = new Map(names.map((each) => [each, linksIn(written, each, checker)]));
  const own = links.get(self);
  if (own === undefined) {
    const message = `"${self}" is not one of "members"${didYouMean(self, names)}`;
    yaml.add(yaml.valueAt(cluster, "self"), message);
  } else if (names.length === 1) {
    yaml.add(yaml.valueAt(cluster, "members"), `"members" has no other than ${self}`);
  }
  const placed = ownLink(cluster, own ?? [], checker);
  checkPlaces(self, links, placed, controlSocket, checker);
  const all = [...links.values()].flat();
  const tls = checkLinkTls(cluster, name, placed === null ? all : [...all, placed], checker);
  const members = [...links].flatMap(([member, found]) =>
    member === self ? [] : [{ name: member, links: found.map(([link]) => link) }],
  );
  const listen: LinkAddress = placed?.[0] ?? { path: "" };
  const sharesAddress = checkShared(cluster, [...links.values()], nsr, checker);
  return { name, self, members, etcd: null, listen, sharesAddress, holdSeconds, tls };
}

/** @returns whether members listen on the same addresses */
function checkShared(
  cluster: FileCluster,
  links: readonly (readonly PlacedLink[])[],
  nsr: NsrConfig | null,
  { yaml }: Checker,
): boolean {
  const isWanted = cluster["share-address"] === true;
  const whyNot = isWanted ? whyNotShared(links, nsr) : null;
  if (whyNot !== null) refuseShared(cluster, whyNot, yaml);
  return isWanted && whyNot === null;
}

function whyNotShared(
  links: readonly (readonly PlacedLink[])[],
  nsr: NsrConfig | null,
): string | null {
  if (nsr !== null || links.some(({ length }) => length > 1))
    return "a member that is a pair takes its addresses to its other side";
  for (const [link] of links.flat()) {
    if (!("path" in link)) return "each must be followed at the path of a Unix socket, on one host";
    const path = clientSocketOf(link.path);
    if (new TextEncoder().encode(path).length > SOCKET_PATH_OCTETS_MAX)
      return `${path} would be another socket, and has more than ${SOCKET_PATH_OCTETS_MAX} octets`;
  }
  return null;
}

function refuseShared(cluster: FileCluster, whyNot: string, yaml: Checker["yaml"]): void {
  if (cluster["share-address"] !== true) return;
  yaml.add(yaml.keyAt(cluster, "share-address"), `members cannot share an address: ${whyNot}`);
}

/**
 * @param path - where a member is followed
 * @returns where it is given connections of its clients that came to another one
 */
export function clientSocketOf(path: string): string {
  return `${path}.clients`;
}

function checkEtcd(
  cluster: FileCluster,
  etcd: NonNullable<FileCluster["etcd"]>,
  name: string,
  nsr: NsrConfig | null,
  checker: Checker,
): ClusterEtcd {
  const { yaml } = checker;
  if (cluster.members !== undefined)
    yaml.add(yaml.keyAt(cluster, "etcd"), '"members" and "etcd" exclude each other');
  const access = checkEtcdAccess(etcd, ETCD_DANGER, checker);
  const prefix = (etcd.prefix ?? `/ts-bgp/cluster/${name}`).replace(/\/+$/, "");
  if (ARBITERS.test(prefix)) {
    const message = `"${prefix}" is where arbiters of pairs have their keys: take /${prefix}, or another one`;
    yaml.add(yaml.valueAt(etcd, "prefix"), message);
  }
  const ttlSeconds = etcd["ttl-seconds"] ?? TTL_SECONDS;
  return { ...access, prefix, ttlSeconds, sides: 1 + (nsr?.peers.length ?? 0) };
}

/**
 * Others come to this address because etcd names it. Whoever writes there must get no trust by that, so certificates
 * say who is who: a Unix socket has none.
 */
function checkListen(
  cluster: FileCluster,
  name: string,
  checker: Checker,
): Pick<ClusterConfig, "listen" | "tls"> {
  const { yaml } = checker;
  const { listen: written } = cluster;
  if (written === undefined) {
    const message = '"listen" is missing: { address, port } where others follow this process';
    if (!yaml.wrote(cluster, "listen")) yaml.add(yaml.at(cluster), message);
    return { listen: { path: "" }, tls: null };
  }
  const at = yaml.valueAt(cluster, "listen");
  const listen = checkLink(written, at, checker);
  const tls = checkLinkTls(cluster, name, [[listen, at]], checker);
  if ("path" in listen) {
    const why = "certificates say who members are that find each other by etcd";
    yaml.add(at, `"listen" must have an address and a port: ${why}`);
    return { listen, tls };
  }
  const address = parseHostAddress(listen.address);
  if (typeof address !== "string" && address.unspecified) {
    const message = `${listen.address} is nobody's address, and others are told to come there`;
    yaml.add(yaml.valueAt(written as object, "address"), message);
  }
  return { listen, tls };
}

/** Who follows a member at the address of another one would take that one's routes for its own, and others away. */
function checkPlaces(
  self: string,
  links: ReadonlyMap<string, readonly PlacedLink[]>,
  placed: PlacedLink | null,
  controlSocket: string,
  { yaml }: Checker,
): void {
  const seen = new Map<string, string>();
  const all = [...links].flatMap(([name, found]) =>
    found.map(([link, at]) => ({ name, link, at })),
  );
  for (const { name, link, at } of all) {
    // It is noted already that this is none.
    if (!("path" in link) && link.address === "") continue;
    const text = textOf(link);
    const before = seen.get(text);
    if (text === controlSocket) yaml.add(at, `${text} is the control socket`);
    else if (before !== undefined) yaml.add(at, `${text} is an address of ${before} already`);
    else seen.set(text, name);
  }
  if (placed === null || all.some(({ at }) => at === placed[1])) return;
  const [link, at] = placed;
  const text = textOf(link);
  const owner = seen.get(text) ?? self;
  if (text === controlSocket) yaml.add(at, `${text} is the control socket`);
  else if (owner !== self) yaml.add(at, `${text} is an address of ${owner}`);
}

/** @returns where this process is followed; null once it is noted that nobody can know */
function ownLink(
  cluster: FileCluster,
  own: readonly PlacedLink[],
  checker: Checker,
): PlacedLink | null {
  const { yaml } = checker;
  if (cluster.listen !== undefined) {
    const at = yaml.valueAt(cluster, "listen");
    return [checkLink(cluster.listen, at, checker), at];
  }
  if (own.length > 1) {
    const message = `"listen" is missing: which of the addresses of ${cluster.self} this side has`;
    yaml.add(yaml.at(cluster), message);
  }
  return own[0] ?? null;
}

/**
 * Who has the session with a neighbor.
 *
 * @param cluster - null where the file has no such section
 * @returns the name of another member; null for this speaker
 */
export function checkSpeaker(
  layers: Layers,
  neighbor: object,
  cluster: ClusterConfig | null,
): string | null {
  const { yaml } = layers.checker;
  const name = layers.get("speaker");
  if (cluster === null) {
    const isBroken = yaml.wrote(yaml.value as object, "cluster");
    if (name !== undefined && !isBroken)
      layers.add("speaker", '"speaker" needs a section "cluster"');
    return null;
  }
  const names = [cluster.self, ...cluster.members.map((member) => member.name)];
  if (name === undefined) {
    const which = cluster.etcd === null ? `which of ${names.join(", ")}` : "which member";
    const message = `"speaker" is missing: ${which} has the session`;
    if (!layers.wrote("speaker")) yaml.add(yaml.at(neighbor), message);
    return null;
  }
  // Whoever comes may be in etcd's list.
  if (cluster.etcd === null && !names.includes(name)) {
    const message = `"${name}" is not a member of the cluster${didYouMean(name, names)}`;
    layers.add("speaker", message);
  }
  return name === cluster.self ? null : name;
}

/** Members know of each other's neighbors by the file alone. */
export function refuseDynamic(shape: FileShape, section: Section, { yaml }: Checker): void {
  if (shape.cluster === undefined || (shape["dynamic-neighbors"] ?? []).length === 0) return;
  const message = "a cluster has no dynamic neighbors: other members would not know them";
  yaml.add(yaml.keyAt(section, "dynamic-neighbors"), message);
}
