import { notificationText, shutdownText } from "@ts-bgp/wire-codec";
import type { DownReason, SessionState } from "./types.ts";

/** The states as RFC 4271 writes them. */
export const STATE_NAMES: Readonly<Record<SessionState, string>> = {
  idle: "Idle",
  connect: "Connect",
  active: "Active",
  "open-sent": "OpenSent",
  "open-confirm": "OpenConfirm",
  established: "Established",
};

/**
 * A reason in words for logs and `show`, without a final full stop.
 *
 * The text of a shutdown (RFC 9003) is a peer's: what does not print in it is replaced.
 */
export function describeDown(reason: DownReason): string {
  switch (reason.kind) {
    case "notification-sent":
    case "notification-received": {
      const verb = reason.kind === "notification-sent" ? "sent" : "received";
      const text = shutdownText(reason);
      const quoted = text === null ? "" : `: "${text.replace(/\p{C}/gu, "\uFFFD")}"`;
      return `${verb} ${notificationText(reason)}${quoted}`;
    }
    case "connection-lost":
      return "connection lost";
    case "send-hold-timer-expired":
      return "send hold timer expired";
    case "graceful-restart":
      return "peer restarted gracefully";
    case "restarting":
      return "closed without a word, to restart gracefully";
    case "not-wanted":
      return "connection came too late";
  }
}
