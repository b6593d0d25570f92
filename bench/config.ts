/**
 * `node bench/config.ts [files|json|inline]`: what the configuration of a large exchange takes to check, to run
 * before there are routes, and to reload with one list changed.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ask } from "../packages/cli/src/control-client.ts";
import { type ListForm, prefixFile, writeLargeConfig } from "./large-config.ts";
import { cpuSecondsOf, usageOf } from "./usage.ts";

const MEMBERS = 700;
const PREFIXES = 300_000;
const PORT = 31_179;
const HTTP_PORT = 31_790;
const RELOADS = 3;
/** Of a member in the middle. */
const CHANGED = 100;
const POLL_MS = 20;
/** The engine keeps the pages of a thread that has ended for eight seconds. */
const REST_MS = 12_000;

const TSBGP = join(import.meta.dirname, "../packages/cli/bin/tsbgp.mjs");

const forms = process.argv.slice(2) as ListForm[];
const folder = mkdtempSync(join(tmpdir(), "config-bench-"));
try {
  for (const lists of forms.length === 0 ? (["files", "json", "inline"] as const) : forms) {
    await measure(lists);
  }
} finally {
  rmSync(folder, { recursive: true });
}

async function measure(lists: ListForm): Promise<void> {
  const place = join(folder, lists);
  const socket = join(place, "control.sock");
  const size = { members: MEMBERS, prefixes: PREFIXES, lists };
  const file = writeLargeConfig(place, { ...size, port: PORT, socket });
  appendFileSync(file, `http: { port: ${HTTP_PORT} }\n`);
  const checked = spawn(process.execPath, [TSBGP, "check", "-c", file], { stdio: "ignore" });
  console.log(`${lists}: check ${await usedBy(checked)}`);

  const running = spawn(process.execPath, [TSBGP, "run", "-c", file], { stdio: "ignore" });
  try {
    const { pid } = running;
    while (!(await isUp())) await sleep(POLL_MS);
    await sleep(REST_MS);
    console.log(`${lists}: run ${rssMb(pid!)} MB before there are routes`);
    for (let k = 0; k < RELOADS; k++) {
      changeList(file, lists, k);
      await longestLagMs();
      const before = cpuSecondsOf([pid!]);
      await ask(socket, { command: "reload" }, () => {});
      const seconds = cpuSecondsOf([pid!]) - before;
      const stallMs = await longestLagMs();
      await sleep(REST_MS);
      console.log(
        `${lists}: reload ${seconds.toFixed(2)} s, longest stall ${stallMs.toFixed(0)} ms, ` +
          `${rssMb(pid!)} MB afterwards`,
      );
    }
  } finally {
    running.kill();
    await once(running, "exit");
  }
}

/** Puts another prefix on a member's list. */
function changeList(file: string, lists: ListForm, k: number): void {
  const prefix = `203.${k}.113.0/24`;
  if (lists === "files") {
    appendFileSync(join(file, "..", prefixFile(CHANGED, lists)), `${prefix}\n`);
    return;
  }
  const path = lists === "json" ? join(file, "..", prefixFile(CHANGED, lists)) : file;
  const [from, to] =
    lists === "json"
      ? ["[", `[ { "prefix": "${prefix}" },`]
      : ["prefix-lists:\n  as200000:\n", `prefix-lists:\n  as200000:\n    - ${prefix}\n`];
  writeFileSync(path, readFileSync(path, "utf8").replace(from!, to!));
}

/** @returns what a process has used when it has ended */
async function usedBy(child: ChildProcess): Promise<string> {
  const ended = once(child, "exit");
  let usage = usageOf([child.pid!]);
  while (child.exitCode === null) {
    const now = usageOf([child.pid!]);
    if (now.peakRssMb > 0) usage = now;
    await Promise.race([ended, sleep(POLL_MS)]);
  }
  return `${usage.cpuSeconds.toFixed(2)} s, ${usage.peakRssMb.toFixed(0)} MB at most`;
}

function rssMb(pid: number): number {
  const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kb) / 1024);
}

async function isUp(): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${HTTP_PORT}/healthz`).catch(() => null);
  return answer?.ok === true;
}

/** @returns the longest time since the last question that the event loop was held up */
async function longestLagMs(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${HTTP_PORT}/metrics`)).text();
  return 1000 * Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1]);
}
