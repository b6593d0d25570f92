/** A part of the configuration as a value: who is told of events by HTTP. */

/** What a webhook may be told of: ids of the log, and what is looked for in the tables. */
export const WEBHOOK_EVENTS = [
  "session-up",
  "session-down",
  "max-prefix-warning",
  "max-prefix-reached",
  "max-prefix-out",
  "first-rejection",
  "update-fault",
  "quarantine",
  "bfd-up",
  "bfd-down",
  "rpki-source",
  "rpki-gate",
  "validation-change",
  "nsr-takeover",
  "nsr-lost-session",
  "nsr-handover",
  "nsr-simplex",
  "dynamic-neighbor",
  "graceful-shutdown",
  "operator",
  "configured",
  "config-rolled-back",
  "config-stuck",
  "config-differs",
  "reload-refused",
  "started",
  "stopping",
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** Who is told of events by HTTP. */
export interface WebhookConfig {
  /** Of http or https, without user and password. */
  readonly url: string;
  /** What requests are signed with, null for no signature. */
  readonly secret: string | null;
  /** At least one; each once. */
  readonly events: readonly WebhookEvent[];
}
