/** The file of a forwarding module: whose routes go into which table of a kernel. */

import { type ConfigSources, newChecker } from "./checker.ts";
import type { FileLink, FileTls, OneOrMore } from "./file-shape.ts";
import { checkLinkTls, FOLLOWED_NAME } from "./followers.ts";
import { type Mistake, sortMistakes } from "./mistakes.ts";
import { checkLink } from "./nsr.ts";
import { checkShape } from "./schema.ts";
import type { LinkAddress, LogConfig, NsrTls } from "./types.ts";
import { isSection, YamlFile } from "./yaml-file.ts";

export interface ForwardConfig {
  /** Who is followed; one of them is active. */
  readonly servers: readonly LinkAddress[];
  /** What they are called, and their certificates. */
  readonly name: string;
  readonly tls: NsrTls | null;
  /** Number of the kernel's table. */
  readonly table: number;
  /** Number of the table by whose routes next hops resolve. */
  readonly nextHopTable: number;
  readonly metric: number;
  readonly families: readonly ("ipv4" | "ipv6")[];
  /** Time without an active server after which routes go; 0 for never. */
  readonly keepSeconds: number;
  readonly control: { readonly socket: string };
  readonly log: LogConfig;
}

export interface LoadedForward {
  /** Null when there are mistakes. */
  readonly config: ForwardConfig | null;
  /** All of them, in the order of the file. */
  readonly mistakes: readonly Mistake[];
  /** What is allowed but looks unintended; empty when there are mistakes. */
  readonly warnings: readonly Mistake[];
}

/** The file, as far as the schema has found it right. */
interface ForwardShape {
  readonly servers?: OneOrMore<FileLink>;
  readonly name?: string;
  readonly tls?: FileTls;
  readonly forward?: {
    readonly table?: number;
    readonly "next-hop-table"?: number;
    readonly metric?: number;
    readonly families?: readonly ("ipv4" | "ipv6")[];
    readonly "keep-seconds"?: number;
  };
  readonly control?: { readonly socket?: string };
  readonly log?: Partial<LogConfig>;
}

const MAIN_TABLE = 254;
const METRIC = 32;
const KEEP_SECONDS = 3600;

/** @returns whether a text is the file of a forwarding module, and not that of a speaker */
export function isForwardFile(text: string): boolean {
  // Most files are not looked into any further.
  if (!/(^|[{,\s"'])servers["']?\s*:/.test(text)) return false;
  const { value } = new YamlFile("", text);
  return isSection(value) && "servers" in value;
}

/**
 * Reads and checks the file of a forwarding module.
 *
 * @param file - name for messages
 * @param text - YAML
 */
export function loadForward(file: string, text: string, sources: ConfigSources): LoadedForward {
  const yaml = new YamlFile(file, text);
  const section = yaml.broken ? null : checkShape(yaml, "forward");
  if (section === null) {
    return { config: null, mistakes: sortMistakes(yaml.mistakes, file), warnings: [] };
  }
  const shape = section as ForwardShape;
  const checker = newChecker(yaml, {}, sources);
  const { servers = [], name = FOLLOWED_NAME, forward = {}, control, log } = shape;
  const written = Array.isArray(servers) ? servers : [servers as FileLink];
  const links = written.map((link, k) => {
    const at = Array.isArray(servers) ? yaml.valueAt(servers, k) : yaml.valueAt(section, "servers");
    return [checkLink(link, at, checker), at] as const;
  });
  const config: ForwardConfig = {
    servers: links.map(([link]) => link),
    name,
    tls: checkLinkTls(shape, name, links, checker),
    table: forward.table ?? MAIN_TABLE,
    nextHopTable: forward["next-hop-table"] ?? MAIN_TABLE,
    metric: forward.metric ?? METRIC,
    families: forward.families ?? ["ipv4", "ipv6"],
    keepSeconds: forward["keep-seconds"] ?? KEEP_SECONDS,
    control: { socket: control?.socket ?? sources.controlSocket ?? "/run/ts-bgp/ts-bgp.sock" },
    log: { level: log?.level ?? "info", file: log?.file ?? null },
  };
  const mistakes = sortMistakes([...yaml.mistakes, ...checker.mistakes], file);
  if (mistakes.length > 0) return { config: null, mistakes, warnings: [] };
  return { config, mistakes, warnings: sortMistakes(checker.warnings, file) };
}
