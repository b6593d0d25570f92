/** The section of mirrors, and the file of a mirror: what is filled in, and what is said of mistakes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fileKind, formatMistakes, loadConfig, loadMirror } from "../src/index.ts";

const PEM = "-----BEGIN CERTIFICATE-----\n";
const KEY = "-----BEGIN EC PRIVATE KEY-----\n";
const SOURCES = {
  readFile: (path: string) => (path.endsWith(".key") ? KEY : PEM),
  env: () => undefined,
};
const TLS = "tls: { cert: m.crt, key: m.key, ca: ca.crt }";

function mistakesOf(mirrors: string, nsr = ""): string[] {
  const more = nsr === "" ? "" : `nsr: ${nsr}\n`;
  const text = `router: { as: 64500, id: 192.0.2.1 }\n${more}mirrors: ${mirrors}\n`;
  return formatMistakes(loadConfig("t.yaml", text, SOURCES).mistakes);
}

describe("the section of a speaker", () => {
  test("what it does not say is filled in", () => {
    const text =
      "router: { as: 1, id: 192.0.2.1 }\nmirrors: { cluster: m, listen: /run/x/m.sock }\n";
    const { config, mistakes } = loadConfig("t.yaml", text, SOURCES);
    expect(formatMistakes(mistakes)).toEqual([]);
    const listen = { path: "/run/x/m.sock" };
    expect(config?.mirrors).toEqual({ cluster: "m", listen, tls: null, names: [], max: 8 });
  });

  test.each([
    ["{ listen: /run/x/m.sock }", '"cluster" is missing'],
    [
      "{ cluster: m, listen: { address: 192.0.2.1, port: 1 } }",
      'TCP needs "tls", also on one host',
    ],
    ["{ cluster: m, listen: m.sock }", '"m.sock" must be a path from the root'],
    ["{ cluster: m, listen: /run/x/m.sock, max: 0 }", '"max" must be a number from 1 to 64'],
    [
      "{ cluster: m, listen: /run/x/m.sock, names: 7 }",
      '"names" must be a name, or a list of names',
    ],
  ])("%s: %s", (mirrors, why) => {
    expect(mistakesOf(mirrors)).toEqual([expect.stringContaining(why)]);
  });

  test("its certificates are not those of the pair", () => {
    const nsr = "{ cluster: rs1, listen: /run/x/n.sock, peer: /run/x/n.sock }";
    expect(mistakesOf("{ cluster: rs1, listen: /run/x/m.sock }", nsr)).toEqual([
      expect.stringContaining('3:21: "cluster" is that of nsr: with a certificate for it a mirror'),
    ]);
    expect(mistakesOf("{ cluster: rs1-m, listen: /run/x/m.sock }", nsr)).toEqual([]);
  });

  test.each([
    ["{ listen: /run/x/f.sock }", "followers", "rs1-m"],
    ["{ name: rs1-f, listen: /run/x/f.sock }", "rs1-f", "followers"],
  ])("nor those of followers: %s", (followers, taken, free) => {
    const load = (cluster: string) => {
      const router = "router: { as: 64500, id: 192.0.2.1 }";
      const mirrors = `mirrors: { cluster: ${cluster}, listen: /run/x/m.sock }`;
      const text = `${router}\nfollowers: ${followers}\n${mirrors}\n`;
      return formatMistakes(loadConfig("t.yaml", text, SOURCES).mistakes);
    };
    expect(load(taken)).toEqual([
      expect.stringContaining(
        't.yaml:3:21: "cluster" is the name of followers: with a certificate',
      ),
    ]);
    expect(load(free)).toEqual([]);
  });
});

describe("the file of a mirror", () => {
  const load = (text: string) => loadMirror("m.yaml", text, SOURCES);

  test("what it does not say is filled in", () => {
    const { config, mistakes } = load("follow: { cluster: m, servers: /run/x/m.sock }\n");
    expect(formatMistakes(mistakes)).toEqual([]);
    expect(config).toEqual({
      follow: { cluster: "m", self: "", servers: [{ path: "/run/x/m.sock" }], tls: null },
      mirrors: null,
      control: { socket: "/run/ts-bgp/ts-bgp.sock" },
      http: null,
      log: { level: "info", file: null },
    });
  });

  test("others may follow it", () => {
    const follow = "follow: { cluster: m, self: m1, servers: /run/x/m.sock }";
    const { config, mistakes } = load(
      `${follow}\nmirrors: { cluster: m, listen: /run/x/m1.sock }\n`,
    );
    expect(formatMistakes(mistakes)).toEqual([]);
    const listen = { path: "/run/x/m1.sock" };
    expect(config?.mirrors).toEqual({ cluster: "m", listen, tls: null, names: [], max: 8 });
  });

  test("it may follow both sides of a pair", () => {
    const servers = "[ { address: 2001:DB8::1, port: 1 }, { address: 192.0.2.1, port: 2 } ]";
    const { config } = load(`follow: { cluster: m, servers: ${servers}, ${TLS} }\n`);
    expect(config?.follow).toMatchObject({
      servers: [
        { address: "2001:db8::1", port: 1 },
        { address: "192.0.2.1", port: 2 },
      ],
      tls: { cert: PEM, key: KEY, ca: PEM },
    });
  });

  test.each([
    ["http: { port: 9790 }", 'm.yaml:1:1: "follow" is missing'],
    [
      "follow: { cluster: m, servers: /r/m }\nmirrors: { cluster: m, listen: /r/m1 }",
      'm.yaml:1:9: "self" is missing: mirrors that follow this one are told by names',
    ],
    [
      "follow: { cluster: m, self: m1, servers: /r/m }\nmirrors: { cluster: m, listen: { address: 192.0.2.1, port: 1 } }",
      '2:32: TCP needs "tls"',
    ],
    ["follow: { cluster: m }", 'm.yaml:1:9: "servers" is missing'],
    ["follow: { cluster: m, servers: /r/m, self: 7 }", '"self" must be a name of letters'],
    [
      "follow: { cluster: m, servers: [ { address: 192.0.2.1, port: 1 } ] }",
      '1:34: TCP needs "tls"',
    ],
    ["follow: { cluster: m, servers: /r/m }\nrouter: { as: 1 }", '2:1: unknown key "router"'],
    [
      "follow: { cluster: m, servers: /r/m }\nhttp: { port: 0 }",
      '2:15: "port" must be a port number',
    ],
  ])("%s: %s", (text, why) => {
    const { config, mistakes } = load(text);
    expect(config).toBe(null);
    expect(formatMistakes(mistakes)).toEqual([expect.stringContaining(why)]);
  });

  test("it is told from that of a speaker", () => {
    expect(fileKind("follow: { cluster: m, servers: /r/m }")).toBe("mirror");
    expect(fileKind("router: { as: 1, id: 192.0.2.1 }\npolicies: { follow: [] }")).toBe("speaker");
    expect(fileKind("# follow: it\nrouter: { as: 1 }")).toBe("speaker");
  });

  test("that of configs/ is right", () => {
    const file = join(import.meta.dirname, "../../../configs/mirror.yaml");
    const { mistakes, warnings } = load(readFileSync(file, "utf8"));
    expect(formatMistakes([...mistakes, ...warnings])).toEqual([]);
  });
});
