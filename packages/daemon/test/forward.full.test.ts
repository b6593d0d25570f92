/** A table of 100,000 routes in a kernel: none is touched that does not change. */
import { describe, test } from "vitest";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { tellForwardStory } from "./support/forward-story.ts";

const reason = enterOwnNetwork();

describe.skipIf(reason !== null)(`a module${reason === null ? "" : ` (${reason})`}`, () => {
  test("has 100,000 routes stay where they are, and packets go on", async () => {
    await tellForwardStory(100_000);
  });
});
