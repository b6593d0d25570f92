/** Routes in a kernel: 100,000 of which none is touched that does not change, and whose they are. */
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { Peer } from "../../../testkit/peer.ts";
import { SpeakerProcess } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import { tellForwardStory } from "./support/forward-story.ts";
import { bgpRoutes, Module, run } from "./support/forwarding.ts";

const reason = enterOwnNetwork();
const AS = 65_001;
const ADDRESS = "127.1.0.1";
const USER = 12_345;
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
});
