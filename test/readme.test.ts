/** README and docs: the commands that there are, no others, and links that lead somewhere. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { MAIN } from "../testkit/speaker.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const text = (name: string) => readFileSync(join(ROOT, name), "utf8");
const README = text("README.md");
const DOCS = readdirSync(join(ROOT, "docs"))
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);
const FILES = ["README.md", ...DOCS];

describe("the table of commands", () => {
  const [, table = ""] = README.split("| command | |\n|---|---|\n");
  const cells = Array.from(
    table.split("\n\n")[0]!.matchAll(/^\| (.*?) \| /gm),
    ([, cell]) => cell!,
  );
  let help = "";
  /** As `tsbgp --help` has them. */
  let commands: string[] = [];
  beforeAll(() => {
    help = spawnSync(process.execPath, [MAIN, "--help"], { encoding: "utf8" }).stdout;
    // Arguments are in capitals, brackets, or one of several.
    const lines = help.matchAll(/^ {2}([a-z-]+( [a-z]+(?=\s))?)/gm);
    commands = Array.from(lines, ([, command]) => command!);
  });

  /** A cell may leave out the first word of all commands but the first: `show status`, `neighbors`. */
  function namedIn(cell: string): string[] {
    const items = Array.from(cell.matchAll(/`([^`]+)`/g), ([, item]) => item!);
    let verb = "";
    return items
      .filter((item) => !item.startsWith("-"))
      .map((item) => {
        const words = item.split(" ");
        const pair = words.slice(0, 2).join(" ");
        const found = [pair, words[0]!, `${verb} ${words[0]}`].find((one) =>
          commands.includes(one),
        );
        if (found === pair) verb = words[0]!;
        return found ?? item;
      });
  }

  test("has those that there are, each once", () => {
    const named = cells.flatMap(namedIn);
    expect(commands.length).toBeGreaterThan(25);
    expect(named.toSorted()).toEqual(commands.toSorted());
  });

  test("has options that there are", () => {
    for (const cell of cells) {
      for (const [option] of cell.matchAll(/--[a-z-]+/g)) expect(help, cell).toContain(option);
    }
  });
});

test("README names each file of docs", () => {
  for (const name of DOCS) expect(README).toContain(`(${name}`);
});

/** @returns what a heading is called in links */
function anchorOf(heading: string): string {
  const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
  return plain.replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

const anchorsOf = (name: string) =>
  new Set(Array.from(text(name).matchAll(/^#+ (.*)$/gm), ([, heading]) => anchorOf(heading!)));

test.each(FILES)("links of %s lead to what is there", (name) => {
  const prose = text(name).replace(/^```[\s\S]*?^```/gm, "");
  const wrong: string[] = [];
  for (const [, link = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? name : join(dirname(name), path);
    const isThere = existsSync(join(ROOT, target));
    const hasAnchor = anchor === undefined || (isThere && anchorsOf(target).has(anchor));
    if (!isThere || !hasAnchor) wrong.push(link);
  }
  expect(wrong).toEqual([]);
});
