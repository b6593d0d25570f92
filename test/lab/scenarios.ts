/**
 * What is checked of the speaker with every daemon. Each scenario leaves its scene as it found it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import {
  type Ability,
  type DaemonKind,
  type Family,
  negotiated,
  type Route,
  type RouteView,
} from "./daemon.ts";
import { FAULTS, goodRoute, RAW_AS, RAW_PREFIX } from "./faults.ts";
import { attribute, four, prefixOctets, type RawPeer, startRawPeer } from "./raw-peer.ts";
import { SAMPLE_ROUTES_PER_FAMILY } from "./sample-routes.ts";
import {
  addressOf,
  type End,
  expectHome,
  expectRoutes,
  FAMILIES,
  features,
  type Role,
  type Scene,
  upCounts,
  WAIT_MS,
} from "./scene.ts";
import { until } from "./until.ts";

export interface Scenario {
  /** A sentence that goes on from the daemon's name. */
  readonly name: string;
  /** What the daemon must be able to do. */
  readonly needs?: Ability;
  /** Every role unless given. */
  readonly roles?: readonly Role[];
  run(scene: Scene): Promise<void>;
}

/** Long enough for a mistake to show: a session to fall, a route to arrive that must not. */
const QUIET_MS = 500;

export const SCENARIOS: readonly Scenario[] = [
  { name: "negotiates its capabilities", run: checkSessions },
  { name: "exchanges routes attribute by attribute", run: checkRoutes },
  { name: "sees updates and withdrawals", run: checkChanges },
  { name: "gets its routes again when it asks", needs: "refresh", run: checkRefreshAsked },
  { name: "sends its routes again when asked", needs: "refresh-answer", run: checkRefreshAnswered },
  { name: "is told why it is shut down", run: checkShutdownSent },
  { name: "tells why it shuts down", needs: "shutdown", run: checkShutdownReceived },
  { name: "is turned away over its prefix limit", run: checkMaxPrefix },
  { name: "has no session with another password", run: checkPassword },
  {
    name: "gets every path of a prefix by ADD-PATH",
    roles: ["route-server-client"],
    needs: "add-path-receive",
    run: checkAddPath,
  },
  {
    name: "is not sent routes to itself",
    roles: ["route-server-client"],
    run: checkNextHopIsReceiver,
  },
  {
    name: "has the routes of a restarting peer for as long as the operator wants",
    roles: ["route-server-client"],
    run: checkKeptRoutes,
  },
  { name: "is spared the malformed routes of another peer", run: checkMalformed },
  { name: "is sent what may leave an AS, in messages full to the last octet", run: checkBorder },
];

/** Why a scenario cannot be run with a daemon, or `null`; roles are another matter. */
export function inapplicable(scenario: Scenario, kind: DaemonKind): string | null {
  return scenario.needs === undefined ? null : (kind.cannot[scenario.needs] ?? null);
}

async function checkSessions(scene: Scene): Promise<void> {
  for (const end of [scene.witness, scene.daemon]) {
    const { kind } = end.daemon;
    for (const family of FAMILIES) {
      await until(
        async () => {
          const session = await end.daemon.session(addressOf(scene.speaker, family));
          expect(session).toMatchObject({
            state: "established",
            prefixesReceived: SAMPLE_ROUTES_PER_FAMILY,
          });
          const { addPath, role } = features(kind, scene.role, family);
          const expected = [
            ...[...kind.negotiates, `mp-${family}`],
            ...(addPath ? [`add-path-receive-${family}`] : []),
            ...(role ? ["role"] : []),
          ];
          expect(negotiated(session)).toEqual(expect.arrayContaining(expected));
          return true;
        },
        WAIT_MS,
        `${kind.name} has its ${family} session`,
      );
      const status = await scene.speaker.neighbor(addressOf(end.node, family));
      expect(status.state).toBe("established");
    }
  }
}

async function checkRoutes(scene: Scene): Promise<void> {
  await expectHome(scene);
}

