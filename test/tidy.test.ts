/** The rules of the code that neither compiler nor linter holds. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A package imports packages before it in this order, and no others. */
const ORDER = [
  "wire-codec",
  "feeds-codec",
  "fsm",
  "bfd",
  "rib",
  "rpki",
  "policy",
  "config",
  "router",
  "views",
  "pair",
  "replication",
  "follow",
  "inject",
  "takeover",
  "forward",
  "feeds",
  "speaker",
  "nsr",
  "web",
  "daemon",
  "cli",
] as const;

/** Packages that compute only: time, chance and the outside world are handed to them as values. */
const PURE = new Set<string>([
  "wire-codec",
  "feeds-codec",
  "fsm",
  "bfd",
  "rib",
  "rpki",
  "policy",
  "config",
  "router",
  "views",
  "pair",
  "replication",
  "follow",
]);
const IMPURE =
  /from "node:|\b(Date\.now|new Date\(\)|performance\.|Math\.random|setTimeout|setInterval|setImmediate|process\.|Buffer\.|console\.)/;
const LINES_MAX = 500;
const OWN_LIMIT = /\{ (testTimeout|hookTimeout|timeout|retry): |^ *\}, \d\d_000\);$/m;

interface Source {
  readonly file: string;
  readonly package: string;
  readonly text: string;
}

function sourcesOf(name: string): Source[] {
  // What runs in a browser stands apart.
  return ["src", ...(name === "web" ? ["page"] : [])].flatMap((folder) =>
    readdirSync(`${ROOT}packages/${name}/${folder}`, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.tsx?$/.test(file))
      .map((file) => `packages/${name}/${folder}/${file}`)
      .map((file) => ({ file, package: name, text: readFileSync(ROOT + file, "utf8") })),
  );
}

const sources = ORDER.flatMap(sourcesOf);

function filesBelow(folder: string): string[] {
  return readdirSync(ROOT + folder, { recursive: true, encoding: "utf8" })
    .filter(
      (file) => /\.(tsx?|css|mjs|md|ya?ml|json)$/.test(file) && !file.includes("node_modules"),
    )
    .map((file) => `${folder}/${file}`);
}

/** @returns what a package lets others import */
function doorsOf(name: string): string[] {
  const text = readFileSync(`${ROOT}packages/${name}/package.json`, "utf8");
  const { exports } = JSON.parse(text) as { exports: string | Record<string, string> };
  return typeof exports === "string" ? ["."] : Object.keys(exports);
}

test("every package has its place in the order", () => {
  expect(readdirSync(`${ROOT}packages`).sort()).toEqual([...ORDER].sort());
});

test("tests have what they share from testkit and test/lab, and not from each other's packages", () => {
  const found: string[] = [];
  for (const file of ["packages", "test", "testkit", "bench", "chaos", "exchange", "soak"].flatMap(
    filesBelow,
  )) {
    if (!file.endsWith(".ts")) continue;
    const text = readFileSync(ROOT + file, "utf8");
    const [, own = ""] = /^packages\/([a-z-]+)\//.exec(file) ?? [];
    for (const [, from = ""] of text.matchAll(/from "(\.[^"]+)"/g)) {
      const [, other = own] = /^packages\/([a-z-]+)\/test\//.exec(join(dirname(file), from)) ?? [];
      if (other !== own) found.push(`${file}: ${from}`);
    }
  }
  expect(found).toEqual([]);
});

describe("a source file", () => {
  test.each(sources)("$file imports packages before its own, by their name", (source) => {
    for (const [, name = "", deep] of source.text.matchAll(/from "@ts-bgp\/([a-z-]+)([^"]*)"/g)) {
      const place = ORDER.indexOf(name as (typeof ORDER)[number]);
      expect(place, `imports ${name}`).toBeGreaterThanOrEqual(0);
      expect(place, `imports ${name}`).toBeLessThan(
        ORDER.indexOf(source.package as (typeof ORDER)[number]),
      );
      expect(doorsOf(name), `imports from inside ${name}`).toContain(`.${deep}`);
    }
    expect(source.text, "imports another package's files").not.toMatch(/from "\.\.\/\.\./);
  });

  test.each(sources)(`$file has at most ${LINES_MAX} lines`, ({ text }) => {
    expect(text.split("\n").length).toBeLessThanOrEqual(LINES_MAX);
  });

  test.each(sources.filter((source) => PURE.has(source.package)))(
    "$file reads no clock, socket or chance",
    ({ text }) => {
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      expect(code).not.toMatch(IMPURE);
    },
  );

  test.each(sources)("$file says at its top what it is for", ({ text }) => {
    expect(text.startsWith("/**") || /^(import|export)[\s\S]*?\n\n\/\*\*/.test(text)).toBe(true);
  });
});

test("nothing is left for later", () => {
  const marks = new RegExp(
    `\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`,
  );
  for (const file of [...filesBelow("packages"), ...filesBelow("test"), ...filesBelow("scripts")]) {
    expect(readFileSync(ROOT + file, "utf8"), file).not.toMatch(marks);
  }
});

/**
 * A limit that a busy machine cannot keep is a fault of the test: vitest.config.ts has one for all, and
 * what is waited for is waited for with `until`.
 */
test("no test has a time limit of its own", () => {
  const limited = ["packages", "test", "bench", "chaos"]
    .flatMap(filesBelow)
    .filter((file) => file.endsWith(".test.ts"))
    .filter((file) => OWN_LIMIT.test(readFileSync(ROOT + file, "utf8")));
  expect(limited).toEqual([]);
});

test("packages declare the packages they import, and no others", () => {
  for (const name of ORDER) {
    const manifest = JSON.parse(readFileSync(`${ROOT}packages/${name}/package.json`, "utf8"));
    const declared = Object.keys(manifest.dependencies ?? {});
    // What is bundled is needed while that is done.
    const bundled = Object.keys(manifest.devDependencies ?? {});
    const used = new Set<string>();
    for (const { text } of sources.filter((source) => source.package === name)) {
      for (const [, from = ""] of text.matchAll(
        /(?:from|import\()\s*"((?:@[^/"]+\/)?[a-z][^/"]*)/g,
      )) {
        used.add(from);
      }
    }
    expect(declared.sort(), name).toEqual(
      [...used].filter((from) => !from.startsWith("node:") && !bundled.includes(from)).sort(),
    );
  }
});
