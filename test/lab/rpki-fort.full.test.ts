/** Origin validation by another real cache, Debian's fort-validator. */
import { describe, expect, test } from "vitest";
import { Fort } from "./fort.ts";
import { labAvailable } from "./install.ts";
import { withLab } from "./netns.ts";
import { expectSeen, expectShown, ROAS, SEEN, setRpkiScene, startScene } from "./rpki-scene.ts";
import { speakerAvailable } from "./speaker.ts";

const REASON = speakerAvailable() ?? labAvailable();
/** It validates again after a minute. */
const CYCLE_MS = 180_000;

describe.skipIf(REASON !== null)(`fort-validator${REASON === null ? "" : ` (${REASON})`}`, () => {
  test("what it says counts, and what it says next", async () => {
    await withLab("fort", async (lab) => {
      const cache = new Fort(lab.node("cache"), ROAS);
      const scene = await setRpkiScene(lab, () => ({
        caches: [{ address: cache.address, port: cache.port }],
      }));
      await cache.start();
      await startScene(scene);
      await expectSeen(scene, SEEN);
      await expectShown(scene, ({ sources: [source] }) => {
        expect(source).toMatchObject({
          ...{ ipv4: 2, ipv6: 1, session: expect.any(Number) },
          feed: { state: "synced", problem: null },
        });
      });
      // It says that there is something new, and sends the difference.
      cache.assert(ROAS.slice(1));
      await expectSeen(scene, { ...SEEN, "192.0.2.0/24": "not-found" }, CYCLE_MS);
      await expectShown(scene, ({ sources: [source] }) => {
        expect(source).toMatchObject({ ipv4: 1, ipv6: 1, feed: { state: "synced" } });
      });
    });
  });
});