async function checkChanges(scene: Scene): Promise<void> {
  for (const [sender, receiver] of [
    [scene.witness, scene.daemon],
    [scene.daemon, scene.witness],
  ] as const) {
    const [changed, untouched, gone, kept] = sender.routes as [Route, Route, Route, Route];
    const update = { ...changed, med: 8, communities: [], origin: "igp" } as const;
    const added = { ...kept, prefix: kept.prefix.replace(":1:", ":2:") };
    await sender.daemon.announce([update, added]);
    await sender.daemon.withdraw([gone.prefix]);
    await expectRoutes(scene, receiver, sender, [update, untouched, kept, added]);
    await sender.daemon.withdraw([added.prefix]);
    await sender.daemon.announce([changed, gone]);
  }
  await expectHome(scene);
}

async function checkRefreshAsked(scene: Scene): Promise<void> {
  const { daemon } = scene.daemon;
  const before = await upCounts(scene, scene.daemon);
  for (const family of FAMILIES) {
    const peer = addressOf(scene.speaker, family);
    const { updatesReceived } = await daemon.session(peer);
    await daemon.refresh?.(peer);
    await until(
      async () => (await daemon.session(peer)).updatesReceived > updatesReceived,
      WAIT_MS,
      `${daemon.kind.name} gets its ${family} routes again`,
    );
  }
  await expectHome(scene);
  expect(await upCounts(scene, scene.daemon)).toEqual(before);
}

async function checkRefreshAnswered(scene: Scene): Promise<void> {
  const before = await upCounts(scene, scene.daemon);
  for (const family of FAMILIES) {
    const peer = addressOf(scene.daemon.node, family);
    const { updatesReceived } = await scene.speaker.neighbor(peer);
    await scene.speaker.refresh(peer);
    await until(
      async () => (await scene.speaker.neighbor(peer)).updatesReceived > updatesReceived,
      WAIT_MS,
      `the speaker gets the ${family} routes of ${scene.daemon.daemon.kind.name} again`,
    );
  }
  await expectHome(scene);
  expect(await upCounts(scene, scene.daemon)).toEqual(before);
}

async function checkShutdownSent(scene: Scene): Promise<void> {
  const { speaker, daemon, witness } = scene;
  const others = await upCounts(scene, witness);
  for (const family of FAMILIES) {
    await speaker.disable(addressOf(daemon.node, family), "moving to rack 7");
    await expectNotification(scene, family, { code: 6, subcode: 2, text: "moving to rack 7" });
  }
  await expectRoutes(scene, witness, daemon, []);
  for (const family of FAMILIES) await speaker.enable(addressOf(daemon.node, family));
  await expectHome(scene);
  expect(await upCounts(scene, witness)).toEqual(others);
}

async function checkShutdownReceived(scene: Scene): Promise<void> {
  const { speaker, daemon } = scene;
  const peer = daemon.node.address4;
  await daemon.daemon.shutdown?.(speaker.address4, "back at six");
  await until(
    async () => {
      const { lastNotificationReceived } = await speaker.neighbor(peer);
      expect(lastNotificationReceived).toMatchObject({ code: 6, subcode: 2, text: "back at six" });
      return true;
    },
    WAIT_MS,
    "the speaker has the reason",
  );
  await daemon.daemon.enable(speaker.address4);
  await expectHome(scene);
}

async function checkMaxPrefix(scene: Scene): Promise<void> {
  const { speaker, daemon, witness } = scene;
  const others = await upCounts(scene, witness);
  const own = await upCounts(scene, daemon);
  await scene.reconfigure({ prefixLimit: SAMPLE_ROUTES_PER_FAMILY + 1 });
  // A reload that sets a limit resets nothing.
  await delay(QUIET_MS);
  expect(await upCounts(scene, daemon)).toEqual(own);
  const extra = [4, 5].map((net) => ({ prefix: `10.${net}.0.0/24`, med: 1 }));
  await daemon.daemon.announce(extra);
  await expectNotification(scene, "ipv4-unicast", { code: 6, subcode: 1 });
  await daemon.daemon.withdraw(extra.map((route) => route.prefix));
  await scene.reconfigure();
  await speaker.enable(daemon.node.address4);
  await expectHome(scene);
  expect(await upCounts(scene, witness)).toEqual(others);
}

