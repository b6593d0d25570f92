/** Whom a claim of the role makes heirs. */
import { expect, test } from "vitest";
import { claim, type Word } from "../src/word.ts";

const WORD: Word = {
  ...{ epoch: 3, active: "a", standbys: ["b"], heirs: ["c"], holder: "x 1", isGiven: false },
};

test.each<[string, Word, string, boolean, string[]]>([
  ["all others", WORD, "b", true, ["c"]],
  ["those of one that was given the role", { ...WORD, isGiven: true }, "b", true, ["c"]],
  ["not the one that did not take what it was given", { ...WORD, isGiven: true }, "a", true, ["c"]],
  ["nobody, without the state", WORD, "d", false, []],
])("a claim makes heirs of %s", (_, word, side, hasState, heirs) => {
  const { epoch, active, standbys, heirs: found } = claim(word, side, "y 1", hasState);
  expect([epoch, active, standbys, found]).toEqual([4, side, [], heirs]);
});
