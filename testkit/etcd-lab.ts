/** A lab with etcd and sides of a pair, each in a namespace of its own. */
import { fileURLToPath } from "node:url";
import type { NsrConfig, NsrTls } from "@ts-bgp/config";
import { issuePair } from "../packages/cli/src/certificate.ts";
import type { LabNode, LabProcess } from "../test/lab/netns.ts";
import { until } from "../test/lab/until.ts";

export interface Side {
  readonly name: string;
  readonly cluster: string;
  readonly endpoints: readonly string[];
  readonly ttlMs: number;
  readonly address: string;
  readonly peer: string;
  readonly tls: NsrTls;
}

const PROGRAM = fileURLToPath(new URL("etcd-side.ts", import.meta.url));
const LINK_PORT = 1790;
const WAIT_MS = 15_000;

export function nsrOf({ cluster, name, address, peer, endpoints, ttlMs, tls }: Side): NsrConfig {
  return {
    cluster,
    self: name,
    listen: { address, port: LINK_PORT },
    peers: [{ name: null, ways: [{ address: peer, port: LINK_PORT }] }],
    mode: "shared",
    serviceAddresses: [],
    arbiter: { kind: "etcd", endpoints, ttlSeconds: ttlMs / 1000, tls: null, user: null },
    tls,
    heartbeatMs: 80,
    // A busy machine keeps a thread waiting for longer than one of the field would.
    heartbeatMisses: 6,
    patienceMs: 1000,
    log: null,
  };
}

/** What a side has told. */
export interface Line {
  readonly order?: string;
  readonly answer?: unknown;
  readonly error?: string;
  readonly event?: string;
  readonly atMs: number;
  readonly [key: string]: unknown;
}

export class LabSide {
  readonly node: LabNode;
  readonly process: LabProcess;
  private read = 0;

  constructor(node: LabNode, side: Side) {
    this.node = node;
    this.process = node.spawn([process.execPath, PROGRAM, JSON.stringify(side)]);
  }

  lines(): Line[] {
    const lines = this.process.output().split("\n").slice(0, -1);
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Line);
  }

  /** Waits until etcd was reached a first time. */
  async ready(): Promise<void> {
    await until(() => this.ask("state"), WAIT_MS, "etcd is reached");
  }

  /** Gives an order. @returns the answer; rejects with the side's error */
  async ask(order: string): Promise<unknown> {
    const [name] = order.split(" ");
    const before = this.lines().filter((line) => line.order === name).length;
    this.process.write(`${order}\n`);
    const line = await until(
      () => this.lines().filter((one) => one.order === name)[before],
      WAIT_MS,
      `${order}: ${this.process.output()}`,
    );
    if (line.error !== undefined) throw new Error(line.error);
    return line.answer;
  }

  /** @returns the first event of a kind since the last one that was waited for */
  async event(kind: string, waitMs: number = WAIT_MS): Promise<Line> {
    const found = await until(
      () => {
        const at = this.lines().findIndex((line, k) => k >= this.read && line.event === kind);
        return at < 0 ? null : at;
      },
      waitMs,
      `${kind}: ${this.process.output()}`,
    );
    this.read = found + 1;
    return this.lines()[found]!;
  }

  /** When it held the role. */
  async held(): Promise<[number, number][]> {
    return (await this.ask("report")) as [number, number][];
  }
}

/** Certificates of two sides. */
export function papersOf(cluster: string): [a: NsrTls, b: NsrTls] {
  const { authority: ca, sides } = issuePair(cluster, ["a", "b"], Date.now(), 1);
  const [a, b] = sides.map(({ certificate: cert, key }) => ({ cert, key, ca }));
  return [a!, b!];
}

/** A pair whose first side is active and whose second one may take over. */
export async function startPair(
  a: LabNode,
  b: LabNode,
  cluster: string,
  endpoints: readonly string[],
  ttlMs: number,
  started: (side: LabSide) => void = () => {},
): Promise<{ active: LabSide; standby: LabSide }> {
  const common = { cluster, endpoints, ttlMs };
  const [ofA, ofB] = papersOf(cluster);
  const ways = {
    a: { address: a.address4, peer: b.address4 },
    b: { address: b.address4, peer: a.address4 },
  };
  const active = new LabSide(a, { ...common, ...ways.a, tls: ofA, name: "a" });
  const standby = new LabSide(b, { ...common, ...ways.b, tls: ofB, name: "b" });
  for (const side of [active, standby]) started(side);
  await Promise.all([active.ready(), standby.ready()]);
  if ((await active.ask("acquire")) === null) throw new Error("the role is not free");
  const echo = await standby.ask("follow");
  await active.ask(`serve ${echo}`);
  if ((await active.ask("name b")) !== true) throw new Error("the standby cannot be one");
  return { active, standby };
}
