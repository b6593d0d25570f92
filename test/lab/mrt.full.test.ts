/** MRT files as Debian's bgpdump and this project's own reader understand them. */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { bgpdump, routeText, withoutLarge } from "./bgpdump.ts";
import {
  type FeedsScene,
  routesOf,
  setFeedsScene,
  startFeedsScene,
  WAIT_MS,
} from "./feeds-scene.ts";
import { labAvailable } from "./install.ts";
import { type LabNode, withLab } from "./netns.ts";
import { speakerAvailable } from "./speaker.ts";
import { until } from "./until.ts";

const MAIN = fileURLToPath(new URL("../../packages/cli/bin/tsbgp.mjs", import.meta.url));
const REASON = speakerAvailable() ?? labAvailable();

describe.skipIf(REASON !== null)(`MRT${REASON === null ? "" : ` (${REASON})`}`, () => {
  test("dumps have the tables that the speaker has, files of updates what was sent", async () => {
    await withLab("mrt", async (lab) => {
      const dirOf = ({ directory }: LabNode) => join(directory, "mrt");
      const scene = setFeedsScene(
        lab,
        (node) => `mrt: { dir: ${dirOf(node)}, tables-every: 3, updates-every: 2, compress: zstd }`,
      );
      const { speaker, source, node, neighbors } = scene;
      const dir = dirOf(node);
      mkdirSync(dir);
      await startFeedsScene(scene);

      for (const [view, end, ...flag] of [
        ["--received", "zst"],
        ["--accepted", "gz", "--accepted"],
      ] as const) {
        const file = join(node.directory, `routes${view}.mrt.${end}`);
        const { code, stderr } = await speaker.cli(["dump", file, ...flag]);
        expect([code, stderr]).toEqual([0, ""]);
        const lines = await bgpdump(node, file);
        for (const { address } of neighbors) {
          const shown = await routesOf(speaker, ["--neighbor", address, view]);
          const dumped = lines.filter((line) => line[3] === address).map(routeText);
          expect([address, dumped.sort()]).toEqual([address, shown.map(withoutLarge)]);
        }
      }
      await expectSameInjected(scene, join(node.directory, "routes--received.mrt.zst"));

      const complete = (kind: string) =>
        readdirSync(dir).filter((name) => name.startsWith(kind) && name.endsWith(".zst"));
      await until(() => complete("rib").length > 0, WAIT_MS, "a dump is there");
      const updates = async () => {
        const lines: string[][] = [];
        for (const name of complete("updates").sort()) {
          lines.push(...(await bgpdump(node, join(dir, name))));
        }
        return lines.map(([type, , what, address, , prefix]) =>
          [type, what, address, prefix].join(" "),
        );
      };
      const wanted = [
        `BGP4MP_ET A ${source.spec.routerId} 192.0.2.0/24`,
        `BGP4MP_ET A ${source.spec.sessions[1]!.localAddress} 2001:db8:1::/48`,
      ];
      const areThere = async () => {
        expect(await updates()).toEqual(expect.arrayContaining(wanted));
        return true;
      };
      await until(areThere, WAIT_MS, "what was sent is in the files");
      const shown = await speaker.cli(["show", "feeds", "--json"]);
      expect(shown.json).toMatchObject({ mrt: { dir, missed: 0, problem: null } });

      const again = await speaker.cli(["dump", join(node.directory, "routes--received.mrt.zst")]);
      expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("is there already")]);
      // Without the folder nothing can be written; BGP goes on, and says why.
      expect((await speaker.cli(["dump", "/nowhere/x.mrt"])).stderr).toContain("ENOENT");
      expect((await speaker.neighbor(source.spec.routerId)).state).toBe("established");
    });
  });
});

/** What `tsbgp inject` reads in a dump of a neighbor's routes is what that neighbor sent. */
async function expectSameInjected(scene: FeedsScene, file: string): Promise<void> {
  const { speaker, source, node, replay } = scene;
  const from = source.spec.routerId;
  const inject = ["inject", node.address4, "--mrt", file, "--peer", from, "--keep-next-hop"];
  const replaying = replay.spawn([process.execPath, MAIN, ...inject]);
  const all = ["--neighbor", from, "--received"];
  const wanted = await routesOf(speaker, all);
  const areThere = async () => {
    const replayed = await routesOf(speaker, ["--neighbor", replay.address4, "--received"]);
    expect(replayed).toEqual(wanted);
    return true;
  };
  await until(areThere, WAIT_MS, "the dump is announced");
  await replaying.stop();
}
