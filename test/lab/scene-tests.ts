/** Tests of one scene in a lab, with one daemon after the other. */
import { afterAll, beforeAll, describe, test } from "vitest";
import type { DaemonKind } from "./daemon.ts";
import { labAvailable } from "./install.ts";
import { createLab, type Lab } from "./netns.ts";
import { speakerAvailable } from "./speaker.ts";

/** What is wrong is told with what the lab was at. */
export function sceneTests<S>(
  kinds: readonly DaemonKind[],
  set: (lab: Lab, kind: DaemonKind) => Promise<S>,
  checks: readonly (readonly [title: string, check: (scene: S) => Promise<void>])[],
): void {
  const reason = speakerAvailable() ?? labAvailable();
  describe.skipIf(reason !== null).each([...kinds])("with $name", (kind) => {
    let lab: Lab;
    let scene: S;
    const told = async <T>(run: () => Promise<T>): Promise<T> => {
      try {
        return await run();
      } catch (error) {
        console.error(lab.describe());
        throw error;
      }
    };

    beforeAll(async () => {
      lab = createLab();
      scene = await told(() => set(lab, kind));
    });

    afterAll(() => lab?.remove());

    test.each([...checks])("%s", (_title, check) => told(() => check(scene)));
  });
}
