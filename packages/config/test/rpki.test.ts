/** The section rpki, and what policies that ask for origins ask of neighbors. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";

const ROUTER = "router: { as: 64500, id: 192.0.2.1 }\n";
const POLICIES = "policies: { origins: [ { if: { rpki: invalid }, then: reject } ] }\n";
const RPKI = "rpki: { files: [ /roas.json ] }\n";

function load(yaml: string, files: Readonly<Record<string, string>> = {}) {
  return loadConfig("x.yaml", ROUTER + yaml, {
    readFile: (path) => {
      if (!Object.hasOwn(files, path)) throw new Error("no such file");
      return files[path]!;
    },
    env: () => undefined,
    roaFileProblem: (path) => (path === "/bad.json" ? 'line 3: "asn" must be an AS number' : null),
  });
}

const mistakesOf = (...args: Parameters<typeof load>) => formatMistakes(load(...args).mistakes);

test("the example of the documentation is right", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../docs/rpki.md"), "utf8");
  const example = /```yaml\n([\s\S]*?)```/.exec(text)![1]!;
  const slurm = `{ "slurmVersion": 1, "validationOutputFilters": { "prefixFilters": [] },
    "locallyAddedAssertions": { "prefixAssertions": [] } }`;
  const neighbor = "neighbors: [ { address: 192.0.2.11, as: 64501, import: origins } ]\n";
  const { config, mistakes } = load(neighbor + example, {
    "/etc/ts-bgp/slurm.json": slurm,
    "rtr.secret": "secret\n",
    "rtr-ca.crt": "-----BEGIN CERTIFICATE-----\n",
    "rs1.crt": "-----BEGIN CERTIFICATE-----\n",
    "rs1.key": "-----BEGIN PRIVATE KEY-----\n",
  });
  expect(formatMistakes(mistakes)).toEqual([]);
  expect(config!.rpki!.caches.map(({ name, preference }) => [name, preference])).toEqual([
    ["192.0.2.53:3323", 100],
    ["[2001:db8::53]:3323", 100],
    ["198.51.100.53:324", 200],
  ]);
});

describe("mistakes have their places", () => {
  const neighbor = (options: string) =>
    `neighbors:\n  - { address: 192.0.2.11, as: 64501, ${options} }\n`;

  test.each<[string, string, string[]]>([
    [
      "a condition without a source",
      POLICIES,
      ['x.yaml:2:32: "rpki" needs a section "rpki" with caches or files'],
    ],
    [
      "in a policy for export",
      RPKI + POLICIES + neighbor("import: accept-all, export: origins"),
      [
        'x.yaml:5:67: policy "origins" asks for rpki, which is for import: have an import policy ' +
          "mark routes with a community, and ask for that",
      ],
    ],
    [
      "without the rejected routes",
      RPKI + POLICIES + neighbor("import: origins, keep-rejected: false, export: accept-all"),
      [
        'x.yaml:5:71: policy "origins" asks for rpki: routes are judged again when payloads ' +
          "change, so all must be kept",
      ],
    ],
    [
      "sources",
      "rpki:\n  caches: [ { address: 192.0.2.53 }, { address: 192.0.2.53, port: 323 } ]\n" +
        "  files: [ roas.json, /bad.json, /a, { file: /a } ]\n",
      [
        "x.yaml:3:49: 192.0.2.53 port 323 appears twice",
        'x.yaml:4:12: "roas.json" must be a path from the root',
        'x.yaml:4:23: /bad.json: line 3: "asn" must be an AS number',
        "x.yaml:4:46: /a appears twice",
      ],
    ],
    ["nothing in it", "rpki: {}\n", ["x.yaml:2:7: "]],
    [
      "protection of a cache",
      "rpki: { caches: [ { address: 192.0.2.53, password: { env: X }, tls: { ca: a, key: b } } ] }\n",
      [
        'x.yaml:2:42: "password" is for plain TCP, and there is "tls"',
        "x.yaml:2:52: environment variable X is not set",
        "x.yaml:2:75: cannot read a: no such file",
        'x.yaml:2:78: "key" needs "cert"',
        "x.yaml:2:83: cannot read b: no such file",
      ],
    ],
    [
      "a long secret of a cache",
      `rpki: { caches: [ { address: 192.0.2.53, password: { file: long } } ] }\n`,
      ["x.yaml:2:52: the secret has 81 octets; TCP MD5 takes at most 80"],
    ],
    ["another state", RPKI + POLICIES.replace("rpki: invalid", "rpki: bad"), ["x.yaml:3:38: "]],
  ])("%s", (_, yaml, expected) => {
    const found = mistakesOf(yaml, { long: "x".repeat(81) });
    expect(found).toHaveLength(expected.length);
    for (const [k, text] of expected.entries()) expect(found[k]).toContain(text);
  });

  test.each<[string, string[], string[], string | null]>([
    ["apart", ["10.0.0.0/8", "2001:db8::/32"], ["11.0.0.0/8", "a00::/8"], null],
    ["inside of each other alone", ["10.0.0.0/8", "10.1.0.0/16"], ["9.0.0.0/8"], null],
    [
      "outside",
      ["10.1.0.0/16"],
      ["10.0.0.0/8", "9.0.0.0/8"],
      "b.json has something for 10.0.0.0/8, and a.json for 10.1.0.0/16",
    ],
    [
      "inside",
      ["10.0.0.0/8", "10.1.0.0/16"],
      ["10.2.0.0/16"],
      "a.json has something for 10.0.0.0/8, and b.json for 10.2.0.0/16",
    ],
    [
      "the same",
      ["2001:db8::/32"],
      ["2001:db8::/32"],
      "a.json has something for 2001:db8::/32, and b.json for 2001:db8::/32",
    ],
  ])("files of local exceptions whose addresses lie %s", (_, a, b, expected) => {
    const textOf = (filters: string[], assertions: string[]) =>
      JSON.stringify({
        slurmVersion: 1,
        validationOutputFilters: {
          prefixFilters: [{ asn: 1 }, ...filters.map((prefix) => ({ prefix }))],
        },
        locallyAddedAssertions: {
          prefixAssertions: assertions.map((prefix) => ({ prefix, asn: 1 })),
        },
      });
    const files = { "a.json": textOf(a, []), "b.json": textOf([], b) };
    const found = mistakesOf("rpki: { slurm: [ a.json, b.json ] }\n", files);
    const why = "several files must not be for the same addresses";
    expect(found).toEqual(expected === null ? [] : [`x.yaml:2:26: ${expected}: ${why}`]);
  });

  test("in local exceptions as well", () => {
    const text = `{
  "slurmVersion": 1,
  "validationOutputFilters": { "prefixFilters": [
    { "prefix": "10.0.0.1/8" }
  ] },
  "locallyAddedAssertions": { "prefixAssertions": [ { "asn": "x",
     "prefix": "10.0.0.0/8" } ] }
}`;
    expect(mistakesOf("rpki: { slurm: s.json }\n", { "s.json": text })).toEqual([
      's.json:4:17: "10.0.0.1/8" has bits behind its length',
      "s.json:6:62: asn must be an AS number",
    ]);
    expect(mistakesOf("rpki: { slurm: none.json }\n")).toEqual([
      "x.yaml:2:16: cannot read none.json: no such file",
    ]);
  });
});
