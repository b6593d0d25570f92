/**
 * A route server with origin validation between two clients, BIRD both:
 *
 *     source (AS 65001) ---- speaker ---- receiver (AS 65002)
 *                              |
 *                  file, or cache (stayrtr) on a node of its own
 *
 * The speaker drops what is invalid, and marks the rest with what it is.
 */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShownRpki } from "@ts-bgp/views";
import { expect } from "vitest";
import { bird } from "./bird.ts";
import { type Daemon, type Route, untilReady } from "./daemon.ts";
import type { Lab, LabNode, LabProcess } from "./netns.ts";
import { createSpeaker, type Speaker } from "./speaker.ts";
import { until } from "./until.ts";

const SPEAKER_AS = 65500;
export const SOURCE_AS = 65001;
const RECEIVER_AS = 65002;
const WAIT_MS = 20_000;
const RTR_PORT = 3323;
const STAYRTR = "/usr/bin/stayrtr";

/** What the speaker adds to routes by their state. */
const MARKS = { valid: "65500:1:0", "not-found": "65500:1:1" } as const;

export interface Roa {
  readonly prefix: string;
  readonly asn: number;
  readonly maxLength?: number;
}

export type State = keyof typeof MARKS;

/** Three prefixes, with the ROAs of `ROAS` one of each state; two more of IPv6. */
export const ROUTES: readonly Route[] = [
  { prefix: "192.0.2.0/24" },
  { prefix: "198.51.100.0/24", asPath: [64999] },
  { prefix: "203.0.113.0/24", asPath: [64998] },
  { prefix: "2001:db8:1::/48" },
  { prefix: "2001:db8:2::/48", asPath: [64999] },
];
export const ROAS: readonly Roa[] = [
  { prefix: "192.0.2.0/24", asn: SOURCE_AS },
  { prefix: "198.51.100.0/22", asn: 64999 },
  { prefix: "2001:db8::/32", asn: SOURCE_AS, maxLength: 48 },
];
/** What the receiver has of them. */
export const SEEN: Readonly<Record<string, State>> = {
  "192.0.2.0/24": "valid",
  "203.0.113.0/24": "not-found",
  "2001:db8:1::/48": "valid",
};

export interface RpkiScene {
  readonly speaker: Speaker;
  readonly source: Daemon;
  readonly receiver: Daemon;
  readonly speakerNode: LabNode;
}

/** Writes a file as validators do: whoever reads it finds the old one or the new one. */
export function writeRoas(
  file: string,
  roas: readonly Roa[],
  aspas: Readonly<Record<number, readonly number[]>> = {},
): void {
  const list = roas.map(({ prefix, asn, maxLength }) => ({
    asn: `AS${asn}`,
    prefix,
    maxLength: maxLength ?? Number(prefix.split("/")[1]),
    ta: "test",
  }));
  const authorizations = Object.entries(aspas).map(([customer, providers]) => ({
    customer_asid: Number(customer),
    providers,
  }));
  const json = {
    metadata: {},
    roas: list,
    aspas: authorizations,
    // The same for stayrtr, which follows an earlier draft.
    provider_authorizations: { ipv4: authorizations, ipv6: authorizations },
  };
  writeFileSync(`${file}.new`, JSON.stringify(json));
  renameSync(`${file}.new`, file);
}

/** @param rpki - the section of the configuration, where the speaker's node is known */
export async function setRpkiScene(
  lab: Lab,
  rpki: (speaker: LabNode) => unknown,
): Promise<RpkiScene> {
  const speakerNode = lab.node("tsbgp");
  const client = (name: string, as: number, originate: readonly Route[]) => {
    const node = lab.node(name);
    const sessions = (["ipv4-unicast", "ipv6-unicast"] as const).map((family) => ({
      families: [family],
      localAddress: family === "ipv4-unicast" ? node.address4 : node.address6,
      peerAddress: family === "ipv4-unicast" ? speakerNode.address4 : speakerNode.address6,
      peerAs: SPEAKER_AS,
      routeServer: true,
    }));
    return bird.create(node, { as, routerId: node.address4, sessions, originate });
  };
  const source = client("source", SOURCE_AS, ROUTES);
  const receiver = client("receiver", RECEIVER_AS, []);
  const speaker = createSpeaker(speakerNode, SPEAKER_AS);
  const neighbors = [source, receiver].flatMap(({ spec }) =>
    spec.sessions.map(({ localAddress }) => ({ address: localAddress, as: spec.as })),
  );
  const json = JSON.stringify;
  speaker.configure(
    `router: { as: ${SPEAKER_AS}, id: ${speakerNode.address4} }
control: { socket: ${speaker.socket} }
rpki: ${json(rpki(speakerNode))}
defaults: { import: origins, export: accept-all, route-server-client: true, passive: true, role: rs }
neighbors: ${json(neighbors)}
policies:
  origins:
    - { name: invalid, if: { rpki: invalid }, then: reject }
    - { name: leak, if: { aspa: invalid }, then: reject }
    - { if: { rpki: valid }, set: ${mark("valid")}, then: accept }
    - { set: ${mark("not-found")}, then: accept }
`,
  );
  return { speaker, source, receiver, speakerNode };
}

