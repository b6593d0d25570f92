/**
 * Dumps of what a neighbor was sent, with and without ADD-PATH, as Debian's bgpdump and this project's own reader
 * understand them; and where the disk is full.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ShownRoute } from "@ts-bgp/views";
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
import { withLab } from "./netns.ts";
import { speakerAvailable } from "./speaker.ts";
import { until } from "./until.ts";

const MAIN = fileURLToPath(new URL("../../packages/cli/bin/tsbgp.mjs", import.meta.url));
const REASON = speakerAvailable() ?? labAvailable();
const DISK_OCTETS = 16 << 20;

describe.skipIf(REASON !== null)(`MRT${REASON === null ? "" : ` (${REASON})`}`, () => {
  test.each([
    ["without", false],
    ["with", true],
  ])("a dump has what a neighbor was sent, %s ADD-PATH", async (_title, hasAddPath) => {
    await withLab("mrtout", async (lab) => {
      const scene = setFeedsScene(lab, () => "", hasAddPath);
      const { speaker, source, receiver, node } = scene;
      await startFeedsScene(scene);
      const dumped = async (address: string, name: string) => {
        const file = join(node.directory, name);
        const { code, stdout, stderr } = await speaker.cli(["dump", file, "--advertised", address]);
        expect([code, stderr]).toEqual([0, ""]);
        return { file, stdout };
      };
      // Another source of the same routes.
      const { routerId } = source.spec;
      const all = join(node.directory, "all.mrt");
      expect((await speaker.cli(["dump", all])).code).toBe(0);
      const first = inject(scene, all, routerId);
      const address = receiver.spec.sessions[0]!.localAddress;
      const sent = () => routesOf(speaker, ["--neighbor", address, "--advertised"]);
      const paths = hasAddPath ? 4 : 2;
      await until(async () => (await sent()).length === paths, WAIT_MS, "all paths are sent");

      const shown = await sent();
      const { file, stdout } = await dumped(address, "sent.mrt");
      expect(stdout).toContain(`${paths} routes of 2 prefixes`);
      const lines = await bgpdump(scene.node, file);
      // Behind the prefix there is the path identifier.
      const ids = lines.map((line) => (hasAddPath ? line.splice(6, 1) : ["0"])[0]);
      expect(ids.includes("0")).toBe(!hasAddPath);
      expect(lines.map(routeText).sort()).toEqual(shown.map(withoutLarge));
      expect(lines.map(([, , , peer]) => peer)).toEqual(shown.map(() => address));
      await first.stop();

      // Of IPv6, whose next hop stands in another attribute.
      const address6 = receiver.spec.sessions[1]!.localAddress;
      const six = await bgpdump(scene.node, (await dumped(address6, "sent6.mrt.gz")).file);
      if (hasAddPath) for (const line of six) line.splice(6, 1);
      const shown6 = await routesOf(speaker, ["--neighbor", address6, "--advertised"]);
      expect(six.map(routeText)).toEqual(shown6.map(withoutLarge));

      const second = inject(scene, file, address);
      const areThere = async () => {
        const { address4 } = scene.replay;
        const { json } = await speaker.cli([
          "show",
          "routes",
          "--neighbor",
          address4,
          "--received",
          "--json",
        ]);
        const received = (json as ShownRoute[]).length;
        expect(received).toBe(paths);
        expect(await routesOf(speaker, ["--neighbor", address4, "--received"])).toEqual(shown);
        return true;
      };
      await until(areThere, WAIT_MS, "the dump is announced");
      await second.stop();

      const nobody = join(node.directory, "nobody.mrt");
      expect(
        await speaker.cli(["dump", nobody, "--advertised", scene.replay.address4]),
      ).toMatchObject({ code: 1, stderr: expect.stringContaining("has no session") });
      expect(await speaker.cli(["dump", nobody, "--advertised", "192.0.2.99"])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("192.0.2.99"),
      });
    });
  });

  test("there is a file for each neighbor at times, and a full disk is survived", async () => {
    await withLab("mrtfull", async (lab) => {
      let dir = "";
      const scene = setFeedsScene(lab, ({ directory }, neighbors) => {
        dir = join(directory, "mrt");
        const [, , ...receivers] = neighbors.map(({ address }) => address);
        const advertised = JSON.stringify([...receivers, neighbors[0]!.address]);
        return `mrt: { dir: ${dir}, tables-every: 1, updates-every: 0, compress: none, advertised: ${advertised} }`;
      });
      const { speaker, receiver } = scene;
      mkdirSync(dir);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "none", dir]);
      try {
        await startFeedsScene(scene);
        const problem = async () => {
          const { json } = await speaker.cli(["show", "feeds", "--json"]);
          return (json as { mrt: { problem: string | null } }).mrt.problem;
        };
        const filler = join(dir, "filler");
        expect(() => writeFileSync(filler, new Uint8Array(DISK_OCTETS + 1))).toThrow("ENOSPC");
        const isFull = async () => (await problem())?.includes("ENOSPC") ?? false;
        await until(isFull, WAIT_MS, "it is said that the disk is full");
        const { localAddress: address } = receiver.spec.sessions[0]!;
        expect((await speaker.neighbor(address)).state).toBe("established");

        rmSync(filler);
        const before = new Set(readdirSync(dir));
        const news = (begin: string) =>
          readdirSync(dir).filter((name) => name.startsWith(begin) && !before.has(name));
        for (const { localAddress } of receiver.spec.sessions) {
          const begin = `rib-out.${localAddress.replaceAll(":", "-")}.2`;
          const found = () => news(begin).find((name) => !name.endsWith(".part")) ?? null;
          const name = await until(found, WAIT_MS, `there is a dump for ${localAddress}`);
          const lines = await bgpdump(scene.node, join(dir, name));
          const shown = await routesOf(speaker, ["--neighbor", localAddress, "--advertised"]);
          expect(shown.length).toBeGreaterThan(0);
          expect(lines.map(routeText).sort()).toEqual(shown.map(withoutLarge));
        }
        await until(
          async () => (await problem()) === null,
          WAIT_MS,
          "there is no problem any more",
        );
        // What was not complete is there no more.
        const isClean = () =>
          [...before].every((name) => !name.endsWith(".part") || !readdirSync(dir).includes(name));
        await until(isClean, WAIT_MS, "parts are gone");
      } finally {
        execFileSync("umount", ["--lazy", dir]);
      }
    });
  });
});

function inject({ node, replay }: FeedsScene, file: string, peer: string) {
  const words = ["--mrt", file, "--peer", peer, "--as", "65001", "--keep-next-hop", "--add-path"];
  return replay.spawn([process.execPath, MAIN, "inject", node.address4, ...words]);
}
