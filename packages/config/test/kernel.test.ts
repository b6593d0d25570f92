/** The section kernel. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diffConfig, formatMistakes, loadConfig } from "../src/index.ts";

const SOURCES = { readFile: () => "", env: () => undefined };
const HEAD = `router: { as: 64500, id: 192.0.2.1 }
neighbors: [ { address: 192.0.2.11, as: 64501, import: accept-all, export: accept-all, vars: { x: 64502 } } ]
rpki: { caches: [ { address: 192.0.2.53 } ] }
policies:
  in: [ { if: { rpki: valid }, then: accept } ]
  own: [ { if: { prefix: 10.0.0.0/8 }, then: accept }, { set: { next-hop: self }, then: accept } ]
  theirs: [ { set: { next-hop: peer-address }, then: accept } ]
  out: [ { if: { as-path: { contains: $x } }, then: accept } ]
`;

const load = (kernel: string) => loadConfig("x.yaml", `${HEAD}kernel: { ${kernel} }`, SOURCES);

test("the examples of the documentation are right", () => {
  const path = join(import.meta.dirname, "../../../docs/kernel-routes.md");
  const examples = [...readFileSync(path, "utf8").matchAll(/```yaml\n([\s\S]*?)```/g)];
  expect(examples.length).toBeGreaterThan(1);
  for (const [, example] of examples) {
    const text = `router: { as: 64500, id: 192.0.2.1 }\n${example}`;
    expect(formatMistakes(loadConfig("x.yaml", text, SOURCES).mistakes)).toEqual([]);
  }
});

test("protocols are numbers, each once", () => {
  const { config } = load("protocols: [static, connected, kernel, 16, dhcp], import: accept-all");
  const { config: other } = load("table: 100, protocols: 7, import: [accept-all]");
  expect(config!.kernel).toEqual({ table: 254, protocols: [2, 4, 16], import: ["accept-all"] });
  expect(other!.kernel).toEqual({ table: 100, protocols: [7], import: ["accept-all"] });
  expect(diffConfig(config!, other!)).toMatchObject({ global: ["kernel"], changed: [] });
});

test.each([
  ["protocols: bgp, import: accept-all", "routes of protocol bgp come from BGP"],
  ["protocols: [static, 186], import: accept-all", "routes of protocol bgp come from BGP"],
  ["protocols: statik, import: accept-all", 'did you mean "static"?'],
  ...["constructor", "toString", "hasOwnProperty", "__proto__"].map((name) => [
    `protocols: ${name}, import: accept-all`,
    `"${name}" is no protocol of kernel routes`,
  ]),
  ["protocols: [], import: accept-all", "protocols"],
  ["protocols: 256, import: accept-all", "256"],
  ["protocols: static", '"import" is missing'],
  ["import: accept-all", '"protocols" is missing'],
  ["protocols: static, import: none", 'policy "none" is not defined'],
  ["protocols: static, import: in", 'policy "in" asks for rpki or aspa'],
  ["protocols: static, import: out", 'policy "out" asks for $x'],
  ["protocols: static, import: own", 'policy "own" sets next-hop: self'],
  ["protocols: static, import: [in, theirs]", 'policy "theirs" sets next-hop: peer-address'],
  ["table: 0, protocols: static, import: accept-all", "table"],
])("%s is wrong", (kernel, mistake) => {
  const { config, mistakes } = load(kernel);
  expect(config).toBeNull();
  expect(formatMistakes(mistakes).join("\n")).toContain(mistake);
});
