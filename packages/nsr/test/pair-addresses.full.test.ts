/** Service addresses that somebody else has, or that cannot be had. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { type TestPair, untilNsr, untilReady, withPair } from "../../../testkit/pair.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { LocalArbiter } from "../src/local-arbiter.ts";
import type { ShownNsr } from "../src/show-nsr.ts";

const REASON = enterOwnNetwork();
const WITH = REASON ?? "on one host";
const SERVICE = "10.7.0.1";

function ip(...words: string[]): string {
  return spawnSync("ip", words).stdout?.toString() ?? "";
}

describe.skipIf(REASON !== null)(`a service address (${WITH})`, () => {
  /** A namespace at the other end of the cable. */
  let neighbor: ChildProcess;

  const inNeighbor = (...words: string[]) =>
    spawnSync("nsenter", ["-t", String(neighbor.pid), "-n", "ip", ...words]);

  beforeAll(async () => {
    neighbor = spawn("unshare", ["-n", "sleep", "600"]);
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
    ip("link", "set", "v0", "up");
    await until(
      () => {
        ip("link", "set", "v1", "netns", String(neighbor.pid));
        return !ip("link", "show", "v1").includes("v1");
      },
      WAIT_MS,
      "the cable is in place",
    );
    inNeighbor("link", "set", "v1", "up");
  });
  afterAll(() => void neighbor.kill("SIGKILL"));

  const nsr = {
    mode: "address",
    "service-addresses": [{ address: `${SERVICE}/24`, interface: "v0" }],
  };
  const isHere = () => ip("address", "show", "dev", "v0").includes(SERVICE);

  test("that another host has is not claimed, and the role is left to others", () =>
    withPair({ nsr }, async (pair: TestPair) => {
      inNeighbor("address", "add", `${SERVICE}/24`, "dev", "v1");
      const a = await pair.side("a");
      a.spawn();
      expect(await a.exited()).toBe("exit 2");
      expect(a.text()).toMatch(/10\.7\.0\.1 is in use by [0-9a-f:]{17} on v0: it is not claimed/);
      expect(isHere()).toBe(false);
      inNeighbor("address", "del", `${SERVICE}/24`, "dev", "v1");
      await pair.startActive("a");
      expect(isHere()).toBe(true);
      a.signal("SIGTERM");
      expect(await a.exited()).toBe("exit 0");
      expect(isHere()).toBe(false);
      const queues = spawnSync("iptables", ["-t", "mangle", "-S"]).stdout.toString();
      expect(queues).not.toMatch(/NFQUEUE/);
    }));

  test("that cannot be had at a takeover leaves the role to the next one", () => {
    const service = [{ address: `${SERVICE}/24`, interface: "gone" }];
    const only = { b: { "service-addresses": service } };
    ip("link", "add", "gone", "type", "veth", "peer", "name", "gone-end");
    for (const end of ["gone", "gone-end"]) ip("link", "set", end, "up");
    return withPair({ nsr, only }, async (pair: TestPair) => {
      const a = await pair.startActive("a");
      const b = await pair.startStandby("b");
      await untilReady(a, "active");
      ip("link", "del", "gone");
      a.signal("SIGKILL");
      // Whichever it notices first, the death of the other side or the loss of the interface.
      const why = /takeover failed: .*gone|can be on no interface here: it is gone/;
      await b.untilLogged("the failure", ({ msg }) => why.test(msg));
      await untilNsr(b, "why it is not active", ({ reason }) => /gone/.test(reason));
      await a.exited();
      // The packet queue of the namespace, which they share here, is with the other one by now.
      await a.start();
      // Alone where the other one still has the packet queue.
      const isActive = (role: string) => role === "simplex" || role === "active";
      await untilNsr(a, "a is active", ({ role, epoch }) => isActive(role) && epoch > 1);
      expect(b.hasExited()).toBe(false);
    });
  });
});

describe.skipIf(REASON !== null)(`an interface of a service address that is lost (${WITH})`, () => {
  const SUBNET = "10.8.0";
  beforeAll(() => {
    ip("link", "add", "w0", "type", "veth", "peer", "name", "w1");
    ip("address", "add", `${SUBNET}.2/24`, "dev", "w0");
    ip("link", "set", "w0", "up");
    ip("link", "set", "w1", "up");
  });
  const service = [{ address: `${SUBNET}.1/24` }];
  const isHere = () => ip("address", "show", "dev", "w0").includes(`${SUBNET}.1/24`);

  test("is found by its subnet, and gets back an address that someone has taken away", () =>
    withPair({ nsr: { mode: "address", "service-addresses": service } }, async (pair: TestPair) => {
      await pair.startActive("a");
      expect(isHere()).toBe(true);
      ip("address", "del", `${SUBNET}.1/24`, "dev", "w0");
      await until(isHere, WAIT_MS, "the address is back");
    }));

  test("has the active side hand over, and not join again before it is back", () => {
    const only = {
      b: { "service-addresses": [{ address: `${SUBNET}.1/24`, interface: "lo" }] },
    };
    const nsr = { mode: "address", "service-addresses": service };
    return withPair({ nsr, only }, async (pair: TestPair) => {
      const a = await pair.startActive("a");
      const b = await pair.startStandby("b");
      await untilReady(a, "active");
      ip("link", "set", "w1", "down");
      await untilNsr(b, "b is active", ({ role }) => role === "active" || role === "simplex");
      const waits = ({ role, reason }: ShownNsr) =>
        role === "starting" && /no interface/.test(reason);
      expect(await untilNsr(a, "a reason", waits)).toMatchObject({ ready: false });
      ip("link", "set", "w1", "up");
      await untilNsr(a, "a follows", ({ role }) => role === "standby");
    });
  });
});

describe.skipIf(REASON !== null)(`a side without a role (${WITH})`, () => {
  test("ends on SIGTERM while it looks for one", () =>
    withPair({}, async (pair) => {
      const arbiter = new LocalArbiter(pair.roleFile);
      await arbiter.acquire("a");
      const b = await pair.side("b");
      await b.start();
      const isAway = ({ reason }: ShownNsr) => /no way to the active side/.test(reason);
      const shown = await untilNsr(b, "a reason", isAway);
      expect(shown).toMatchObject({ role: "starting", ready: false });
      b.signal("SIGTERM");
      expect(await b.exited()).toBe("exit 0");
      await arbiter.release();
    }));
});
