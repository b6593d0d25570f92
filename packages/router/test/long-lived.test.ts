/** Long-lived graceful restart (RFC 9494), and NOTIFICATION messages that end no routes (RFC 8538). */

import { explainRoute, showNeighbor, showRoutes } from "@ts-bgp/views";
import { CEASE, encodeNotification } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import type { PeerOptions, Sketch } from "../../../testkit/sketch.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";
const STALE = "65535:6";
const NO_LLGR = "65535:7";
const GR = { seconds: 30 };
const KNOWS = { gracefulRestart: GR, longLived: { seconds: 600 } } as const;

const yaml = (longLived = "helper", more = "", rest = "") =>
  yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true, long-lived-graceful-restart: ${longLived} ${more} }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002, next-hop: unchanged }, { address: ${C}, as: 65003 }]
${rest}
`);

/** Peer a has announced 10.1.0.0/16 and 10.2.0.0/16; b knows of long-lived stale routes, c does not. */
function three(options: Partial<PeerOptions> = {}, text = yaml(), sketch: Sketch = {}) {
  const lab = new Lab(text);
  const b = lab.peer(B, { as: 65002, ...KNOWS }).up();
  const c = lab.peer(C, { as: 65003 }).up();
  const a = lab.peer(A, { as: 65001, ...KNOWS, ...options }).up();
  a.announce(BOTH, sketch).endOfRib();
  lab.run();
  b.wire.forget();
  c.wire.forget();
  return { lab, a, b, c };
}

const BOTH = ["10.1.0.0/16", "10.2.0.0/16"];
const keys = (peer: Peer) => Object.keys(peer.table);
const communities = (peer: Peer, prefix = BOTH[0]!) => peer.table[prefix]?.["communities"];
/** The time that the peer asked for is up. */
const beyond = (lab: Lab) => lab.run().advance(31_000);
const capability = (peer: Peer, code: number) => {
  const all = peer.wire.of("OPEN").at(-1)!["capabilities"] as { code: number }[];
  return all.find((each) => each.code === code);
};

describe("what OPENs offer", () => {
  test.each([
    ["off", undefined],
    ["helper", { families: [] }],
    [
      "{ mode: full, stale-time: 86400 }, graceful-restart: full",
      { families: [{ afi: 1, safi: 1, forwarding: true, stale_time_seconds: 86_400 }] },
    ],
    [
      "{ mode: full, stale-time: { ipv4-unicast: 60 } }, graceful-restart: full",
      { families: [{ stale_time_seconds: 60 }] },
    ],
  ])("%s", (mode, offered) => {
    const { a } = three({}, yaml(mode));
    if (offered === undefined) expect(capability(a, 71)).toBeUndefined();
    else expect(capability(a, 71)).toMatchObject(offered);
  });
});

describe("routes of a peer that does not come back in its restart time", () => {
  test("are marked, go to who knows of it, and are withdrawn from who does not", () => {
    const { lab, a, b, c } = three();
    a.hangUp();
    lab.run().advance(29_000);
    expect([b.wire.changes, c.wire.changes]).toEqual([[], []]);
    beyond(lab);
    expect([keys(b), communities(b)]).toEqual([BOTH, [STALE]]);
    expect([...c.wire.changes].sort()).toEqual(["-10.1.0.0/16", "-10.2.0.0/16"]);
    lab.advance(565_000);
    expect(keys(b)).toEqual(BOTH);
    lab.advance(11_000);
    expect(keys(b)).toEqual([]);
  });

  test("begin with it at once when that time is 0", () => {
    const { lab, a, b } = three({ gracefulRestart: { seconds: 0 } });
    a.hangUp();
    lab.run().advance(200);
    expect([keys(b), communities(b)]).toEqual([BOTH, [STALE]]);
  });

  test("begin with it at once where the restart time is for other families", () => {
    const { lab, a, b } = three({ gracefulRestart: { ...GR, families: [] } });
    a.hangUp();
    lab.run();
    expect([keys(b), communities(b)]).toEqual([BOTH, [STALE]]);
  });

  test("go when it did not ask for more, or the configuration does not", () => {
    for (const [options, text] of [
      [{ longLived: { seconds: 0 } }, yaml()],
      [{}, yaml("off")],
      [{}, yaml("{ mode: helper, stale-time-max: { ipv6-unicast: 60 } }")],
    ] as const) {
      const { lab, a, b } = three(options, text);
      a.hangUp();
      beyond(lab);
      expect(keys(b)).toEqual([]);
    }
  });

  test("stay no longer than the configuration says", () => {
    const { lab, a, b } = three({}, yaml("{ mode: helper, stale-time-max: 60 }"));
    a.hangUp();
    beyond(lab);
    expect(keys(b)).toEqual(BOTH);
    lab.advance(60_000);
    expect(keys(b)).toEqual([]);
  });

  test("go sooner when the configuration comes to say so, and not later than was asked for", () => {
    const { lab, a, b } = three();
    a.hangUp();
    beyond(lab);
    lab.reload(yaml("{ mode: helper, stale-time-max: 9999 }")).advance(100_000);
    lab.reload(yaml("{ mode: helper, stale-time-max: 300 }")).advance(190_000);
    expect(keys(b)).toEqual(BOTH);
    lab.advance(20_000);
    expect(keys(b)).toEqual([]);
  });

  test.each(["accept-all", "in"])(
    "are not kept against NO_LLGR, which policy %s may set",
    (name) => {
      const step = "{ if: { prefix: 10.1.0.0/16 }, set: { community: { add: [no-llgr] } } }";
      const text = yaml("helper", "", `policies: { in: [${step}, { then: accept }] }`);
      const { lab, a, b } = three({}, text.replace("import: accept-all", `import: ${name}`));
      a.hangUp();
      beyond(lab);
      expect(keys(b)).toEqual(name === "in" ? [BOTH[1]] : BOTH);
      expect(lab.router.tables.rib(1).paths.received[lab.neighbor(A).row]).toBe(keys(b).length);
    },
  );

  test("go when they are marked NO_LLGR, and only these", () => {
    const { lab, a, b } = three();
    a.announce(["10.3.0.0/16"], { communities: [NO_LLGR] });
    lab.run();
    a.hangUp();
    lab.run().advance(29_000);
    expect(keys(b)).toHaveLength(3);
    beyond(lab);
    expect(keys(b)).toEqual(BOTH);
  });

  test("are behind all others, whatever these are like", () => {
    const { lab, a, b, c } = three({}, yaml(), { path: [65001] });
    c.announce([BOTH[0]!], { path: [65003, 65003, 65003, 65003] });
    lab.run();
    expect(b.table[BOTH[0]!]!["path"]).not.toEqual("65003 65003 65003 65003");
    a.hangUp();
    beyond(lab);
    expect(JSON.stringify(b.table[BOTH[0]!])).toContain("65003");
    expect(communities(b)).toBeUndefined();
    expect(communities(b, BOTH[1]!)).toEqual([STALE]);
  });

  test("keep their communities, behind which the mark stands", () => {
    const { lab, a, b } = three({}, yaml(), { communities: ["65001:1"] });
    a.hangUp();
    beyond(lab);
    expect(communities(b)).toEqual(["65001:1", STALE]);
  });

  test("stay marked when policies change", () => {
    const { lab, a, b } = three();
    a.hangUp();
    beyond(lab);
    const rest = "policies: { in: [{ set: { community: { add: ['65001:9'] } }, then: accept }] }";
    lab.reload(yaml("helper", "", rest).replace(`${A}, as: 65001`, `${A}, as: 65001, import: in`));
    lab.run();
    expect(communities(b)).toEqual(["65001:9", STALE]);
  });

  test("are shown and explained", () => {
    const { lab, a } = three();
    a.hangUp();
    lab.run();
    const query = { family: 1, prefix: null, match: "exact", neighbor: A } as const;
    const shown = () =>
      showRoutes(lab.router, { ...query, view: "accepted", bestOnly: false }, null).routes[0]!;
    expect(shown()).toMatchObject({ stale: "restart", stale_until_ms: lab.nowMs + 30_000 });
    beyond(lab);
    const untilMs = lab.nowMs - 1000 + 600_000;
    expect(shown()).toMatchObject({
      stale: "long-lived",
      stale_until_ms: untilMs,
      communities: [STALE],
    });
    expect(showNeighbor(lab.neighbor(A)).families[0]).toMatchObject({
      stale: "long-lived",
      stale_until_ms: untilMs,
    });
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const question = { family: 1, key, text: BOTH[0]! } as const;
    const { paths } = explainRoute(lab.router, { ...question, direction: "import", neighbor: A });
    expect(paths[0]!.steps.find(({ step }) => step === "restart")?.text).toMatch(
      /as a last resort/,
    );
    const why = explainRoute(lab.router, { ...question, direction: "export", neighbor: C });
    expect(why.paths[0]!.steps.at(-1)).toMatchObject({
      passed: false,
      reason: { code: "well-known-community" },
    });
    expect(lab.logsOf("routes-kept").map(({ message }) => message)).toEqual([
      "2 ipv4-unicast routes are kept while the neighbor is away: for 30 s at most, and then as a last resort for 600 s",
      "2 ipv4-unicast routes are kept while the neighbor is away: as a last resort (RFC 9494), for 600 s at most",
    ]);
  });
});

describe("a peer that restarts again in its restart time", () => {
  const AGAIN = { gracefulRestart: { ...GR, restarting: true } };

  test("keeps what it had, for the time of the first (RFC 9494 section 4.2, consecutive restarts)", () => {
    const { lab, a, b } = three();
    a.hangUp();
    lab.run().advance(10_000);
    a.up(AGAIN).announce([BOTH[0]!]);
    lab.run();
    a.hangUp();
    lab.run();
    expect([keys(b), communities(b), communities(b, BOTH[1]!)]).toEqual([
      BOTH,
      undefined,
      undefined,
    ]);
    lab.advance(21_000);
    expect([communities(b), communities(b, BOTH[1]!)]).toEqual([[STALE], [STALE]]);
    a.up(AGAIN).announce([BOTH[1]!]).endOfRib();
    lab.run();
    expect([keys(b), communities(b, BOTH[1]!)]).toEqual([[BOTH[1]], undefined]);
  });

  test("and no longer knows of a stale time keeps what it sent alone (RFC 4724 section 4.2)", () => {
    const { lab, a, b } = three();
    a.hangUp();
    lab.run();
    a.up({ ...AGAIN, longLived: undefined as never }).announce([BOTH[0]!]);
    lab.run();
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual([BOTH[0]]);
    beyond(lab);
    expect(keys(b)).toEqual([]);
  });
});

describe("a peer that comes back in its long-lived stale time", () => {
  const away = () => {
    const made = three();
    made.a.hangUp();
    beyond(made.lab);
    made.b.wire.forget();
    return made;
  };
  const BACK = { gracefulRestart: { ...GR, restarting: true } };

  test("has its routes fresh as it sends them, and loses the rest at the end", () => {
    const { lab, a, b } = away();
    a.up(BACK).announce([BOTH[0]!]);
    lab.run();
    expect([communities(b), communities(b, BOTH[1]!)]).toEqual([undefined, [STALE]]);
    lab.reload(yaml("helper", ", enforce-first-as: false")).run();
    expect([communities(b), communities(b, BOTH[1]!)]).toEqual([undefined, [STALE]]);
    a.endOfRib();
    lab.run();
    expect(keys(b)).toEqual([BOTH[0]]);
    lab.advance(700_000);
    expect([keys(b), communities(b)]).toEqual([[BOTH[0]], undefined]);
  });

  test.each([
    ["kept no forwarding state", { longLived: { forwarding: false } }],
    ["without the family", { longLived: undefined as never }],
  ])("and %s loses its routes", (_title, options) => {
    const { lab, a, b } = away();
    a.up({ ...BACK, ...options });
    lab.run();
    expect(keys(b)).toEqual([]);
  });

  test("is asked for the bit of that capability alone (RFC 9494 section 4.2)", () => {
    const { lab, a, b } = away();
    a.up({ gracefulRestart: { ...GR, restarting: true, forwarding: false } });
    lab.run();
    expect(keys(b)).toEqual(BOTH);
  });

  test.each([10_000, 300_000])(
    "and goes again keeps what it had, what it sent, and its time (RFC 9494 section 4.2): after %s ms",
    (ms) => {
      const { lab, a, b, c } = away();
      lab.advance(ms);
      a.up(BACK).announce(["10.3.0.0/16"]);
      a.announce(["10.4.0.0/16"], { communities: [NO_LLGR] });
      lab.run();
      expect(keys(c)).toEqual(["10.3.0.0/16", "10.4.0.0/16"]);
      a.hangUp();
      lab.run();
      const all = [...BOTH, "10.3.0.0/16"];
      expect(all.map((prefix) => communities(b, prefix))).toEqual([[STALE], [STALE], [STALE]]);
      expect(keys(c)).toEqual([]);
      lab.advance(590_000 - ms);
      expect(keys(b)).toEqual(all);
      lab.advance(20_000);
      expect(keys(b)).toEqual([]);
    },
  );

  test("and goes again so often that rounds begin anew still has no old route as a fresh one", () => {
    const { lab, a, b } = away();
    for (let n = 0; n < 255; n++) {
      a.up(BACK).hangUp();
      lab.run();
    }
    a.up(BACK);
    lab.reload(yaml("helper", ", enforce-first-as: false")).run();
    expect(communities(b)).toEqual([STALE]);
    a.announce([BOTH[1]!]).endOfRib();
    lab.run();
    expect([keys(b), communities(b, BOTH[1]!)]).toEqual([[BOTH[1]], undefined]);
  });

  test("and does not end what it sends in time keeps it, and is let restart again", () => {
    const { lab, a, b } = away();
    a.up(BACK).announce([BOTH[0]!]);
    lab.run().advance(361_000);
    expect([keys(b), communities(b)]).toEqual([[BOTH[0]], undefined]);
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual([BOTH[0]]);
  });

  test("and keeps on when its time was up long ago is let restart again", () => {
    const { lab, a, b } = away();
    lab.advance(590_000);
    a.up(BACK).announce([BOTH[0]!]);
    lab.run().advance(400_000);
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual([BOTH[0]]);
  });

  test("has what it did not send again as the last resort until it is gone", () => {
    const { lab, a, b } = three();
    const many = Array.from({ length: 9000 }, (_, n) => `10.${n >> 8}.${n & 0xff}.0/24`);
    for (let n = 0; n < many.length; n += 500) a.announce(many.slice(n, n + 500));
    lab.run();
    a.hangUp();
    beyond(lab);
    a.up(BACK).announce(BOTH);
    lab.run();
    b.wire.forget();
    lab.budget = () => 0;
    a.endOfRib();
    const { stale } = lab.neighbor(A);
    for (let n = 0; n < 9 && !stale.isRemoving; n++) lab.slice();
    expect(stale.isRemoving).toBe(true);
    lab.reload(yaml("helper", ", enforce-first-as: false"));
    lab.run();
    expect(new Set(b.wire.changes)).toEqual(new Set(many.map((prefix) => `-${prefix}`)));
    expect([keys(b), communities(b)]).toEqual([BOTH, undefined]);
  });

  test("and whose time is up then loses what it has not sent again, and all when it goes again", () => {
    const { lab, a, b } = away();
    lab.advance(590_000);
    a.up(BACK).announce([BOTH[0]!]);
    lab.run();
    expect(keys(b)).toEqual(BOTH);
    lab.advance(15_000);
    expect(keys(b)).toEqual([BOTH[0]]);
    a.hangUp();
    lab.run();
    expect(keys(b)).toEqual([]);
  });
});

describe("routes that are marked already", () => {
  test.each(["import", "export"])("stay so whatever %s policy takes off", (direction) => {
    const scrub =
      "policies: { scrub: [{ set: { community: { set: ['65001:9'] } }, then: accept }] }";
    const text = yaml("helper", "", scrub);
    const all = text.replace(`${direction}: accept-all`, `${direction}: scrub`);
    const { b, c } = three({}, all, { communities: [STALE] });
    expect([communities(b), keys(c)]).toEqual([["65001:9", STALE], []]);
  });

  test("are a last resort, whoever marked them, and go to who knows of it", () => {
    const { lab, a, b, c } = three({}, yaml(), { path: [65001], communities: [STALE] });
    expect([keys(b), keys(c)]).toEqual([BOTH, []]);
    c.announce([BOTH[0]!], { path: [65003, 65004, 65005] });
    lab.run();
    expect(communities(b)).toBeUndefined();
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const question = { family: 1, key, text: BOTH[0]!, direction: "import", neighbor: A } as const;
    const { paths } = explainRoute(lab.router, question);
    expect(paths[0]!.steps.at(-1)?.text).toMatch(/not LLGR_STALE \(not stale against stale\)/);
    expect(a.isUp).toBe(true);
  });

  test("go to everybody where nobody is configured for it", () => {
    const { c } = three({}, yaml("off"), { communities: [STALE] });
    expect(keys(c)).toEqual(BOTH);
  });

  test("go to an internal peer that does not know, by option, as the last thing (section 4.6)", () => {
    const options = "long-lived-graceful-restart: { mode: off, partial: true }";
    const text = yaml("helper").replace(`${C}, as: 65003`, `${C}, as: 64500, ${options}`);
    const lab = new Lab(text);
    const c = lab.peer(C, { as: 64500 }).up();
    const a = lab.peer(A, { as: 65001, ...KNOWS }).up();
    a.announce(BOTH, { communities: ["65001:1", STALE] });
    lab.run();
    expect(c.table[BOTH[0]!]).toMatchObject({
      communities: ["65001:1", STALE, "65535:65281"],
      localPref: 0,
    });
  });
});

test("an export policy has them with a LOCAL_PREF of 0 for internal peers that know as well (section 4.6)", () => {
  const policy = `
