/** The section of nonstop routing: links, service addresses and certificates. */

import { type ParsedAddress, parseHostAddress } from "./addresses.ts";
import { checkArbiter, checkLease } from "./arbiter.ts";
import { type Checker, checkAddress, checkFolder, listOf } from "./checker.ts";
import type { FileLink, FileNsr, FileShape, OneOrMore } from "./file-shape.ts";
import type {
  LinkAddress,
  ListenAddress,
  NsrConfig,
  NsrLog,
  NsrPeer,
  NsrTls,
  ServiceAddressConfig,
} from "./link-types.ts";
import { readPem } from "./secrets.ts";

/** Longest path that the address of a Unix socket has room for. */
export const SOCKET_PATH_OCTETS_MAX = 107;

/** With the place of where it stands. */
export type PlacedLink = readonly [link: LinkAddress, at: number];

/** @param listen - addresses that the speaker accepts connections on */
export function checkNsr(
  { nsr, listen: written }: FileShape,
  listen: readonly ListenAddress[],
  checker: Checker,
): NsrConfig | null {
  if (nsr === undefined) return null;
  const { yaml } = checker;
  const mode = nsr.mode ?? "shared";
  const tls = checkTls(nsr, checker);
  const ownLink = checkLink(nsr.listen, yaml.valueAt(nsr, "listen"), checker);
  const places: number[] = [];
  const peers = checkPeers(nsr, places, checker);
  const config: NsrConfig = {
    cluster: nsr.cluster,
    self: nsr.self ?? "",
    listen: ownLink,
    peers,
    mode,
    serviceAddresses: checkServiceAddresses(nsr, mode, checker),
    arbiter: checkArbiter(nsr, ownLink, checker),
    tls,
    heartbeatMs: nsr["heartbeat-ms"] ?? 30,
    heartbeatMisses: nsr["heartbeat-misses"] ?? 3,
    patienceMs: nsr["patience-ms"] ?? 300,
    log: checkLog(nsr, checker),
  };
  checkLinks(config, nsr, places, checker);
  checkLease(config, nsr, checker);
  if (written !== undefined) checkListeners(config, written, listen, checker);
  return config;
}

function checkLog(nsr: FileNsr, checker: Checker): NsrLog | null {
  const { log, "log-mb": megabytes = 256 } = nsr;
  const { yaml } = checker;
  if (log === undefined) {
    if (yaml.wrote(nsr, "log-mb") && !yaml.wrote(nsr, "log"))
      checker.warn(yaml.keyAt(nsr, "log-mb"), '"log-mb" has no meaning without "log"');
    return null;
  }
  const at = yaml.valueAt(nsr, "log");
  if (log.startsWith("/")) {
    checkFolder(`${log.replace(/\/+$/, "")}/log`, at, checker);
    checkWritable(log, at, checker);
  } else yaml.add(at, `"${log}" must be a path from the root, such as /var/lib/ts-bgp`);
  return { directory: log, octetsMax: megabytes * 1_000_000 };
}

/** Another user may check the file than the one that the speaker runs as. */
function checkWritable(folder: string, at: number, checker: Checker): void {
  const problem = checker.sources.cannotWrite?.(folder) ?? "";
  if (problem !== "") checker.warn(at, problem);
}

/** @param places - is given where each way to another side stands */
function checkPeers(nsr: FileNsr, places: number[], checker: Checker): NsrPeer[] {
  const { yaml } = checker;
  const { peer, peers } = nsr;
  const waysOf = (name: string | null, parent: object, key: string): NsrPeer => {
    const ways = linksIn(parent, key, checker);
    places.push(...ways.map(([, at]) => at));
    return { name, ways: ways.map(([way]) => way) };
  };
  if (peers === undefined) {
    if (peer !== undefined) return [waysOf(null, nsr, "peer")];
    const isBroken = yaml.wrote(nsr, "peer") || yaml.wrote(nsr, "peers");
    if (!isBroken) yaml.add(yaml.at(nsr), '"peer" is missing');
    return [];
  }
  if (peer !== undefined)
    yaml.add(yaml.keyAt(nsr, "peers"), '"peer" and "peers" exclude each other');
  if (nsr.self === undefined && checker.sources.nsrSelf === "") {
    const mistake = '"peers" names sides, and "self" is missing: which of them this one is';
    yaml.add(yaml.keyAt(nsr, "peers"), `${mistake} (or --nsr-self NAME)`);
  }
  // A file that is for all sides names each of them.
  const others = Object.keys(peers).filter((name) => name !== nsr.self);
  if (others.length === 0)
    yaml.add(yaml.valueAt(nsr, "peers"), `"peers" has no other side than ${nsr.self}`);
  return others.map((name) => waysOf(name, peers, name));
}

