/** What the checks of the parts of a configuration share. */

import { parseHostAddress } from "./addresses.ts";
import type { FileConditions, FilePolicy, FileRule, FileShape } from "./file-shape.ts";
import type { NsrTls } from "./link-types.ts";
import type { Mistake } from "./mistakes.ts";
import { besides } from "./paths.ts";
import type { YamlFile } from "./yaml-file.ts";

/** What a configuration takes from outside of its file. */
export interface ConfigSources {
  /**
   * @param path - from where the configuration's own file is named from
   * @returns the text of the file; throws an error whose message says why it cannot be read
   */
  readFile(path: string): string;
  /**
   * Absent where patterns stand for no file.
   *
   * @param pattern - with `*`, `?`, `[...]` or `{...}`, likewise
   * @returns the files that are like it, in the order of their names
   */
  filesLike?(pattern: string): readonly string[];
  /** @returns the value of an environment variable */
  env(name: string): string | undefined;
  /**
   * Only to warn with, where the configuration is for this host.
   *
   * @returns the address of the other family on the interface that has an address, null when there
   *   is none; undefined when the host does not have the address
   */
  otherAddress?(address: string): string | null | undefined;
  /**
   * Only to warn with, too.
   *
   * @returns why this host's sockets cannot have a TCP congestion control algorithm; empty when they can
   */
  congestionControlProblem?(name: string): string;
  /**
   * Where files of validated ROA payloads are to be read.
   *
   * @returns what is wrong with one; null when nothing is
   */
  roaFileProblem?(path: string): string | null;
  /** Name of this side of a pair that is given beside the file, empty for none; absent where nobody has to know. */
  readonly nsrSelf?: string;
  /** Control socket of a configuration that names none: /run/ts-bgp/ts-bgp.sock unless given. */
  readonly controlSocket?: string;
  /**
   * Where the configuration is for this host.
   *
   * @param path - of a socket or a file of roles
   * @returns why its folder is none for it, since others can write there; empty when it is one, or is
   *   not there
   */
  folderProblem?(path: string): string;
  /** @returns why a folder cannot be written to, or made, here and now; empty when it can */
  cannotWrite?(folder: string): string;
  /**
   * @param cluster - the name of the pair that the certificate has to be for
   * @returns what is wrong with a certificate and its key: what never holds, and what does not now, or
   *   not for long; both empty when nothing is
   */
  certificateProblem?(tls: NsrTls, cluster: string): { mistake: string; warning: string };
}

/** Names that are defined and names that are used, of one kind. */
export interface Names {
  readonly defined: ReadonlySet<string>;
  readonly used: Set<string>;
}

export interface Checker {
  readonly yaml: YamlFile;
  readonly mistakes: Mistake[];
  readonly warnings: Mistake[];
  readonly sources: ConfigSources;
  /** What `$local-as` stands for in checks. */
  readonly localAs: number;
  readonly names: Readonly<
    Record<"prefix-list" | "as-list" | "community-list" | "route-list" | "policy" | "group", Names>
  >;
  /** Policies with rules that set next hops. */
  readonly setsNextHop: ReadonlySet<string>;
  /** Policies with rules that ask for validation of origins or paths, of paths; whether there is any. */
  readonly asksOrigin: ReadonlySet<string>;
  readonly asksPath: ReadonlySet<string>;
  readonly hasRpki: boolean;
  /** @returns the path of a file that is named at an index of the configuration, see `besides` */
  pathOf(path: string, at: number): string;
  /** @returns the text, or null once the mistake is noted at an index of the configuration */
  readFile(path: string, at: number): string | null;
  /** @returns the same of a file by its whole path */
  readNamed(file: string, at: number): string | null;
  warn(at: number, message: string): void;
}

export function newChecker(yaml: YamlFile, shape: FileShape, sources: ConfigSources): Checker {
  const mistakes: Mistake[] = [];
  const warnings: Mistake[] = [];
  const names = (section: object | undefined): Names => ({
    defined: new Set(Object.keys(section ?? {})),
    used: new Set(),
  });
  return {
    yaml,
    mistakes,
    warnings,
    sources,
    localAs: shape.router?.as ?? 1,
    names: {
      "prefix-list": names(shape["prefix-lists"]),
      "as-list": names(shape["as-lists"]),
      "community-list": names(shape["community-lists"]),
      "route-list": names(shape["route-lists"]),
      policy: names(shape.policies),
      group: names(shape.groups),
    },
    setsNextHop: new Set(
      Object.entries(shape.policies ?? {})
        .filter(([, policy]) => rulesOf(policy).some(setsNextHop))
        .map(([name]) => name),
    ),
    asksOrigin: policiesThat(shape, asksOrigin).add("@rpki"),
    asksPath: policiesThat(shape, asksPath),
    hasRpki: yaml.wrote(yaml.value as object, "rpki"),
    pathOf: (path, at) => besides(yaml.sourceOf(at).file, path),
    readFile: (path, at) => readNamed(yaml, besides(yaml.sourceOf(at).file, path), at, sources),
    readNamed: (file, at) => readNamed(yaml, file, at, sources),
    warn: (at, message) => void warnings.push(yaml.mistake(at, message)),
  };
}

/** @returns the text of a file; null once the mistake is noted at an index of the configuration */
export function readNamed(
  yaml: YamlFile,
  file: string,
  at: number,
  sources: ConfigSources,
): string | null {
  try {
    return sources.readFile(file);
  } catch (error) {
    yaml.add(at, `cannot read ${file}: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}

/** @returns the address in its canonical form; "" once the mistake is noted */
export function checkAddress(text: string, at: number, checker: Checker): string {
  const address = parseHostAddress(text);
  if (typeof address !== "string") return address.text;
  checker.yaml.add(at, address);
  return "";
}

/** Notes the mistake when others can write to the folder of a file. */
export function checkFolder(path: string, at: number, { yaml, sources }: Checker): void {
  const problem = sources.folderProblem?.(path) ?? "";
  if (problem !== "") yaml.add(at, problem);
}

function setsNextHop({ set, then }: FileRule): boolean {
  return set?.["next-hop"] !== undefined && then !== "reject";
}

/** @returns the names of policies with such conditions */
function policiesThat(
  { policies = {} }: FileShape,
  has: (conditions: FileConditions | undefined) => boolean,
): Set<string> {
  const names = Object.entries(policies).filter(([, policy]) =>
    rulesOf(policy).some((rule) => has(rule.if)),
  );
  return new Set(names.map(([name]) => name));
}

function asksOrigin(conditions: FileConditions | undefined): boolean {
  if (conditions === undefined) return false;
  const { rpki, all = [], any = [], not } = conditions;
  return rpki !== undefined || asksPath(conditions) || [...all, ...any, not].some(asksOrigin);
}

function asksPath(conditions: FileConditions | undefined): boolean {
  if (conditions === undefined) return false;
  const { aspa, all = [], any = [], not } = conditions;
  return aspa !== undefined || [...all, ...any, not].some(asksPath);
}

/** @returns the rules of a policy in either of its forms */
export function rulesOf(policy: FilePolicy): readonly FileRule[] {
  return "rules" in policy ? policy.rules : policy;
}

/** Notes where a section has one of two keys that make sense together alone. */
export function needEachOther(yaml: YamlFile, section: object, one: string, other: string): void {
  for (const [there, missing] of [
    [one, other],
    [other, one],
  ] as const) {
    if (!yaml.wrote(section, there) || yaml.wrote(section, missing)) continue;
    yaml.add(yaml.keyAt(section, there), `"${there}" needs "${missing}"`);
  }
}

/** @returns the list, or the one value as a list */
export function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T];
}