/** The reload resets the session of which it changes the password, and no other. */
async function checkPassword(scene: Scene): Promise<void> {
  const { speaker, daemon, witness } = scene;
  const others = await upCounts(scene, witness);
  const [ipv4] = await upCounts(scene, daemon);
  const state = async () => (await daemon.daemon.session(speaker.address6)).state;
  await scene.reconfigure({ password: "battery-staple" });
  await until(async () => (await state()) !== "established", WAIT_MS, "the session falls");
  // Both sides try about once a second.
  await delay(2_500);
  expect(await state()).not.toBe("established");
  await scene.reconfigure();
  await daemon.daemon.enable(speaker.address6);
  await expectHome(scene);
  expect((await upCounts(scene, daemon))[0]).toBe(ipv4);
  expect(await upCounts(scene, witness)).toEqual(others);
}

async function checkAddPath(scene: Scene): Promise<void> {
  const { daemon, witness, rawNode, speaker } = scene;
  const raw = await startRawPeer(rawNode, { as: RAW_AS, peerAddress: speaker.address4 });
  raw.update(goodRoute(rawNode.address4));
  await witness.daemon.announce([{ prefix: RAW_PREFIX }]);
  await until(
    async () => {
      const routes = await daemon.daemon.routes("ipv4-unicast");
      const paths = routes.filter((route) => route.prefix === RAW_PREFIX);
      expect(paths.map((path) => path.asPath)).toEqual([`${witness.as}`, `${RAW_AS}`]);
      expect(paths.map((path) => path.nextHop)).toEqual([witness.node.address4, rawNode.address4]);
      return true;
    },
    WAIT_MS,
    `${daemon.daemon.kind.name} has both paths of ${RAW_PREFIX}`,
  );
  await raw.stop();
  await witness.daemon.withdraw([RAW_PREFIX]);
  await expectHome(scene);
}

/** A route whose next hop is the receiver's address does not reach it, and reaches the others. */
async function checkNextHopIsReceiver(scene: Scene): Promise<void> {
  const { daemon, witness, rawNode, speaker } = scene;
  const raw = await startRawPeer(rawNode, { as: RAW_AS, peerAddress: speaker.address4 });
  for (const [receiver, other] of [
    [daemon, witness],
    [witness, daemon],
    [daemon, witness],
  ] as const) {
    raw.update(goodRoute(receiver.node.address4));
    await expectRawRoute(other, true, "though another peer is its next hop");
    await expectRawRoute(receiver, false, "with itself as next hop");
  }
  raw.update(goodRoute(rawNode.address4));
  await expectRawRoute(daemon, true, "with another next hop");
  await raw.stop();
  await expectHome(scene);
}

/** Routes are kept while a peer restarts, until `disable`, and not longer than restart-time-max. */
async function checkKeptRoutes(scene: Scene): Promise<void> {
  const { daemon, rawNode, speaker } = scene;
  const restart = async () => {
    const options = { as: RAW_AS, peerAddress: speaker.address4, restartSeconds: 300 };
    const raw = await startRawPeer(rawNode, options);
    raw.update(goodRoute(rawNode.address4));
    await expectRawRoute(daemon, true, "from the peer");
    await raw.stop();
    const isAway = async () => (await speaker.neighbor(rawNode.address4)).state !== "established";
    await until(isAway, WAIT_MS, "the speaker sees the peer go");
  };
  await restart();
  await delay(QUIET_MS);
  await expectRawRoute(daemon, true, "while the peer is away");
  await speaker.disable(rawNode.address4, "taken down");
  await expectRawRoute(daemon, false, "once the peer is disabled");
  await speaker.enable(rawNode.address4);
  await scene.reconfigure({ rawRestartTimeMax: 3 });
  await restart();
  await expectRawRoute(daemon, false, "after the time that the operator allows");
  await scene.reconfigure();
  await expectHome(scene);
}

async function expectNotification(
  scene: Scene,
  family: Family,
  expected: { code: number; subcode: number; text?: string },
): Promise<void> {
  const { daemon } = scene.daemon;
  await until(
    async () => {
      const notification = await daemon.lastNotification(addressOf(scene.speaker, family));
      expect(notification).toMatchObject(expected);
      return true;
    },
    WAIT_MS,
    `${daemon.kind.name} receives NOTIFICATION ${expected.code}/${expected.subcode}`,
  );
}

