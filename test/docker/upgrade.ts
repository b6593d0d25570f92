/** The upgrade as docs/upgrade.md has it, and the way back: what clients see of it is nothing. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stepsOf } from "../versions/steps.ts";
import { versionPatch, writePatched } from "../versions/tree.ts";
import { type Check, ROUTES, upCounts } from "./checks.ts";
import { IMAGE, NEXT_IMAGE } from "./deployment.ts";
import { docker, parseImage } from "./engine.ts";
import type { Stage } from "./stage.ts";

const NEXT_VERSION = "9.8.7";

export const UPGRADE: Check = {
  name: "upgrade by the steps of docs/upgrade.md, and the way back",
  run: checkUpgrade,
};

/** An image of another tag, with a program in it that is another one to the other side, and puts out the same. */
export async function makeNextImage(): Promise<void> {
  const text = "tsbgp: a BGP speaker and route server";
  const other = { file: "packages/cli/src/main.ts", find: text, put: `${text}, another version` };
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-next-"));
  try {
    writePatched(folder, [other, versionPatch(NEXT_VERSION)]);
    writeFileSync(
      join(folder, "Dockerfile"),
      `FROM ${IMAGE}\nCOPY packages /opt/ts-bgp/packages\n`,
    );
    await docker(["build", "-q", "-t", NEXT_IMAGE, folder]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function checkUpgrade(stage: Stage): Promise<string> {
  const { deployment } = stage;
  const [, steps = ""] = stepsOf("Compose");
  const [a, b] = deployment.sides;
  const ups = await upCounts(stage);
  const versions: string[] = [];
  for (const image of [NEXT_IMAGE, IMAGE]) {
    // There rs-a is the active side.
    if ((await stage.active()) === b) await b!.tsbgp("switchover", "--wait");
    await stage.ready();
    const said = await deployment.shell(steps.replaceAll("ts-bgp:next", image));
    assert.match(said, /no session would end/, "what upgrade check says");
    await stage.ready();
    assert.equal(await stage.active(), a, "the active side");
    const { id } = parseImage(await docker(["image", "inspect", image]));
    for (const { name } of deployment.sides) {
      assert.equal((await deployment.inspect(name)).image, id, `image of ${name}`);
    }
    versions.push((await a!.tsbgp("--version")).trim());
    assert.deepEqual(await upCounts(stage), ups, "the sessions' own counts");
    await ROUTES.run(stage);
  }
  // The next `up` is to use what it would use in a clone.
  rmSync(deployment.path(".env"));
  return versions.join(", then ");
}
