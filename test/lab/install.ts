/**
 * The daemons of the labs, and their installation from Debian's packages.
 *
 * As a program (`node test/lab/install.ts`, as root) it installs what is missing and prints what
 * it did.
 */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { platform } from "node:os";
import { fileURLToPath } from "node:url";
import { bird } from "./bird.ts";
import type { DaemonKind } from "./daemon.ts";
import { exabgp } from "./exabgp.ts";
import { frr } from "./frr.ts";
import { gobgp } from "./gobgp.ts";
import { openbgpd } from "./openbgpd.ts";

export const DAEMONS: readonly DaemonKind[] = [bird, frr, gobgp, openbgpd, exabgp];

/** Renders the template of IXP Manager. */
export const PHP = "/usr/bin/php";

/** Looks at the page that a speaker serves. */
export const CHROMIUM = "/usr/bin/chromium";

const LOCK_FILE = "/run/lock/tsbgp-lab-install";
const POLICY_FILE = "/usr/sbin/policy-rc.d";
/** invoke-rc.d asks this file before it starts a service; 101 forbids it. */
const POLICY = "#!/bin/sh\nexit 101\n";

/**
 * Say why the labs cannot run here, or `null` when they can.
 *
 * Installs missing packages when that is possible; a machine that has them all is only looked at.
 */
export function labAvailable(): string | null {
  if (platform() !== "linux") return "labs need Linux network namespaces";
  if (process.getuid?.() !== 0) return "labs need root for network namespaces";
  try {
    installMissing();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return namespacesRefused();
}

/**
 * Install the packages of which the program is missing.
 *
 * Several test files may ask at the same time: the first installs, the others wait for it.
 *
 * @throws Error when apt fails or a program is still missing afterwards
 */
function installMissing(): void {
  if (missingPackages().length === 0) return;
  const program = [process.execPath, fileURLToPath(import.meta.url)];
  const result = spawnSync("flock", [LOCK_FILE, ...program], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(result.error?.message ?? result.stderr.trim());
}

function missingPackages(): string[] {
  return [
    ...DAEMONS.map((kind) => ({ program: kind.program, debianPackage: kind.debianPackage })),
    { program: "/sbin/ip", debianPackage: "iproute2" },
    { program: "/sbin/sysctl", debianPackage: "procps" },
    { program: "/usr/bin/tcpdump", debianPackage: "tcpdump" },
    { program: "/usr/bin/etcd", debianPackage: "etcd-server" },
    { program: "/usr/bin/stayrtr", debianPackage: "stayrtr" },
    { program: "/usr/bin/fort", debianPackage: "fort-validator" },
    { program: "/usr/sbin/pmbmpd", debianPackage: "pmacct" },
    { program: "/usr/bin/tshark", debianPackage: "tshark" },
    { program: "/usr/bin/bgpdump", debianPackage: "bgpdump" },
    { program: "/usr/bin/openssl", debianPackage: "openssl" },
    { program: "/usr/bin/curl", debianPackage: "curl" },
    { program: PHP, debianPackage: "php-cli" },
    { program: CHROMIUM, debianPackage: "chromium" },
    { program: "/usr/sbin/nft", debianPackage: "nftables" },
    { program: "/usr/bin/systemd-analyze", debianPackage: "systemd" },
    { program: "/usr/sbin/iptables", debianPackage: "iptables" },
  ]
    .filter(({ program }) => !existsSync(program))
    .map(({ debianPackage }) => debianPackage);
}

function install(packages: readonly string[]): void {
  withoutServices(() => {
    apt("update");
    apt("install", "--yes", "--no-install-recommends", ...packages);
  });
  const missing = missingPackages();
  if (missing.length > 0) throw new Error(`still missing: ${missing.join(", ")}`);
}

/** No service is started, and none that runs is stopped. */
function withoutServices(body: () => void): void {
  const had = existsSync(POLICY_FILE);
  if (!had) writeFileSync(POLICY_FILE, POLICY, { mode: 0o755 });
  try {
    body();
  } finally {
    if (!had) rmSync(POLICY_FILE);
  }
}

function apt(...args: string[]): void {
  const result = spawnSync("apt-get", ["--quiet", ...args], {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (result.status !== 0) {
    const reason = result.error?.message ?? result.stderr.trim();
    throw new Error(`apt-get ${args.join(" ")} failed: ${reason}`);
  }
}

/** A container may give root without the right to make namespaces. */
function namespacesRefused(): string | null {
  // Named like a lab's, so that it is swept up if this process dies here.
  const name = `tsbgp-${process.pid}-0-probe`;
  const added = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  spawnSync("ip", ["netns", "delete", name]);
  return added.status === 0 ? null : `no network namespaces: ${added.stderr.trim()}`;
}

function main(): void {
  const packages = missingPackages();
  try {
    if (packages.length > 0) install(packages);
    console.log(packages.length === 0 ? "nothing to install" : `installed ${packages.join(" ")}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

if (import.meta.main) main();
