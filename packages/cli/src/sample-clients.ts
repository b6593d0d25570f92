/** The two sample clients of `tsbgp demo`: what they announce, and what they see of the speaker. */

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import type { InjectOptions } from "@ts-bgp/inject";
import {
  type AttributeValue,
  type DecodedUpdate,
  decodeMessages,
  EXTENDED_MESSAGE_OCTETS_MAX,
  encodeUpdate,
  FAMILY,
  messageLength,
  parseAddress,
} from "@ts-bgp/wire-codec";
import { type Column, duration, TableWriter } from "./table.ts";

/** A route of a sample client; the client's own AS is put in front of the path. */
export interface SampleRoute {
  readonly prefix: string;
  readonly path: readonly number[];
  readonly communities?: readonly string[];
  readonly large?: readonly string[];
  readonly med?: number;
}

interface Description {
  /** One of those that configs/route-server.yaml has. */
  readonly address: string;
  /** Not its own address: a loopback address is no next hop that a router takes. */
  readonly nextHop: string;
  readonly as: number;
  readonly routes: readonly SampleRoute[];
}

const CLIENTS: readonly Description[] = [
  {
    address: "127.0.0.11",
    nextHop: "192.0.2.11",
    as: 64501,
    routes: [
      { prefix: "11.1.0.0/16", path: [] },
      { prefix: "11.2.0.0/16", path: [], communities: ["0:64502"] },
      { prefix: "11.3.0.0/16", path: [210001], large: ["64500:101:0"] },
      { prefix: "33.1.0.0/16", path: [210002, 210003] },
      { prefix: "11.4.1.128/25", path: [] },
      { prefix: "10.1.0.0/16", path: [] },
    ],
  },
  {
    address: "127.0.0.12",
    nextHop: "192.0.2.12",
    as: 64502,
    routes: [
      { prefix: "22.1.0.0/16", path: [] },
      { prefix: "22.2.0.0/16", path: [210004], communities: ["64502:100"] },
      { prefix: "33.1.0.0/16", path: [210003] },
    ],
  },
];

/** Routes that all clients together announce. */
export const SAMPLE_ROUTES: number = CLIENTS.reduce((sum, { routes }) => sum + routes.length, 0);

/**
 * Starts clients of a speaker on this port of loopback; they go on until their end.
 *
 * @param folder - for files of theirs, which are left there
 */
export function startClients(port: number, folder: string): Promise<SampleClient[]> {
  return Promise.all(CLIENTS.map((client) => SampleClient.start(client, port, folder)));
}

/** What a client sees of the speaker at one moment. */
export interface View {
  readonly address: string;
  readonly as: number;
  /** Null while there is no session. */
  readonly sinceMs: number | null;
  readonly messages: number;
  readonly opens: number;
  readonly notifications: number;
  /** The attributes of each prefix, as text that can be compared. */
  readonly routes: ReadonlyMap<string, string>;
}

/** A route that came, or went (`med` is null). */
export type RouteListener = (prefix: string, med: number | null) => void;

const LOOPBACK = "127.0.0.1";

/** An injection, through a tap on its connection that notes what comes, and can announce more. */
export class SampleClient {
  readonly address: string;
  /** Told of each route that comes or goes. */
  heard: RouteListener = () => {};
  private readonly description: Description;
  private readonly stop = new AbortController();
  private readonly tap: net.Server;
  private running: Promise<unknown> = Promise.resolve();
  /** To the speaker. */
  private socket: net.Socket | null = null;
  private sinceMs: number | null = null;
  private readonly counts = { messages: 0, opens: 0, notifications: 0 };
  private readonly routes: Map<string, string> = new Map();

  private constructor(description: Description, port: number) {
    this.address = description.address;
    this.description = description;
    this.tap = net.createServer((client) => this.connect(client, port));
  }

