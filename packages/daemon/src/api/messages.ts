/** What the thread of HTTP and the thread that routes say to each other about the API. */

import type { HttpConfig } from "@ts-bgp/config";
import type { ControlRequest, Refusal } from "../control.ts";

/** Who may do what, and how reasons are shown. */
export type HttpAccess = Pick<HttpConfig, "anonymous" | "tokens" | "reasonCommunities">;

/** From the thread of HTTP. */
export type ApiRequest =
  /**
   * The first piece of an answer is wanted. `memberAs`: only what a member of that AS may know. `by`: whose
   * order it is, for the log; null where nothing is changed.
   */
  | {
      readonly ask: "question";
      readonly id: number;
      readonly request: ControlRequest;
      readonly memberAs: number | null;
      readonly by: string | null;
    }
  /** The next piece is wanted; or the rest is not. */
  | { readonly ask: "more" | "drop"; readonly id: number }
  /** Whether somebody wants to hear of events. */
  | { readonly ask: "watch"; readonly isOn: boolean };

/** Why there is no answer. */
export interface ApiRefusal {
  readonly kind: Refusal | "fault";
  readonly message: string;
  /** Of kind `standby`: the name of the active side, null when it is not known. */
  readonly active: string | null;
}

/** What an answer closes with. */
export type ApiEnd = Readonly<Record<string, unknown>>;

/** To the thread of HTTP. */
export type ApiReply =
  /** Items as lines of JSON, without a newline at the end; empty for none. `end` is there with the last ones. */
  | { readonly question: number; readonly lines: string; readonly end: ApiEnd | null }
  | { readonly question: number; readonly refusal: ApiRefusal }
  | { readonly event: ApiEvent }
  | { readonly access: HttpAccess };

/** Something that has happened, as the log tells it. */
export interface ApiEvent {
  readonly at_ms: number;
  readonly level: string;
  readonly id: string;
  readonly neighbor: string | null;
  readonly message: string;
  readonly [field: string]: unknown;
}
