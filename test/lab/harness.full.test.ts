/**
 * The labs without this project's speaker: each daemon against BIRD, so that what fails elsewhere
 * is known not to be the harness.
 */
import { describe, expect, test } from "vitest";
import { bird } from "./bird.ts";
import {
  type Daemon,
  type DaemonKind,
  type Family,
  familyOf,
  negotiated,
  type Route,
  type RouteView,
  type SessionSpec,
  sortRoutes,
  viewOf,
} from "./daemon.ts";
import { goodRoute, RAW_AS, RAW_PREFIX } from "./faults.ts";
import { DAEMONS, labAvailable } from "./install.ts";
import { type Lab, type LabNode, withLab } from "./netns.ts";
import { startRawPeer } from "./raw-peer.ts";
import { SAMPLE_ROUTES_PER_FAMILY, sampleRoutes } from "./sample-routes.ts";
import { until } from "./until.ts";

const REASON = labAvailable();
const WAIT_MS = 20_000;
const PASSWORD = "correct-horse";
const FAMILIES = ["ipv4-unicast", "ipv6-unicast"] as const;

/** One end of the pair of sessions. */
interface End {
  readonly node: LabNode;
  readonly as: number;
  readonly routes: readonly Route[];
  readonly daemon: Daemon;
}

describe.skipIf(REASON !== null)(`labs with real daemons${REASON ? ` (${REASON})` : ""}`, () => {
  test.concurrent.each(DAEMONS)(
    "$name and BIRD report each other's routes and sessions alike",
    (kind) =>
      withLab(kind.name, async (lab) => {
        const [reference, other] = await startPair(lab, kind);
        for (const [a, b] of [
          [reference, other],
          [other, reference],
        ] as const) {
          await expectSession(a, b, kind);
          await expectRoutes(a, b, b.routes);
        }
        await checkChanges(reference, other);
        await checkChanges(other, reference);
        await checkRefresh(reference, other);
        await checkRefresh(other, reference);
        await checkShutdown(reference, other);
        await checkShutdown(other, reference);
      }),
  );

  test.concurrent("a raw peer gets a route into BIRD, and a NOTIFICATION out of it", () =>
    withLab("raw", async (lab) => {
      const [here, there] = [lab.node("reference"), lab.node("raw")];
      const session = {
        families: ["ipv4-unicast"],
        localAddress: here.address4,
        peerAddress: there.address4,
        peerAs: RAW_AS,
        passive: true,
        routeServer: false,
      } as const;
      const spec = { as: 65001, routerId: "10.0.0.1", originate: [], sessions: [session] };
      const daemon = bird.create(here, spec);
      await daemon.start();
      const raw = await startRawPeer(there, { as: RAW_AS, peerAddress: here.address4 });
      raw.update(goodRoute(there.address4));
      const [route] = await until(
        async () => {
          const routes = await daemon.routes("ipv4-unicast");
          return routes.length > 0 && routes;
        },
        WAIT_MS,
        "BIRD has the route",
      );
      const seen = { asPath: `${RAW_AS}`, nextHop: there.address4, from: there.address4 };
      expect(route).toEqual(viewOf({ prefix: RAW_PREFIX }, seen));
      raw.send(new Array(19).fill(0));
      await until(() => raw.closed(), WAIT_MS, "BIRD ends the session");
      expect(raw.notification()).toEqual({ code: 1, subcode: 1 });
    }));
});

/**
 * BIRD and another daemon, with an IPv4 session that has ADD-PATH and GTSM, and an IPv6 session
 * that has TCP MD5 and roles.
 */
async function startPair(lab: Lab, kind: DaemonKind): Promise<[End, End]> {
  const here = { node: lab.node("reference"), as: 65001, routes: sampleRoutes(65001, 1, bird) };
  const there = { node: lab.node(kind.name), as: 65002, routes: sampleRoutes(65002, 2, kind) };
  const specOf = (self: typeof here, peer: typeof here, passive: boolean) => ({
    as: self.as,
    routerId: self.node.address4,
    originate: self.routes,
    sessions: FAMILIES.map((family) => ({
      families: [family],
      localAddress: addressOf(self.node, family),
      peerAddress: addressOf(peer.node, family),
      peerAs: peer.as,
      routeServer: false,
      passive,
      ...(family === "ipv4-unicast" ? extras4(kind) : extras6(kind)),
    })),
  });
  const reference = { ...here, daemon: bird.create(here.node, specOf(here, there, false)) };
  const other = { ...there, daemon: kind.create(there.node, specOf(there, here, true)) };
  await Promise.all([reference.daemon.start(), other.daemon.start()]);
  return [reference, other];
}

