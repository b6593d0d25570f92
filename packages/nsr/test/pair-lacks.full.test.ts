/** What a side's host lacks: before it is needed, and when it is found out too late. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork, removeRules } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  PEER_AS,
  PORT,
  type TestPair,
  untilNsr,
  untilProtected,
  untilReady,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import { Peer } from "../../../testkit/peer.ts";
import { neighborAddress, type SpawnOptions, WAIT_MS } from "../../../testkit/speaker.ts";

const REASON = enterOwnNetwork();
const WITH = REASON ?? "on one host";
const WITHOUT_NET_ADMIN = ["setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin"];
const SERVICE = "10.9.0.1";
const NEIGHBORS = (["preferred", "required"] as const).map((nsr, k) => ({
  address: neighborAddress(k + 1),
  as: PEER_AS + k,
  nsr,
}));

function ip(words: string): void {
  expect(spawnSync("ip", words.split(" ")).stderr.toString()).toBe("");
}

/** An interface with a carrier. */
function makeInterface(name: string): void {
  ip(`link add ${name} type veth peer name ${name}-end`);
  for (const end of [name, `${name}-end`]) ip(`link set ${end} up`);
}

const TOOLS = ["nft", "iptables", "ip6tables", "iptables-restore", "ip6tables-restore"];

/** Tools for packet rules that can be made to fail. */
class Tools {
  readonly options: SpawnOptions;
  private readonly directory: string;

  constructor(pair: TestPair) {
    this.directory = join(pair.directory, "tools");
    mkdirSync(this.directory);
    for (const tool of TOOLS) {
      const file = join(this.directory, tool);
      const real = `PATH=\${PATH#*:}:/usr/sbin:/sbin exec ${tool} "$@"`;
      writeFileSync(file, `#!/bin/sh\n[ -e ${file}.fails ] && exit 1\n${real}\n`);
      chmodSync(file, 0o755);
    }
    this.options = { wrapper: ["env", `PATH=${this.directory}:${process.env["PATH"]}`] };
  }

  fail(tools: readonly string[] = TOOLS): void {
    for (const tool of tools) writeFileSync(join(this.directory, `${tool}.fails`), "");
  }

  work(): void {
    for (const tool of TOOLS) rmSync(join(this.directory, `${tool}.fails`), { force: true });
  }
}

describe.skipIf(REASON !== null)(`a standby that could not take over (${WITH})`, () => {
  test("is turned away while it lacks a capability, and both sides say why", () =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a");
      const peer = await pair.peer(1);
      const b = await pair.side("b");
      await b.start({ wrapper: WITHOUT_NET_ADMIN });
      const why = /b cannot take over: .*CAP_NET_ADMIN/;
      const shown = await untilNsr(a, "the reason", ({ reason }) => why.test(reason));
      expect(shown).toMatchObject({ role: "active", ready: false, protected: 0 });
      expect(await nsrOf(b)).toMatchObject({ ready: false });
      await b.untilLogged("the reason", ({ id, msg }) => id === "nsr-link" && why.test(msg));
      expect((await untilSaid(a, "nsr-link")).filter((text) => why.test(text))).toHaveLength(1);
      b.signal("SIGTERM");
      await b.exited();
      await pair.startStandby("b");
      await untilProtected(a, 1);
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("is turned away while it lacks an interface", () => {
    const nsr = { mode: "address" };
    const service = (name: string) => ({
      "service-addresses": [{ address: `${SERVICE}/24`, interface: name }],
    });
    makeInterface("l0");
    return withPair({ nsr, only: { a: service("l0"), b: service("l1") } }, async (pair) => {
      const a = await pair.startActive("a");
      const b = await pair.side("b");
      await b.start();
      const why = /b cannot take over: interface l1: does not exist here/;
      await untilNsr(a, "the reason", ({ ready, reason }) => !ready && why.test(reason));
      expect(await nsrOf(b)).toMatchObject({ ready: false });
      makeInterface("l1");
      await untilReady(b, "standby");
    }).finally(() => {
      ip("link del l0");
      ip("link del l1");
    });
  });

  test("names the sessions that are lost with it", () => {
    const only = {
      a: { "service-addresses": [{ address: `${SERVICE}/24`, interface: "lo" }] },
      b: { "service-addresses": [{ address: `${SERVICE}/24`, interface: "l2" }] },
    };
    makeInterface("l2");
    return withPair({ nsr: { mode: "address" }, only }, async (pair) => {
      const { a, b } = await pair.start();
      await pair.peer(1);
      await pair.peer(2);
      await untilProtected(a, 2);
      const isUp = async () => (await b.neighbor(neighborAddress(2))).state === "Established";
      await until(isUp, WAIT_MS, "b knows of both");
      ip("link del l2");
      a.signal("SIGKILL");
      await b.untilLogged("the failure", ({ msg }) => /takeover failed|no interface/.test(msg));
      // Its host is gone as well.
      ip(`address del ${SERVICE}/24 dev lo`);
      makeInterface("l2");
      const shown = await untilNsr(b, "it begins anew", ({ role }) => role === "active");
      expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 0 });
      const addresses = shown.last_switchover!.lost.map(({ address }) => address);
      expect(addresses).toEqual(["127.1.0.1", "127.1.0.2"]);
      // The log is written beside everything else, and comes behind an answer.
      const named = () => b.log().filter(({ id }) => id === "nsr-lost-session");
      await until(() => named().length >= addresses.length, WAIT_MS, "the log names them");
      expect(named().map(({ neighbor }) => neighbor)).toEqual(addresses);
    }).finally(() => ip("link del l2"));
  });
});

