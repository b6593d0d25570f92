/** What a standby of another version loses nothing by, case by case. */

import type { Rib } from "@ts-bgp/rib";
import { FAMILY, KEEPALIVE_OCTETS } from "@ts-bgp/wire-codec";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { DOUBT_LIMITS } from "../../rib/src/doubts.ts";
import { EARLY_LIMITS } from "../../router/src/early-writes.ts";
import { GroupExporter } from "../../router/src/exporter.ts";
import { Router } from "../../router/src/index.ts";
import { Jitter } from "../../router/src/numbers.ts";
import { Session } from "../../router/src/session.ts";
import { UpdateWriter } from "../../wire-codec/src/index.ts";
import { type Deviation, DeviationNews, deviationText } from "../src/index.ts";
import { Succeeded } from "./succeeded.ts";

/** What the other program does otherwise. */
const other = { packs: false, stands: false, keepsToItself: false, jitters: false };
let isOther = false;

function asOther<T>(run: () => T): T {
  const before = isOther;
  isOther = true;
  try {
    return run();
  } finally {
    isOther = before;
  }
}

const { prefix } = UpdateWriter.prototype;
const { slice } = Router.prototype;
const { evaluate } = GroupExporter.prototype;
const { next } = Jitter.prototype;
let slices = 0;
UpdateWriter.prototype.prefix = function otherPrefix(...args) {
  if (isOther && other.packs) this.finish();
  prefix.apply(this, args);
};
Router.prototype.slice = function otherSlice(...args) {
  if (isOther && other.stands) return true;
  slices++;
  return slice.apply(this, args);
};
GroupExporter.prototype.evaluate = function otherEvaluate(...args) {
  return isOther && other.keepsToItself ? 0 : evaluate.apply(this, args);
};
Jitter.prototype.next = function otherNext() {
  const number = next.call(this);
  return isOther && other.jitters ? 0.999 - number : number;
};
afterAll(() => {
  Object.assign(UpdateWriter.prototype, { prefix });
  Object.assign(Router.prototype, { slice });
  Object.assign(GroupExporter.prototype, { evaluate });
  Object.assign(Jitter.prototype, { next });
});
beforeEach(() => {
  Object.assign(other, { packs: false, stands: false, keepsToItself: false, jitters: false });
});

const ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
const DIGEST_BRACKETS = 4;
/** KEEPALIVE messages of more than a megabyte. */
const MANY = 60_000;
/** Of one connection so much is read in a slice. */
const PIECE_OCTETS = 1 << 14;

function keepalives(count: number): Uint8Array {
  const { length } = KEEPALIVE_OCTETS;
  return new Uint8Array(length * count).map((_, i) => KEEPALIVE_OCTETS[i % length]!);
}

interface Trio {
  readonly lab: Lab;
  readonly all: Succeeded;
  readonly peers: readonly [Peer, Peer, Peer];
}

/**
 * Three neighbors; nobody is up.
 *
 * @param own - options of the third
 * @param sections - further ones of the configuration
 */
function trio(own = "", seed = 1, defaults = "passive: true", sections = ""): Trio {
  let all!: Succeeded;
  const lines = ADDRESSES.map((address, i) => {
    return `  - { address: ${address}, as: ${65001 + i}${i === 2 ? own : ""} }`;
  });
  const lab = new Lab(
    yamlOf(`
defaults: { ${defaults}, import: accept-all, export: accept-all }
neighbors:
${lines.join("\n")}
${sections}`),
    {
      seed,
      routerOf: (config, number) => {
        all = new Succeeded(config, number, asOther);
        return all.first;
      },
    },
  );
  const peers = ADDRESSES.map((address, i) => lab.peer(address, { as: 65001 + i }));
  return { lab, all, peers: peers as unknown as Trio["peers"] };
}

/** The other program joins. */
function follow({ lab, all }: Trio): void {
  while (lab.deliver());
  all.follow(false);
}

/** Has the outputs differ once, and ends the bracket. */
function differ({ lab, peers }: Trio): void {
  other.packs = true;
  peers[0].announce(["10.100.0.0/16", "10.101.0.0/16"]);
  lab.run();
}

function succeed({ lab, all }: Trio): void {
  while (lab.deliver());
  all.takeOver();
  lab.run();
}