function extras4(kind: DaemonKind): Partial<SessionSpec> {
  const ttlSecurity = kind.cannot["ttl-security"] === undefined;
  return { ttlSecurity, addPath: "both" };
}

function extras6(kind: DaemonKind): Partial<SessionSpec> {
  return { password: PASSWORD, ...(kind.cannot.role === undefined ? { role: "peer" } : {}) };
}

/** What the two negotiate beside what the daemon does by itself. */
function extraCapabilities(kind: DaemonKind, family: Family): string[] {
  if (family === "ipv6-unicast") return kind.cannot.role === undefined ? ["role"] : [];
  return ["add-path-receive-ipv4-unicast", "add-path-send-ipv4-unicast"];
}

function addressOf(node: LabNode, family: Family): string {
  return family === "ipv4-unicast" ? node.address4 : node.address6;
}

function expectedViews(sender: End, routes: readonly Route[], family: Family): RouteView[] {
  const from = addressOf(sender.node, family);
  const views = routes
    .filter((route) => familyOf(route.prefix) === family)
    .map((route) => {
      const asPath = [sender.as, ...(route.asPath ?? [])].join(" ");
      return viewOf(route, { from, nextHop: from, asPath });
    });
  return sortRoutes(views);
}

/** `receiver` holds these routes of `sender` and no others. */
async function expectRoutes(receiver: End, sender: End, routes: readonly Route[]): Promise<void> {
  for (const family of FAMILIES) {
    await until(
      async () => {
        const held = await receiver.daemon.routes(family);
        expect(held).toEqual(expectedViews(sender, routes, family));
        return true;
      },
      WAIT_MS,
      `${receiver.daemon.kind.name} has the ${family} routes of ${sender.daemon.kind.name}`,
    );
  }
}

async function expectSession(receiver: End, sender: End, kind: DaemonKind): Promise<void> {
  for (const family of FAMILIES) {
    const names = [...kind.negotiates, `mp-${family}`, ...extraCapabilities(kind, family)];
    await until(
      async () => {
        const session = await receiver.daemon.session(addressOf(sender.node, family));
        expect(session).toMatchObject({
          state: "established",
          upCount: 1,
          prefixesReceived: SAMPLE_ROUTES_PER_FAMILY,
        });
        expect(negotiated(session)).toEqual(expect.arrayContaining(names));
        return true;
      },
      WAIT_MS,
      `${receiver.daemon.kind.name} has a session with ${sender.daemon.kind.name}`,
    );
  }
}

/** An update, a new route and a withdrawal at run time reach the other side. */
async function checkChanges(receiver: End, sender: End): Promise<void> {
  const [changed, , gone, kept] = sender.routes as [Route, Route, Route, Route];
  const update = { ...changed, med: 8, communities: [] };
  const added = { ...kept, prefix: kept.prefix.replace(":1:", ":2:") };
  await sender.daemon.announce([update, added]);
  await sender.daemon.withdraw([gone.prefix]);
  await expectRoutes(receiver, sender, [update, sender.routes[1]!, kept, added]);
}

/** A route refresh brings the routes once more and leaves the session up. */
async function checkRefresh(receiver: End, sender: End): Promise<void> {
  const { refresh, kind } = receiver.daemon;
  const peer = sender.node.address4;
  const reason = kind.cannot.refresh ?? sender.daemon.kind.cannot["refresh-answer"];
  if (refresh === undefined || reason !== undefined) return console.log(`not checked: ${reason}`);
  const before = await receiver.daemon.session(peer);
  await refresh(peer);
  const after = await until(
    async () => {
      const session = await receiver.daemon.session(peer);
      return session.updatesReceived > before.updatesReceived && session;
    },
    WAIT_MS,
    `${kind.name} gets its routes again`,
  );
  expect(after.upCount).toBe(before.upCount);
}

/** The reason of a shutdown arrives, and the session can be had again. */
async function checkShutdown(sender: End, receiver: End): Promise<void> {
  const { shutdown, kind } = sender.daemon;
  const [peer, self] = [receiver.node.address4, sender.node.address4];
  if (shutdown === undefined) return console.log(`not checked: ${kind.cannot.shutdown}`);
  const before = await receiver.daemon.session(self);
  await shutdown(peer, "moving to rack 7");
  const notification = await until(
    () => receiver.daemon.lastNotification(self),
    WAIT_MS,
    `${receiver.daemon.kind.name} receives a NOTIFICATION`,
  );
  expect(notification).toEqual({ code: 6, subcode: 2, text: "moving to rack 7" });
  await sender.daemon.enable(peer);
  await until(
    async () => (await receiver.daemon.session(self)).upCount > before.upCount,
    WAIT_MS,
    `the session with ${kind.name} comes up again`,
  );
}
