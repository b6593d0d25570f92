/** BFD of neighbors: where it comes from, and what is wrong with it. */
import { describe, expect, test } from "vitest";
import { type ConfigSources, formatMistakes, loadConfig } from "../src/index.ts";

const SOURCES: ConfigSources = {
  readFile: () => "",
  env: (name) => (name === "SECRET" ? "swordfish" : undefined),
};

describe("bfd", () => {
  const load = (text: string) =>
    loadConfig("x", `router: { as: 1, id: 192.0.2.1 }\n${text}`, SOURCES);
  const neighbors = (options: string) =>
    `neighbors: [ { address: 192.0.2.11, as: 2, import: accept-all, export: accept-all, ${options} } ]`;

  test.each([
    ["", "bfd: true", { intervalMs: 300, multiplier: 3, multihop: false, auth: null }],
    ["", "multihop: 2, bfd: true", { multihop: true }],
    ["", "bfd: false", null],
    ["defaults: { bfd: { interval-ms: 50 } }", "hold-time: 9", { intervalMs: 50 }],
    ["defaults: { bfd: { interval-ms: 50 } }", "bfd: false", null],
    ["defaults: { bfd: { interval-ms: 50, enabled: false } }", "bfd: true", { intervalMs: 50 }],
    [
      "defaults: { bfd: { auth: { type: simple, secret: { env: SECRET } } } }",
      "bfd: { multiplier: 9 }",
      { multiplier: 9, auth: { type: "simple", keyId: 1 } },
    ],
    [
      "defaults: { bfd: { auth: { type: simple, secret: { env: SECRET } } } }",
      "bfd: { auth: none }",
      { auth: null },
    ],
  ])("%s, then %s", (defaults, options, expected) => {
    const { config, mistakes } = load(`${defaults}\n${neighbors(options)}`);
    expect(formatMistakes(mistakes)).toEqual([]);
    if (expected === null) expect(config!.neighbors[0]!.bfd).toBeNull();
    else expect(config!.neighbors[0]!.bfd).toMatchObject(expected);
  });

  test("a secret that is too long for its kind is a mistake", () => {
    const auth = (type: string) =>
      neighbors(`bfd: { auth: { type: ${type}, secret: 12345678901234567 } }`);
    expect(load(auth("keyed-md5").replace(/(1234\d+)/, '"$1"')).mistakes).toMatchObject([
      { message: "the secret has 17 octets; keyed-md5 takes at most 16" },
    ]);
    expect(load(auth("keyed-sha1").replace(/(1234\d+)/, '"$1"')).mistakes).toEqual([]);
  });

  test("a detection time that a pair cannot keep is warned of", () => {
    const nsr = "nsr: { cluster: rs, listen: /run/x, peer: /run/x }\n";
    const warned = (times: string) =>
      load(nsr + neighbors(`bfd: ${times}`)).warnings.map(({ message }) => message);
    expect(warned("{ interval-ms: 50, multiplier: 3 }")).toEqual([]);
    expect(warned("{ interval-ms: 20, multiplier: 3 }")).toEqual([
      "BFD of neighbor 192.0.2.11: 3 x 20 ms is no longer than the pair needs to go on: at least 80 ms, or shorter heartbeats",
    ]);
  });
});
