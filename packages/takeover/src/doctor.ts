/** What nonstop routing needs of the host, judged from what was probed. Pure. */

import { CONGESTION_CONTROL, type CongestionControls } from "./congestion-control.ts";
import type { DoctorRow } from "./doctor-row.ts";
import { type HostLimits, type HostSizes, judgeLimits } from "./host-limits.ts";

/** How a probe went: whether it worked, with what there is to say of it. */
export interface Probe {
  readonly ok: boolean;
  readonly detail: string;
}

/** What was found on this host, in this network namespace. */
export interface Probes {
  readonly kernel: string;
  /** Effective capabilities. */
  readonly hasNetAdmin: boolean;
  readonly hasNetRaw: boolean;
  /**
   * A connection over loopback that was frozen, closed silently, restored, and carried octets
   * again.
   */
  readonly repair: Probe;
  /** Whether that connection had timestamps. */
  readonly hasTimestamps: boolean;
  readonly queue: Probe;
  /** `detail` is the kind of rule. */
  readonly rules: Probe;
  readonly limits: HostLimits;
  readonly freebind: Probe;
  readonly destroy: Probe;
  readonly pidfd: Probe;
  readonly realTime: Probe;
  readonly congestion: CongestionControls;
  /** Interfaces of the service addresses. */
  readonly interfaces: readonly { readonly name: string; readonly exists: boolean }[];
}

/** @returns one row for everything needed, in the order in which it should be mended */
export function diagnose(probes: Probes, sizes: HostSizes): DoctorRow[] {
  const rows = [
    row(
      "CAP_NET_ADMIN",
      { ok: probes.hasNetAdmin, detail: probes.hasNetAdmin ? "effective" : "missing" },
      "give it to the process: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in its unit," +
        " --cap-add NET_ADMIN --cap-add NET_RAW for a container, or a user namespace of its own",
    ),
    row(
      "TCP repair",
      probes.repair,
      `needs CAP_NET_ADMIN, an interface lo that is up, and a kernel that has TCP_REPAIR` +
        ` (Linux 4.15 or later; this is ${probes.kernel})`,
    ),
    minor(
      "TCP timestamps",
      { ok: probes.hasTimestamps, detail: probes.hasTimestamps ? "on" : "off" },
      "sysctl net.ipv4.tcp_timestamps=1; old segments are told from new ones by them",
    ),
    row(
      "packet queue",
      probes.queue,
      "load nfnetlink_queue (CONFIG_NETFILTER_NETLINK_QUEUE), or end the process that has this queue",
    ),
    row(
      "gate rules",
      probes.rules,
      "install nftables with a kernel that has nft_queue, or iptables with xt_NFQUEUE (both IPs)",
    ),
    row("IP_FREEBIND", probes.freebind, "needs a Linux kernel of version 4.15 or later"),
    row("ending sockets", probes.destroy, "needs a kernel with CONFIG_INET_DIAG_DESTROY"),
    minor("pidfd", probes.pidfd, "arbiter local needs a Linux kernel of version 5.3 or later"),
    minor(
      "real-time threads",
      probes.realTime,
      "give it the host's CAP_SYS_NICE (--cap-add SYS_NICE for a container; a unit without" +
        " RestrictRealtime; a control group with real-time budget where the kernel has such):" +
        " heartbeats do not wait behind a busy host then",
    ),
    ...judgeLimits(probes.limits, sizes),
    congestion(probes.congestion),
  ];
  if (probes.interfaces.length === 0) return rows;
  const rawDetail = probes.hasNetRaw ? "effective" : "missing";
  const raw = { ok: probes.hasNetRaw, detail: rawDetail };
  rows.push(row("CAP_NET_RAW", raw, "give it to the process, to announce service addresses"));
  for (const { name, exists } of probes.interfaces) {
    const found = { ok: exists, detail: exists ? "exists" : "does not exist here" };
    const advice = "correct the interface of the service address, or create it";
    rows.push(row(`interface ${name}`, found, advice));
  }
  return rows;
}

function row(what: string, { ok, detail }: Probe, whatToDo: string): DoctorRow {
  return { what, ok, detail, whatToDo: ok ? "" : whatToDo };
}

function minor(what: string, found: Probe, whatToDo: string): DoctorRow {
  return { ...row(what, found, whatToDo), isMinor: true };
}

function congestion({ system, available, problems }: CongestionControls): DoctorRow {
  const isDefault = !problems.has(CONGESTION_CONTROL);
  const used = isDefault ? CONGESTION_CONTROL : `the host's own ${system}`;
  const lacks = [...problems.values()].map((problem) => `; ${problem}`).join("");
  const detail = `sessions have ${used} unless configured (host: ${system} of ${available.join(", ")})`;
  const names = [...problems.keys()];
  return minor(
    "congestion control",
    { ok: problems.size === 0, detail: detail + lacks },
    `${names.map((name) => `modprobe tcp_${name}`).join(", ")}; without CAP_NET_ADMIN also` +
      ` sysctl net.ipv4.tcp_allowed_congestion_control="${[...new Set([...available, ...names])].join(" ")}"`,
  );
}
