/** What a route stream is made of. */

/** A piece of the stream of one session. */
export interface Batch {
  /** Whole UPDATE messages, back to back. */
  readonly octets: Uint8Array;
  readonly messages: number;
  /** Routes announced and withdrawn in there. */
  readonly routes: number;
  /** Share of the source that has been read with this batch, 0 to 1. */
  readonly done: number;
}

/** A batch is handed over when it has about so many octets. */
export const BATCH_OCTETS = 1 << 16;

/** What the routes must be written for. */
export interface SessionForm {
  /** FAMILY bits; routes of others are left out. */
  readonly families: number;
  readonly fourOctetAs: boolean;
  /** FAMILY bits for which path identifiers are sent. */
  readonly addPath: number;
  /** Longest message. */
  readonly octetsMax: number;
  /** The peer is in our own AS. */
  readonly internal: boolean;
  readonly localAs: number;
  /** Next hop for all routes of a family; null keeps those that the routes have. */
  readonly nextHop4: Uint8Array | null;
  readonly nextHop6: Uint8Array | null;
}

/** Takes a sentence for people, without a final full stop. */
export type Warn = (text: string) => void;

/** Where routes come from. Can be read again for each session and each ROUTE-REFRESH. */
export interface RouteSource {
  /** For people, for example "synthetic table, seed 1". */
  readonly title: string;
  /** How many routes there are, null when that is not known. */
  readonly routes: number | null;
  /** First AS number of the paths. */
  readonly firstAs: number;
  /** FAMILY bits of the routes. */
  readonly families: number;
  /** Writes the routes for a session. What had to be left out is told at the end. */
  read(form: SessionForm, warn: Warn): Iterable<Batch> | AsyncIterable<Batch>;
}