  static async start(
    description: Description,
    port: number,
    folder: string,
  ): Promise<SampleClient> {
    const client = new SampleClient(description, port);
    client.tap.listen(0, LOOPBACK);
    await once(client.tap, "listening");
    await client.inject((client.tap.address() as net.AddressInfo).port, folder);
    return client;
  }

  view(): View {
    const { description, sinceMs, counts, routes } = this;
    const { address, as } = description;
    return { address, as, sinceMs, ...counts, routes: new Map(routes) };
  }

  has(prefix: string): boolean {
    return this.routes.has(prefix);
  }

  announce(route: SampleRoute): void {
    this.socket?.write(updateOf(this.description, route));
  }

  withdraw(prefix: string): void {
    this.socket?.write(encodeUpdate({ withdrawn: [prefix] }));
  }

  /** Ends the session cleanly; takes two seconds at most. */
  async end(): Promise<void> {
    this.stop.abort();
    await this.running;
    this.tap.close();
    this.socket?.destroy();
  }

  private async inject(tapPort: number, folder: string): Promise<void> {
    const { inject } = await import("@ts-bgp/inject");
    const { address, nextHop, as, routes } = this.description;
    const file = path.join(folder, `${address}.updates`);
    writeFileSync(file, Buffer.concat(routes.map((route) => updateOf(this.description, route))));
    const options = {
      session: sessionOf(address, as, tapPort),
      source: { kind: "updates", path: file, families: FAMILY.IPV4_UNICAST, partial: false },
      nextHop4: parseAddress(nextHop),
      nextHop6: null,
      keepNextHop: false,
      rate: null,
      flap: null,
      once: false,
      withdraw: false,
    } as const;
    this.running = inject(options, () => {}, this.stop.signal);
  }

  private connect(client: net.Socket, port: number): void {
    const from = { host: LOOPBACK, port, localAddress: this.address };
    const speaker = net.connect({ ...from, noDelay: true });
    this.socket = speaker;
    this.sinceMs = null;
    // What one side ends or loses, the other side ends.
    client.on("error", () => speaker.destroy());
    speaker.on("error", () => client.destroy());
    client.on("end", () => speaker.end());
    speaker.on("end", () => client.end());
    client.on("close", () => speaker.destroy());
    speaker.on("close", () => {
      if (this.socket === speaker) this.lost();
    });
    // Whole messages, so that what is announced here gets between two of them.
    const out = new MessageCutter((message) => speaker.write(message));
    client.on("data", (octets) => out.push(octets));
    const into = new MessageCutter((message) => this.received(message));
    speaker.on("data", (octets) => {
      into.push(octets);
      client.write(octets);
    });
  }

  private lost(): void {
    this.socket = null;
    this.sinceMs = null;
    this.routes.clear();
  }

  private received(octets: Uint8Array): void {
    const { counts } = this;
    counts.messages++;
    const options = { fourOctetAs: true, addPath: false, external: true };
    for (const message of decodeMessages(octets, options)) {
      if (message.type === "OPEN") counts.opens++;
      if (message.type === "NOTIFICATION") counts.notifications++;
      // The first one says that the speaker has accepted the OPEN (RFC 4271 section 4.4).
      if (message.type === "KEEPALIVE") this.sinceMs ??= Date.now();
      if (message.type === "UPDATE") this.update(message as DecodedUpdate);
    }
  }

  private update({ withdrawn, attributes, nlri }: DecodedUpdate): void {
    for (const route of withdrawn) {
      this.routes.delete(String(route));
      this.heard(String(route), null);
    }
    const med = attributes.find(({ type }) => type === 4)?.value;
    const text = JSON.stringify(attributes);
    for (const route of nlri) {
      this.routes.set(String(route), text);
      this.heard(String(route), typeof med === "number" ? med : 0);
    }
  }
}

/** Cuts a stream into whole messages. */
class MessageCutter {
  private readonly take: (message: Uint8Array) => void;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(take: (message: Uint8Array) => void) {
    this.take = take;
  }

