/** Which network namespace this process is in: names of interfaces mean the same to all that are in one. */

import { readFileSync, readlinkSync } from "node:fs";

/** @returns a text that no other namespace has, of this host or another one; empty where that is not known */
export function networkNamespace(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/net")}`;
  } catch {
    return "";
  }
}
