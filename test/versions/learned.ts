/** What a scripted peer was made to believe, and what a speaker says that it has been sent. */
import {
  type DecodedAttribute,
  type DecodedUpdate,
  decodeMessages,
  type Route,
} from "@ts-bgp/wire-codec";
import { NOTIFICATION, type Peer, UPDATE } from "../../testkit/peer.ts";
import type { SpeakerProcess } from "../../testkit/speaker.ts";

type Table = Readonly<Record<string, string>>;

/** Keeps the table of a peer, from all that it is sent. */
export class Learned {
  /** UPDATEs since it was made. */
  messages = 0;
  private readonly addPath: boolean;
  private readonly routes: Map<string, string> = new Map();

  constructor(peer: Peer, addPath = false) {
    this.addPath = addPath;
    peer.onUpdate = (octets) => this.take(Buffer.from(octets));
    // Those that came before somebody listened.
    for (const { type, body } of peer.messages.splice(0)) {
      if (type === NOTIFICATION) throw new Error("the session has ended");
      const head = Buffer.alloc(19, 0xff);
      head.writeUInt16BE(19 + body.length, 16);
      head[18] = type;
      if (type === UPDATE) this.take(Buffer.concat([head, body]));
      else peer.messages.push({ type, body });
    }
  }

  /** By prefix, with its path identifier where there are any: the attributes, in order of their types. */
  get table(): Table {
    return sorted(this.routes);
  }

  private take(octets: Buffer): void {
    this.messages++;
    const options = { fourOctetAs: true, addPath: this.addPath, external: true };
    for (const message of decodeMessages(octets, options)) {
      const { withdrawn, attributes, nlri } = message as DecodedUpdate;
      for (const route of withdrawn) this.routes.delete(keyOf(route));
      for (const route of nlri) this.routes.set(keyOf(route), textOf(attributes));
    }
  }
}

/** @returns what a speaker says that a neighbor was sent */
export async function advertised(side: SpeakerProcess, neighbor: string): Promise<Table> {
  const { items } = await side.ask({ command: "show-routes", view: "advertised", neighbor });
  const routes = new Map<string, string>();
  for (const item of items as Shown[]) routes.set(keyOf(item), shownText(item));
  return sorted(routes);
}

interface Shown {
  readonly prefix: string;
  readonly path_id?: number;
  readonly other?: readonly DecodedAttribute[];
  readonly [field: string]: unknown;
}

/** Names of attributes in `show routes`. */
const FIELDS: Readonly<Record<string, string>> = {
  ORIGIN: "origin",
  AS_PATH: "as_path",
  NEXT_HOP: "next_hop",
  MULTI_EXIT_DISC: "med",
};

function keyOf(route: Route | Shown): string {
  if (typeof route === "string") return route;
  return route.path_id === undefined ? route.prefix : `${route.prefix} ${route.path_id}`;
}

function textOf(attributes: readonly DecodedAttribute[]): string {
  return attributes
    .map(({ type, name, value }) => {
      const { text } = value as { text?: string };
      const shown = FIELDS[name] === undefined ? [type, value] : [FIELDS[name], text ?? value];
      return JSON.stringify(shown);
    })
    .sort()
    .join(" ");
}

function shownText(shown: Shown): string {
  const own = Object.values(FIELDS).filter((field) => shown[field] !== undefined);
  return [
    ...own.map((field) => JSON.stringify([field, shown[field]])),
    ...(shown.other ?? []).map(({ type, value }) => JSON.stringify([type, value])),
  ]
    .sort()
    .join(" ");
}

function sorted(routes: ReadonlyMap<string, string>): Table {
  return Object.fromEntries([...routes].sort(([a], [b]) => (a < b ? -1 : 1)));
}
