/** A policy that one member gets first, by BIRDs at a pair: what others see of it, and a takeover in the middle. */
import { describe, expect, test } from "vitest";
import { createPair, type LabPair } from "../../chaos/pair.ts";
import { activeOf, makeReady, type Side } from "../../chaos/sides.ts";
import { bird } from "../lab/bird.ts";
import { control, type Daemon, type Family } from "../lab/daemon.ts";
import { labAvailable } from "../lab/install.ts";
import { type Lab, type LabNode, withLab } from "../lab/netns.ts";
import { until } from "../lab/until.ts";

const REASON = labAvailable();
const AS = 65_500;
const WAIT_MS = 20_000;
const FAMILY: Family = "ipv4-unicast";
const ROUTES = 100;
const PREFIXES = Array.from({ length: ROUTES }, (_, k) => `10.1.${k}.0/24`);
/** 32 of these. */
const SOME = "10.1.0.0/19 le 24";
const NOTHING = "203.0.113.0/24";

interface Member {
  readonly node: LabNode;
  readonly daemon: Daemon;
}

function memberOf(lab: Lab, pair: LabPair, name: string, as: number): Member {
  const node = lab.node(name);
  const session = {
    ...{ families: [FAMILY], localAddress: node.address4, peerAddress: pair.address4, peerAs: AS },
    routeServer: true,
  } as const;
  const originate = name === "source" ? PREFIXES.map((prefix) => ({ prefix })) : [];
  const spec = { as, routerId: node.address4, sessions: [session], originate };
  return { node, daemon: bird.create(node, spec) };
}

class Exchange {
  readonly pair: LabPair;
  readonly source: Member;
  readonly canary: Member;
  readonly other: Member;

  constructor(lab: Lab, pair: LabPair) {
    this.pair = pair;
    this.source = memberOf(lab, pair, "source", 65_001);
    this.canary = memberOf(lab, pair, "canary", 65_002);
    this.other = memberOf(lab, pair, "other", 65_003);
  }

  get members(): readonly Member[] {
    return [this.source, this.canary, this.other];
  }

  /** @param hidden - from all members */
  configure(hidden: string): void {
    this.pair.configure({
      router: { as: AS, id: this.pair.address4 },
      defaults: {
        ...{ import: "accept-all", export: "clean", passive: true },
        "route-server-client": true,
      },
      neighbors: this.members.map(({ node, daemon }) => ({
        ...{ address: node.address4, as: daemon.spec.as, families: [FAMILY] },
      })),
      policies: JSON.parse(
        '{ "clean": [{ "if": { "prefix": "hidden" }, "then": "reject" }, { "then": "accept" }] }',
      ),
      "prefix-lists": { hidden: [hidden] },
    });
  }

  async start(): Promise<void> {
    this.configure(NOTHING);
    await this.ready();
    await Promise.all(this.members.map(({ daemon }) => daemon.start()));
    await this.has(this.canary, ROUTES);
    await this.has(this.other, ROUTES);
  }

  async ready(): Promise<Side> {
    expect(await makeReady(this.pair, WAIT_MS)).toBe(true);
    return (await activeOf(this.pair))!;
  }

  async has({ node, daemon }: Member, count: number): Promise<void> {
    const have = async () => (await daemon.routes(FAMILY)).length === count;
    await until(have, WAIT_MS, `${node.name} has ${count} routes`);
  }

  /** Sessions that each member has had. */
  async sessions(): Promise<number[]> {
    const { address4 } = this.pair;
    const views = this.members.map(({ daemon }) => daemon.session(address4));
    return (await Promise.all(views)).map(({ upCount }) => upCount);
  }
}

/** What BIRD has counted of routes that came and went by the session, the same ones again included. */
async function seenBy({ node }: Member): Promise<string> {
  const text = await control(node, ["birdc", "-s", "bird.ctl", "show", "protocols", "all", "p0"]);
  const counts = /Import updates:.*\n\s*Import withdraws:.*/.exec(text);
  expect(counts).not.toBe(null);
  return counts![0];
}

const canaryReload = (side: Side) =>
  side.tsbgp(
    ...["reload", "--canary", "AS65002", "--confirm", "600", "--abort-if", "routes-lost > 50%"],
  );

describe.skipIf(REASON !== null)(
  `a policy for one member first${REASON ? ` (${REASON})` : ""}`,
  () => {
    test("is seen by nobody else, and watched by the side that takes over", () =>
      withLab("canary", async (lab) => {
        const exchange = new Exchange(lab, await createPair(lab, "shared"));
        const { pair, source, canary, other } = exchange;
        await exchange.start();
        const quiet = await seenBy(other);
        exchange.configure(SOME);
        const first = await exchange.ready();
        await canaryReload(first);
        await exchange.has(canary, ROUTES - 32);
        await first.kill();
        const isOver = async () => {
          const active = await activeOf(pair);
          return active !== null && active.name !== first.name && active;
        };
        const second = await until(isOver, WAIT_MS, "the other side is active");
        expect(await second.tsbgp("show", "reloads")).toMatch(
          /in force, goes back to 1 in .* unless confirmed, or if routes-lost > 50%; for \S+ alone$/m,
        );
        expect(await seenBy(other)).toBe(quiet);

        // 19 of those that the canary has, of the 100 that it had before the reload.
        await source.daemon.withdraw(PREFIXES.slice(81));
        await exchange.has(other, 81);
        const reason = `routes-lost > 50%: ${canary.node.address4} is sent 51 fewer of 100 routes`;
        const saysWhy = async () => (await second.tsbgp("show", "reloads")).includes(reason);
        await until(saysWhy, WAIT_MS, "it has gone back by itself");
        await exchange.has(canary, 81);

        const told = await seenBy(other);
        await exchange.ready();
        await canaryReload(second);
        await exchange.has(canary, 81 - 32);
        expect(await seenBy(other)).toBe(told);
        const before = await seenBy(canary);
        await second.tsbgp("switchover");
        await first.tsbgp("confirm");
        await exchange.has(other, 81 - 32);
        expect(await seenBy(canary)).toBe(before);
        expect(await exchange.sessions()).toEqual([1, 1, 1]);
      }));
  },
);
