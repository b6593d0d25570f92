/** The section of a cluster: speakers that have the sessions of one route server between them. */

import type { Checker } from "./checker.ts";
import type { FileCluster, FileShape } from "./file-shape.ts";
import { checkLinkTls } from "./followers.ts";
import type { Layers } from "./layers.ts";
import type { ClusterConfig, LinkAddress, NsrConfig } from "./link-types.ts";
import { didYouMean } from "./mistakes.ts";
import { checkLink, linksIn, type PlacedLink, textOf } from "./nsr.ts";
import type { Section } from "./yaml-file.ts";

/** What certificates of members are for unless the file says so. */
const CLUSTER_NAME = "cluster";
const HOLD_SECONDS = 90;

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
  const { self } = cluster;
  const names = Object.keys(cluster.members);
  const links = new Map(names.map((each) => [each, linksIn(cluster.members, each, checker)]));
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
  return { name, self, members, listen, tls, holdSeconds: cluster["hold-seconds"] ?? HOLD_SECONDS };
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
    const message = `"speaker" is missing: which of ${names.join(", ")} has the session`;
    if (!layers.wrote("speaker")) yaml.add(yaml.at(neighbor), message);
    return null;
  }
  if (!names.includes(name)) {
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
