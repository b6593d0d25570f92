/** A speaker with two clients and one that is away, and its API. */
import { attribute, four } from "../../../../test/lab/raw-peer.ts";
import { until } from "../../../../test/lab/until.ts";
import { Peer } from "../../../../testkit/peer.ts";
import { freePort, SpeakerProcess, WAIT_MS } from "../../../../testkit/speaker.ts";
import { manyRoutes, updateMessage } from "../../../../testkit/updates.ts";
import type { Role } from "../../src/api/endpoints.ts";

/** AS 65001, of which one route is rejected; 65002, with many routes; 65003, which is away. */
export const A = "127.1.2.1";
export const B = "127.1.2.2";
export const AWAY = "127.1.2.3";
export const ROUTES_OF_B = 5000;
export const TOKENS: Readonly<Record<Exclude<Role, "none">, string>> = {
  operator: "operator-0123456789",
  reader: "reader-0123456789",
  member: "member-0123456789",
};

export interface Asked extends RequestInit {
  readonly as?: Role;
}

export class SmallExchange {
  readonly speaker: SpeakerProcess;
  readonly port: number;
  /** A and B. */
  readonly peers: Peer[] = [];

  private constructor(speaker: SpeakerProcess, port: number) {
    this.speaker = speaker;
    this.port = port;
  }

  /** Returns when all routes are exchanged. @param http - in the section of that name @param more - other sections */
  static async create(http: object = {}, more: object = {}): Promise<SmallExchange> {
    const port = await freePort();
    const speaker = await SpeakerProcess.create({ ...configFor(port, http), ...more });
    const exchange = new SmallExchange(speaker, port);
    try {
      await exchange.begin();
    } catch (error) {
      exchange.remove();
      throw error;
    }
    return exchange;
  }

  /** Writes the file anew, with others that may do something. */
  configure(http: object = {}): void {
    this.speaker.configure(configFor(this.port, http));
  }

  remove(): void {
    for (const peer of this.peers) peer.end();
    this.speaker.remove();
  }

  /** @param path - from the root */
  ask(path: string, { as = "operator", headers, ...init }: Asked = {}): Promise<Response> {
    const authorization: Record<string, string> =
      as === "none" ? {} : { authorization: `Bearer ${TOKENS[as]}` };
    return fetch(`http://127.0.0.1:${this.port}${path}`, {
      ...init,
      headers: { ...authorization, ...headers },
    });
  }

  private async begin(): Promise<void> {
    const { speaker, peers } = this;
    await speaker.start();
    const { port } = speaker;
    const a = await Peer.establish({ port, localAddress: A, as: 65001 });
    const b = await Peer.establish({ port, localAddress: B, as: 65002, onUpdate: () => {} });
    peers.push(a, b);
    // 10.1.0.0/16, 10.1.2.0/24, and 10.1.2.128/25, which is too long.
    const own = [16, 10, 1, 24, 10, 1, 2, 25, 10, 1, 2, 128];
    a.send(updateMessage([], attributesWith([65001, 65100]), own));
    // 16.0.0.0/24, which B has too, and shorter.
    a.send(updateMessage([], attributesWith([65001, 65100, 65100, 65100]), [24, 16, 0, 0]));
    await b.sendAll(manyRoutes({ as: 65002, count: ROUTES_OF_B }));
    const isThere = async () => {
      const { families } = await speaker.neighbor(A);
      return families[0]?.advertised === ROUTES_OF_B && families[0].received === 4;
    };
    await until(isThere, WAIT_MS, "all routes are exchanged");
  }
}

/** @returns attributes of a route with that AS path */
export function attributesWith(path: readonly number[]): number[] {
  return [
    ...attribute(0x40, 1, [0]),
    ...attribute(0x40, 2, [2, path.length, ...path.flatMap(four)]),
    ...attribute(0x40, 3, [192, 0, 2, 11]),
    ...attribute(0xc0, 8, [0xfd, 0xe9, 0, 7]),
    ...attribute(0xc0, 16, [0, 2, 0xfd, 0xe9, 0, 0, 0, 42]),
    ...attribute(0xc0, 32, [...four(65001), ...four(1), ...four(2)]),
  ];
}

function configFor(port: number, http: object) {
  return {
    http: {
      port,
      anonymous: "none",
      tokens: [
        { name: "noc", role: "operator", secret: TOKENS.operator },
        { name: "wall", role: "reader", secret: TOKENS.reader },
        { name: "as65001", role: "member", as: 65001, secret: TOKENS.member },
      ],
      ...http,
    },
    neighbors: [
      { address: A, as: 65001, description: "First client", import: "checked" },
      { address: B, as: 65002, description: "pb_0002_as65002", import: "accept-all" },
      { address: AWAY, as: 65003, import: "accept-all" },
    ].map((each) => ({
      passive: true,
      "route-server-client": true,
      export: "accept-all",
      ...each,
    })),
    policies: JSON.parse(`{ "checked": [
      { "name": "too long", "if": { "prefix-length": { "min": 25 } }, "then": "reject" },
      { "then": "accept" }
    ] }`),
  };
}