const mark = (state: State) => `{ large-community: { add: [ "${MARKS[state]}" ] } }`;

export async function startScene({ speaker, source, receiver }: RpkiScene): Promise<void> {
  await Promise.all([speaker.start(), source.start(), receiver.start()]);
}

/** @returns what a client has, by prefix, with the state that it was marked with */
async function seenBy(daemon: Daemon): Promise<Record<string, State | undefined>> {
  const routes = [
    ...(await daemon.routes("ipv4-unicast")),
    ...(await daemon.routes("ipv6-unicast")),
  ];
  const stateOf = (communities: readonly string[]) =>
    (Object.keys(MARKS) as State[]).find((state) => communities.includes(MARKS[state]));
  return Object.fromEntries(
    routes.map(({ prefix, largeCommunities }) => [prefix, stateOf(largeCommunities)]),
  );
}

/** Waits until the receiver has these prefixes and no others. */
export async function expectSeen(
  { receiver }: RpkiScene,
  states: Readonly<Record<string, State>>,
  waitMs: number = WAIT_MS,
): Promise<void> {
  await until(
    async () => {
      expect(await seenBy(receiver)).toEqual(states);
      return true;
    },
    waitMs,
    `the receiver has ${JSON.stringify(states)}`,
  );
}

export async function showRpki({ speaker }: RpkiScene): Promise<ShownRpki> {
  return (await speaker.cli(["show", "rpki", "--json"])).json as ShownRpki;
}

/** Waits until `show rpki` is as `check` expects it. */
export async function expectShown(
  scene: RpkiScene,
  check: (shown: ShownRpki) => void,
): Promise<void> {
  await until(
    async () => {
      check(await showRpki(scene));
      return true;
    },
    WAIT_MS,
    "show rpki is as expected",
  );
}

/** Debian's stayrtr, fed by a file. */
export class StayRtr {
  readonly node: LabNode;
  readonly file: string;
  readonly port: number = RTR_PORT;
  private running: LabProcess | null = null;

  constructor(node: LabNode, roas: readonly Roa[]) {
    this.node = node;
    this.file = join(node.directory, "roas.json");
    writeRoas(this.file, roas);
  }

  get address(): string {
    return this.node.address4;
  }

  /** @param version - of the protocol, at most */
  async start(version = 2, ...more: string[]): Promise<void> {
    const running = this.node.spawn([
      STAYRTR,
      ...["-bind", `:${this.port}`, "-cache", this.file, "-refresh", "1", "-metrics.addr", ""],
      ...["-checktime=false", "-protocol", String(version), ...more],
    ]);
    this.running = running;
    await untilReady("stayrtr", running, async () =>
      /StayRTR Server started/.test(running.output()),
    );
  }

  /**
   * Makes it a certificate of its own, signed by itself, and has it serve TLS as well.
   *
   * @returns the file of the certificate
   */
  async startTls(port: number, address: string): Promise<string> {
    const { node } = this;
    const [key, cert] = ["rtr.key", "rtr.crt"].map((name) => join(node.directory, name));
    const made = await node.run([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
      ...["-nodes", "-keyout", key!, "-out", cert!, "-days", "2", "-subj", "/CN=rtr"],
      ...["-addext", `subjectAltName=IP:${address}`],
    ]);
    expect(made.code, made.stderr).toBe(0);
    await this.start(2, "-tls.bind", `:${port}`, "-tls.cert", cert!, "-tls.key", key!);
    return cert!;
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.running?.signal("SIGKILL");
    await until(() => this.running?.ended() !== null, WAIT_MS, "stayrtr is gone");
    this.running = null;
  }
}
