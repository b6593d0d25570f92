/** What the kernel allows, against what a configuration takes of it. */

import { readFileSync } from "node:fs";
import type { DoctorRow } from "./doctor-row.ts";

/** Numbers are null when they cannot be read here, as some cannot in a network namespace. */
export interface HostLimits {
  /** net.core.optmem_max: of one socket's options. */
  readonly optionMemoryOctets: number | null;
  /**
   * Entries of the tables of neighbors on all links beyond which some are dropped every few seconds,
   * net.*.neigh.default.gc_thresh2.
   */
  readonly neighbors4: number | null;
  readonly neighbors6: number | null;
  /** net.core.somaxconn: connections that may wait to be accepted. */
  readonly backlog: number | null;
  /** Descriptors of a process, the hard limit. */
  readonly descriptors: number | null;
}

/** What a configuration takes. */
export interface HostSizes {
  /** Keys that the listening socket holds. */
  readonly md5Keys: number;
  /** Addresses of neighbors, by family. */
  readonly neighbors4: number;
  readonly neighbors6: number;
}

export const NO_SIZES: HostSizes = { md5Keys: 0, neighbors4: 0, neighbors6: 0 };

/** What the kernel takes of a socket's option memory for an MD5 key, rounded up. */
const MD5_KEY_MEMORY_OCTETS = 144;
/** Connections that may wait to be accepted at a listening socket, as far as net.core.somaxconn lets them. */
export const BACKLOG_MAX = 4096;
/** Files, threads, links and clients of a speaker; and of each session, while it is taken over. */
const DESCRIPTORS = 256;
const DESCRIPTORS_OF_SESSION = 2;

export function readHostLimits(): HostLimits {
  return {
    optionMemoryOctets: readNumber("/proc/sys/net/core/optmem_max"),
    neighbors4: readNumber("/proc/sys/net/ipv4/neigh/default/gc_thresh2"),
    neighbors6: readNumber("/proc/sys/net/ipv6/neigh/default/gc_thresh2"),
    backlog: readNumber("/proc/sys/net/core/somaxconn"),
    descriptors: readNumber("/proc/self/limits", /^Max open files +\d+ +(\d+)/m),
  };
}

/** @returns a row for everything that a configuration may be too large for; without it, it works for less */
export function judgeLimits(limits: HostLimits, sizes: HostSizes): DoctorRow[] {
  const { md5Keys, neighbors4, neighbors6 } = sizes;
  const sessions = neighbors4 + neighbors6;
  const options = md5Keys * MD5_KEY_MEMORY_OCTETS;
  const rows = [
    enough("option memory", limits.optionMemoryOctets, options, {
      detail: (most) => `${md5Keys} MD5 keys need ${options} octets of ${most}`,
      whatToDo: `sysctl net.core.optmem_max=${2 * options}`,
    }),
  ];
  for (const [family, most, count] of [
    ["ipv4", limits.neighbors4, neighbors4],
    ["ipv6", limits.neighbors6, neighbors6],
  ] as const) {
    // The host has others as well, on this link and on others.
    const needed = Math.ceil(1.25 * count);
    rows.push(
      enough(`${family} neighbor table`, most, needed, {
        detail: (all) => `${count} BGP neighbors, room for ${all} addresses on all links`,
        whatToDo:
          `sysctl net.${family}.neigh.default.gc_thresh2=${2 * count}` +
          ` net.${family}.neigh.default.gc_thresh3=${4 * count} (of the host)`,
      }),
    );
  }
  const backlog = Math.min(sessions, BACKLOG_MAX);
  const descriptors = DESCRIPTORS + DESCRIPTORS_OF_SESSION * sessions;
  rows.push(
    enough("listen backlog", limits.backlog, backlog, {
      detail: (most) => `${sessions} neighbors may connect at once, ${most} can wait`,
      whatToDo: `sysctl net.core.somaxconn=${BACKLOG_MAX}`,
    }),
    enough("descriptors", limits.descriptors, descriptors, {
      detail: (most) => `${sessions} sessions need ${descriptors} of ${most}`,
      whatToDo: `raise the hard limit (ulimit -Hn, LimitNOFILE=, --ulimit nofile=) to ${2 * descriptors}`,
    }),
  );
  return rows;
}

/**
 * Of a pair whose connections go on at another host, which did not see them begin. Reads a list that may be
 * long.
 *
 * @param ports - of the sessions
 * @returns whether the kernel tracks such connections in this network namespace
 */
export function connectionTracking(ports: readonly number[]): DoctorRow {
  let text: string | null = null;
  try {
    text = readFileSync("/proc/net/nf_conntrack", "utf8");
  } catch {
    // No connection is tracked, or the kernel does not list them.
  }
  return judgeTracking(text, ports);
}

/** @param text - of `/proc/net/nf_conntrack`; null when there is none */
export function judgeTracking(text: string | null, ports: readonly number[]): DoctorRow {
  const words = ports.map((port) => new RegExp(`\\b[sd]port=${port}\\b`));
  const isOfSession = (line: string) => / tcp /.test(line) && words.some((word) => word.test(line));
  const tracked = (text ?? "").split("\n").filter(isOfSession).length;
  const found = text === null ? "not listed" : tracked === 0 ? "none" : `${tracked} of BGP`;
  const rules = ports
    .map((port) => `tcp dport ${port} notrack; tcp sport ${port} notrack`)
    .join("; ");
  const whatToDo =
    `a firewall drops what it did not see begin: in chains of nft at prerouting and output with` +
    ` priority raw, ${rules}`;
  return row("connection tracking", tracked === 0, found, whatToDo);
}

function enough(
  what: string,
  most: number | null,
  needed: number,
  { detail, whatToDo }: { detail: (most: string) => string; whatToDo: string },
): DoctorRow {
  const text = detail(most === null ? "an unknown number" : String(most));
  return row(what, most === null || most >= needed, text, whatToDo);
}

function row(what: string, ok: boolean, detail: string, whatToDo: string): DoctorRow {
  return { what, ok, isMinor: true, detail, whatToDo: ok ? "" : whatToDo };
}

function readNumber(file: string, pattern = /(\d+)/): number | null {
  try {
    const digits = pattern.exec(readFileSync(file, "utf8"))?.[1];
    return digits === undefined ? null : Number(digits);
  } catch {
    return null;
  }
}
