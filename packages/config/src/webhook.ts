/** The section of the webhook: who is told of events. */

import type { Checker } from "./checker.ts";
import type { FileShape } from "./file-shape.ts";
import { readSecret } from "./secrets.ts";
import type { WebhookConfig, WebhookEvent } from "./webhook-types.ts";

/** Shorter ones could be guessed from what was signed with them. */
const SECRET_CHARACTERS_MIN = 16;
/** What somebody should know soon, and not what there is much of. */
const EVENTS: readonly WebhookEvent[] = [
  "session-up",
  "session-down",
  "max-prefix-reached",
  "first-rejection",
  "quarantine",
  "rpki-source",
  "nsr-takeover",
  "nsr-lost-session",
  "nsr-simplex",
  "config-rolled-back",
];

export function checkWebhook({ webhook }: FileShape, checker: Checker): WebhookConfig | null {
  if (webhook === undefined) return null;
  const { url = "", secret, events = EVENTS } = webhook;
  const { yaml } = checker;
  if (url !== "" && !URL.canParse(url)) {
    const what = `"${url}" is no URL such as https://alerts.example.net/ts-bgp`;
    yaml.add(yaml.valueAt(webhook, "url"), what);
  }
  return { url, secret: secretOf(webhook, secret, checker), events: [...new Set(events)] };
}

function secretOf(
  webhook: NonNullable<FileShape["webhook"]>,
  given: NonNullable<FileShape["webhook"]>["secret"],
  checker: Checker,
): string | null {
  if (given === undefined) return null;
  const at = checker.yaml.valueAt(webhook, "secret");
  const secret = readSecret(given, at, checker);
  if (secret !== null && secret.length < SECRET_CHARACTERS_MIN) {
    const what = `the secret has ${secret.length} characters; it needs at least ${SECRET_CHARACTERS_MIN}`;
    checker.yaml.add(at, what);
  }
  return secret;
}
