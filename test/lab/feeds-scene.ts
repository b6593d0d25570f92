/**
 * A route server between two clients, BIRD both, that is observed:
 *
 *     source (AS 65001) ---- speaker ---- receiver (AS 65002)
 *                              |
 *                    a station on a node of its own
 *
 * Import policy rejects 198.51.100.0/24, and marks the rest.
 */
import type { ShownRoute } from "@ts-bgp/views";
import { bird } from "./bird.ts";
import type { Daemon, Route } from "./daemon.ts";
import type { Lab, LabNode } from "./netns.ts";
import { createSpeaker, type Speaker } from "./speaker.ts";
import { until } from "./until.ts";

const SPEAKER_AS = 65500;
export const WAIT_MS = 30_000;
const ROUTES: readonly Route[] = [
  { prefix: "192.0.2.0/24", communities: ["65001:7"] },
  { prefix: "198.51.100.0/24", asPath: [64999] },
  { prefix: "203.0.113.0/24", asPath: [64998] },
  { prefix: "2001:db8:1::/48" },
];

export interface FeedsScene {
  readonly node: LabNode;
  readonly speaker: Speaker;
  readonly source: Daemon;
  readonly receiver: Daemon;
  /** For another neighbor, of the AS of the source. */
  readonly replay: LabNode;
  /** Addresses of the sessions of both clients. */
  readonly neighbors: readonly { readonly address: string; readonly as: number }[];
}

/**
 * @param sections - of the configuration, in YAML
 * @param hasAddPath - the receiver is sent all paths
 */
export function setFeedsScene(
  lab: Lab,
  sections: (node: LabNode, neighbors: FeedsScene["neighbors"]) => string,
  hasAddPath = false,
): FeedsScene {
  const node = lab.node("tsbgp");
  const speaker = createSpeaker(node, SPEAKER_AS);
  const client = (name: string, as: number, originate: readonly Route[]) => {
    const own = lab.node(name);
    const sessions = (["ipv4-unicast", "ipv6-unicast"] as const).map((family) => ({
      families: [family],
      localAddress: family === "ipv4-unicast" ? own.address4 : own.address6,
      peerAddress: family === "ipv4-unicast" ? node.address4 : node.address6,
      peerAs: SPEAKER_AS,
      routeServer: true,
      ...(hasAddPath && name === "receiver" ? { addPath: "receive" as const } : {}),
    }));
    return bird.create(own, { as, routerId: own.address4, sessions, originate });
  };
  const source = client("source", 65001, ROUTES);
  const receiver = client("receiver", 65002, []);
  const neighbors = [source, receiver].flatMap(({ spec }) =>
    spec.sessions.map(({ localAddress }) => ({ address: localAddress, as: spec.as })),
  );
  const replay = lab.node("replay");
  const options = (as: number) =>
    hasAddPath && as === 65002 ? { "add-path": { send: "all" } } : {};
  const configured = neighbors.map((each) => ({ ...each, ...options(each.as) }));
  const all = [
    ...configured,
    { address: replay.address4, as: source.spec.as, "add-path": { receive: hasAddPath } },
  ];
  speaker.configure(
    `router: { as: ${SPEAKER_AS}, id: ${node.address4} }
control: { socket: ${speaker.socket} }
${sections(node, neighbors)}
defaults: { import: clean, export: accept-all, route-server-client: true, passive: true }
neighbors: ${JSON.stringify(all)}
policies:
  clean:
    - { if: { prefix: [ 198.51.100.0/24 ] }, then: reject }
    - { set: { large-community: { add: [ "65500:1:1" ] } }, then: accept }
`,
  );
  return { node, speaker, source, receiver, replay, neighbors };
}

/** Starts all, and waits until the receiver has what it is to have. */
export async function startFeedsScene({ speaker, source, receiver }: FeedsScene): Promise<void> {
  await Promise.all([speaker.start(), source.start(), receiver.start()]);
  const isThere = async () =>
    (await receiver.routes("ipv4-unicast")).length === 2 &&
    (await receiver.routes("ipv6-unicast")).length === 1;
  await until(isThere, WAIT_MS, "the receiver has the routes");
}

/** @returns routes that the speaker shows, as texts in order; of two next hops the global one */
export async function routesOf(speaker: Speaker, args: readonly string[]): Promise<string[]> {
  const { json } = await speaker.cli(["show", "routes", ...args, "--json"]);
  return (json as ShownRoute[])
    .map(({ prefix, next_hop, as_path, communities = [], large_communities = [] }) => {
      const nextHop = next_hop?.split(" ")[0];
      return [prefix, nextHop, as_path, communities.join(" "), large_communities.join(" ")].join(
        "|",
      );
    })
    .sort();
}
