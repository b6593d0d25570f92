import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { PrefixSet, prefixCounts } from "@ts-bgp/policy";
import { FAMILY } from "@ts-bgp/wire-codec";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConfigFileError, readConfigFile, readConfigFileApart } from "../src/config-file.ts";
import { readRegularFile } from "../src/regular-file.ts";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "config-files-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

const HEAD = "router: { as: 64500, id: 192.0.2.1 }\n";

let written = 0;

/** Writes files into a folder of their own, the first of which is the configuration. */
function write(files: Readonly<Record<string, string>>): string {
  const root = join(folder, String(++written));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return join(root, Object.keys(files)[0]!);
}

/** @returns mistakes, with the paths of files relative to the configuration's folder */
function mistakesOf(file: string): string[] {
  try {
    readConfigFile(file);
    return [];
  } catch (error) {
    const { lines } = error as ConfigFileError;
    return lines.map((line) => line.replaceAll(`${dirname(file)}/`, ""));
  }
}

/** Does something that root may do and others may not: as root, with the rights of nobody. */
function asNobody<T>(act: () => T): T {
  if (process.getuid!() !== 0) return act();
  chmodSync(folder, 0o755);
  process.seteuid!(65534);
  try {
    return act();
  } finally {
    process.seteuid!(0);
  }
}

describe("a path that leads to no file", () => {
  const pipe = () => {
    const place = join(folder, `pipe${++written}`);
    execFileSync("mkfifo", [place]);
    return place;
  };

  test.each([
    ["a pipe", pipe, "it is no regular file"],
    ["a device", () => "/dev/zero", "it is no regular file"],
    ["a directory", () => folder, "it is a directory"],
    ["nothing", () => join(folder, "none"), "no such file"],
  ])("is refused at once: %s", async (_what, place, why) => {
    const file = place();
    const message = `cannot read ${file}: ${why}`;
    expect(() => readConfigFile(file)).toThrow(message);
    await expect(readConfigFileApart(file)).rejects.toThrow(message);
    const named = write({
      "a.yaml": `${HEAD}include: ${file}\nprefix-lists: { x: { file: ${file} } }`,
    });
    expect(mistakesOf(named)).toEqual([expect.stringContaining(why), expect.stringContaining(why)]);
  });

  test("so is a long one, and the kernel's own files are read", () => {
    const file = write({ "a.yaml": "x".repeat(2 << 20) });
    expect(() => readRegularFile(file, 1 << 20)).toThrow("it is longer than 1 MiB");
    expect(readRegularFile(file, 2 << 20)).toBe("x".repeat(2 << 20));
    expect(readRegularFile("/proc/self/stat")).toMatch(/^\d+ /);
  });
});

