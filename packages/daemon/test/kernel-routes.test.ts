/** Routes of a real kernel, as neighbors of a pair hear of them: from the side that is active. */

import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  type TestPair,
  untilNsr,
  untilProtected,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import type { Peer } from "../../../testkit/peer.ts";
import { SPEAKER_AS, WAIT_MS } from "../../../testkit/speaker.ts";
import { parseUpdate } from "../../../testkit/updates.ts";

const NEXT_HOP = 3;
const ADDRESS = "127.0.0.1";
/** Of 10.N.0.0/16, as `parseUpdate` has them. */
const prefix = (n: number) => `100a${n.toString(16).padStart(2, "0")}`;

function ip(words: string): void {
  const { status, stderr } = spawnSync("ip", words.split(" "), { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${words}: ${stderr}`);
}

/** What a neighbor has been told, in order, `-` in front of what is gone; next hops are all the same. */
class Heard {
  readonly changes: string[] = [];
  readonly nextHops: Set<string> = new Set();

  constructor(peer: Peer) {
    peer.onUpdate = (octets) => {
      const { withdrawn, nlri, attributes } = parseUpdate(octets);
      this.changes.push(...withdrawn.map((each) => `-${each}`), ...nlri);
      if (nlri.length > 0) this.nextHops.add(attributes.get(NEXT_HOP)!.join("."));
    };
  }

  /** Waits for exactly these changes, in any order, and forgets them. */
  async expect(...changes: string[]): Promise<void> {
    const what = `changes ${changes}; heard ${this.changes}`;
    await until(() => this.changes.length >= changes.length, WAIT_MS, what);
    expect(this.changes.splice(0).sort()).toEqual([...changes].sort());
  }
}

const reason = enterOwnNetwork();

describe.skipIf(reason !== null)(`the kernel${reason === null ? "" : ` (${reason})`}`, () => {
  const section = { protocols: ["connected", "static"], import: "in" };
  const config = {
    policies: JSON.parse(`{
      "in": [{ "if": { "prefix": "10.0.0.0/8 le 16" }, "then": "accept" }],
      "other": [{ "if": { "prefix": "10.1.0.0/16" }, "then": "accept" }]
    }`),
    kernel: section,
  };

  async function follow(pair: TestPair): Promise<void> {
    const { a } = await pair.start();
    const peer = await pair.peer(1, { as: PEER_AS });
    const heard = new Heard(peer);
    await untilProtected(a, 1);
    await untilSaid(a, "kernel-routes");
    ip("route add blackhole 10.1.0.0/16 proto static");
    await heard.expect(prefix(1));
    // Of others' protocols, too long, and of another table.
    ip("route add blackhole 10.9.0.0/16 proto bgp");
    ip("route add blackhole 10.8.0.0/16 proto dhcp");
    ip("route add blackhole 10.7.1.0/24 proto static");
    ip("route add blackhole 10.6.0.0/16 proto static table 100");
    ip("address add 10.2.0.1/16 dev d0");
    await heard.expect(prefix(2));
    ip("address add 172.16.0.1/24 dev d2");
    const [one, other] = ["nexthop via 10.2.0.2", "nexthop via 172.16.0.2"];
    ip(`route add 10.11.0.0/16 proto static ${one} ${other}`);
    await heard.expect(prefix(11));
    ip("route add 10.10.0.0/16 proto static via inet6 fe80::9 dev d0");
    await heard.expect(prefix(10));
    ip("link set d3 down");
    // One of two next hops is left, which does; it is told of another thing than that as well.
    ip("route add blackhole 10.12.0.0/16 proto static");
    await heard.expect(prefix(12));
    ip("link set d1 down");
    await heard.expect(`-${prefix(2)}`, `-${prefix(10)}`, `-${prefix(11)}`);
    ip("link set d1 up");
    await heard.expect(prefix(2), prefix(10), prefix(11));
    ip("route del blackhole 10.12.0.0/16 proto static");
    await heard.expect(`-${prefix(12)}`);
    // The kernel says nothing of the routes.
    ip("link set d0 down");
    await heard.expect(`-${prefix(2)}`, `-${prefix(10)}`, `-${prefix(11)}`);
    ip("route add blackhole 10.3.0.0/16 proto static");
    ip("route add blackhole 10.3.0.0/16 proto static metric 7");
    await heard.expect(prefix(3));
    ip("route del blackhole 10.3.0.0/16 proto static metric 7");
    expect([...heard.nextHops]).toEqual([ADDRESS]);
    const asked = { command: "show-routes", neighbor: "kernel", view: "accepted" };
    const { items } = await a.ask(asked);
    expect(items).toMatchObject(
      [1, 3].map((n) => ({ prefix: `10.${n}.0.0/16`, neighbor_as: SPEAKER_AS, status: "best" })),
    );
    await takeover(pair, peer, heard);
    await reload(pair, heard);
    expect(isUndisturbed(peer)).toBe(true);
  }

  /** What the next side finds in its kernel is another thing than the first one had found. */
  async function takeover(pair: TestPair, peer: Peer, heard: Heard): Promise<void> {
    const [a, b] = [await pair.side("a"), await pair.side("b")];
    a.signal("SIGSTOP");
    ip("route del blackhole 10.3.0.0/16 proto static");
    ip("route add blackhole 10.4.0.0/16 proto static");
    a.signal("SIGKILL");
    await untilNsr(b, "b is active", ({ role }) => role === "active");
    await heard.expect(`-${prefix(3)}`, prefix(4));
    ip("route add blackhole 10.5.0.0/16 proto static");
    await heard.expect(prefix(5));
    expect(peer.closed).toBe(false);
  }

  async function reload(pair: TestPair, heard: Heard): Promise<void> {
    const b = await pair.side("b");
    b.configure(pair.config("b", { ...config, kernel: { ...section, import: "other" } }));
    await b.ask({ command: "reload" });
    await heard.expect(`-${prefix(4)}`, `-${prefix(5)}`);
    b.configure(pair.config("b", { policies: {}, kernel: undefined }));
    await b.ask({ command: "reload" });
    await heard.expect(`-${prefix(1)}`);
  }

  test("has its routes announced, and withdrawn when they go, before and after a takeover", async () => {
    ip("link add d0 type veth peer name d1");
    ip("link add d2 type veth peer name d3");
    for (const link of ["d0", "d1", "d2", "d3"]) ip(`link set ${link} up`);
    await withPair({ config }, follow);
  });
});
