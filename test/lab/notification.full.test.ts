/** NOTIFICATION messages in graceful restart (RFC 8538), with daemons that know of it. */
import { frr } from "./frr.ts";
import { gobgp } from "./gobgp.ts";
import {
  checkDaemonHardResets,
  checkDaemonResets,
  checkHoldTimer,
  checkSpeakerHardResets,
  setNotificationScene,
} from "./notification.ts";
import { sceneTests } from "./scene-tests.ts";

const ofSpeaker = [
  ["the speaker says that it hears nothing of the daemon", checkHoldTimer],
  ["the speaker ends its sessions for good", checkSpeakerHardResets],
] as const;

sceneTests([frr], setNotificationScene, [
  ...ofSpeaker,
  ["the daemon resets its sessions", checkDaemonResets],
  ["the daemon ends its sessions for good", checkDaemonHardResets],
]);

// It takes half a minute for each of the others to come back.
sceneTests([gobgp], setNotificationScene, ofSpeaker);
