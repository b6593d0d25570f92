/** What IXP Manager generates with the template of integrations/ixp-manager, and what comes of it. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatMistakes, loadConfig } from "@ts-bgp/config";
import { showRoutes } from "@ts-bgp/views";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Lab, type Peer } from "../../testkit/router.ts";
import { MAIN, SpeakerProcess } from "../../testkit/speaker.ts";
import { labAvailable, PHP } from "./install.ts";

const README = join(import.meta.dirname, "../../integrations/ixp-manager/README.md");
const unavailable = labAvailable();
const folder = mkdtempSync(join(tmpdir(), "tsbgp-ixp-manager-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What stands in the file of the host. */
const example = /```yaml\n([\s\S]*?)```/.exec(readFileSync(README, "utf8"))![1]!;

function rendered(protocol: 4 | 6): string {
  const script = join(import.meta.dirname, "ixp-manager.php");
  const flags = ["-d", "display_errors=stderr", "-d", "error_reporting=-1"];
  const { stdout, stderr, status } = spawnSync(PHP, [...flags, script, `${protocol}`], {
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

describe.skipIf(unavailable !== null)("what is generated", () => {
  beforeAll(() => {
    for (const protocol of [4, 6] as const) {
      writeFileSync(join(folder, `ixp-manager-ipv${protocol}.yaml`), rendered(protocol));
    }
    writeFileSync(join(folder, "rs1.yaml"), example);
  });

  test("is a right configuration with the file that includes it", async () => {
    const words = [MAIN, "check", "-c", join(folder, "rs1.yaml")];
    const { code, stdout, stderr } = await run(process.execPath, words);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [verdict, ...warnings] = linesOf(stdout).reverse();
    expect(verdict).toMatch(/is right: 8 neighbors$/);
    // As IXP Manager has it in its database.
    expect(warnings).toHaveLength(2);
    for (const warning of warnings) expect(warning).toContain("the secret stands in clear");
  });

  test("has the sessions as the database has them, and none with the route server itself", () => {
    const { neighbors } = load().config!;
    expect(neighbors.map(({ address, as }) => [address, as])).toEqual(
      [4, 6].flatMap((protocol) =>
        [64501, 64501, 64502, 4200000003].map((as, k) => [
          `${protocol === 4 ? "192.0.2." : "2001:db8::"}${11 + k}`,
          as,
        ]),
      ),
    );
    expect(neighbors[0]).toMatchObject({
      description: 'AS64501 - Member "One": #1 - VLAN Interface 11',
      password: 'se"cret',
      localAddress: "192.0.2.8",
      routeServerClient: true,
      honorWellKnownCommunities: false,
      maxPrefix: { ipv4Unicast: 20, action: "restart" },
    });
    expect(neighbors[1]!.password).toBeNull();
  });

  test("says at its end that it is whole", () => {
    for (const protocol of [4, 6] as const) {
      const text = readFileSync(join(folder, `ixp-manager-ipv${protocol}.yaml`), "utf8");
      expect(linesOf(text).at(-1)).toBe(`## END_OF_CONFIG_MARKER_FOR_rs1-ipv${protocol}`);
    }
  });

  test("checks what members send, with the reasons of IXP Manager", () => {
    const { lab, one } = members();
    const sent: [prefix: string, path: number[], hop: string, reason: number | null][] = [
      ["11.1.0.0/16", [64501], "192.0.2.11", null],
      ["11.1.5.0/24", [64501, 64511], "192.0.2.19", null],
      ["11.1.6.0/25", [64501], "192.0.2.11", 1],
      ["10.1.0.0/16", [64501], "192.0.2.11", 3],
      ["11.1.7.0/24", [64502], "192.0.2.11", 7],
      ["11.1.8.0/24", [64501], "192.0.2.13", 8],
      ["11.2.4.0/24", [64501], "192.0.2.11", 9],
      ["11.1.9.0/24", [64501, 64999], "192.0.2.11", 10],
      ["11.1.10.0/24", [64501, 174, 64511], "192.0.2.11", 14],
      ["11.1.11.0/24", [64501, 6762, 64511], "192.0.2.11", null],
    ];
    for (const [prefix, path, nextHop] of sent) one.announce([prefix], { path, nextHop });
    lab.run();
    const rejected = new Map(shown(lab, "192.0.2.11", "rejected"));
    for (const [prefix, , , reason] of sent) {
      const marks = rejected.get(prefix)?.filter((each) => each.startsWith("64500:1101:"));
      expect([prefix, marks]).toEqual([
        prefix,
        reason === null ? undefined : [`64500:1101:${reason}`],
      ]);
    }
    const accepted = new Map(shown(lab, "192.0.2.11", "accepted"));
    const unknown = ["64500:1000:2", "64500:1001:1"];
    expect(accepted.get("11.1.0.0/16")).toEqual(unknown);
    expect(accepted.get("11.1.5.0/24")).toEqual(["64500:1001:1200", ...unknown]);
  });

  test("rejects all of a member of whom the registries know nothing", () => {
    const { lab, three } = members();
    three.announce(["11.5.0.0/16"]);
    lab.run();
    expect(shown(lab, "192.0.2.14", "rejected")).toEqual([
      ["11.5.0.0/16", ["64500:1000:2", "64500:1101:9"]],
    ]);
  });

  test("does what senders ask for with communities, and takes that away", () => {
    const { lab, one, two, three } = members();
    const [a, b, c] = ["11.1.1.0/24", "11.1.2.0/24", "11.1.3.0/24"] as const;
    one.announce([a], {
      large: ["64500:0:4200000003", "64500:102:64502", "64500:101:0", "64501:1:1"],
    });
    one.announce([b], { communities: ["0:64502", "64501:7"], large: ["64500:103:0"] });
    one.announce([c], { large: ["64500:0:0", "64500:1:4200000003"] });
    lab.run();
    // That is with one more by a filter of the portal.
    expect(two.table).toEqual({
      [a]: { path: "64501 64501 64501 64501", nextHop: "192.0.2.11", large: ["64501:1:1"] },
    });
    const thrice = "64501 64501 64501 64501";
    expect(three.table).toEqual({
      [b]: { path: thrice, nextHop: "192.0.2.11", communities: ["0:64502", "64501:7"] },
      [c]: { path: "64501", nextHop: "192.0.2.11" },
    });
  });

  test("does what members have chosen in the portal", () => {
    const { lab, one, two, three } = members();
    two.announce(["11.8.0.0/16", "11.9.0.0/16"]);
    one.announce(["11.1.0.0/16", "11.2.3.0/24"]);
    lab.run();
    expect(one.table).toMatchObject({
      "11.8.0.0/16": { path: "64502" },
      "11.9.0.0/16": { path: "64502 64502 64502" },
    });
    expect(Object.keys(three.table)).toEqual(["11.1.0.0/16", "11.2.3.0/24"]);
    expect(two.table).toMatchObject({
      "11.1.0.0/16": { path: "64501" },
      "11.2.3.0/24": { path: "64501 64501" },
    });
  });
});

describe.skipIf(unavailable !== null)("the script", () => {
  test("fetches, checks and reloads, under the lock of IXP Manager", async () => {
    await withManager(async (speaker, manager) => {
      const { code, stderr } = await reconfigure(speaker, manager);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const { items } = await speaker.ask({ command: "show-neighbors" });
      expect((items as { address: string }[]).map(({ address }) => address)).toEqual(
        [11, 12, 13, 14].map((host) => `192.0.2.${host}`),
      );
      const handle = "rs1-ipv4";
      expect(manager.asked).toEqual(
        ["get-update-lock", "gen-config", "updated"].map((what) => `/router/${what}/${handle}`),
      );
      expect(readdirSync(speaker.directory).filter((name) => /\.(new|old)$/.test(name))).toEqual(
        [],
      );
    });
  });

  test("leaves no file where there was none", async () => {
    await withManager(async (speaker, manager) => {
      const file = join(speaker.directory, "ixp-manager-ipv4.yaml");
      rmSync(file);
      manager.text = manager.text.replace("as: 64502", "as: 0");
      expect((await reconfigure(speaker, manager)).code).not.toBe(0);
      const left = readdirSync(speaker.directory).filter((name) => name.startsWith("ixp-manager"));
      expect(left).toEqual([]);
    });
  });

  test.each([
    ["a text that was cut off", (text: string) => text.slice(0, text.length / 2)],
    ["a mistake", (text: string) => text.replace("as: 64502", "as: 0")],
  ])("leaves all as it is with %s, and gives the lock back", async (_what, spoil) => {
    await withManager(async (speaker, manager) => {
      const before = await speaker.ask({ command: "show-neighbors" });
      manager.text = spoil(manager.text);
      const { code } = await reconfigure(speaker, manager);
      expect(code).not.toBe(0);
      expect(manager.asked.at(-1)).toBe("/router/release-update-lock/rs1-ipv4");
      expect(await speaker.ask({ command: "show-neighbors" })).toEqual(before);
      const file = join(speaker.directory, "ixp-manager-ipv4.yaml");
      expect(readFileSync(file, "utf8")).toBe(NOTHING_YET);
    });
  });
});

const NOTHING_YET = "neighbors: []\n";
const KEY = "a-key-of-the-api";

/** Answers as the API of IXP Manager does. */
class Manager {
  readonly asked: string[] = [];
  text = rendered(4);
  readonly server = createServer((request, response) => {
    const { url = "", method, headers } = request;
    const isRight = headers["x-ixp-manager-api-key"] === KEY;
    this.asked.push(url);
    const isText = url.includes("gen-config");
    response.statusCode = isRight && (method === "GET") === isText ? 200 : 403;
    response.end(isText ? this.text : "{}");
  });

  get api(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
}

async function withManager(
  body: (speaker: SpeakerProcess, manager: Manager) => Promise<void>,
): Promise<void> {
  const manager = new Manager();
  manager.server.listen(0, "127.0.0.1");
  await once(manager.server, "listening");
  const speaker = await SpeakerProcess.create({});
  try {
    const roas = join(speaker.directory, "roas.json");
    writeFileSync(roas, '{ "roas": [] }');
    writeFileSync(join(speaker.directory, "key"), `${KEY}\n`);
    writeFileSync(join(speaker.directory, "ixp-manager-ipv4.yaml"), NOTHING_YET);
    speaker.configure({ rpki: { files: [roas] }, include: "ixp-manager-ipv4.yaml" });
    await speaker.start();
    await body(speaker, manager);
  } finally {
    speaker.remove();
    manager.server.close();
  }
}

function reconfigure({ directory, file, socket }: SpeakerProcess, { api }: Manager) {
  const command = join(directory, "tsbgp");
  writeFileSync(command, `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`, { mode: 0o755 });
  const script = join(README, "../reconfigure.sh");
  return run(script, [file, "rs1-ipv4"], {
    IXP_MANAGER_API: api,
    API_KEY_FILE: join(directory, "key"),
    TSBGP: command,
    TSBGP_SOCKET: socket,
  });
}

async function run(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: "pipe" });
  let stdout = "";
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

const linesOf = (text: string) => text.trimEnd().split("\n");

function load() {
  const file = join(folder, "rs1.yaml");
  const sources = {
    readFile: (path: string) => readFileSync(path, "utf8"),
    env: () => undefined,
  };
  const loaded = loadConfig(file, readFileSync(file, "utf8"), sources);
  expect(formatMistakes(loaded.mistakes)).toEqual([]);
  return loaded;
}

/** A router with the IPv4 sessions of three members. */
function members(): { lab: Lab; one: Peer; two: Peer; three: Peer } {
  const host = example.replace(/^include:.*$/m, "").replace("rpki: {", "rpki: { start-limit: 0,");
  const lab = new Lab(`${host}\n${readFileSync(join(folder, "ixp-manager-ipv4.yaml"), "utf8")}`);
  const up = (host: number, as: number) => lab.peer(`192.0.2.${host}`, { as }).up();
  const found = { lab, one: up(11, 64501), two: up(13, 64502), three: up(14, 4200000003) };
  lab.advance(1000);
  return found;
}

/** @returns prefixes of a member with their large communities */
function shown(lab: Lab, neighbor: string, view: "accepted" | "rejected") {
  const query = { family: 1, prefix: null, match: "exact", bestOnly: false } as const;
  const { routes } = showRoutes(lab.router, { ...query, neighbor, view }, null);
  return routes.map(({ prefix, large_communities }) => [prefix, large_communities] as const);
}
