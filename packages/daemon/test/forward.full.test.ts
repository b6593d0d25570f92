/** Routes in a kernel: 100,000 of which none is touched that does not change, and whose they are. */
import { spawnSync } from "node:child_process";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Forwarder } from "@ts-bgp/forward";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { Peer } from "../../../testkit/peer.ts";
import { SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import { tellForwardStory } from "./support/forward-story.ts";
import { bgpRoutes, Module, run } from "./support/forwarding.ts";

const reason = enterOwnNetwork();
const AS = 65_001;
const ADDRESS = "127.1.0.1";
const USER = 12_345;
const MANY = 40;
/** As the units do it. */
const asUser = (capabilities: string) => [
  ...["setpriv", "--reuid", `${USER}`, "--regid", `${USER}`, "--clear-groups"],
  ...["--inh-caps", `-all${capabilities}`, "--ambient-caps", `-all${capabilities}`],
];

describe.skipIf(reason !== null)(`a module${reason === null ? "" : ` (${reason})`}`, () => {
  test("has 100,000 routes stay where they are, and packets go on", async () => {
    await tellForwardStory(100_000);
  });

  test("of the speaker's user, with one right, writes its routes; one of root says whose it has to be", async () => {
    run("ip link add user0 type veth peer name user1");
    run("ip address add 192.0.2.1/24 dev user0");
    for (const name of ["user0", "user1"]) run(`ip link set ${name} up`);
    const speaker = await SpeakerProcess.create({});
    const file = join(speaker.directory, "followers.sock");
    const ofRoot = new Module(mkdtempSync(join(tmpdir(), "tsbgp-forward-")), { servers: file });
    const module = new Module(speaker.directory, { servers: file });
    try {
      speaker.configure({
        followers: { listen: file },
        defaults: { passive: true, import: "accept-all", export: "accept-all" },
        neighbors: [{ address: ADDRESS, as: AS }],
      });
      chownSync(speaker.directory, USER, USER);
      await speaker.start({ wrapper: asUser("") });
      const peer = await Peer.establish({ port: speaker.port, localAddress: ADDRESS, as: AS });
      await peer.sendAll(manyRoutes({ as: AS, count: 10 }));
      ofRoot.start();
      const problem = new RegExp(`\\(owner ${USER}, mode 0700\\): run this as user ${USER}$`);
      await ofRoot.until("it is told why not", ({ servers }) =>
        problem.test(servers[0]?.problem ?? ""),
      );
      expect(await ofRoot.end("SIGTERM")).toBe("exit 0");
      module.start(asUser(",+net_admin"));
      await module.until("all are there", ({ families }) => families[0]!.installed === 10);
      expect(bgpRoutes()).toHaveLength(10);
      peer.end();
    } finally {
      for (const one of [ofRoot, module]) one.kill();
      rmSync(dirname(ofRoot.socket), { recursive: true });
      speaker.remove();
    }
  });

  test("that starts has groups go that an earlier one has left and nothing leads by, and no others", async () => {
    run("ip link add left0 type veth peer name left1");
    run("ip address add 192.0.2.1/24 dev left0");
    for (const name of ["left0", "left1"]) run(`ip link set ${name} up`);
    const place = { table: 254, nextHopTable: 254, linkLocalInterface: "", seed: 1, metric: 77 };
    const start = () => {
      const more = { families: [1 as const], nextHopGroups: true, say: () => {} };
      const forwarder = new Forwarder({ ...place, ...more });
      forwarder.start();
      return forwarder;
    };
    const all = () => [...run("ip nexthop").matchAll(/^id (\d+) group/gm)].map(([, id]) => id!);
    // Of modules of other tests, with another metric.
    const others = new Set(all());
    const groups = () => all().filter((id) => !others.has(id));
    let forwarder = start();
    try {
      const [table] = forwarder.followed;
      for (const last of [7, 8, 9]) {
        const hop = table!.hops.intern(Uint8Array.of(192, 0, 2, last));
        // So many that they have a group.
        for (let n = 0; n < MANY; n++)
          table!.set(0x0a000000 + (last << 16) + (n << 8), 0, 0, 0, 24, hop);
      }
      forwarder.complete();
      await until(() => groups().length === 3, WAIT_MS, "groups are there");
      forwarder.stop();
      const [first, second, third] = groups();
      for (let n = 0; n < MANY; n++)
        for (const last of [7, 8]) run(`ip route del 10.${last}.${n}.0/24`);
      // As of another module, whose numbers are of the same range, or somebody's.
      run(`ip route add 10.8.0.0/16 table 1000 proto static nhid ${second}`);
      run(`ip nexthop add id 3 via 192.0.2.5 dev left0 proto 186`);
      forwarder = start();
      await until(() => !groups().includes(first!), WAIT_MS, "what is left goes");
      expect(groups()).toEqual([second, third]);
      expect(run("ip nexthop")).toMatch(/^id 3 via 192\.0\.2\.5 /m);
      expect(run("ip nexthop")).not.toContain("192.0.2.7");
      expect(run("ip route show table 1000")).toContain(`nhid ${second} `);
    } finally {
      forwarder.stop();
      run("ip link delete left0");
      spawnSync("ip", ["nexthop", "delete", "id", "3"]);
    }
  });
});
