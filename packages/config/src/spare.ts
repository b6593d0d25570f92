/** The file of a spare: the pairs that it is the other side of, and what they must not have in common. */

import { parseHostAddress } from "./addresses.ts";
import { type Loaded, loadKind } from "./file-kinds.ts";
import type { ListenAddress, NsrConfig } from "./link-types.ts";
import type { LoadedConfig } from "./load.ts";
import type { Mistake } from "./mistakes.ts";
import type { Config } from "./types.ts";
import { YamlFile } from "./yaml-file.ts";

/** One pair, as the spare runs its side. */
export interface SparedPair {
  /** The pair's name, which no other one has. */
  readonly cluster: string;
  /** Configuration of this side, as it stands in the spare's file. */
  readonly file: string;
  /** Control socket of this side. */
  readonly socket: string;
  /** Added to the niceness of the process. */
  readonly nice: number;
  /** Resident memory that a standby may have; null for no limit. */
  readonly memoryMaxMb: number | null;
}

export interface SpareConfig {
  readonly control: { readonly socket: string };
  readonly http: ListenAddress | null;
  readonly pairs: readonly SparedPair[];
}

/** What the file of a spare takes from outside of it. */
export interface SpareSources {
  /**
   * @param path - as it stands in the file; the caller makes it relative to it
   * @returns what is in a configuration file of a side; throws an error whose message says why it cannot be read
   */
  load(path: string): LoadedConfig;
  /** @returns number of the packet queue of a pair */
  queueOf(cluster: string): number;
  /** Control socket of a file that names none. */
  readonly controlSocket: string;
}

/** The file, as far as the schema has found it right. */
interface SpareShape {
  readonly protects?: readonly (string | FilePair)[];
  readonly control?: { readonly socket?: string };
  readonly http?: { readonly address?: string; readonly port: number };
}

interface FilePair {
  readonly file: string;
  readonly nice?: number;
  readonly "memory-max-mb"?: number;
}

/** Something of this host that only one can have, by a text that is equal for equal things. */
interface Claim {
  readonly what: string;
  readonly whose: string;
  /** A port, which whoever listens on all addresses has of each. */
  readonly at?: ListenAddress;
}

/**
 * Reads and checks the file of a spare, and those that it names.
 *
 * @param file - name for messages
 * @param text - YAML
 */
export function loadSpare(file: string, text: string, sources: SpareSources): Loaded<SpareConfig> {
  const yaml = new YamlFile(file, text);
  return loadKind("spare", yaml, (section) => build(section as SpareShape, yaml, sources));
}

function build(shape: SpareShape, yaml: YamlFile, sources: SpareSources) {
  const mistakes: Mistake[] = [];
  const warnings: Mistake[] = [];
  const { protects = [] } = shape;
  const socket = shape.control?.socket ?? sources.controlSocket;
  const http = httpOf(shape, yaml);
  const claims: Claim[] = [{ what: `the control socket ${socket}`, whose: "the spare itself" }];
  if (http !== null) claims.push({ what: "http", whose: "the spare itself", at: http });
  const pairs: SparedPair[] = [];
  for (const [k, item] of protects.entries()) {
    const entry = typeof item === "string" ? { file: item } : item;
    const at = typeof item === "string" ? yaml.valueAt(protects, k) : yaml.valueAt(item, "file");
    const config = load(entry.file, at, yaml, sources, mistakes, warnings);
    if (config === null) continue;
    const { nsr } = config;
    const problem = unfit(entry.file, nsr);
    if (nsr === null || problem !== null) {
      yaml.add(at, problem ?? "");
      continue;
    }
    for (const claim of claimsOf(config, nsr, sources)) {
      const other = claims.find((one) => collide(one, claim));
      if (other !== undefined) yaml.add(at, collision(entry.file, claim, other));
      claims.push(claim);
      // The rest is what the same pair has.
      if (other?.what === `the cluster ${nsr.cluster}`) break;
    }
    pairs.push({
      cluster: nsr.cluster,
      file: entry.file,
      socket: config.control.socket,
      nice: entry.nice ?? 0,
      memoryMaxMb: entry["memory-max-mb"] ?? null,
    });
  }
  return { config: { control: { socket }, http, pairs }, found: { mistakes, warnings } };
}

function httpOf({ http }: SpareShape, yaml: YamlFile): ListenAddress | null {
  if (http === undefined) return null;
  const address = parseHostAddress(http.address ?? "127.0.0.1");
  if (typeof address !== "string") return { address: address.text, port: http.port };
  yaml.add(yaml.valueAt(http, "address"), address);
  return null;
}

function load(
  path: string,
  at: number,
  yaml: YamlFile,
  sources: SpareSources,
  mistakes: Mistake[],
  warnings: Mistake[],
): Config | null {
  try {
    const loaded = sources.load(path);
    mistakes.push(...loaded.mistakes);
    warnings.push(...loaded.warnings);
    return loaded.config;
  } catch (error) {
    yaml.add(at, error instanceof Error ? error.message : String(error));
    return null;
  }
}

/** @returns why a spare cannot run a side, else null */
function unfit(file: string, nsr: NsrConfig | null): string | null {
  if (nsr === null) return `${file} has no section nsr: there is nobody to take over from`;
  if (nsr.mode === "address") return null;
  return `${file} has nsr: mode: shared, where no address moves; a spare needs mode: address`;
}

function claimsOf(config: Config, nsr: NsrConfig, { queueOf }: SpareSources): Claim[] {
  const { cluster, listen, serviceAddresses, arbiter } = nsr;
  const claims: Claim[] = [
    { what: `the cluster ${cluster}`, whose: cluster },
    { what: `the control socket ${config.control.socket}`, whose: cluster },
  ];
  const queue = queueOf(cluster);
  claims.push({ what: `the packet queue ${queue}, by its name`, whose: cluster });
  for (const { address } of serviceAddresses) {
    claims.push({ what: `the service address ${address}`, whose: cluster });
  }
  for (const at of config.listen) claims.push({ what: "listen", whose: cluster, at });
  if (config.http !== null) claims.push({ what: "http", whose: cluster, at: config.http });
  if (config.log.file !== null) {
    claims.push({ what: `the log file ${config.log.file}`, whose: cluster });
  }
  if (arbiter.kind === "local") {
    claims.push({ what: `the role file ${arbiter.file}`, whose: cluster });
  }
  if ("path" in listen) claims.push({ what: `the link ${listen.path}`, whose: cluster });
  else {
    claims.push({ what: "nsr: listen", whose: cluster, at: listen });
    const at = { address: listen.address, port: listen.port + 1 };
    claims.push({ what: "the heartbeats", whose: cluster, at });
  }
  return claims;
}

function collide(one: Claim, other: Claim): boolean {
  if (one.at === undefined || other.at === undefined) {
    return one.at === other.at && one.what === other.what;
  }
  if (one.at.port !== other.at.port) return false;
  const [a, b] = [one.at.address, other.at.address];
  if (a === b) return true;
  if (a.includes(":") !== b.includes(":")) return false;
  return [a, b].some((address) => address === "0.0.0.0" || address === "::");
}

function collision(file: string, { what, at }: Claim, other: Claim): string {
  if (at === undefined) return `${file} has ${what}, as ${other.whose} has`;
  const port = `${at.address} port ${at.port}`;
  return `${file} has ${port} (${what}), which ${other.whose} has as well (${other.what})`;
}
