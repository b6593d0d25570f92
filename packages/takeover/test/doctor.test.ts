/** The doctor: what it says of what was probed, and its probes on this machine. */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type HostLimits, judgeLimits, judgeTracking, readHostLimits } from "../src/host-limits.ts";
import { diagnose, type HostSizes, NO_SIZES, type Probes } from "../src/index.ts";
import { noLabReason } from "./support/ends.ts";

const good = { ok: true, detail: "works" };
const LIMITS: HostLimits = {
  ...{ optionMemoryOctets: 131_072, neighbors4: 4096, neighbors6: 4096 },
  ...{ backlog: 4096, descriptors: 20_000 },
};
const SIZES: HostSizes = { md5Keys: 700, neighbors4: 1000, neighbors6: 900 };
const HEALTHY: Probes = {
  kernel: "6.1",
  hasNetAdmin: true,
  hasNetRaw: true,
  repair: good,
  hasTimestamps: true,
  queue: good,
  rules: { ok: true, detail: "nft" },
  limits: LIMITS,
  freebind: good,
  destroy: good,
  pidfd: good,
  realTime: good,
  congestion: { system: "bbr", available: ["reno", "bbr", "cubic"], problems: new Map() },
  interfaces: [{ name: "eth0", exists: true }],
};
const bad = { ok: false, detail: "EPERM" };

function lacking(limits: Partial<HostLimits>): Partial<Probes> {
  return { limits: { ...LIMITS, ...limits } };
}

const FAULTS: readonly [string, Partial<Probes>, RegExp][] = [
  ["CAP_NET_ADMIN", { hasNetAdmin: false }, /--cap-add NET_ADMIN/],
  ["TCP repair", { repair: bad }, /a kernel that has TCP_REPAIR/],
  ["TCP timestamps", { hasTimestamps: false }, /tcp_timestamps=1/],
  ["packet queue", { queue: bad }, /nfnetlink_queue/],
  ["gate rules", { rules: bad }, /iptables/],
  ["IP_FREEBIND", { freebind: bad }, /4\.15/],
  ["ending sockets", { destroy: bad }, /INET_DIAG_DESTROY/],
  ["pidfd", { pidfd: bad }, /5\.3/],
  ["real-time threads", { realTime: bad }, /--cap-add SYS_NICE/],
  ["option memory", lacking({ optionMemoryOctets: 20_480 }), /optmem_max=201600/],
  [
    "ipv4 neighbor table",
    lacking({ neighbors4: 512 }),
    /gc_thresh2=2000 net\.ipv4\.neigh\.default\.gc_thresh3=4000/,
  ],
  [
    "ipv6 neighbor table",
    lacking({ neighbors6: 512 }),
    /gc_thresh2=1800 net\.ipv6\.neigh\.default\.gc_thresh3=3600/,
  ],
  ["listen backlog", lacking({ backlog: 128 }), /somaxconn=4096/],
  ["descriptors", lacking({ descriptors: 1024 }), /LimitNOFILE=.* 8112$/],
  [
    "congestion control",
    {
      congestion: {
        system: "bbr",
        available: ["reno", "bbr"],
        problems: new Map([["cubic", "this kernel has no cubic"]]),
      },
    },
    /modprobe tcp_cubic.*="reno bbr cubic"/,
  ],
  ["CAP_NET_RAW", { hasNetRaw: false }, /announce/],
  ["interface eth0", { interfaces: [{ name: "eth0", exists: false }] }, /interface/],
];

test("on a host that has everything says so in every row", () => {
  for (const row of diagnose(HEALTHY, SIZES)) expect(row).toMatchObject({ ok: true, whatToDo: "" });
});

test.each(FAULTS)("what is missing is one row, with what to do: %s", (what, fault, advice) => {
  const failed = diagnose({ ...HEALTHY, ...fault }, SIZES).filter(({ ok }) => !ok);
  expect(failed.map((row) => row.what)).toEqual([what]);
  expect(failed[0]?.whatToDo).toMatch(advice);
});

test("without service addresses nothing is asked of raw sockets", () => {
  const rows = diagnose({ ...HEALTHY, hasNetRaw: false, interfaces: [] }, NO_SIZES);
  expect(rows.every(({ ok }) => ok)).toBe(true);
});

test("what cannot be read here is no lack", () => {
  const unknown = { ...LIMITS, neighbors4: null, neighbors6: null, backlog: null };
  expect(judgeLimits(unknown, SIZES).every(({ ok }) => ok)).toBe(true);
});

test("of tracked connections those count that are sessions", () => {
  const line = (protocol: string, port: number) =>
    `ipv4     2 ${protocol}      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=${port} [ASSURED] use=1`;
  const ssh = `${line("tcp", 22)}\n${line("udp", 179)}\n${line("tcp", 1790)}`;
  expect(judgeTracking(null, [179])).toMatchObject({ ok: true, whatToDo: "" });
  expect(judgeTracking(ssh, [179])).toMatchObject({ ok: true, detail: "none" });
  const tracked = judgeTracking(`${ssh}\n${line("tcp", 179)}`, [179]);
  expect(tracked).toMatchObject({ ok: false, isMinor: true, detail: "1 of BGP" });
  expect(tracked.whatToDo).toMatch(/tcp dport 179 notrack; tcp sport 179 notrack$/);
});

test.skipIf(process.platform !== "linux")("limits of this host are read", () => {
  const { descriptors, backlog } = readHostLimits();
  expect(descriptors).toBeGreaterThan(64);
  expect(backlog).toBeGreaterThan(0);
});

const index = fileURLToPath(new URL("../src/index.ts", import.meta.url));
const PROGRAM = `import { probeHost } from ${JSON.stringify(index)};
process.stdout.write(JSON.stringify(await probeHost({ queue: 12, interfaces: ["lo", "none"] })));
process.exit();`;
/** Between two turns of the event loop, as on a busy host; once a connection is on its way. */
const HELD_UP = `setImmediate(() => {
  for (const endMs = performance.now() + 2000; performance.now() < endMs; );
});
`;

function probesIn(wrapper: readonly string[], before = ""): Probes {
  const script = `ip link set lo up 2>/dev/null; exec "$@"`;
  const words = ["--input-type=module", "-e", before + PROGRAM];
  const node = ["sh", "-c", script, "sh", process.execPath, ...words];
  const [program = "", ...argv] = [...wrapper, ...node];
  const { stdout, stderr } = spawnSync(program, argv, { encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as Probes;
}

test.skipIf(noLabReason !== null)("its probes find everything in a namespace of their own", () => {
  const probes = probesIn(["unshare", "--net"]);
  expect(probes).toMatchObject({
    hasNetAdmin: true,
    repair: { ok: true },
    hasTimestamps: true,
    queue: { ok: true },
    rules: { ok: true },
    freebind: { ok: true },
    destroy: { ok: true },
    pidfd: { ok: true },
    realTime: { ok: true },
    interfaces: [
      { name: "lo", exists: true },
      { name: "none", exists: false },
    ],
  });
});

test.skipIf(noLabReason !== null)("a host that keeps its process waiting lacks nothing", () => {
  const works = { ok: true, detail: "a connection was moved" };
  expect(probesIn(["unshare", "--net"], HELD_UP).repair).toEqual(works);
});

test.skipIf(noLabReason !== null)("its probes without capabilities find what is missing", () => {
  const probes = probesIn(["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
  expect(probes).toMatchObject({
    hasNetAdmin: false,
    hasNetRaw: false,
    repair: { ok: false },
    queue: { ok: false },
    rules: { ok: false },
    pidfd: { ok: true },
  });
});
