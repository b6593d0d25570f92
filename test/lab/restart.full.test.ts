/** Restarts of a daemon and of the speaker, and what the other one keeps meanwhile. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { bird } from "./bird.ts";
import { frr } from "./frr.ts";
import { gobgp } from "./gobgp.ts";
import { labAvailable } from "./install.ts";
import { createLab, type Lab } from "./netns.ts";
import {
  checkDaemonAway,
  checkDaemonRestarts,
  checkSpeakerAway,
  checkSpeakerRestarts,
  checkSpeakerStops,
  type RestartScene,
  setRestartScene,
} from "./restart.ts";
import { speakerAvailable } from "./speaker.ts";

const reason = speakerAvailable() ?? labAvailable();

describe.skipIf(reason !== null).each([bird, frr, gobgp])("with $name", (kind) => {
  let lab: Lab;
  let scene: RestartScene;

  beforeAll(async () => {
    lab = createLab();
    try {
      scene = await setRestartScene(lab, kind);
    } catch (error) {
      console.error(lab.describe());
      throw error;
    }
  });

  afterAll(() => lab?.remove());

  test.each<[string, (scene: RestartScene) => Promise<void>]>([
    ["the daemon restarts", checkDaemonRestarts],
    ["the daemon is away for longer", checkDaemonAway],
    ["the speaker is killed and restarts", (each) => checkSpeakerRestarts(each, true)],
    ["the speaker stops gracefully and restarts", (each) => checkSpeakerRestarts(each, false)],
    ["the speaker is away for longer", checkSpeakerAway],
    ["the speaker stops for good", checkSpeakerStops],
  ])("%s", async (_title, check) => {
    try {
      await check(scene);
    } catch (error) {
      console.error(lab.describe());
      throw error;
    }
  });
});