describe("files that a configuration includes", () => {
  const MEMBER = `
neighbors: [{ address: 192.0.2.11, as: 64501, group: clients, import: as64501 }]
policies:
  as64501:
    - { if: { prefix: as64501 }, then: accept }
prefix-lists:
  as64501: { file: as64501.txt }
`;
  const FILES = {
    "ts-bgp.yaml": `${HEAD}include: [groups.yaml, "members/*.yaml"]\nneighbors: [{ address: 192.0.2.9, as: 9 }]`,
    "groups.yaml": "include: more/out.yaml\ngroups: { clients: { export: out } }",
    "more/out.yaml": "policies: { out: [{ then: accept }] }",
    "members/as64501.yaml": MEMBER,
    "members/as64501.txt": "198.51.100.0/24\n",
    "members/as64502.yaml": "neighbors:\n  - { address: 192.0.2.12, as: 64502, group: clients }",
    "members/as64503.yaml": "# nothing yet\n",
  };

  test("are one with it", () => {
    const file = write(FILES);
    const { config, warnings } = readConfigFile(file);
    const { neighbors, policies, prefixLists } = config;
    expect(neighbors.map(({ address, export: chain }) => [address, ...chain])).toEqual([
      ["192.0.2.9"],
      ["192.0.2.11", "out"],
      ["192.0.2.12", "out"],
    ]);
    expect(Object.keys(policies)).toEqual(["out", "as64501"]);
    expect(prefixLists).toEqual({ as64501: Uint32Array.of(0x181818, 0xc6336400) });
    const root = dirname(file);
    expect(neighbors[2]!.source).toEqual({ file: `${root}/members/as64502.yaml`, line: 2 });
    expect(policies["as64501"]!.rules[0]!.source).toEqual({
      file: `${root}/members/as64501.yaml`,
      line: 5,
    });
    expect(warnings.map((line) => line.replaceAll(`${root}/`, ""))).toEqual([
      expect.stringMatching(/^ts-bgp.yaml:3:13: neighbor 192.0.2.9 has no import and no export/),
      expect.stringMatching(/^members\/as64502.yaml:2:5: neighbor 192.0.2.12 has no import/),
    ]);
  });

  test("are read where the speaker reads its file while it runs", async () => {
    const file = write(FILES);
    const { config } = await readConfigFileApart(file);
    expect(config).toEqual(readConfigFile(file).config);
  });

  test("are named relative to the file that is given", () => {
    const file = write({ ...FILES, "more/out.yaml": "policies: { out: 7 }" });
    const given = relative(process.cwd(), file);
    expect(mistakesOf(given)).toContain(
      'more/out.yaml:1:18: "out" must be a list of rules, or a section with default and rules, not 7',
    );
  });

  test("have their mistakes with their own file, line and column", () => {
    const file = write({
      ...FILES,
      "groups.yaml": "router: { as: 1, id: 192.0.2.1 }\ngroups: { clients: { exprot: out } }",
      "members/as64502.yaml":
        "neighbors:\n  - { address: 192.0.2.11, as: 64502 }\n  - { address: 192.0.2.300, as: 1 }\n" +
        "polices: {}\npolicies: { as64501: [] }\nprefix-lists: []\n",
      "members/as64503.yaml": "neighbors: [\n",
      "members/as64504.yaml": "- neighbors\n",
    });
    const root = dirname(file);
    expect(mistakesOf(file)).toEqual([
      'groups.yaml:1:1: "router" belongs to ts-bgp.yaml, which includes this file',
      'groups.yaml:2:22: unknown key "exprot", did you mean "export"?',
      "members/as64502.yaml:2:16: neighbor 192.0.2.11 appears twice, " +
        "first in members/as64501.yaml, line 2",
      'members/as64502.yaml:3:16: "192.0.2.300" is not an IP address',
      'members/as64502.yaml:4:1: unknown key "polices", did you mean "policies"?',
      'members/as64502.yaml:5:13: "as64501" appears twice, first in members/as64501.yaml, line 4',
      'members/as64502.yaml:6:15: "prefix-lists" must be a section of named prefix lists',
      expect.stringMatching(/^members\/as64503.yaml:2:1: .*flow/i),
      "members/as64504.yaml:1:1: the file is not a section with keys of a configuration",
    ]);
    expect(root).not.toBe("");
  });

  test("that are not there, or cannot be read, are a mistake where they are named", () => {
    const file = write({
      "ts-bgp.yaml": `${HEAD}include: [nowhere.yaml, sub.yaml, folder]`,
      "sub.yaml": "include: [\n  sub/gone.yaml, 7 ]",
      "folder/file": "",
    });
    expect(mistakesOf(file)).toEqual([
      "ts-bgp.yaml:2:11: cannot read nowhere.yaml: no such file",
      "ts-bgp.yaml:2:35: cannot read folder: it is a directory",
      'sub.yaml:1:10: "include" must be the path of a file, or a list of paths',
      "sub.yaml:2:3: cannot read sub/gone.yaml: no such file",
    ]);
  });

  test("may be readable for others alone", () => {
    const file = write({ "ts-bgp.yaml": `${HEAD}include: closed.yaml`, "closed.yaml": "" });
    chmodSync(join(dirname(file), "closed.yaml"), 0);
    expect(asNobody(() => mistakesOf(file))).toEqual([
      "ts-bgp.yaml:2:10: cannot read closed.yaml: permission denied",
    ]);
  });

  test("may be none, for a pattern, which is a warning", () => {
    const file = write({ "ts-bgp.yaml": `${HEAD}include: "members/*.yaml"\nneighbors: []` });
    expect(readConfigFile(file).warnings.map((line) => line.slice(dirname(file).length))).toEqual([
      "/ts-bgp.yaml:2:10: no file is like members/*.yaml",
      "/ts-bgp.yaml:3:1: no neighbors",
    ]);
  });

  test("do not include themselves", () => {
    const file = write({
      "ts-bgp.yaml": `${HEAD}include: [a.yaml, "./ts-bgp.yaml", b.yaml]`,
      "a.yaml": "include: b.yaml",
      "b.yaml": "include: [x/../a.yaml, b.yaml]",
    });
    expect(mistakesOf(file)).toEqual([
      "ts-bgp.yaml:2:19: ts-bgp.yaml includes itself",
      "ts-bgp.yaml:2:36: b.yaml is included twice, first in a.yaml, line 1",
      "b.yaml:1:11: a.yaml includes itself, by way of b.yaml",
      "b.yaml:1:24: b.yaml includes itself",
    ]);
    symlinkSync(".", join(dirname(file), "again"));
    writeFileSync(file, `${HEAD}include: a.yaml`);
    writeFileSync(join(dirname(file), "a.yaml"), "include: again/a.yaml");
    expect(mistakesOf(file)).toEqual([expect.stringMatching(/a.yaml is included too deeply$/)]);
  });
});

