/** A side that does not know which of the named ones it is. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigFileError } from "../src/config-file.ts";
import { Daemon } from "../src/daemon.ts";

test("a side among named ones that has no name does not start", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-name-"));
  try {
    const file = join(folder, "side.yaml");
    const nsr = `nsr: { cluster: test, listen: ${folder}/nsr, peers: { b: ${folder}/nsr } }`;
    writeFileSync(file, `router: { as: 64500, id: 192.0.2.1 }\n${nsr}\n`);
    const start = () => new Daemon({ file, version: "0" });
    expect(start).toThrow(ConfigFileError);
    try {
      start();
    } catch (error) {
      const [line] = (error as ConfigFileError).lines;
      expect(line).toMatch(/side\.yaml: nsr: "peers" names sides, and "self" is missing/);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