describe("sessions", () => {
  test("the KEEPALIVE that a peer waits for is sent, whoever has read its OPEN", () => {
    const now = trio();
    const { lab, peers } = now;
    for (const peer of peers.slice(0, 2)) peer.up();
    follow(now);
    differ(now);
    peers[2].connect();
    expect(peers[2].wire.of("KEEPALIVE")).toEqual([]);
    succeed(now);
    expect(peers[2].wire.of("KEEPALIVE")).toHaveLength(1);
    expect([peers[2].isUp, peers[2].wire.closed]).toEqual([true, false]);
    // Others are told that they are remembered: who says when is the other program's timer.
    expect(lab.outputs.filter((one) => one.do === "write" && one.octets[18] === 4)).not.toEqual([]);
  });

  test("an OPEN that was due is sent", () => {
    const now = trio(", delay-open: 30");
    const { peers } = now;
    for (const peer of peers.slice(0, 2)) peer.up();
    follow(now);
    differ(now);
    const wire = peers[2].connect(false);
    wire.feed(peers[2].open);
    succeed(now);
    wire.feed(KEEPALIVE_OCTETS);
    now.lab.run();
    expect(wire.messages.map(({ type }) => type).slice(0, 2)).toEqual(["OPEN", "KEEPALIVE"]);
    expect([peers[2].isUp, wire.closed]).toEqual([true, false]);
  });

  test("a peer that may come back for one may for the other", () => {
    let later = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const now = trio("", seed);
      const { lab, all, peers } = now;
      other.jitters = true;
      follow(now);
      const [peer] = peers;
      for (let n = 0; n < 2; n++) {
        peer.connect(false).feed(new Uint8Array(19));
        lab.run();
      }
      const mode = (router: Router) => router.neighbors.get(ADDRESSES[0]!)!.state.mode;
      expect([mode(lab.router), mode(all.standby!.follows!.router)]).toEqual(["damped", "damped"]);
      while (mode(lab.router) === "damped") lab.advance(100);
      if (mode(all.standby!.follows!.router) === "damped") later++;
      peer.up();
      expect(all.standby!.deviation?.doomed ?? []).toEqual([]);
      succeed(now);
      expect([peer.isUp, peer.wire.closed]).toEqual([true, false]);
    }
    expect(later).toBeGreaterThan(2);
  });

  test("a peer that is back is taken, although its end was not read", () => {
    const now = trio();
    const { lab, peers } = now;
    const [peer] = peers;
    peer.up();
    follow(now);
    other.stands = true;
    peer.announce(["10.1.0.0/16"]).hangUp();
    lab.run();
    peer.up();
    other.stands = false;
    lab.advance(100);
    succeed(now);
    expect([peer.isUp, peer.wire.closed]).toEqual([true, false]);
  });

  test("an attempt of its own that has the number of a connection harms nobody", () => {
    let common = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const now = trio(", passive: false", seed, "passive: true, connect-retry: 5");
      const { lab, all, peers } = now;
      other.jitters = true;
      follow(now);
      for (const { id } of lab.attempts.splice(0)) lab.router.connectFailed(id, lab.nowMs);
      lab.run();
      const follower = all.standby!.follows!.router;
      const attempts: number[] = [];
      const take = follower.takeOutputs.bind(follower);
      follower.takeOutputs = () => {
        const outputs = take();
        attempts.push(...outputs.flatMap((one) => (one.do === "connect" ? [one.connection] : [])));
        return outputs;
      };
      // In one bracket its time has come for the follower, and it is over.
      lab.nowMs += 4_350;
      lab.router.tick(lab.nowMs);
      const { address, localAddress } = peers[0];
      const id = lab.router.accepted(address, 40_000, localAddress, null, lab.nowMs)!;
      peers[0].adopt(id);
      lab.router.operate(ADDRESSES[2]!, { do: "disable", text: null }, lab.nowMs);
      lab.run();
      if (attempts.includes(id)) common++;
      lab.advance(1000);
      expect(all.standby!.deviation?.doomed ?? []).toEqual([]);
      succeed(now);
      expect([peers[0].isUp, peers[0].wire.closed]).toEqual([true, false]);
    }
    expect(common).toBeGreaterThan(2);
  });

  test("a dynamic neighbor is taken, although its place is not free here", () => {
    const clients = "groups: { clients: { import: accept-all, export: accept-all } }";
    const range =
      "{ prefix: 198.51.100.0/24, group: clients, limit: 1, as-numbers: 65100-65109, forget-after: 1 }";
    const now = trio("", 1, "passive: true", `${clients}\ndynamic-neighbors: [${range}]`);
    const { lab } = now;
    const [before, next] = [1, 2].map((k) => lab.peer(`198.51.100.${k}`, { as: 65100 + k }));
    before!.up();
    follow(now);
    other.stands = true;
    before!.announce(["10.1.0.0/16"]).hangUp();
    lab.run().advance(2_000);
    expect(lab.router.neighbors.has(before!.address)).toBe(false);
    next!.up();
    other.stands = false;
    succeed(now);
    lab.advance(2_000);
    expect([next!.isUp, next!.wire.closed]).toEqual([true, false]);
  });

  test("one that agreed on a family that is not known is named, and ends", () => {
    const now = trio();
    const { lab, all, peers } = now;
    for (const peer of peers) peer.up();
    const strange = { code: 1, name: "novel-families", afi: 25, safi: 70 };
    const usual = { code: 1, name: "multiprotocol", afi: 16_388, safi: 71 };
    const { negotiated } = all.journal.machine.router.neighbors.get(ADDRESSES[0]!)!.session!;
    (negotiated.localCapabilities as unknown[]).push(strange, usual);
    (negotiated.peerCapabilities as unknown[]).push(strange);
    follow(now);
    for (let n = 0; n < DIGEST_BRACKETS; n++) lab.advance(100);
    const [one, ...others] = all.standby!.deviation!.doomed;
    expect(one!.address).toBe(ADDRESSES[0]);
    expect(one!.cause).toContain("family 25/70");
    expect(others).toEqual([]);
    succeed(now);
    expect(peers.map(({ wire }) => wire.closed)).toEqual([true, false, false]);
  });
});

