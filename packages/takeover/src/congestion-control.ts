/**
 * TCP congestion control by socket: TCP_CONGESTION of tcp(7).
 *
 * A server's default is often BBR, which takes segments that a slow receiver has dropped for the
 * network's own loss, and paces that connection at some kilobits a second for minutes. A BGP session
 * has slow receivers, and no use for pacing; so the algorithm is chosen, whatever the host's default is.
 */

import { readFileSync } from "node:fs";
import {
  AF_INET,
  check,
  ENOENT,
  EPERM,
  errno,
  IPPROTO_TCP,
  libc,
  SOCK_CLOEXEC,
  SOCK_STREAM,
} from "./libc.ts";

const TCP_CONGESTION = 13;
/** TCP_CA_NAME_MAX of linux/tcp.h, with a final zero. */
const NAME_OCTETS_MAX = 16;
/** Of sessions whose configuration names none, where the kernel has it. */
export const CONGESTION_CONTROL = "cubic";
const FOLDER = "/proc/sys/net/ipv4";

/** What a host has, and what its sockets get. */
export interface CongestionControls {
  /** Of sockets that choose none, in this network namespace; empty when it cannot be read. */
  readonly system: string;
  /** All that are loaded. The kernel loads others on demand of a process with CAP_NET_ADMIN. */
  readonly available: readonly string[];
  /** Why a socket of this process cannot have one of those asked for, by name. */
  readonly problems: ReadonlyMap<string, string>;
}

/**
 * Sets the algorithm of a socket, before or during a connection; one that cannot be had is replaced
 * by the default one, and that by the host's own. `congestionControlOf` says which it is.
 *
 * @param name - as the kernel has it; null for the default
 */
export function setCongestionControl(fd: number, name: string | null): void {
  if (name !== null && trySet(fd, name) === 0) return;
  trySet(fd, CONGESTION_CONTROL);
}

/** @returns the algorithm of a socket; null of one that is not of TCP, or closed */
export function congestionControlOf(fd: number): string | null {
  const value = Buffer.alloc(NAME_OCTETS_MAX);
  const octets = Uint32Array.of(value.length);
  if (libc().getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, value, octets) !== 0) return null;
  return value.subarray(0, value.indexOf(0)).toString("latin1");
}

/** @returns why a socket of this process cannot have an algorithm; empty when it can */
export function congestionControlProblem(name: string): string {
  const fd = check(libc().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  try {
    const reason = trySet(fd, name);
    if (reason === 0) return "";
    if (reason === ENOENT) return `this kernel has no ${name}`;
    if (reason !== EPERM) return `the kernel refuses ${name} (errno ${reason})`;
    return `${name} takes CAP_NET_ADMIN, or a place in net.ipv4.tcp_allowed_congestion_control`;
  } finally {
    libc().close(fd);
  }
}

/** @param names - algorithms that are wanted beside the default one */
export function congestionControls(names: readonly string[]): CongestionControls {
  return {
    system: words("tcp_congestion_control")[0] ?? "",
    available: words("tcp_available_congestion_control"),
    problems: new Map(
      [...new Set([CONGESTION_CONTROL, ...names])].flatMap((name) => {
        const problem = congestionControlProblem(name);
        return problem === "" ? [] : [[name, problem] as const];
      }),
    ),
  };
}

const DEFAULT_NAME = Buffer.from(CONGESTION_CONTROL, "latin1");

/** @returns 0, or the error number of the kernel */
function trySet(fd: number, name: string): number {
  const value = name === CONGESTION_CONTROL ? DEFAULT_NAME : Buffer.from(name, "latin1");
  const result = libc().setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, value, value.length);
  return result === 0 ? 0 : errno();
}

function words(file: string): string[] {
  try {
    return readFileSync(`${FOLDER}/${file}`, "utf8").trim().split(/\s+/).filter(Boolean);
  } catch {
    return [];
  }
}
