/** What a configuration under test takes from outside of its file. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import {
  type ConfigSources,
  formatMistakes,
  loadConfig,
  type NeighborConfig,
} from "../src/index.ts";

/** Files of a folder, and one environment variable. */
export function sourcesIn(folder: string): ConfigSources {
  return {
    readFile: (path) => {
      if (!existsSync(join(folder, path))) throw new Error("no such file");
      return readFileSync(join(folder, path), "utf8");
    },
    env: (name) => (name === "SECRET" ? "from the environment" : undefined),
  };
}

export const CERTIFICATE = "-----BEGIN CERTIFICATE-----\n";
export const KEY = "-----BEGIN PRIVATE KEY-----\n";
const SLURM = `{
  "slurmVersion": 1,
  "validationOutputFilters": { "prefixFilters": [ { "prefix": "10.0.0.0/8" } ], "bgpsecFilters": [] },
  "locallyAddedAssertions": { "prefixAssertions": [ { "asn": 64496, "prefix": "198.51.100.0/24" } ] }
}`;
const FILES: Readonly<Record<string, string>> = {
  "etcd.password": "SECRET\n",
  secret: "from a file\n",
  "noc.token": "0123456789abcdef\n",
  "member.token": "fedcba9876543210\n",
  "registry.txt": "# registry\n198.51.100.0/24   # one\r\n\n 203.0.113.0/24 le 25",
  "as.txt": "65001\n65002-65003\n",
  "none.yaml": "",
  "info.txt": "ro:*:7\n",
  "a.crt": CERTIFICATE,
  "a.key": KEY,
  "ca.crt": CERTIFICATE,
  "slurm.json": SLURM,
};
export const SOURCES: ConfigSources = {
  ...sourcesIn(import.meta.dirname),
  readFile: (path) => {
    if (!Object.hasOwn(FILES, path)) throw new Error("no such file");
    return FILES[path]!;
  },
};

export function loadText(lines: string): ReturnType<typeof loadConfig> {
  return loadConfig("test.yaml", `router: { as: 64500, id: 192.0.2.1 }\n${lines}`, SOURCES);
}

/** One neighbor with these options, and what it becomes. */
export function neighborOf(options: string, more = ""): NeighborConfig {
  const text = `neighbors: [ { address: 192.0.2.11, as: 64501, ${options} } ]\n${more}`;
  const { config, mistakes } = loadText(text);
  expect(formatMistakes(mistakes)).toEqual([]);
  return config!.neighbors[0]!;
}
