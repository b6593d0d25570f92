/** `tsbgp check` as a process. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linesOf, tsbgp } from "./support/tsbgp.ts";

const CONFIGS = join(import.meta.dirname, "../../../configs");
const BROKEN = join(import.meta.dirname, "../../../test/broken");
const folder = mkdtempSync(join(tmpdir(), "tsbgp-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const yamlFiles = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.ya?ml$/.test(name),
  );

/** Lines of expected.txt by the file whose name stands above them. */
function expectedMistakes(): Map<string, string[]> {
  const mistakes = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of linesOf(readFileSync(join(BROKEN, "expected.txt"), "utf8"))) {
    if (line.startsWith("# ")) {
      lines = [];
      mistakes.set(line.slice(2), lines);
    } else lines.push(line);
  }
  return mistakes;
}

/** Those that are no parts of others. */
const configs = readdirSync(CONFIGS).filter((name) => name.endsWith(".yaml"));

beforeAll(async () => {
  cpSync(CONFIGS, folder, { recursive: true });
  // Beside its certificates, where it has any, and whatever this host has in /run.
  for (const name of configs) {
    write(name, readFileSync(join(CONFIGS, name), "utf8").replaceAll("/run/ts-bgp/", `${folder}/`));
  }
  expect((await tsbgp(["keys", join(folder, "keys"), "--cluster", "rs1"])).code).toBe(0);
  const mirrors = ["--cluster", "rs1-mirrors", "--side", "m1"];
  expect((await tsbgp(["keys", join(folder, "mirror-keys"), ...mirrors])).code).toBe(0);
  const members = ["--cluster", "cluster", "--side", "a", "--side", "b"];
  expect((await tsbgp(["keys", join(folder, "cluster-keys"), ...members])).code).toBe(0);
});

describe.concurrent("a file of configs/", () => {
  test.each(configs)("%s is right, without a warning", async (name) => {
    const { code, stdout, stderr } = await tsbgp(["check", "-c", join(folder, name)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const what = /is right: (\d+ (neighbors|pairs|servers, table \d+)|a mirror of rs1-mirrors)\n$/;
    expect(stdout).toMatch(what);
    expect(linesOf(stdout)).toHaveLength(1);
  });
});

describe.concurrent("a broken file", () => {
  test.each([...expectedMistakes()])(
    "%s is explained line by line: exit 1",
    async (name, lines) => {
      const { code, stdout, stderr } = await tsbgp(["check", "-c", name], { directory: BROKEN });
      expect({ code, stdout, lines: linesOf(stderr) }).toEqual({ code: 1, stdout: "", lines });
    },
  );

  test("is among those that are expected", () => {
    expect([...expectedMistakes().keys()].sort()).toEqual(yamlFiles(BROKEN).sort());
  });

  test("with a thousand mistakes has every one printed with its place", async () => {
    const neighbors = Array.from(
      { length: 1000 },
      (_, n) => `  - { address: 10.0.${n}.256, as: 0 }`,
    );
    const text = ["router: { as: 64500, id: 192.0.2.1 }", "neighbors:", ...neighbors, ""].join(
      "\n",
    );
    const { code, stderr } = await tsbgp(["check", "-c", write("thousand.yaml", text)]);
    const lines = linesOf(stderr);
    expect([code, lines.length]).toEqual([1, 2000]);
    for (const line of lines) expect(line).toMatch(/thousand\.yaml:\d+:\d+: .+/);
    expect(new Set(lines.map((line) => line.split(":")[1])).size).toBe(1000);
  });

  test("of a spare has those of its pairs printed as well", async () => {
    write("rs1.yaml", "router: { as: 0, id: 192.0.2.1 }\n");
    const spare = write("broken-spare.yaml", "protects: [ rs1.yaml, rs2.yaml ]\n");
    const { code, stdout, stderr } = await tsbgp(["check", "-c", spare]);
    expect({ code, stdout, lines: linesOf(stderr) }).toEqual({
      ...{ code: 1, stdout: "" },
      lines: [
        `${spare}:1:23: cannot read ${folder}/rs2.yaml: no such file`,
        `${folder}/rs1.yaml:1:15: "as" must be an AS number (1 to 4294967295), not 0`,
      ],
    });
  });

  test("of binary octets is refused", async () => {
    const octets = Array.from({ length: 4096 }, (_, n) => String.fromCharCode((n * 7919) & 0xff));
    const { code, stderr } = await tsbgp(["check", "-c", write("binary.yaml", octets.join(""))]);
    expect(code).toBe(1);
    expect(linesOf(stderr)[0]).toMatch(/binary\.yaml:\d+:\d+: .+/);
    expect(stderr).not.toMatch(/\n {4}at /);
  });
});

describe.concurrent("what cannot be read or was asked wrongly: exit 2", () => {
  test.each([
    [["check", "-c", "/no/such/file.yaml"], /cannot read \/no\/such\/file\.yaml: no such file/],
    [["check", "-c", "/"], /cannot read \/: it is a directory/],
    [["check"], /-c FILE is missing/],
    [["check", "-c"], /argument missing/],
    [["check", "file.yaml"], /no place for "file\.yaml"/],
    [["check", "--conf", "file.yaml"], /Unknown option '--conf'/],
    [["run"], /-c FILE is missing/],
    [["run", "-c", "/no/such/file.yaml"], /cannot read \/no\/such\/file\.yaml/],
  ])("%j", async (args, message) => {
    const { code, stdout, stderr } = await tsbgp(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(linesOf(stderr)).toHaveLength(1);
  });
});

test("a warning is printed and does no harm", async () => {
  const text =
    "router: { as: 64500, id: 192.0.2.1 }\nneighbors: [{ address: 10.0.0.1, as: 64501 }]\n";
  const { code, stdout, stderr } = await tsbgp(["check", "-c", write("warned.yaml", text)]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(linesOf(stdout)).toEqual([
    expect.stringMatching(/warned\.yaml:2:\d+: neighbor 10\.0\.0\.1 has no import .* \(warning\)$/),
    expect.stringMatching(/warned\.yaml is right: 1 neighbors$/),
  ]);
});

test("a file of four thousand neighbors is right", async () => {
  const neighbors = Array.from(
    { length: 4000 },
    (_, n) => `  - { address: 10.1.${n >> 8}.${n & 255}, as: ${65_536 + n}, group: clients }`,
  );
  const text = [
    "router: { as: 64500, id: 192.0.2.1 }",
    "groups: { clients: { import: accept-all, export: accept-all, route-server-client: true } }",
    "neighbors:",
    ...neighbors,
    "",
  ].join("\n");
  const { code, stdout } = await tsbgp(["check", "-c", write("large.yaml", text)]);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/is right: 4000 neighbors/)]);
});