describe("lists in files", () => {
  const listOf = (text: string, files: Readonly<Record<string, string>>) =>
    write({ "ts-bgp.yaml": `${HEAD}neighbors: []\n${text}`, ...files });

  test("may be as bgpq4 writes them", () => {
    const file = listOf(
      "prefix-lists: { one: { file: [v4.json, v6.json] }, all: { file: 'v*.json' } }\n" +
        "as-lists: { origins: { file: as.json, entries: [7-8] } }",
      {
        "v4.json":
          '{ "NN": [\n    { "prefix": "10.0.0.0\\/8", "exact": false,\n      "greater-equal": 16, "less-equal": 24 },\n' +
          '    { "prefix": "192.0.2.0\\/24", "exact": true }\n] }\n',
        "v6.json":
          '{ "NN": [\n    { "prefix": "2001:db8::\\/32", "exact": false, "less-equal": 48 }\n] }\n',
        "as.json": '{"NN": [\n  64501,64502,\n  65536\n]}\n',
      },
    );
    const { prefixLists, asLists } = readConfigFile(file).config;
    expect(prefixLists["one"]).toEqual(prefixLists["all"]);
    const set = new PrefixSet(prefixLists["one"]!);
    const has = (w0: number, bits: number) => set.has(FAMILY.IPV4_UNICAST, w0, 0, 0, 0, bits);
    expect([has(0x0a000000, 8), has(0x0a010000, 16), has(0x0a010100, 24)]).toEqual([
      false,
      true,
      true,
    ]);
    expect([has(0xc0000200, 24), has(0xc0000200, 25)]).toEqual([true, false]);
    expect(set.has(FAMILY.IPV6_UNICAST, 0x20010db8, 0x10000, 0, 0, 48)).toBe(true);
    expect(asLists["origins"]).toEqual(Uint32Array.of(7, 8, 64501, 64502, 65536, 65536));
  });

  test("have their mistakes with file, line and column", () => {
    const huge = "1".repeat(5_000_000);
    const file = listOf(
      "prefix-lists:\n  one: { file: lines.txt }\n  two: { file: [items.json, broken.json] }\n" +
        "  three: { file: [gone.txt, 'gone-*.txt', folder] }\n  four: { file: list.json }",
      {
        "lines.txt": `# comment\n 10.0.0.0/8 le 7\r\n10.0.0.1/8 # here\n${huge}\n`,
        "items.json":
          '{ "one": [\n  { "prefix": "10.0.0.0\\/33", "exact": true },\n { "a\\\\": "}]" }, 7\n],\n' +
          '"two": [{ "prefix": "192.0.2.0/24", "less-equal": "x" }] }',
        "broken.json": '{ "NN": [\n  { "prefix": "10.0.0.0/8", }\n] }',
        "list.json": "[7]",
        "folder/file": "",
      },
    );
    expect(mistakesOf(file)).toEqual([
      "ts-bgp.yaml:6:19: cannot read gone.txt: no such file",
      "ts-bgp.yaml:6:29: no file is like gone-*.txt",
      "ts-bgp.yaml:6:43: cannot read folder: it is a directory",
      expect.stringMatching(/^broken.json:2:29: this is no JSON: /),
      'items.json:2:3: "10.0.0.0/33" is not a prefix',
      'items.json:3:2: an entry is { "prefix": ... } or a number',
      'items.json:3:19: "7" is not a prefix: the length is missing',
      'items.json:5:9: "le x" after a prefix is not "ge N", "le N" or "ge N le N"',
      "lines.txt:2:2: le 7 is below the prefix length 8",
      'lines.txt:3:1: 10.0.0.1/8 has host bits set; meant "10.0.0.0/8"?',
      `lines.txt:4:1: "${"1".repeat(40)}..." is not an entry: it has 5000000 characters`,
      'list.json:1:1: the file is not like that of bgpq4 -j: { "NAME": [ ... ] }',
    ]);
  });

  test("are packed: 100,000 entries take about a megabyte", () => {
    const entries = Array.from(
      { length: 100_000 },
      (_, k) => `${(k >> 16) + 1}.${(k >> 8) & 255}.${k & 255}.0/24`,
    );
    const file = listOf("prefix-lists: { all: { file: all.txt } }", {
      "all.txt": entries.join("\n"),
    });
    const list = readConfigFile(file).config.prefixLists["all"]!;
    expect((list as Uint32Array).byteLength).toBe(800_000);
    expect(prefixCounts(list)).toEqual([100_000, 0]);
  });
});
