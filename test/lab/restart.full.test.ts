/** Restarts of a daemon and of the speaker, and what the other one keeps meanwhile. */
import { bird } from "./bird.ts";
import { frr } from "./frr.ts";
import { gobgp } from "./gobgp.ts";
import {
  checkDaemonAway,
  checkDaemonRestarts,
  checkSpeakerAway,
  checkSpeakerRestarts,
  checkSpeakerStops,
  setRestartScene,
} from "./restart.ts";
import { sceneTests } from "./scene-tests.ts";

sceneTests([bird, frr, gobgp], setRestartScene, [
  ["the daemon restarts", checkDaemonRestarts],
  ["the daemon is away for longer", checkDaemonAway],
  ["the speaker is killed and restarts", (each) => checkSpeakerRestarts(each, true)],
  ["the speaker stops gracefully and restarts", (each) => checkSpeakerRestarts(each, false)],
  ["the speaker is away for longer", checkSpeakerAway],
  ["the speaker stops for good", checkSpeakerStops],
]);
