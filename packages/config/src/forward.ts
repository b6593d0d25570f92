/** The file of a forwarding module: whose routes go into which table of a kernel. */

import { type Checker, type ConfigSources, newChecker } from "./checker.ts";
import { checkControl, type Loaded, loadKind, logOf } from "./file-kinds.ts";
import type { FileLink, FileShape, FileTls, OneOrMore } from "./file-shape.ts";
import { checkLinkTls, FOLLOWED_NAME } from "./followers.ts";
import type { LinkAddress, NsrTls } from "./link-types.ts";
import { linksIn } from "./nsr.ts";
import { besides } from "./paths.ts";
import type { LogConfig } from "./types.ts";
import { YamlFile } from "./yaml-file.ts";

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
  /** Name of the interface of next hops that are link-local; empty: they do not resolve. */
  readonly linkLocalInterface: string;
  readonly metric: number;
  /** Whether routes lead by groups of next hops that the kernel has as objects, where it has such. */
  readonly nextHopGroups: boolean;
  readonly families: readonly ("ipv4" | "ipv6")[];
  /** Time without an active server after which routes go; 0 for never. */
  readonly keepSeconds: number;
  readonly control: { readonly socket: string };
  readonly log: LogConfig;
}

/** The file, as far as the schema has found it right. */
interface ForwardShape extends Pick<FileShape, "control" | "log"> {
  readonly servers?: OneOrMore<FileLink>;
  readonly name?: string;
  readonly tls?: FileTls;
  readonly forward?: {
    readonly table?: number;
    readonly "next-hop-table"?: number;
    readonly "link-local-interface"?: string;
    readonly metric?: number;
    readonly "next-hop-groups"?: "auto" | "off";
    readonly families?: readonly ("ipv4" | "ipv6")[];
    readonly "keep-seconds"?: number;
  };
}

const MAIN_TABLE = 254;
const METRIC = 32;
const KEEP_SECONDS = 3600;

/** @returns the one that none is named for: beside that of a speaker, which may run on the same host */
function socketOf({ controlSocket = "/run/ts-bgp/" }: ConfigSources): string {
  return besides(controlSocket, "forward.sock");
}

/**
 * Reads and checks the file of a forwarding module.
 *
 * @param file - name for messages
 * @param text - YAML
 */
export function loadForward(
  file: string,
  text: string,
  sources: ConfigSources,
): Loaded<ForwardConfig> {
  const yaml = new YamlFile(file, text);
  return loadKind("forward", yaml, (section) => {
    const checker = newChecker(yaml, {}, sources);
    return { config: build(section as ForwardShape, checker), found: checker };
  });
}

function build(shape: ForwardShape, checker: Checker): ForwardConfig {
  const { name = FOLLOWED_NAME, forward = {} } = shape;
  const servers = linksIn(shape, "servers", checker);
  return {
    servers: servers.map(([server]) => server),
    name,
    tls: checkLinkTls(shape, name, servers, checker),
    table: forward.table ?? MAIN_TABLE,
    nextHopTable: forward["next-hop-table"] ?? MAIN_TABLE,
    linkLocalInterface: forward["link-local-interface"] ?? "",
    metric: forward.metric ?? METRIC,
    nextHopGroups: forward["next-hop-groups"] === "auto",
    families: forward.families ?? ["ipv4", "ipv6"],
    keepSeconds: forward["keep-seconds"] ?? KEEP_SECONDS,
    control: { socket: checkControl(shape, checker, socketOf(checker.sources)) },
    log: logOf(shape),
  };
}
