/** The section of mirrors: who may follow this speaker without a part in what it does. */

import { type Checker, checkFolder, listOf } from "./checker.ts";
import type { FileMirrors, FileShape } from "./file-shape.ts";
import { FOLLOWED_NAME } from "./followers.ts";
import type { MirrorsConfig, NsrTls } from "./link-types.ts";
import { checkLink, checkTls, type PlacedLink } from "./nsr.ts";

const MIRRORS_MAX = 8;

export function checkMirrors(
  shape: Pick<FileShape, "mirrors" | "nsr" | "followers">,
  checker: Checker,
): MirrorsConfig | null {
  const { mirrors, nsr, followers } = shape;
  if (mirrors === undefined) return null;
  const { yaml } = checker;
  const { cluster, names = [], max = MIRRORS_MAX } = mirrors;
  const at = yaml.valueAt(mirrors, "listen");
  const listen = checkLink(mirrors.listen, at, checker);
  if (nsr !== undefined && cluster === nsr.cluster) {
    const why = "with a certificate for it a mirror could be a side of the pair";
    const message = `"cluster" is that of nsr: ${why}; take another one, such as ${cluster}-mirrors`;
    yaml.add(yaml.valueAt(mirrors, "cluster"), message);
  }
  if (followers !== undefined && cluster === (followers.name ?? FOLLOWED_NAME)) {
    const why = "with a certificate for it a follower could be a mirror, which is told more";
    const message = `"cluster" is the name of followers: ${why}; take another one, such as ${cluster}-mirrors`;
    yaml.add(yaml.valueAt(mirrors, "cluster"), message);
  }
  const tls = checkMirrorTls(mirrors, [[listen, at]], "server", checker);
  return { cluster, listen, tls, names: listOf(names), max };
}

/**
 * TCP needs TLS: on loopback as well, where every user of the host can connect.
 *
 * @param self - whose certificate it is, for advice
 */
export function checkMirrorTls(
  section: Pick<FileMirrors, "cluster" | "tls">,
  ends: readonly PlacedLink[],
  self: string,
  checker: Checker,
): NsrTls | null {
  const { yaml } = checker;
  for (const [end, at] of ends) {
    if ("path" in end) {
      if (end.path.startsWith("/")) checkFolder(end.path, at, checker);
    } else if (end.address !== "" && !yaml.wrote(section, "tls")) {
      const sides = self === "server" ? "--side server --side m1" : `--side server --side ${self}`;
      const command = `tsbgp keys DIR --cluster ${section.cluster} ${sides}`;
      const message = `TCP needs "tls", also on one host (${command} makes certificates)`;
      yaml.add(at, `${message}; within a host a Unix socket, /run/ts-bgp/mirrors.sock, does`);
    }
  }
  return checkTls(section, checker);
}