/** @returns the address; what is wrong with it is noted at an index of the configuration */
export function checkLink(link: FileLink, at: number, checker: Checker): LinkAddress {
  const { yaml } = checker;
  if (typeof link !== "string") {
    const address = checkAddress(link.address, yaml.valueAt(link, "address"), checker);
    return { address, port: link.port };
  }
  if (typeof parseHostAddress(link) !== "string") {
    yaml.add(at, `"${link}" is an address and needs a port: { address: "${link}", port: 1790 }`);
  } else if (!link.startsWith("/")) {
    yaml.add(at, `"${link}" must be a path from the root, such as /run/ts-bgp/nsr.sock`);
  } else if (new TextEncoder().encode(link).length > SOCKET_PATH_OCTETS_MAX) {
    yaml.add(at, `the path of a Unix socket has at most ${SOCKET_PATH_OCTETS_MAX} octets`);
  }
  return { path: link };
}

/** @returns the addresses that a key has, one or a list, and the place of each */
export function linksIn(parent: object, key: string, checker: Checker): PlacedLink[] {
  const { yaml } = checker;
  const written = (parent as Readonly<Record<string, OneOrMore<FileLink> | undefined>>)[key] ?? [];
  return listOf(written).map((link, k) => {
    const at = Array.isArray(written) ? yaml.valueAt(written, k) : yaml.valueAt(parent, key);
    return [checkLink(link, at, checker), at];
  });
}

/** What the addresses of the links mean together with the other keys. */
function checkLinks(
  config: NsrConfig,
  nsr: FileNsr,
  peerPlaces: readonly number[],
  checker: Checker,
): void {
  const { yaml } = checker;
  const links = waysOf(config);
  const seen = new Map<string, NsrPeer>();
  for (const [k, { way, peer }] of links.entries()) {
    const text = textOf(way);
    const at = peerPlaces[k]!;
    const before = seen.get(text);
    // Sides in one network namespace may all have one socket, which the active one listens on.
    const isShared = before !== peer && config.mode === "shared" && "path" in way;
    if (before !== undefined && !isShared) yaml.add(at, `${text} appears twice`);
    seen.set(text, peer);
    if (config.mode === "address" && !("path" in way) && text === textOf(config.listen)) {
      yaml.add(at, `${text} is this side itself: the other side has an address of its own`);
    }
  }
  const places = [yaml.valueAt(nsr, "listen"), ...peerPlaces];
  for (const [k, link] of [config.listen, ...links.map(({ way }) => way)].entries()) {
    if ("path" in link || link.address === "") continue;
    const address = parseHostAddress(link.address) as ParsedAddress;
    if (config.serviceAddresses.some((service) => service.address === link.address)) {
      const message = `${link.address} is a service address: it moves, and the link must not`;
      yaml.add(places[k]!, message);
    } else if (k > 0 && address.unspecified) {
      yaml.add(places[k]!, `${link.address} is nobody's address`);
    }
  }
  checkPrivacy(config, nsr, places, checker);
}

/**
 * A link carries all that a side knows, and whoever is let in at its end is given the sessions: TCP needs
 * TLS, on loopback as well, where every user of the host can connect.
 *
 * @param places - of `listen` and of each `peer`
 */
function checkPrivacy(
  config: NsrConfig,
  nsr: FileNsr,
  places: readonly number[],
  checker: Checker,
): void {
  const { yaml } = checker;
  const { cluster, self } = config;
  const links = [config.listen, ...waysOf(config).map(({ way }) => way)];
  const isOpen = (link: LinkAddress) => !("path" in link) && link.address !== "";
  const open = yaml.wrote(nsr, "tls") ? -1 : links.findIndex(isOpen);
  if (open >= 0) {
    const one = self === "" ? "a" : self;
    const others = config.peers.map(({ name }) => name ?? (self === "b" ? "a" : "b"));
    const sides = [one, ...others].map((name) => `--side ${name}`).join(" ");
    const command = `tsbgp keys DIR --cluster ${cluster} ${sides}`;
    const message = `a TCP link needs "tls", also on one host (${command} makes certificates)`;
    yaml.add(places[open]!, `${message}; within a host a Unix socket, /run/ts-bgp/nsr.sock, does`);
  }
  const seen = new Set<string>();
  for (const [k, link] of links.entries()) {
    if (!("path" in link) || !link.path.startsWith("/") || seen.has(link.path)) continue;
    seen.add(link.path);
    checkFolder(link.path, places[k]!, checker);
  }
  const file = typeof nsr.arbiter === "object" ? nsr.arbiter.file : undefined;
  if (file?.startsWith("/"))
    checkFolder(file, yaml.valueAt(nsr.arbiter as object, "file"), checker);
}

