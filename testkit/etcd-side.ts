/**
 * A side with an arbiter of etcd and heartbeats, and nothing else: does what its standard input says, and
 * tells with a line of JSON what came of it. All times are those of `bootMs`.
 *
 *     acquire, name SIDE, name, takeover, handover, release
 *     follow        echoes the heartbeats, and takes over when they are silent
 *     serve ECHO    sends heartbeats; when it may not act for a while, goes on without a standby
 *     report        tells when it held the role
 */
import { createInterface } from "node:readline";
import { bootMs } from "@ts-bgp/takeover";
import { EtcdArbiter } from "../packages/nsr/src/etcd-arbiter.ts";
import {
  HeartbeatListener,
  HeartbeatSender,
  HeartbeatThread,
} from "../packages/nsr/src/heartbeats.ts";
import { nsrOf, type Side } from "./etcd-lab.ts";

const side = JSON.parse(process.argv[2]!) as Side;
const config = nsrOf(side);
const arbiter = new EtcdArbiter({
  cluster: side.cluster,
  endpoints: side.endpoints,
  tls: null,
  user: null,
  ttlMs: side.ttlMs,
});
const thread = new HeartbeatThread();
const held: [number, number][] = [];
let isAlone = true;
/** What echoes are signed with, whoever is named. */
let expected = 0;
/** Epoch of the active that this side follows. */
let followed = 0;

/** Longer without a look is not known to have been held. */
const LOOK_MS_MAX = 5;
setInterval(() => {
  const now = bootMs();
  if (!arbiter.isHeld()) return;
  const last = held.at(-1);
  if (last !== undefined && now - last[1] <= LOOK_MS_MAX) last[1] = now;
  else held.push([now, now]);
}, 1);

arbiter.onHold(({ hold, reason }) => {
  tell({ event: hold, why: reason ?? "" });
  if (hold !== "unheard" || isAlone) return;
  isAlone = true;
  void arbiter
    .nameStandbys({ standbys: [], heirs: [] })
    .then((done) => tell({ event: "alone", done }));
});

function tell(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ ...line, atMs: bootMs() })}\n`);
}

async function silent(reason: string): Promise<void> {
  const silentMs = bootMs();
  const roles = await arbiter.takeOver(side.name, followed);
  tell({ event: "takeover", roles, reason, silentMs });
}

const orders: Readonly<Record<string, (word: string | undefined) => Promise<unknown> | unknown>> = {
  acquire: () => arbiter.acquire(side.name),
  name: (standby) => {
    isAlone = standby === undefined;
    if (standby !== undefined) arbiter.lease.expectEchoes(standby, expected);
    return arbiter.nameStandbys({ standbys: standby === undefined ? [] : [standby], heirs: [] });
  },
  takeover: () => arbiter.takeOver(side.name, followed),
  handover: () => arbiter.handOver("b"),
  release: () => arbiter.release(),
  state: () => arbiter.state(side.name, followed),
  async follow() {
    followed = (await arbiter["look"]()).word.epoch;
    const echo = crypto.getRandomValues(new Uint32Array(1))[0]!;
    arbiter.watch();
    new HeartbeatListener(
      { thread, config, ways: config.peers[0]!.ways, epoch: 0, lease: arbiter.lease, echo },
      (reason) => void silent(reason),
      () => {},
    );
    return echo;
  },
  serve(echo) {
    expected = Number(echo);
    const heartbeats = new HeartbeatSender(thread, config, 0, arbiter.lease, null, () => {});
    setInterval(() => heartbeats.progress(), 100);
  },
  report: () => held,
};

for await (const line of createInterface({ input: process.stdin })) {
  const [order = "", word] = line.split(" ");
  Promise.resolve()
    .then(() => orders[order]!(word))
    .then(
      (answer) => tell({ order, answer: answer ?? null }),
      (error) => tell({ order, error: (error as Error).message }),
    );
}
