/** What there is too much of is told as that, and not as something of another shape. */
import { expect, test } from "vitest";
import { formatMistakes, loadConfig, loadForward } from "../src/index.ts";

const SOURCES = { readFile: () => "", env: () => undefined };

test("a list with too many entries", () => {
  const servers = Array.from({ length: 9 }, (_, k) => `/run/${k}.sock`);
  const { mistakes } = loadForward("f.yaml", `{ servers: [ ${servers} ], forward: {} }`, SOURCES);
  expect(formatMistakes(mistakes)).toEqual(['f.yaml:1:12: "servers" has 9 entries, at most 8']);
});

test("a list with something twice", () => {
  const text = "{ servers: /run/a.sock, forward: { families: [ ipv4, ipv6, ipv4 ] } }";
  const { mistakes } = loadForward("f.yaml", text, SOURCES);
  expect(formatMistakes(mistakes)).toEqual(['f.yaml:1:46: "families" has "ipv4" twice']);
});

test("a section with too many keys", () => {
  const peers = Array.from({ length: 17 }, (_, k) => `s${k}: /run/${k}.sock`);
  const text = `{ router: { as: 1, id: 192.0.2.1 }, nsr: { cluster: x, listen: /run/x, side: s0, peers: { ${peers} } } }`;
  const { mistakes } = loadConfig("x.yaml", text, SOURCES);
  expect(formatMistakes(mistakes)).toContainEqual(
    expect.stringMatching(/"peers" must be .*, not a section with 17 keys$/),
  );
});
