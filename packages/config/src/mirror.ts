/** The file of a mirror: the speaker that it follows, and how it is asked itself. */

import { type Checker, type ConfigSources, newChecker } from "./checker.ts";
import { checkControl, type Loaded, loadKind, logOf } from "./file-kinds.ts";
import type { FileLink, FileShape, OneOrMore } from "./file-shape.ts";
import { checkHttp } from "./http.ts";
import type { LinkAddress, MirrorsConfig, NsrTls } from "./link-types.ts";
import { checkMirrors, checkMirrorTls } from "./mirrors.ts";
import { linksIn } from "./nsr.ts";
import type { Config } from "./types.ts";
import { YamlFile } from "./yaml-file.ts";

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
  /** Of mirrors that may follow this one; null for none. */
  readonly mirrors: MirrorsConfig | null;
}

/** The file, as far as the schema has found it right. */
interface MirrorShape extends Pick<FileShape, "control" | "http" | "log" | "mirrors"> {
  readonly follow?: {
    readonly cluster: string;
    readonly servers: OneOrMore<FileLink>;
    readonly self?: string;
    readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  };
}

/**
 * Reads and checks the file of a mirror.
 *
 * @param file - name for messages
 * @param text - YAML
 */
export function loadMirror(
  file: string,
  text: string,
  sources: ConfigSources,
): Loaded<MirrorConfig> {
  const yaml = new YamlFile(file, text);
  return loadKind("mirror", yaml, (section) => {
    const shape = section as MirrorShape;
    const checker = newChecker(yaml, {}, sources);
    return { config: build(shape, checker), found: checker };
  });
}

function build(shape: MirrorShape, checker: Checker): MirrorConfig {
  const { follow = { cluster: "", servers: [] } } = shape;
  const places = linksIn(follow, "servers", checker);
  const { cluster, self = "" } = follow;
  const mirrors = checkMirrors(shape, checker);
  if (mirrors !== null && self === "") {
    const { yaml } = checker;
    const why = "mirrors that follow this one are told by names which way they come by";
    yaml.add(yaml.valueAt(shape, "follow"), `"self" is missing: ${why}; take one, such as m1`);
  }
  return {
    follow: {
      ...{ cluster, self, servers: places.map(([server]) => server) },
      tls: checkMirrorTls(follow, places, self || "m1", checker),
    },
    mirrors,
    control: { socket: checkControl(shape, checker) },
    http: checkHttp(shape, checker),
    log: logOf(shape),
  };
}
