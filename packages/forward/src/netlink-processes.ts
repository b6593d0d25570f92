/** Who else has to do with the kernel's routes: processes with a netlink socket for these, in this network namespace. */

import { readFileSync } from "node:fs";

const NETLINK_ROUTE = "0";

/**
 * @returns names of those processes that are seen from here: a first socket has its process's number, further ones have
 * others. What runs in a container of its own, on this network, is not seen, as it has another number there.
 */
export function netlinkProcesses(): string[] {
  const lines = read("/proc/thread-self/net/netlink").split("\n").slice(1);
  return lines.flatMap((line) => {
    const [, family, port = "0"] = line.trim().split(/\s+/);
    if (family !== NETLINK_ROUTE || port === "0") return [];
    const name = read(`/proc/${port}/comm`).trim();
    return name === "" ? [] : [name];
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
