/** Origin validation by a real cache, Debian's stayrtr, as clients of a route server see it. */
import { describe, expect, test } from "vitest";
import { labAvailable } from "./install.ts";
import { withLab } from "./netns.ts";
import {
  expectSeen,
  expectShown,
  ROAS,
  SEEN,
  SOURCE_AS,
  StayRtr,
  setRpkiScene,
  startScene,
  writeRoas,
} from "./rpki-scene.ts";
import { speakerAvailable } from "./speaker.ts";

const REASON = speakerAvailable() ?? labAvailable();

describe.skipIf(REASON !== null)(`stayrtr${REASON === null ? "" : ` (${REASON})`}`, () => {
  test.each([0, 1, 2])(
    "in version %i: what it says counts, and what it says next",
    async (version) => {
      await withLab("stayrtr", async (lab) => {
        const cache = new StayRtr(lab.node("cache"), ROAS);
        const scene = await setRpkiScene(lab, () => ({
          caches: [{ address: cache.address, port: cache.port }],
        }));
        await cache.start(version);
        await startScene(scene);
        await expectSeen(scene, SEEN);
        await expectShown(scene, ({ sources }) => {
          expect(sources[0]).toMatchObject({
            feed: { state: "synced", version },
            ipv4: 2,
            ipv6: 1,
          });
        });
        // It says that there is something new, and sends the difference.
        writeRoas(cache.file, [...ROAS.slice(1), { prefix: "192.0.0.0/16", asn: SOURCE_AS }]);
        await expectSeen(scene, { "203.0.113.0/24": "not-found", "2001:db8:1::/48": "valid" });
        writeRoas(cache.file, ROAS);
        await expectSeen(scene, SEEN);
      });
    },
  );

  test("ASPAs of it come and go", async () => {
    await withLab("stayrtr aspa", async (lab) => {
      const cache = new StayRtr(lab.node("cache"), ROAS);
      const scene = await setRpkiScene(lab, () => ({
        caches: [{ address: cache.address, port: cache.port }],
      }));
      writeRoas(cache.file, ROAS, { 64998: [65009] });
      await cache.start();
      await startScene(scene);
      const rest = Object.fromEntries(
        Object.entries(SEEN).filter(([, state]) => state === "valid"),
      );
      await expectSeen(scene, rest);
      writeRoas(cache.file, ROAS, { 64998: [65009, SOURCE_AS] });
      await expectSeen(scene, SEEN);
      writeRoas(cache.file, ROAS, { 64998: [65009] });
      await expectSeen(scene, rest);
      writeRoas(cache.file, ROAS);
      await expectSeen(scene, SEEN);
      await expectShown(scene, ({ sources }) => {
        expect(sources[0]).toMatchObject({ aspas: 0, feed: { problem: null } });
      });
    });
  });

  test("by TLS, if it is who it should be", async () => {
    await withLab("stayrtr tls", async (lab) => {
      const port = 3324;
      const [good, bad] = ["good", "bad"].map((name) => new StayRtr(lab.node(name), ROAS));
      const ca = await good!.startTls(port, good!.address);
      // It is signed by the right one, and for another address.
      const wrong = await bad!.startTls(port, "10.9.9.9");
      const scene = await setRpkiScene(lab, () => ({
        caches: [
          { address: good!.address, port, tls: { ca } },
          { address: bad!.address, port, tls: { ca: wrong } },
        ],
      }));
      await startScene(scene);
      await expectSeen(scene, SEEN);
      await expectShown(scene, ({ sources }) => {
        expect(sources[0]).toMatchObject({ ipv4: 2, feed: { state: "synced" } });
        const problem = expect.stringContaining("10.9.9.9");
        expect(sources[1]).toMatchObject({ ipv4: 0, feed: { problem } });
      });
    });
  });

  test("killed: its data counts until it expires, and it goes on when it is back", async () => {
    await withLab("stayrtr killed", async (lab) => {
      const cache = new StayRtr(lab.node("cache"), ROAS);
      const scene = await setRpkiScene(lab, () => ({
        caches: [{ address: cache.address, port: cache.port }],
      }));
      await cache.start();
      await startScene(scene);
      await expectSeen(scene, SEEN);
      await cache.kill();
      await expectShown(scene, ({ sources: [source] }) => {
        expect(source).toMatchObject({ counts: true, feed: { state: "idle" } });
        expect(source).toMatchObject({ feed: { problem: expect.stringMatching(/./) } });
        expect(source!.expires_ms).toBeGreaterThan(Date.now());
      });
      await expectSeen(scene, SEEN);
      // It is another session with other data: all of it replaces what there was.
      writeRoas(cache.file, ROAS.slice(1));
      await cache.start();
      await expectSeen(scene, { ...SEEN, "192.0.2.0/24": "not-found" });
    });
  });

  test("two caches: one stands in for the other", async () => {
    await withLab("stayrtr twice", async (lab) => {
      const first = new StayRtr(lab.node("first"), ROAS);
      const second = new StayRtr(lab.node("second"), []);
      const scene = await setRpkiScene(lab, () => ({
        caches: [
          { address: second.address, port: second.port, preference: 2 },
          { address: first.address, port: first.port, preference: 1 },
        ],
      }));
      await second.start();
      await startScene(scene);
      const all = Object.fromEntries(
        [
          "192.0.2.0/24",
          "198.51.100.0/24",
          "203.0.113.0/24",
          "2001:db8:1::/48",
          "2001:db8:2::/48",
        ].map((prefix) => [prefix, "not-found" as const]),
      );
      await expectSeen(scene, all);
      await first.start();
      await expectSeen(scene, SEEN);
      await expectShown(scene, ({ sources }) => {
        expect(sources.map(({ counts }) => counts)).toEqual([false, true]);
      });
    });
  });
});
