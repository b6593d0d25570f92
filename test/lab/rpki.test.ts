/** Origin validation by a file, as a client of a route server sees it. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { labAvailable } from "./install.ts";
import { withLab } from "./netns.ts";
import {
  expectSeen,
  expectShown,
  ROAS,
  SEEN,
  SOURCE_AS,
  setRpkiScene,
  startScene,
  writeRoas,
} from "./rpki-scene.ts";
import { speakerAvailable } from "./speaker.ts";

const REASON = speakerAvailable() ?? labAvailable();

describe.skipIf(REASON !== null)(
  `origin validation${REASON === null ? "" : ` (${REASON})`}`,
  () => {
    test("routes come and go with the file of ROAs, and peers are asked for nothing", async () => {
      await withLab("rpki", async (lab) => {
        let file = "";
        const scene = await setRpkiScene(lab, (node) => {
          file = join(node.directory, "roas.json");
          return { files: [file], "start-limit": 300 };
        });
        // Without the file nothing is taken from anybody.
        await startScene(scene);
        const { speaker, source } = scene;
        const from = source.spec.sessions[0]!.localAddress;
        const to = source.spec.sessions[0]!.peerAddress;
        await expectShown(scene, ({ start_gate, sources }) => {
          expect(start_gate.state).toBe("closed");
          expect(sources[0]).toMatchObject({ feed: { problem: "there is no such file" } });
        });
        await expectSeen(scene, {});
        writeRoas(file, ROAS);
        await expectSeen(scene, SEEN);
        const explained = await speaker.cli(["explain", "import", "198.51.100.0/24", from]);
        expect(explained.stdout).toContain(
          "invalid: of origin AS 64999, covered by 198.51.100.0/22-22 AS64999",
        );
        const updates = (await source.session(to)).updatesReceived;

        writeRoas(file, [
          { prefix: "192.0.2.0/24", asn: 64997 },
          { prefix: "198.51.100.0/22", asn: 64999, maxLength: 24 },
          { prefix: "203.0.113.0/24", asn: 0 },
        ]);
        await expectSeen(scene, {
          "198.51.100.0/24": "valid",
          "2001:db8:1::/48": "not-found",
          "2001:db8:2::/48": "not-found",
        });
        // 64998 has another provider than the client that announces its route.
        writeRoas(file, ROAS, { 64998: [65009] });
        const { "203.0.113.0/24": leaked, ...rest } = SEEN;
        expect(leaked).toBe("not-found");
        await expectSeen(scene, rest);
        const leak = await speaker.cli(["explain", "import", "203.0.113.0/24", from]);
        expect(leak.stdout).toContain(
          `its path is invalid by ASPAs, by role rs: AS ${SOURCE_AS} is no provider of AS 64998`,
        );
        // What it cannot read changes nothing, and is said.
        writeRoas(file, [{ prefix: "192.0.2.1/24", asn: SOURCE_AS }]);
        await expectShown(scene, ({ sources }) => {
          const problem = 'line 1: "192.0.2.1/24" has bits behind its length';
          expect(sources[0]).toMatchObject({ ipv4: 2, aspas: 1, feed: { problem } });
        });
        writeRoas(file, ROAS);
        await expectSeen(scene, SEEN);

        const shown = await speaker.cli(["show", "rpki"]);
        expect(shown.stdout).toMatch(/open: data is there[\s\S]*2 IPv4, 1 IPv6/);
        const rejected = await speaker.cli(["show", "routes", "--neighbor", from, "--rejected"]);
        expect(rejected.stdout).toMatch(
          /198\.51\.100\.0\/24.*rpki invalid {2}aspa unknown {2}rejected by policy/,
        );
        // Its routes were not asked for again, and its session is the first one.
        expect(await source.session(to)).toMatchObject({ upCount: 1, updatesReceived: updates });
        expect((await speaker.neighbor(from)).established).toBe(1);
        const sent = await speaker.cli(["show", "neighbor", from, "--json"]);
        expect(sent.json).toMatchObject({ messages: { sent: { route_refresh: 0 } } });
      });
    });
  },
);
