import { shutdownData } from "@ts-bgp/wire-codec";
import { expect, test } from "vitest";
import { type DownReason, describeDown, SESSION_STATES, STATE_NAMES } from "../src/index.ts";
import { NO_DATA } from "./model.ts";

const notified = (
  kind: "notification-sent" | "notification-received",
  code: number,
  subcode: number,
  data: Uint8Array = NO_DATA,
): DownReason => ({ kind, code, subcode, data });

test.each<[string, DownReason]>([
  ["sent Hold Timer Expired", notified("notification-sent", 4, 0)],
  ["received Cease/Connection Rejected", notified("notification-received", 6, 5)],
  [
    'received Cease/Administrative Shutdown: "back at 10:00 – NOC"',
    notified("notification-received", 6, 2, shutdownData("back at 10:00 – NOC")),
  ],
  [
    'received Cease/Administrative Reset: "a\uFFFD[2Jb\uFFFDc"',
    notified("notification-received", 6, 4, shutdownData("a\u001b[2Jb\u202ec")),
  ],
  ["connection lost", { kind: "connection-lost" }],
  ["send hold timer expired", { kind: "send-hold-timer-expired" }],
  ["peer restarted gracefully", { kind: "graceful-restart" }],
  ["connection came too late", { kind: "not-wanted" }],
])("%s", (text, reason) => {
  expect(describeDown(reason)).toBe(text);
});

test("every state has a name", () => {
  expect(SESSION_STATES.map((state) => STATE_NAMES[state]).join(" ")).toBe(
    "Idle Active Connect OpenSent OpenConfirm Established",
  );
});
