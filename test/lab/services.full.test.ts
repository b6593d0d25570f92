/** Services of an exchange: graceful shutdown and blackholing, as real daemons see it. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { bird } from "./bird.ts";
import { frr } from "./frr.ts";
import { labAvailable } from "./install.ts";
import { createLab, type Lab } from "./netns.ts";
import {
  checkBlackholes,
  checkShutdownReceived,
  checkShutdownSent,
  type ServiceScene,
  setServiceScene,
} from "./services.ts";
import { speakerAvailable } from "./speaker.ts";

const reason = speakerAvailable() ?? labAvailable();

describe.skipIf(reason !== null).each([bird, frr])("with $name", (kind) => {
  let lab: Lab;
  let scene: ServiceScene;

  beforeAll(async () => {
    lab = createLab();
    try {
      scene = await setServiceScene(lab, kind);
    } catch (error) {
      console.error(lab.describe());
      throw error;
    }
  });

  afterAll(() => lab?.remove());

  test.each<[string, (scene: ServiceScene) => Promise<void>]>([
    ["the speaker is about to shut down", checkShutdownSent],
    ["a member is about to shut down", checkShutdownReceived],
    ["a member has traffic to a host of its own thrown away", checkBlackholes],
  ])("%s", async (_title, check) => {
    try {
      await check(scene);
    } catch (error) {
      console.error(lab.describe());
      throw error;
    }
  });
});
