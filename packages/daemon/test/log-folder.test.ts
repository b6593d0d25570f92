/** What a look at the configuration file tells of the folder that a standby's log is to be in. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readConfigFile } from "../src/config-file.ts";

const directory = mkdtempSync(join(tmpdir(), "tsbgp-log-folder-"));

afterAll(() => rmSync(directory, { recursive: true }));

function warnings(log: string): readonly string[] {
  const nsr = {
    cluster: "rs1",
    listen: join(directory, "nsr.sock"),
    peer: join(directory, "b.sock"),
  };
  const config = {
    router: { as: 64500, id: "192.0.2.1" },
    defaults: { import: "accept-all", export: "accept-all" },
    neighbors: [{ address: "192.0.2.9", as: 64501 }],
    nsr: { ...nsr, log },
  };
  return readConfigFile(join(directory, "tsbgp.yaml"), JSON.stringify(config)).warnings;
}

test("nothing of one that can be written to, or made", () => {
  expect(warnings(directory)).toEqual([]);
  expect(warnings(join(directory, "new", "folder"))).toEqual([]);
});

test("that something is no folder", () => {
  const file = join(directory, "file");
  writeFileSync(file, "");
  const told = [expect.stringContaining(`${file} is no folder`)];
  expect(warnings(file)).toEqual(told);
  expect(warnings(join(file, "below"))).toEqual(told);
});