  push(octets: Uint8Array): void {
    const all = this.rest.length === 0 ? octets : Buffer.concat([this.rest, octets]);
    let at = 0;
    while (at < all.length) {
      const length = messageLength(all, at, all.length, EXTENDED_MESSAGE_OCTETS_MAX);
      if (length === 0) break;
      // What is no message goes on as it is: the other side says what is wrong with it.
      const end = typeof length === "number" ? at + length : all.length;
      this.take(all.subarray(at, end));
      at = end;
    }
    this.rest = all.subarray(at);
  }
}

function sessionOf(identifier: string, as: number, port: number): InjectOptions["session"] {
  return {
    host: LOOPBACK,
    port,
    localAddress: null,
    localAs: as,
    identifier,
    holdTimeSeconds: 90,
    families: FAMILY.IPV4_UNICAST,
    addPath: false,
    reconnect: true,
  };
}

function updateOf({ as, nextHop }: Description, route: SampleRoute): Uint8Array {
  const { prefix, path: behind, communities = [], large = [], med } = route;
  const attributes: AttributeValue[] = [
    { type: 1, value: "IGP" },
    { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [as, ...behind] }] } },
    { type: 3, value: nextHop },
  ];
  if (med !== undefined) attributes.push({ type: 4, value: med });
  if (communities.length > 0) attributes.push({ type: 8, value: communities });
  if (large.length > 0) attributes.push({ type: 32, value: large });
  return encodeUpdate({ attributes, nlri: [prefix] });
}

/** @returns what is not as it was, for people; empty when the client was not disturbed */
export function disturbance(before: View, after: View): string[] {
  const { address } = before;
  const found: string[] = [];
  if (after.sinceMs === null) found.push(`${address} has no session any more`);
  else if (after.sinceMs !== before.sinceMs) found.push(`${address} has another session`);
  if (after.opens !== before.opens) found.push(`${address} saw an OPEN`);
  if (after.notifications !== before.notifications) found.push(`${address} saw a NOTIFICATION`);
  for (const [prefix, attributes] of before.routes) {
    const now = after.routes.get(prefix);
    if (now === undefined) found.push(`${address} lost ${prefix}`);
    else if (now !== attributes) found.push(`${address} has another route to ${prefix}`);
  }
  for (const prefix of after.routes.keys()) {
    if (!before.routes.has(prefix)) found.push(`${address} has ${prefix}, which it had not`);
  }
  return found;
}

type Row = View & { readonly when: string; readonly atMs: number };

const COLUMNS: readonly Column<Row>[] = [
  { title: "Client", text: ({ address }) => address },
  { title: "AS", text: ({ as }) => String(as), right: true },
  { title: "", text: ({ when }) => when },
  {
    title: "Session since",
    text: ({ sinceMs }) => (sinceMs === null ? "DOWN" : new Date(sinceMs).toLocaleTimeString("sv")),
  },
  {
    title: "Up for",
    text: ({ sinceMs, atMs }) => (sinceMs === null ? "" : duration(atMs - sinceMs)),
  },
  { title: "Messages", text: ({ messages }) => String(messages), right: true },
  { title: "OPEN", text: ({ opens }) => String(opens), right: true },
  { title: "NOTIFICATION", text: ({ notifications }) => String(notifications), right: true },
  { title: "Routes", text: ({ routes }) => String(routes.size), right: true },
];

/** Views of all clients at one moment. */
export interface Look {
  /** "before"; empty when there is but one. */
  readonly when: string;
  readonly atMs: number;
  readonly views: readonly View[];
}

/** @returns a table in which the views of a client stand together */
export function viewLines(looks: readonly Look[]): string[] {
  const lines: string[] = [];
  const table = new TableWriter(COLUMNS, (line) => lines.push(line));
  for (let k = 0; k < looks[0]!.views.length; k++) {
    for (const { when, atMs, views } of looks) table.add({ ...views[k]!, when, atMs });
  }
  table.end();
  return lines;
}
