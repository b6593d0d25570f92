/** Two network namespaces, joined by a pair of virtual interfaces: the daemon's and the load's. */

import { spawnSync } from "node:child_process";
import { measuringCongestionControl } from "../test/lab/congestion.ts";
import { ownName } from "./leftovers.ts";

export class Namespaces {
  readonly daemon: string = ownName("daemon");
  readonly load: string = ownName("load");

  /** Makes them anew. */
  make(daemonAddress: string, loadAddresses: readonly string[]): void {
    this.remove();
    for (const namespace of [this.daemon, this.load]) {
      ip(["netns", "add", namespace]);
      ip(["-n", namespace, "link", "set", "lo", "up"]);
      const setting = `net.ipv4.tcp_congestion_control=${measuringCongestionControl()}`;
      ip(["netns", "exec", namespace, "sysctl", "-qw", setting]);
    }
    const pair = ["type", "veth", "peer", "name", "veth0", "netns", this.daemon];
    ip(["-n", this.load, "link", "add", "veth0", ...pair]);
    ip(["-n", this.daemon, "addr", "add", `${daemonAddress}/16`, "dev", "veth0"]);
    const lines = loadAddresses.map((address) => `addr add ${address}/16 dev veth0\n`);
    ip(["-n", this.load, "-b", "-"], lines.join(""));
    for (const namespace of [this.daemon, this.load]) {
      ip(["-n", namespace, "link", "set", "veth0", "up"]);
    }
  }

  /** Harmless when there are none. Synchronous, so that it can be done while the process exits. */
  remove(): void {
    for (const namespace of [this.daemon, this.load]) {
      spawnSync("ip", ["netns", "del", namespace], { stdio: "ignore" });
    }
  }
}

function ip(args: readonly string[], input = ""): void {
  const { status, stderr, error } = spawnSync("ip", args, { encoding: "utf8", input });
  if (status === 0) return;
  throw new Error(`ip ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
}
