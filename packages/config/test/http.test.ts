/** The section http: who may use the API. */

import { expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";

const LONG = "0123456789abcdef";
const FILES: Readonly<Record<string, string>> = {
  long: `${LONG}\n`,
  short: "0123456789\n",
  odd: "0123456789 abcdef\n",
};

function mistakesOf(http: string): string[] {
  const text = `router: { as: 64500, id: 192.0.2.1 }\nhttp: { port: 1, ${http} }`;
  const { mistakes } = loadConfig("x.yaml", text, {
    readFile: (path) => {
      if (!Object.hasOwn(FILES, path)) throw new Error("no such file");
      return FILES[path]!;
    },
    env: () => undefined,
  });
  return formatMistakes(mistakes);
}

const noc = (secret: string) =>
  `tokens: [ { name: noc, role: operator, secret: { file: ${secret} } } ]`;

test.each<[string, string, string[]]>([
  ["no file", noc("none"), ["x.yaml:2:65: cannot read none: no such file"]],
  [
    "a short secret",
    noc("short"),
    ['x.yaml:2:65: the secret of token "noc" has 10 characters; it needs at least 16'],
  ],
  [
    "a secret that cannot be sent as it is",
    noc("odd"),
    [
      'x.yaml:2:65: the secret of token "noc" has others than letters, digits and . _ ~ + / - (and = at its end)',
    ],
  ],
  [
    "a member without an AS",
    "tokens: [ { name: m, role: member, secret: { file: long } } ]",
    ['x.yaml:2:45: a member needs "as", the number of its AS'],
  ],
  [
    "an operator with an AS",
    "tokens: [ { name: m, role: operator, as: 1, secret: { file: long } } ]",
    ['x.yaml:2:55: "as" is for members, not for the role operator'],
  ],
  [
    "two of a name, and of a secret",
    "tokens: [ { name: m, role: reader, secret: { file: long } }, { name: m, role: operator, secret: { file: long } } ]",
    [
      'x.yaml:2:87: token "m" appears twice',
      'x.yaml:2:114: the secret of token "m" is that of another token, too',
    ],
  ],
  [
    "a community that is none",
    "reason-communities: { default: '65536:1' }",
    ['x.yaml:2:49: "65536:1" is no community: a number is too large'],
  ],
])("%s is a mistake", (_, http, mistakes) => {
  expect(mistakesOf(http)).toEqual(mistakes);
});

test("a secret in clear is a warning", () => {
  const text = `router: { as: 64500, id: 192.0.2.1 }
http: { port: 1, tokens: [ { name: noc, role: operator, secret: ${LONG} } ] }`;
  const { warnings } = loadConfig("x.yaml", text, { readFile: () => "", env: () => undefined });
  expect(formatMistakes(warnings)).toEqual([
    "x.yaml:1:1: no neighbors",
    "x.yaml:2:65: the secret stands in clear; { file: PATH } or { env: NAME } keep it out",
  ]);
});