policies:
  last-resort:
    - { if: { community: "${STALE}" }, set: { local-pref: 0 } }
    - { then: accept }
`;
  const text = yaml("helper", "", policy);
  const lab = new Lab(text.replace(`${C}, as: 65003`, `${C}, as: 64500, export: last-resort`));
  const c = lab.peer(C, { as: 64500, ...KNOWS }).up();
  const a = lab.peer(A, { as: 65001, ...KNOWS }).up();
  a.announce(BOTH).endOfRib();
  lab.run();
  expect(c.table[BOTH[0]!]).toMatchObject({ localPref: 100 });
  a.hangUp();
  beyond(lab);
  expect(c.table[BOTH[0]!]).toMatchObject({ localPref: 0, communities: [STALE] });
});

describe("with RFC 8538 on both sides", () => {
  const N = { gracefulRestart: { ...GR, notification: true } };
  const text = yaml("off", ", graceful-restart: { mode: helper, notification: true }");

  test.each<[string, (lab: Lab, a: Peer) => unknown]>([
    ["a NOTIFICATION of the peer", (_lab, a) => a.notify(6, CEASE.ADMINISTRATIVE_SHUTDOWN)],
    ["one of ours", (_lab, a) => a.send(new Uint8Array(19))],
    [
      "the hold timer",
      (lab, a) => {
        a.wire.speaks = false;
        lab.advance(95_000);
      },
    ],
  ])("%s ends no routes", (_title, end) => {
    const { lab, a, b } = three(N, text);
    end(lab, a);
    lab.run();
    expect([a.isUp, keys(b)]).toEqual([false, BOTH]);
    beyond(lab);
    expect(keys(b)).toEqual([]);
  });

  test.each<[string, (lab: Lab, a: Peer) => unknown]>([
    ["a Hard Reset of the peer", (_lab, a) => a.send(encodeNotification(6, CEASE.HARD_RESET))],
    ["an operator", (lab) => lab.operate(A, { do: "disable", text: "gone" })],
  ])("but %s does", (_title, end) => {
    const { lab, a, b } = three(N, text);
    end(lab, a);
    lab.run();
    expect(keys(b)).toEqual([]);
  });

  test("what an operator does is a Hard Reset, which says what it was", () => {
    const { lab, a } = three(N, text);
    lab.operate(A, { do: "disable", text: "gone" }).run();
    expect(a.wire.notification).toBe("6/9 gone");
    expect(showNeighbor(lab.neighbor(A)).last_down?.reason).toBe(
      'sent Cease/Hard Reset (Cease/Administrative Shutdown): "gone"',
    );
  });
});
