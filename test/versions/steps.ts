/** Commands that stand in docs/upgrade.md, for tests to run. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(new URL("../../docs/upgrade.md", import.meta.url));

/** @returns the blocks of shell below a heading, in their order; throws when there are none */
export function stepsOf(heading: string): string[] {
  const [, text = ""] = readFileSync(FILE, "utf8").split(`\n## ${heading}\n`);
  const [section = ""] = text.split(/^## /m);
  const blocks = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block);
  if (blocks.length === 0) throw new Error(`docs/upgrade.md has no steps below ${heading}`);
  return blocks;
}

/** @returns the text with two words in each other's place */
export function swapped(text: string, one: string, other: string): string {
  const mark = "\0";
  return text.replaceAll(other, mark).replaceAll(one, other).replaceAll(mark, one);
}
