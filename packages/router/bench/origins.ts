/**
 * Origin validation at size: how long half a million ROAs take to be loaded, and ten thousand changed ones to
 * be acted upon, with a million routes; and the longest slice in time of its own, which is what a KEEPALIVE
 * waits for at most.
 *
 *     node packages/router/bench/origins.ts
 */

import { Lab, yamlOf } from "../../../testkit/router.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import { newVrp, PayloadWriter, type SourceEnd } from "../../rpki/src/index.ts";

const ROUTES = 1_000_000;
const AT_ONCE = 10_000;
const CHANGED = 10_000;
const PIECE_OCTETS = 1 << 15;
const SLICE_MS = 4;
const SENDER = "192.0.2.1";
const CACHE = "192.0.2.53:323";
const END: SourceEnd = {
  ...{ version: 1, session: 7, serial: 1, isWhole: true },
  ...{ refreshSeconds: 3600, retrySeconds: 600, expireSeconds: 7200 },
};

const lab = new Lab(
  yamlOf(`
rpki: { caches: [{ address: 192.0.2.53 }], start-limit: 0 }
defaults: { import: origins, export: accept-all, passive: true }
neighbors: [{ address: ${SENDER}, as: 65001 }, { address: 192.0.2.2, as: 65002 }]
policies: { origins: [ { if: { rpki: invalid }, then: reject }, { then: accept } ] }
`),
);
const sender = lab.peer(SENDER, { as: 65001 }).up();
lab.peer("192.0.2.2", { as: 65002 }).up();
const { router } = lab;
const { origins } = router.tables;
const writer = new PayloadWriter();

/** The AS that `manyRoutes` has a route of. */
const originOf = (n: number) => 100_000 + n - (n % 100);

function put(n: number, as: number, isAnnounced: boolean): void {
  const w0 = ((16 * 65_536 + n) * 256) >>> 0;
  writer.write({ ...newVrp(), w0, bits: 24, maxLength: 24, as, isAnnounced });
  if (writer.octets >= PIECE_OCTETS) router.payloads(CACHE, false, writer.take());
}

function measured(what: string, isWhole: boolean): void {
  router.payloads(CACHE, false, writer.take());
  const { judged, changed } = origins;
  router.payloadsEnd(CACHE, { ...END, isWhole }, lab.nowMs);
  const { seconds, longestMs } = work();
  const counts = `${origins.judged - judged} judged, ${origins.changed - changed} otherwise`;
  console.log(
    `${what}: ${seconds.toFixed(2)} s, longest slice ${longestMs.toFixed(1)} ms, ${counts}`,
  );
}

function work(): { seconds: number; longestMs: number } {
  const startMs = performance.now();
  let longestMs = 0;
  for (let more = true; more; ) {
    const sliceMs = performance.now();
    const ownMs = cpuMs();
    more = router.slice(lab.nowMs, () => performance.now() < sliceMs + SLICE_MS);
    longestMs = Math.max(longestMs, cpuMs() - ownMs);
    router.takeOutputs();
  }
  return { seconds: (performance.now() - startMs) / 1000, longestMs };
}

/** Without the time in which others had the core. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function announceAll(what: string, med: number): void {
  let seconds = 0;
  for (let from = 0; from < ROUTES; from += AT_ONCE) {
    sender.send(manyRoutes({ as: 65_001, count: AT_ONCE, from, med }));
    seconds += work().seconds;
  }
  console.log(`${ROUTES} routes ${what}: ${seconds.toFixed(2)} s`);
}

announceAll("without payloads", 0);
for (let n = 0; n < ROUTES; n += 2) put(n, originOf(n), true);
measured(`${ROUTES / 2} ROAs`, true);
const { ipv4, ipv6 } = origins.validation;
console.log(`${((ipv4.octets + ipv6.octets) / 1e6).toFixed(0)} MB`);
const every = ROUTES / CHANGED;
for (let n = 0; n < ROUTES; n += every) {
  put(n, originOf(n), false);
  put(n, 1, true);
}
measured(`${CHANGED} changed`, false);
put(1, 1, true);
measured("1 changed", false);
announceAll("with them", 1);