/** @returns each way to another side with that side, in order */
function waysOf({ peers }: NsrConfig): { way: LinkAddress; peer: NsrPeer }[] {
  return peers.flatMap((peer) => peer.ways.map((way) => ({ way, peer })));
}

export function textOf(link: LinkAddress): string {
  return "path" in link ? link.path : `${link.address} port ${link.port}`;
}

function checkServiceAddresses(
  nsr: FileNsr,
  mode: NsrConfig["mode"],
  checker: Checker,
): ServiceAddressConfig[] {
  const { yaml } = checker;
  const items = nsr["service-addresses"] ?? [];
  // A mode that is no mode was told of already.
  if (mode === "shared" && items.length > 0 && (nsr.mode === mode || !yaml.wrote(nsr, "mode"))) {
    const message = "in mode shared both sides have all addresses: none moves";
    yaml.add(yaml.keyAt(nsr, "service-addresses"), message);
  }
  if (mode === "address" && !yaml.wrote(nsr, "service-addresses")) {
    const at = yaml.valueAt(nsr, "mode");
    yaml.add(at, 'mode address needs "service-addresses": those that move to the active side');
  }
  const seen = new Set<string>();
  return items.map((item) => {
    const at = yaml.valueAt(item, "address");
    const name = item.interface ?? "";
    const found = serviceAddress(item.address);
    if (typeof found === "string") {
      yaml.add(at, found);
      return { address: "", bits: 0, interface: name };
    }
    if (seen.has(found.address)) yaml.add(at, `${found.address} appears twice`);
    seen.add(found.address);
    return { ...found, interface: name };
  });
}

/** @returns the address and the length of its prefix, or what is wrong */
function serviceAddress(text: string): { address: string; bits: number } | string {
  const [host = "", length, ...rest] = text.split("/");
  if (length === undefined) return `"${text}" has no prefix length, as in 192.0.2.1/24`;
  const address = parseHostAddress(host);
  if (typeof address === "string") return address;
  const bitsMax = address.version === 4 ? 32 : 128;
  const bits = Number(length);
  if (rest.length > 0 || !/^\d{1,3}$/.test(length) || bits < 1 || bits > bitsMax) {
    return `"${text}" must have a prefix length from 1 to ${bitsMax}`;
  }
  if (address.text.includes("%")) return `"${text}" has a zone: "interface" names it`;
  if (address.unspecified || address.multicast) return `${host} is not the address of one host`;
  if (address.loopback) return `${host} is on every host: it cannot move`;
  return { address: address.text, bits };
}

/** @param cluster - the name that certificates have to be for */
export function checkTls(
  { tls, cluster }: Pick<FileNsr, "tls" | "cluster">,
  checker: Checker,
): NsrTls | null {
  const { yaml } = checker;
  if (tls === undefined) return null;
  const read = (key: keyof NsrTls) => {
    const at = checker.yaml.valueAt(tls, key);
    return readPem(key === "key" ? "key" : "certificate", tls[key], at, checker);
  };
  const before = checker.yaml.mistakes.length;
  const found = { cert: read("cert"), key: read("key"), ca: read("ca") };
  if (yaml.mistakes.length > before) return found;
  const problem = checker.sources.certificateProblem?.(found, cluster);
  const at = yaml.valueAt(tls, "cert");
  if (problem !== undefined && problem.mistake !== "") yaml.add(at, problem.mistake);
  if (problem !== undefined && problem.warning !== "") checker.warn(at, problem.warning);
  return found;
}

/** Warns of addresses to accept connections on that do not move. */
function checkListeners(
  { mode, serviceAddresses }: NsrConfig,
  written: object,
  listen: readonly ListenAddress[],
  checker: Checker,
): void {
  if (mode === "shared") return;
  const moving = new Set(["0.0.0.0", "::", "", ...serviceAddresses.map(({ address }) => address)]);
  for (const [k, { address }] of listen.entries()) {
    if (moving.has(address)) continue;
    const message = `${address} is not a service address: sessions with it end with this side`;
    checker.warn(checker.yaml.valueAt(written, k), message);
  }
}