describe.skipIf(REASON !== null)(`a gate that fails (${WITH})`, () => {
  test("leaves no rule of one address family behind that stops its packets", () =>
    withPair({}, async (pair) => {
      const tools = new Tools(pair);
      tools.fail(["nft", "ip6tables-restore"]);
      const a = await pair.side("a");
      await a.start(tools.options);
      await untilNsr(a, "it is alone", ({ role, gate }) => role === "simplex" && !gate.held);
      const peer = await pair.peer(1);
      expect(isUndisturbed(peer)).toBe(true);
      expect((await nsrOf(a)).reason).toMatch(/ip6tables/);
    }));

  test("to get rules for another port keeps those that it has, and the standby", () =>
    withPair({}, async (pair) => {
      const tools = new Tools(pair);
      const a = await pair.startActive("a", tools.options);
      await pair.startStandby("b", tools.options);
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      tools.fail(["nft", "ip6tables-restore"]);
      const listen = [PORT, PORT + 1].map((port) => ({ address: "127.0.0.1", port }));
      a.configure(pair.config("a", { listen }));
      await expect(a.ask({ command: "reload" })).rejects.toThrow(/no rule for the gate/);
      for (const tool of ["iptables", "ip6tables"]) {
        const listed = spawnSync(tool, ["-w", "5", "-t", "mangle", "-S"]).stdout.toString();
        expect(listed).toMatch(new RegExp(`--sport ${PORT} .*NFQUEUE`));
      }
      expect(await nsrOf(a)).toMatchObject({ ready: true, protected: 1 });
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("to put rules in place after a takeover goes on with those that are there", () =>
    withPair({}, async (pair) => {
      const tools = new Tools(pair);
      const a = await pair.startActive("a");
      const b = await pair.startStandby("b", tools.options);
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      tools.fail(["nft", "iptables-restore", "ip6tables-restore"]);
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      await a.exited();
      await pair.startStandby("a");
      expect(await untilProtected(b, 1)).toMatchObject({ role: "active", ready: true });
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("leaves the sessions unprotected, is had again, and protects them then", () =>
    withPair({ config: { neighbors: NEIGHBORS } }, async (pair) => {
      const tools = new Tools(pair);
      const a = await pair.startActive("a", tools.options);
      const b = await pair.startStandby("b", tools.options);
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      tools.fail();
      removeRules();
      const shown = await untilNsr(a, "it is alone", ({ role }) => role === "simplex");
      expect(shown).toMatchObject({ ready: false, protected: 0, gate: { kind: "none" } });
      expect(shown.reason).toMatch(/cannot protect connections: no rule for the gate/);
      const refused = await Peer.connect({ port: PORT, localAddress: neighborAddress(2) });
      expect(await refused.untilClosed()).toBeNull();
      const line = await a.untilLogged("a refusal", ({ id }) => id === "connection-refused");
      expect(line.msg).toMatch(/nsr: required/);
      tools.work();
      await untilNsr(a, "it is protected again", (now) => now.ready && now.protected === 1);
      await pair.peer(2);
      await untilProtected(a, 2);
      await untilReady(b, "standby");
      expect(isUndisturbed(peer)).toBe(true);
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(isUndisturbed(peer)).toBe(true);
      const { last_switchover: last } = await nsrOf(b);
      expect(last).toMatchObject({ resumed: 2, lost: [] });
    }));
});
