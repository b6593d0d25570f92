/** What happens during an injection, for whoever shows it. */

export type InjectEvent =
  /** A file is being read before the session begins; `done` is 0 to 1. */
  | { readonly kind: "reading"; readonly file: string; readonly done: number }
  /** What will be announced; `routes` is null when that is not known beforehand. */
  | { readonly kind: "source"; readonly title: string; readonly routes: number | null }
  | { readonly kind: "warning"; readonly text: string }
  | { readonly kind: "connecting"; readonly target: string }
  | {
      readonly kind: "established";
      readonly target: string;
      readonly localAddress: string;
      readonly localAs: number;
      readonly peerAs: number;
      /** Dotted. */
      readonly peerIdentifier: string;
      /** Such as "ipv4-unicast". */
      readonly families: readonly string[];
    }
  /** Often while routes are sent. The figures are of this pass through the source. */
  | ({ readonly kind: "sending"; readonly done: number } & Sent)
  /** Everything has been sent and taken by TCP. */
  | ({ readonly kind: "sent"; readonly what: "routes" | "withdrawals" } & Sent)
  /** The peer asked for the routes of a family again. */
  | { readonly kind: "refresh"; readonly family: string }
  /** What the peer has sent since the session began; at most once a second. */
  | ({ readonly kind: "received" } & Received)
  /** Messages of the churn so far; at most once a second. */
  | { readonly kind: "flapping"; readonly messages: number; readonly seconds: number }
  /** The session or an attempt has ended; another attempt follows after so many seconds. */
  | { readonly kind: "retrying"; readonly reason: string; readonly seconds: number };

export interface Sent {
  readonly messages: number;
  readonly routes: number;
  readonly octets: number;
  readonly seconds: number;
}

export interface Received {
  readonly messages: number;
  readonly announced: number;
  readonly withdrawn: number;
}

export type Report = (event: InjectEvent) => void;

/** How an injection ended. */
export interface InjectResult {
  /** 0: ended as asked. 1: the session failed. 2: what was given is of no use. */
  readonly exitCode: 0 | 1 | 2;
  /** For people, null when all went well. */
  readonly error: string | null;
  /** All passes together. */
  readonly messagesSent: number;
  readonly routesSent: number;
  readonly received: Received;
}
