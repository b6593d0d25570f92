/**
 * A network namespace for the test itself: from then on its sockets and the processes that it starts
 * are in it, with a loopback interface and nothing else. Nothing of it touches the machine's own.
 */
import { spawnSync } from "node:child_process";
import { platform } from "node:os";
import koffi from "koffi";

const CLONE_NEWNET = 0x40000000;
let isEntered = false;

/** Moves the calling thread for the rest of its life. @returns why not, or null */
export function enterOwnNetwork(): string | null {
  if (platform() !== "linux") return "needs Linux network namespaces";
  if (process.getuid?.() !== 0) return "needs root for a network namespace";
  const unshare = koffi.load("libc.so.6").func("int unshare(int)");
  if (unshare(CLONE_NEWNET) !== 0) return "this machine gives no network namespace";
  isEntered = true;
  if (spawnSync("ip", ["link", "set", "lo", "up"]).status !== 0) return "needs iproute2";
  const congestionControl = process.env["TSBGP_TEST_CONGESTION_CONTROL"] ?? "";
  if (congestionControl !== "") {
    spawnSync("sysctl", ["-qw", `net.ipv4.tcp_congestion_control=${congestionControl}`]);
  }
  const hasRules = ["nft", "iptables"].some((tool) => spawnSync(tool, ["--version"]).status === 0);
  return hasRules ? null : "needs nft or iptables for the gate";
}

/** Removes all packet rules of the test's own namespace. */
export function removeRules(): void {
  if (!isEntered) return;
  spawnSync("nft", ["flush", "ruleset"]);
  for (const tool of ["iptables", "ip6tables"]) {
    for (const order of ["-F", "-X"]) spawnSync(tool, ["-w", "5", "-t", "mangle", order]);
  }
}
