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

describe.skipIf(reason !== null)(
  `a forwarding module${reason === null ? "" : ` (${reason})`}`,
  () => {
    test("10,000 routes stay where they are, and packets go on", async () => {
      await tellForwardStory(10_000);
    });
  },
);