/** Faults of one peer never touch the sessions of others, and end its own only where they must. */
async function checkMalformed(scene: Scene): Promise<void> {
  const { daemon, rawNode, speaker } = scene;
  const before = await upCounts(scene, daemon);
  const good = goodRoute(rawNode.address4);
  let raw: RawPeer | null = null;
  for (const { name, outcome, parts } of FAULTS) {
    raw ??= await startRawPeer(rawNode, { as: RAW_AS, peerAddress: speaker.address4 });
    raw.update(good);
    await expectRawRoute(daemon, true, `before ${name}`);
    raw.update(parts(rawNode.address4));
    if (outcome.kind === "session-reset") {
      const ended = raw;
      await until(() => ended.closed(), WAIT_MS, `the speaker ends the session at ${name}`);
      expect(ended.notification(), name).toEqual({ code: 3, subcode: outcome.subcode });
      await expectRawRoute(daemon, false, `after ${name}`);
      raw = null;
    } else {
      await delay(QUIET_MS);
      await expectRawRoute(daemon, outcome.kind === "attribute-discard", `after ${name}`);
      expect(raw.closed(), name).toBe(false);
    }
  }
  await raw?.stop();
  await expectHome(scene);
  expect(await upCounts(scene, daemon)).toEqual(before);
}

const FULL_PREFIX = "10.90.0.0/16";

/** What the speaker adds to a message of an external peer, in octets. */
const ADDED_OCTETS: Readonly<Record<Role, number>> = {
  "route-server-client": 0,
  // Its AS number.
  "ebgp-peer": 4,
  // LOCAL_PREF.
  "ibgp-peer": 7,
};

async function checkBorder(scene: Scene): Promise<void> {
  const { daemon, rawNode, speaker } = scene;
  await expectHome(scene);
  const before = await upCounts(scene, daemon);
  const raw = await startRawPeer(rawNode, { as: RAW_AS, peerAddress: speaker.address4 });
  const { attributes = [], nlri = [] } = goodRoute(rawNode.address4);
  const extended = [
    ...[0x43, 0, 0, 0, 0, 0, 0, 0], // ov:valid (RFC 8097)
    ...[0x00, 2, ...four(64999 << 16), 0, 1], // rt:64999:1
    ...[0x40, 4, ...four(64999 << 16), 0, 1], // lb:64999
  ];
  raw.update({ attributes: [...attributes, ...attribute(0xc0, 16, extended)], nlri });
  await expectRaw(daemon, "the route target alone", (route) =>
    expect(route.extCommunities).toEqual(["rt:64999:1"]),
  );
  const fullNlri = prefixOctets(FULL_PREFIX);
  const { addPath } = features(daemon.daemon.kind, scene.role, "ipv4-unicast");
  const added = ADDED_OCTETS[scene.role] + (addPath ? 4 : 0);
  const used = 23 + attributes.length + fullNlri.length + added;
  const pad = 4096 - used - 4;
  const unknown = [0xd0, 200, pad >> 8, pad & 0xff, ...new Array(pad).fill(0)];
  raw.update({ attributes: [...attributes, ...unknown], nlri: fullNlri });
  await until(
    async () => {
      const routes = await daemon.daemon.routes("ipv4-unicast");
      return routes.some(({ prefix }) => prefix === FULL_PREFIX);
    },
    WAIT_MS,
    `${daemon.daemon.kind.name} has ${FULL_PREFIX}, in a message of 4096 octets`,
  );
  await raw.stop();
  await expectHome(scene);
  expect(await upCounts(scene, daemon)).toEqual(before);
}

async function expectRaw(end: End, what: string, check: (route: RouteView) => void): Promise<void> {
  await until(
    async () => {
      const routes = await end.daemon.routes("ipv4-unicast");
      const route = routes.find(({ prefix }) => prefix === RAW_PREFIX);
      if (route === undefined) return false;
      check(route);
      return true;
    },
    WAIT_MS,
    `${end.daemon.kind.name} has ${what} of ${RAW_PREFIX}`,
  );
}

async function expectRawRoute(end: End, present: boolean, when: string): Promise<void> {
  await until(
    async () => {
      const routes = await end.daemon.routes("ipv4-unicast");
      return routes.some((route) => route.prefix === RAW_PREFIX) === present;
    },
    WAIT_MS,
    `${end.daemon.kind.name} ${present ? "has" : "does not have"} ${RAW_PREFIX} ${when}`,
  );
}