describe("routes", () => {
  test.each([false, true])(
    "that were sent before a session was up here are withdrawn (%s)",
    (add) => {
      const now = trio("", 1, `passive: true${add ? ", add-path: { send: all }" : ""}`);
      const { lab, peers } = now;
      for (const peer of peers) Object.assign(peer.options, add ? { addPath: "receive" } : {});
      peers[0].up().announce(["10.1.0.0/16", "10.2.0.0/16"]);
      lab.run();
      other.keepsToItself = true;
      follow(now);
      lab.advance(200);
      other.stands = true;
      peers[2].up();
      expect(Object.keys(peers[2].table)).toHaveLength(2);
      other.stands = false;
      succeed(now);
      expect(peers[2].table).toEqual({});
      expect([peers[2].isUp, peers[2].wire.closed]).toEqual([true, false]);
    },
  );

  test.each([false, true])(
    "that were sent before a session was up here, and are gone by then, are withdrawn (%s)",
    (add) => {
      const now = trio("", 1, `passive: true${add ? ", add-path: { send: all }" : ""}`);
      const { lab, peers } = now;
      for (const peer of peers) Object.assign(peer.options, add ? { addPath: "receive" } : {});
      peers[0].up();
      follow(now);
      other.stands = true;
      peers[2].up();
      peers[0].announce(["10.1.0.0/16", "10.2.0.0/16"]);
      lab.run();
      expect(Object.keys(peers[2].table)).toHaveLength(2);
      peers[0].withdraw(["10.1.0.0/16"]);
      other.stands = false;
      succeed(now);
      expect(Object.keys(peers[2].table)).toHaveLength(1);
      expect([peers[2].isUp, peers[2].wire.closed]).toEqual([true, false]);
    },
  );

  test("that were sent on a session that is still not up when it takes over end with it", () => {
    const now = trio();
    const { lab, all, peers } = now;
    peers[0].up().announce(["10.1.0.0/16"]);
    lab.run();
    follow(now);
    other.stands = true;
    peers[2].up();
    lab.deliver();
    all.takeOver();
    other.stands = false;
    lab.run();
    expect(peers[2].wire.notification).toBe(
      "6/4 the session was not up on the side that has taken over",
    );
    expect([peers[0].isUp, peers[0].wire.closed, peers[2].wire.closed]).toEqual([
      true,
      false,
      true,
    ]);
  });

  test("that a peer was sent, for which others are still waited for here, are withdrawn", () => {
    const now = trio("", 1, "passive: true, graceful-restart: full");
    const { lab, peers } = now;
    for (const peer of peers) peer.up({ gracefulRestart: {} });
    peers[0].announce(["10.1.0.0/16", "10.2.0.0/16"]);
    lab.run();
    expect(peers[2].table).toEqual({});
    follow(now);
    other.stands = true;
    for (const peer of peers) peer.endOfRib();
    lab.advance(200);
    expect(Object.keys(peers[2].table)).toHaveLength(2);
    other.stands = false;
    other.keepsToItself = true;
    succeed(now);
    lab.advance(10_000);
    expect(peers[2].table).toEqual({});
  });

  test("that a peer was asked not to keep are asked for", () => {
    const now = trio(", keep-rejected: false");
    const { peers } = now;
    for (const peer of peers) peer.up();
    follow(now);
    succeed(now);
    const asked = peers.map(({ wire }) => wire.of("ROUTE-REFRESH").length);
    expect(asked).toEqual([0, 0, 1]);
  });
});

