/** The file of a mirror: the speaker that it follows, and how it is asked itself. */

import { type ConfigSources, listOf, newChecker } from "./checker.ts";
import type { FileLink, FileShape, OneOrMore } from "./file-shape.ts";
import { checkHttp } from "./http.ts";
import { checkControl } from "./load.ts";
import { checkMirrorTls } from "./mirrors.ts";
import { type Mistake, sortMistakes } from "./mistakes.ts";
import { checkLink } from "./nsr.ts";
import { checkShape } from "./schema.ts";
import type { Config, LinkAddress, NsrTls } from "./types.ts";
import { isSection, YamlFile } from "./yaml-file.ts";

export interface MirrorConfig extends Pick<Config, "control" | "http" | "log"> {
  readonly follow: {
    /** As in the section `mirrors` of the speaker. */
    readonly cluster: string;
    /** Empty for a name that is made for the process. */
    readonly self: string;
    /** At least one. */
    readonly servers: readonly LinkAddress[];
    /** Null where all servers are Unix sockets: TCP needs it. */
    readonly tls: NsrTls | null;
  };
}

export interface LoadedMirror {
  /** Null when there are mistakes. */
  readonly config: MirrorConfig | null;
  /** All of them, in the order of the file. */
  readonly mistakes: readonly Mistake[];
  /** What is allowed but looks unintended; empty when there are mistakes. */
  readonly warnings: readonly Mistake[];
}

/** The file, as far as the schema has found it right. */
interface MirrorShape extends Pick<FileShape, "control" | "http" | "log"> {
  readonly follow?: {
    readonly cluster: string;
    readonly servers: OneOrMore<FileLink>;
    readonly self?: string;
    readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  };
}

/** @returns whether a text is the file of a mirror, and not that of a speaker */
export function isMirrorFile(text: string): boolean {
  // Most files are not looked into any further.
  if (!/(^|[{,\s"'])follow["']?\s*:/.test(text)) return false;
  const { value } = new YamlFile("", text);
  return isSection(value) && "follow" in value;
}

/**
 * Reads and checks the file of a mirror.
 *
 * @param file - name for messages
 * @param text - YAML
 */
export function loadMirror(file: string, text: string, sources: ConfigSources): LoadedMirror {
  const yaml = new YamlFile(file, text);
  const shape = (yaml.broken ? null : checkShape(yaml, "mirror")) as MirrorShape | null;
  if (shape === null) {
    return { config: null, mistakes: sortMistakes(yaml.mistakes, file), warnings: [] };
  }
  const checker = newChecker(yaml, shape, sources);
  const { log, follow = { cluster: "", servers: [] } } = shape;
  const places = listOf(follow.servers).map((server, k): readonly [LinkAddress, number] => {
    const isList = Array.isArray(follow.servers);
    const at = isList ? yaml.valueAt(follow.servers, k) : yaml.valueAt(follow, "servers");
    return [checkLink(server, at, checker), at];
  });
  const { cluster, self = "" } = follow;
  const config: MirrorConfig = {
    follow: {
      ...{ cluster, self, servers: places.map(([server]) => server) },
      tls: checkMirrorTls(follow, places, self || "m1", checker),
    },
    control: { socket: checkControl(shape, checker) },
    http: checkHttp(shape, checker),
    log: { level: log?.level ?? "info", file: log?.file ?? null },
  };
  const mistakes = sortMistakes([...yaml.mistakes, ...checker.mistakes], file);
  if (mistakes.length > 0) return { config: null, mistakes, warnings: [] };
  return { config, mistakes, warnings: sortMistakes(checker.warnings, file) };
}
