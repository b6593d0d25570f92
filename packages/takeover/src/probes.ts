/**
 * Looks at the host, for the doctor and for a side that starts: every feature is tried, on things that
 * nobody else uses.
 */

import { readFileSync } from "node:fs";
import { release } from "node:os";
import { missingCapabilities } from "./capabilities.ts";
import { congestionControls } from "./congestion-control.ts";
import type { Probe, Probes } from "./doctor.ts";
import { pidfdOpen } from "./fence.ts";
import { installRules, removeAllRules } from "./gate-rules.ts";
import { readHostLimits } from "./host-limits.ts";
import {
  AF_INET,
  check,
  EBUSY,
  EPERM,
  IPPROTO_IP,
  KernelError,
  libc,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  setInt,
} from "./libc.ts";
import { moveOverLoopback } from "./loopback.ts";
import { bindQueue } from "./nfqueue.ts";
import { tryRealTime } from "./priority.ts";
import { destroySocket } from "./socket-destroy.ts";
import { ToolShell } from "./tool-shell.ts";

const IP_FREEBIND = 15;
/** For the trial of the rules: a queue and a port of no use to anyone. */
const TRIAL_QUEUE = 65_535;
const TRIAL_PORT = 1;

export interface ProbeOptions {
  /** The gate's queue. */
  readonly queue: number;
  /** Interfaces of the service addresses. */
  readonly interfaces: readonly string[];
  /** Congestion control algorithms that sessions are configured to have. */
  readonly congestionControls?: readonly string[];
}

/** Tries everything; takes some tens of milliseconds. Never rejects. */
export async function probeHost({ queue, ...needs }: ProbeOptions): Promise<Probes> {
  const sockets = await probeSockets(needs);
  return { ...sockets, queue: tryQueue(queue), rules: await tryRules() };
}

/** All but the gate. */
export type SocketProbes = Omit<Probes, "queue" | "rules">;

/** The same without the gate: for whoever has one. */
export async function probeSockets(needs: Omit<ProbeOptions, "queue">): Promise<SocketProbes> {
  const { interfaces, congestionControls: wanted = [] } = needs;
  const missing = missingCapabilities(["CAP_NET_ADMIN", "CAP_NET_RAW"]);
  const { repair, hasTimestamps } = await tryRepair();
  return {
    kernel: release(),
    hasNetAdmin: !missing.includes("CAP_NET_ADMIN"),
    hasNetRaw: !missing.includes("CAP_NET_RAW"),
    repair,
    hasTimestamps,
    limits: readHostLimits(),
    freebind: attempt("works", tryFreebind),
    destroy: attempt("works", tryDestroy),
    pidfd: attempt("works", tryPidfd),
    realTime: attempt("works", tryRealTime),
    congestion: congestionControls(wanted),
    interfaces: [...new Set(interfaces)].map((name) => ({
      name,
      exists: attempt("", () => void check(libc().if_nametoindex(name) - 1, name)).ok,
    })),
  };
}

async function tryRepair(): Promise<{ readonly repair: Probe; readonly hasTimestamps: boolean }> {
  try {
    const hasTimestamps = await moveOverLoopback(1);
    return { repair: { ok: true, detail: "a connection was moved" }, hasTimestamps };
  } catch (error) {
    return { repair: { ok: false, detail: (error as Error).message }, hasTimestamps: false };
  }
}

function tryQueue(queue: number): Probe {
  try {
    libc().close(bindQueue(queue));
    return { ok: true, detail: `queue ${queue} is free` };
  } catch (error) {
    const reason = error instanceof KernelError ? error.errno : 0;
    const isTaken = reason === EBUSY || (reason === EPERM && isQueueListed(queue));
    if (isTaken) return { ok: true, detail: `queue ${queue} is in use` };
    return { ok: false, detail: (error as Error).message };
  }
}

/** The kernel lists the queues of the namespace, a line each that begins with the number. */
function isQueueListed(queue: number): boolean {
  try {
    const lines = readFileSync("/proc/net/netfilter/nfnetlink_queue", "utf8").split("\n");
    return lines.some((line) => Number.parseInt(line, 10) === queue);
  } catch {
    return false;
  }
}

async function tryRules(): Promise<Probe> {
  const trial = { queue: TRIAL_QUEUE, ports: [TRIAL_PORT], addresses: [] };
  const shell = new ToolShell();
  try {
    const { rules } = await installRules(trial, null, shell);
    await removeAllRules(TRIAL_QUEUE, shell);
    return { ok: true, detail: rules.kind };
  } catch (error) {
    return { ok: false, detail: (error as Error).message };
  } finally {
    shell.end();
  }
}

function tryFreebind(): void {
  const fd = check(libc().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  try {
    setInt(fd, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
  } finally {
    libc().close(fd);
  }
}

/** There is no such socket; a kernel that cannot end one says so first. */
function tryDestroy(): void {
  destroySocket(
    { address: "127.0.0.1", port: TRIAL_PORT },
    { address: "127.0.0.1", port: TRIAL_PORT },
  );
}

function tryPidfd(): void {
  const fd = pidfdOpen(process.pid);
  if (fd !== null) libc().close(fd);
}

function attempt(detail: string, tried: () => void): Probe {
  try {
    tried();
    return { ok: true, detail };
  } catch (error) {
    return { ok: false, detail: (error as Error).message };
  }
}
