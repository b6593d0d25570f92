/** Looks at all paths go on for as long as somebody listens, and no longer. */

import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { lookAgain } from "../src/looks.ts";
import { watchRejections } from "../src/rejections.ts";
import { PIECE_MS } from "../src/turns.ts";
import { watchValidation } from "../src/validation-changes.ts";

const WAIT_MS = 10_000;
const LOOK_MS = 5;

/** Resolves once somebody who began after all others has looked three times. */
async function othersHaveLooked(): Promise<void> {
  let looks = 0;
  function* look(): Generator<void, void> {
    looks++;
    yield;
  }
  const end = lookAgain(look, LOOK_MS);
  await until(() => looks > 3, WAIT_MS, "others look");
  end();
}

test.each([
  ["rejections", watchRejections],
  ["validation", watchValidation],
])("of %s: who listens for a moment only, again and again, makes no look", async (_, watch) => {
  const lab = new Lab(yamlOf("neighbors: []"));
  let looks = 0;
  const router = () => {
    looks++;
    return lab.router;
  };
  for (let n = 0; n < 1000; n++) watch(router, () => {}, LOOK_MS)();
  await othersHaveLooked();
  expect(looks).toBe(0);
});

test("a look that is under way ends with its listener", async () => {
  let steps = 0;
  function* look(): Generator<void, void> {
    for (;;) {
      // A step fills a turn: the next one comes in another.
      const endMs = performance.now() + PIECE_MS;
      while (performance.now() < endMs);
      steps++;
      yield;
    }
  }
  const end = lookAgain(look, LOOK_MS);
  await until(() => steps > 2, WAIT_MS, "it looks");
  end();
  const before = steps;
  await othersHaveLooked();
  expect(steps).toBe(before);
});

test("one that ends it by what it finds makes no other look", async () => {
  let looks = 0;
  const end = lookAgain(function* () {
    looks++;
    yield;
    end();
  }, LOOK_MS);
  await until(() => looks === 1, WAIT_MS, "it looks");
  await othersHaveLooked();
  expect(looks).toBe(1);
});
