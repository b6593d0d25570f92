/** The scenarios as tests: one scene per daemon and role, its scenarios one after the other. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cases } from "../mode.ts";
import type { DaemonKind } from "./daemon.ts";
import { labAvailable } from "./install.ts";
import { createLab, type Lab } from "./netns.ts";
import { inapplicable, SCENARIOS } from "./scenarios.ts";
import { type Role, type Scene, setScene } from "./scene.ts";
import { speakerAvailable } from "./speaker.ts";

/**
 * Define the tests of the speaker with one daemon.
 *
 * @param roles - of the daemon; a short run has the first one
 */
export function testInterop(kind: DaemonKind, roles: readonly Role[]): void {
  const reason = speakerAvailable() ?? labAvailable();
  const applicable = (role: Role) =>
    SCENARIOS.filter(({ roles }) => roles === undefined || roles.includes(role)).filter(
      (scenario) => inapplicable(scenario, kind) === null,
    );

  describe.skipIf(reason !== null).each(cases(roles, 1))(
    `${kind.name} as %s${reason === null ? "" : ` (${reason})`}`,
    (role) => {
      let lab: Lab;
      let scene: Scene;

      beforeAll(async () => {
        lab = createLab();
        scene = await setScene(lab, kind, role);
      });

      afterAll(() => lab?.remove());

      test.each(applicable(role))("$name", async ({ run }) => {
        try {
          await run(scene);
        } catch (error) {
          console.error(lab.describe());
          throw error;
        }
      });
    },
  );

  test.skipIf(reason !== null)(`what ${kind.name} cannot do has a reason`, () => {
    for (const scenario of SCENARIOS) {
      const why = inapplicable(scenario, kind);
      if (why === null) continue;
      console.log(`${kind.name}: not checked: ${scenario.name}: ${why}`);
      expect(why).not.toBe("");
    }
  });
}
