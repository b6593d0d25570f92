/** BFD in a neighbor's options: filled in, and checked. */

import { authSecretOctetsMax } from "@ts-bgp/bfd";
import type { Checker } from "./checker.ts";
import type { FileBfd, FileOptions } from "./file-shape.ts";
import type { NsrConfig } from "./link-types.ts";
import { readSecret } from "./secrets.ts";
import type { BfdOptions } from "./types.ts";

const INTERVAL_MS = 300;
const MULTIPLIER = 3;

/** @returns the secret of a section of options; null when it has none, or none that will do */
export function readBfdSecret(options: FileOptions, checker: Checker): string | null {
  const { bfd } = options;
  if (typeof bfd !== "object" || typeof bfd.auth !== "object") return null;
  const { auth } = bfd;
  if (auth.type === undefined || auth.secret === undefined) return null;
  const at = checker.yaml.valueAt(auth, "secret");
  const secret = readSecret(auth.secret, at, checker);
  const octets = new TextEncoder().encode(secret ?? "").length;
  const most = authSecretOctetsMax(auth.type);
  if (octets > most) {
    checker.yaml.add(at, `the secret has ${octets} octets; ${auth.type} takes at most ${most}`);
  }
  return secret;
}

/**
 * @param sections - of the neighbor, its group and the defaults, the one that goes first in front
 * @param secretOf - the secret that was read of the section
 * @returns null when it has no BFD
 */
export function bfdOptions(
  sections: readonly (FileBfd | boolean)[],
  secretOf: (section: FileBfd) => string | null,
  isMultihop: boolean,
): BfdOptions | null {
  const parts = sections.map((section) =>
    typeof section === "boolean" ? { enabled: section } : { enabled: true, ...section },
  );
  const merged: FileBfd = Object.assign({}, ...parts.toReversed());
  if (merged.enabled !== true) return null;
  const owner = sections.find(
    (section) => typeof section === "object" && section.auth !== undefined,
  );
  const { auth = "none" } = merged;
  return {
    intervalMs: merged["interval-ms"] ?? INTERVAL_MS,
    multiplier: merged.multiplier ?? MULTIPLIER,
    passive: merged.passive ?? false,
    multihop: merged.multihop ?? isMultihop,
    auth:
      auth === "none" || auth.type === undefined
        ? null
        : { type: auth.type, keyId: auth["key-id"] ?? 1, secret: secretOf(owner as FileBfd) ?? "" },
  };
}

/** @returns what of a pair does not go with a session; null when it does */
export function pairProblem(bfd: BfdOptions, nsr: NsrConfig): string | null {
  const { intervalMs, multiplier } = bfd;
  // The standby sends once it misses a heartbeat and a half, the neighbor's last packet may be an interval old.
  const leastMs = intervalMs + 2 * nsr.heartbeatMs;
  const detectionMs = intervalMs * multiplier;
  if (detectionMs > leastMs) return null;
  return `${multiplier} x ${intervalMs} ms is no longer than the pair needs to go on: at least ${leastMs} ms, or shorter heartbeats`;
}