describe("a refresh of what a peer was sent", () => {
  const subtypes = ({ wire }: Peer) => wire.of("ROUTE-REFRESH").map(({ subtype }) => subtype);

  test("that the other has begun before the session was up here comes to its end", () => {
    const now = trio();
    const { lab, peers } = now;
    peers[0].up().announce(["10.1.0.0/16"]);
    lab.run();
    follow(now);
    other.stands = true;
    peers[2].up().refresh(0);
    lab.budget = () => 0;
    lab.slice();
    expect(subtypes(peers[2])).toEqual([1]);
    other.stands = false;
    succeed(now);
    expect(subtypes(peers[2]).at(-1)).toBe(2);
  });

  test("that has begun before its marker is sent comes to its end, and so do later ones", () => {
    // However far this side has come with the refresh when it has read all.
    for (let pieces = 1; pieces <= 12; pieces++) {
      const now = trio();
      const { lab, peers } = now;
      for (const peer of peers.slice(0, 2)) peer.up();
      follow(now);
      differ(now);
      const [first, , peer] = peers;
      const count = Math.ceil((pieces * PIECE_OCTETS) / KEEPALIVE_OCTETS.length);
      first.send(keepalives(count));
      peer.connect();
      peer.refresh(0);
      succeed(now);
      expect(peer.wire.endsOfRib.length).toBeGreaterThan(0);
      peer.wire.forget();
      peer.refresh(0);
      lab.run();
      expect([pieces, ...subtypes(peer)]).toEqual([pieces, 1, 2]);
    }
  });
});

describe("what is noted", () => {
  test("of peers that are gone and of their prefixes is forgotten", () => {
    const now = trio();
    const { lab, all, peers } = now;
    for (const peer of peers) peer.up();
    follow(now);
    differ(now);
    const { prefixes } = all.standby!.follows!.router.tables.rib(FAMILY.IPV4_UNICAST);
    for (const peer of peers) peer.hangUp();
    for (let n = 0; n < DIGEST_BRACKETS; n++) lab.advance(100);
    expect(all.standby!.deviation!.brackets).toBeGreaterThan(0);
    expect(prefixes.size).toBe(0);
  });

  test.each([false, true])("has a bound, beyond which it joins again (ADD-PATH %s)", (add) => {
    const { spare } = DOUBT_LIMITS;
    DOUBT_LIMITS.spare = 20;
    try {
      const now = trio("", 1, `passive: true${add ? ", add-path: { send: all }" : ""}`);
      const { lab, all, peers } = now;
      for (const peer of peers) Object.assign(peer.options, add ? { addPath: "receive" } : {});
      for (const peer of peers) peer.up();
      follow(now);
      other.packs = true;
      let said = "";
      all.differs = (what) => {
        said = what;
      };
      for (let n = 0; n < 40 && said === ""; n++) {
        const routes = [`10.${n}.0.0/16`, `10.${n + 100}.0.0/16`];
        peers[0].announce(routes);
        lab.run();
        peers[0].withdraw(routes);
        lab.run();
      }
      expect(said).toBe("more than can be noted");
    } finally {
      DOUBT_LIMITS.spare = spare;
    }
  });

  test("of what is not read yet has a bound as well", () => {
    const { octets } = EARLY_LIMITS;
    EARLY_LIMITS.octets = 1000;
    try {
      const now = trio();
      const { lab, all, peers } = now;
      peers[0].up();
      follow(now);
      let said = "";
      all.differs = (what) => {
        said = what;
      };
      other.stands = true;
      peers[2].up();
      for (let n = 0; n < 40 && said === ""; n++) {
        peers[0].announce([`10.${n}.0.0/16`]);
        lab.run();
      }
      expect(said).toBe("more than can be noted");
    } finally {
      EARLY_LIMITS.octets = octets;
    }
  });
});

