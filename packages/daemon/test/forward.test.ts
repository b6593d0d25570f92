/** A pair's routes in a kernel, through everything that happens to servers, links and the module itself. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { MAIN } from "../../../testkit/speaker.ts";
import { tellForwardStory } from "./support/forward-story.ts";

const reason = enterOwnNetwork();

describe.skipIf(reason !== null)(`a module${reason === null ? "" : ` (${reason})`}`, () => {
  test("has 10,000 routes stay where they are, and packets go on", async () => {
    await tellForwardStory(10_000);
  });

  test("is not begun without the right to write them", () => {
    const directory = mkdtempSync(join(tmpdir(), "tsbgp-forward-"));
    const file = join(directory, "forward.yaml");
    const control = { socket: join(directory, "forward.sock") };
    writeFileSync(file, JSON.stringify({ servers: "/run/none.sock", forward: {}, control }));
    const words = ["--bounding-set", "-net_admin", process.execPath, MAIN, "forward", "-c", file];
    const { status, stderr } = spawnSync("setpriv", words, { encoding: "utf8" });
    rmSync(directory, { recursive: true });
    expect(stderr).toBe(
      "tsbgp: routes of the kernel are written with CAP_NET_ADMIN, which this process lacks\n",
    );
    expect(status).toBe(2);
  });
});