describe("a standby of another version", () => {
  test("says that it is complete once it has judged all anew, by itself", () => {
    const now = trio();
    const { lab, all, peers } = now;
    for (const peer of peers) peer.up();
    for (let n = 0; n < 200; n++) peers[0].announce([`10.${n}.0.0/16`]);
    lab.run();
    other.keepsToItself = true;
    all.isByHand = true;
    follow(now);
    const standby = all.standby!;
    const { entries } = standby.follows!.router.tables.groups;
    const sent = () => entries.reduce((sum, { group }) => sum + group.adjRibOut.rows.size, 0);
    expect(sent()).toBeGreaterThan(0);
    expect([standby.isReconsidering, standby.applied]).toEqual([true, all.before - 2]);
    let steps = 0;
    while (asOther(() => standby.work(() => false))) steps++;
    expect(steps).toBeGreaterThan(0);
    expect([standby.isReconsidering, standby.applied]).toEqual([false, all.before - 1]);
    expect(sent()).toBe(0);
  });

  test("says so before, when it gets more than it finds time for", () => {
    const now = trio();
    const { lab, all, peers } = now;
    peers[0].up();
    all.isByHand = true;
    follow(now);
    const standby = all.standby!;
    peers[0].send(keepalives(MANY));
    expect(standby.applied).toBe(all.before - 2);
    lab.run();
    expect([standby.isReconsidering, standby.applied]).toEqual([true, all.before - 1]);
    expect(asOther(() => standby.work(() => true))).toBe(false);
    expect([standby.isReconsidering, standby.applied]).toEqual([false, all.number]);
  });

  test("takes over without judging the rest first", () => {
    const now = trio();
    const { lab, all, peers } = now;
    for (const peer of peers) peer.up();
    for (let n = 0; n < 200; n++) peers[0].announce([`10.${n}.0.0/16`]);
    lab.run();
    other.keepsToItself = true;
    all.isByHand = true;
    follow(now);
    while (lab.deliver());
    slices = 0;
    all.takeOver();
    expect(slices).toBe(0);
    lab.run();
    expect(peers[2].table).toEqual({});
  });
});

describe("a neighbor that the other program has died of", () => {
  /** How often something of the first neighbor is read, or looked at to be passed on. */
  function looksIn(run: () => void): number {
    let looks = 0;
    const { update } = Session.prototype;
    const { evaluate: before } = GroupExporter.prototype;
    const isFirst = (row: number) => row === 1;
    Session.prototype.update = function counted(...args) {
      if (isFirst(this.neighbor.row)) looks++;
      return update.apply(this, args);
    };
    GroupExporter.prototype.evaluate = function counted(...args) {
      const { rib } = this as unknown as { rib: Rib };
      if (isFirst(rib.paths.peer[args[0]]!)) looks++;
      return before.apply(this, args);
    };
    try {
      run();
    } finally {
      Object.assign(Session.prototype, { update });
      Object.assign(GroupExporter.prototype, { evaluate: before });
    }
    return looks;
  }

  test.each([
    ["read", 1, () => {}],
    ["passed on", 40, ({ lab }: Trio) => lab.router.slice(lab.nowMs, () => false)],
  ] as const)("is taken down before its message is %s", (_, messages, die) => {
    const now = trio();
    const { lab, all, peers } = now;
    for (const peer of peers) peer.up();
    peers[0].announce(["10.1.0.0/16"]);
    peers[1].announce(["10.2.0.0/16"]);
    lab.run();
    follow(now);
    differ(now);
    expect(lab.neighbor(ADDRESSES[0]!).row).toBe(1);
    for (let n = 0; n < messages; n++) {
      peers[0].announce(Array.from({ length: 250 }, (__, k) => `11.${n}.${k}.0/24`));
    }
    die(now);
    while (lab.deliver());
    const order = { do: "quarantine", cause: "SIGABRT", count: 1, file: null } as const;
    const looks = looksIn(() => {
      all.takeOver((router) => router.operate(ADDRESSES[0]!, order, router.tables.nowMs));
      lab.run();
    });
    expect(looks).toBe(0);
    expect(peers[0].wire.of("NOTIFICATION")).toMatchObject([{ code: 6, subcode: 2 }]);
    expect(peers.map(({ wire }) => wire.closed)).toEqual([true, false, false]);
    expect(peers[2].table).toMatchObject({ "10.2.0.0/16": {} });
    expect(Object.keys(peers[2].table)).toHaveLength(1);
  });
});

test("a difference is news once, and each session that would end", () => {
  const news = new DeviationNews();
  const doomed = [{ address: "192.0.2.1", cause: "a limit" }];
  const of = (what: string, ended: Deviation["doomed"] = []) => {
    return { number: 7, what, brackets: 1, doomed: ended };
  };
  const said = [
    of("", doomed),
    of("outputs", doomed),
    of("", doomed),
    of("outputs", doomed),
    of("outputs, ipv4 routes", doomed),
    of("ipv4 routes"),
    of("ipv4 routes"),
  ].map((one) => news.take(one));
  expect(said).toEqual([true, true, false, false, true, true, false]);
  expect(deviationText(of("outputs", doomed))).toBe(
    "outputs at bracket 7; 192.0.2.1 would end: a limit",
  );
  expect(deviationText(of(""))).toBe("");
});
