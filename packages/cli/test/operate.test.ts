/**
 * Every command that asks the running speaker: what it prints for programs and for people, what it
 * does, and its exit code. The field names of the JSON are public: they may be added to.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attribute, four } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { KEEPALIVE, Peer, ROUTE_REFRESH } from "../../../testkit/peer.ts";
import { MAIN, SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, updateMessage } from "../../../testkit/updates.ts";
import { linesOf, type Result, tsbgp } from "./support/tsbgp.ts";

const A = "127.1.0.1";
const B = "127.1.0.2";
const AWAY = "127.1.0.3";
const OFF = "127.1.0.4";
const ROUTES_OF_B = 5000;

const neighbor = (address: string, as: number, more: object = {}) => ({
  address,
  as,
  passive: true,
  export: "accept-all",
  ...more,
});
const RECORD = mkdtempSync(join(tmpdir(), "tsbgp-test-"));
const CONFIG = {
  record: { dir: RECORD },
  groups: { clients: { "route-server-client": true, import: "checked", "max-prefix": 100 } },
  neighbors: [
    neighbor(A, 65001, { group: "clients", description: "First client" }),
    neighbor(B, 65002, { import: "accept-all" }),
    neighbor(AWAY, 65003, { import: "accept-all" }),
    neighbor(OFF, 65004, { import: "accept-all", enabled: false }),
  ],
  policies: JSON.parse(`{ "checked": [
    { "name": "too long", "if": { "prefix-length": { "min": 25 } }, "then": "reject", "reason": "prefix-too-long" },
    { "set": { "local-pref": 200 }, "then": "accept" }
  ] }`),
};

let speaker: SpeakerProcess;
let a: Peer;
let b: Peer;

beforeAll(async () => {
  speaker = await SpeakerProcess.create(CONFIG);
  await speaker.start();
  [a, b] = await Promise.all([
    Peer.establish({ port: speaker.port, localAddress: A, as: 65001 }),
    Peer.establish({ port: speaker.port, localAddress: B, as: 65002, onUpdate: () => {} }),
  ]);
  const attributes = [
    ...attribute(0x40, 1, [0]),
    ...attribute(0x40, 2, [2, 2, ...four(65001), ...four(65100)]),
    ...attribute(0x40, 3, [192, 0, 2, 11]),
    ...attribute(0x80, 4, four(30)),
    ...attribute(0xc0, 8, [0xfd, 0xe9, 0, 7]),
    ...attribute(0xc0, 32, [...four(65001), ...four(1), ...four(2)]),
  ];
  // 10.1.0.0/16, 10.1.2.0/24, and 10.1.2.128/25, which is too long.
  a.send(updateMessage([], attributes, [16, 10, 1, 24, 10, 1, 2, 25, 10, 1, 2, 128]));
  // 16.0.0.0/24, which B has too.
  a.send(updateMessage([], attributes, [24, 16, 0, 0]));
  // A faulty one, whose route is withdrawn (RFC 7606).
  a.send(updateMessage([], attribute(0x40, 1, [9]), [24, 10, 9, 9]));
  await b.sendAll(manyRoutes({ as: 65002, count: ROUTES_OF_B }));
  const isThere = async () => {
    const [first, second] = [await speaker.neighbor(A), await speaker.neighbor(B)];
    const sent = second.families[0]!.advertised;
    const isRead = first.update_faults === 1;
    return isRead && first.families[0]!.advertised === ROUTES_OF_B && sent === 3;
  };
  await until(isThere, WAIT_MS, "all routes are exchanged");
});

afterAll(() => {
  a?.end();
  b?.end();
  speaker?.remove();
  rmSync(RECORD, { recursive: true, force: true, maxRetries: 5 });
});

const ask = (...args: string[]): Promise<Result> => tsbgp([...args, "--socket", speaker.socket]);

async function askJson(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await ask(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
}

const NEIGHBOR_KEYS =
  "address as bfd description disabled dynamic established_count families group last_down last_failure messages quarantine since_ms speaker " +
  "state update_faults update_faults_by_action";
const ROUTE_KEYS =
  "as_path communities large_communities med neighbor neighbor_as next_hop origin prefix status";
const EXPLAINED_KEYS = "direction neighbor paths prefix verdict";
const CHANGES_KEYS = "added changed global policies removed reset";

const JSON_KEYS: readonly [command: string, path: string, keys: string][] = [
  [
    "show status",
    "",
    "as config_trial configured_ms dynamic_neighbors established feeds graceful_shutdown id mirror neighbors record_from_ms restart slice_max_ms started_ms version",
  ],
  ["show feeds", "", "mrt stations"],
  ["show followers", "", "complete followers octets routes"],
  ["show cluster", "", "clients followers members membership self"],
  ["show mirrors", "", "following serving"],
  [
    "show record",
    "",
    "behind_octets begun directory files from_ms missed octets problem state taken_octets",
  ],
  ["show neighbors", "0", NEIGHBOR_KEYS],
  [
    "show neighbors",
    "0.families.0",
    "accepted advertised end_of_rib_received family group held max_prefix max_prefix_accepted max_prefix_out received rejected " +
      "stale stale_until_ms synced",
  ],
  ["show neighbors", "0.families.0.max_prefix", "action count limit"],
  ["show neighbors", "0.messages", "received sent"],
  ["show neighbors", "0.messages.received", "keepalive notification open route_refresh update"],
  [
    "show neighbors",
    "0.update_faults_by_action",
    "attribute-discard session-reset treat-as-withdraw",
  ],
  [
    `show neighbor ${A}`,
    "",
    `${NEIGHBOR_KEYS} capabilities congestion_control export graceful_restart hold_time identifier import keepalive_time ` +
      "local_address local_as octets path_attribute required_capabilities route_reflector_client route_server_client",
  ],
  [
    `show neighbor ${A}`,
    "capabilities",
    "add_path_receive add_path_send enhanced_route_refresh extended_message extended_next_hop " +
      "four_octet_as local_role peer peer_role route_refresh",
  ],
  [`show neighbor ${A}`, "octets", "queued received sent"],
  [
    `show neighbor ${A}`,
    "graceful_restart",
    "long_lived_stale_time mode notification own_restart_time restart_time restart_time_max",
  ],
  ["show routes 10.1.0.0/16", "0", `${ROUTE_KEYS} local_pref since_ms`],
  [`show routes 10.1.0.0/16 --neighbor ${A} --received`, "0", `${ROUTE_KEYS} since_ms`],
  [`show routes --neighbor ${A} --rejected`, "0", `${ROUTE_KEYS} reason since_ms`],
  [`show routes 10.1.2.128/25 -n ${A} --rejected`, "0.reason", "code kind policy rule source text"],
  [`show routes 10.1.0.0/16 --neighbor ${B} --advertised`, "0", ROUTE_KEYS.replace("med ", "")],
  [
    "show groups",
    "0",
    "add_path adj_rib_out_octets catching_up extended_message family four_octet_as kind lag " +
      "members number policies",
  ],
  ["show memory", "", "attribute_sets families process"],
  ["show memory", "attribute_sets", "count octets"],
  [
    "show memory",
    "families.0",
    "adj_rib_out_octets change_log_octets family path_octets paths prefix_octets prefixes",
  ],
  ["show memory", "process", "array_buffers external heap_used rss"],
  [`explain import 10.1.2.128/25 ${A}`, "", EXPLAINED_KEYS],
  [`explain import 10.1.2.128/25 ${A}`, "paths.0", "path steps"],
  [`explain import 10.1.2.128/25 ${A}`, "paths.0.steps.1", "passed reason rules step text"],
  [
    `explain import 10.1.2.128/25 ${A}`,
    "paths.0.steps.1.rules.0",
    "action conditions matches modifications policy rule source",
  ],
  [`explain export 10.1.0.0/16 ${B}`, "", EXPLAINED_KEYS],
  [`refresh ${A}`, "", "direction neighbor"],
  [`refresh ${A} --out`, "", "direction neighbor"],
  ["reload", "", CHANGES_KEYS],
  ["reload --force", "", CHANGES_KEYS],
  ["reload --dry-run", "", CHANGES_KEYS],
  ["show reloads", "", "configurations differs_in file"],
  [
    "show reloads",
    "configurations.0",
    "abort_if back by canary confirmed_by counts how in_force number reason since_ms until_ms",
  ],
  ["show reloads", "configurations.0.counts", "added changed policies removed reset"],
  [
    "what-if",
    "",
    "changes differs file held_up_ms image_octets neighbors routes routes_left_out took_ms",
  ],
  ["what-if", "changes", CHANGES_KEYS],
];

describe.concurrent("--json", () => {
  const answers = new Map<string, Promise<unknown>>();
  test.each(JSON_KEYS)("%s: %s has its keys", async (command, path, keys) => {
    const known = answers.get(command) ?? askJson(...command.split(" "));
    answers.set(command, known);
    let value = await known;
    for (const step of path === "" ? [] : path.split(".")) {
      value = (value as Record<string, unknown>)[step];
    }
    expect(Object.keys(value as object).sort()).toEqual(keys.split(" ").sort());
  });

  test("a list is an array with an item a line, an empty one too", async () => {
    const { stdout } = await ask("show", "routes", "16.0.0.0/20", "--longer", "--json");
    const lines = linesOf(stdout);
    expect(lines.at(-1)).toBe("]");
    expect([lines.length, JSON.parse(stdout).length]).toEqual([18, 17]);
    expect(await askJson("show", "routes", "203.0.113.0/24")).toEqual([]);
    expect(await askJson("show", "routes", "--ipv6")).toEqual([]);
  });
});

const shown = (lines: string[]) => lines.map((line) => line.replace(/ +/g, " "));

describe.concurrent("for people", () => {
  const TABLES: readonly [command: string, lines: (string | RegExp)[]][] = [
    [
      "show neighbors",
      [
        "Neighbor AS State Since Received Accepted Sent Description",
        /^127\.1\.0\.1 65001 Established \d\d:\d\d:\d\d 5 3 5000 First client$/,
        /^127\.1\.0\.2 65002 Established \d\d:\d\d:\d\d 5000 5000 3$/,
        "127.1.0.3 65003 Active never 0 0 0",
        "127.1.0.4 65004 Disabled never 0 0 0",
      ],
    ],
    [
      "show routes 10.1.2.3",
      [
        " Prefix From Next hop Pref MED AS path Communities, or why rejected",
        "*> 10.1.2.0/24 127.1.0.1 192.0.2.11 200 30 65001 65100 i 65001:7 65001:1:2",
      ],
    ],
    [
      "show routes 16.0.0.0/24",
      [
        " Prefix From Next hop Pref MED AS path Communities, or why rejected",
        /^\*> 16\.0\.0\.0\/24 127\.1\.0\.1 192\.0\.2\.11 200 30 65001 65100 i/,
        /^\* 16\.0\.0\.0\/24 127\.1\.0\.2 192\.0\.2\.99 0 65002 100000 i$/,
      ],
    ],
    [
      `show routes -n ${A} --rejected`,
      [
        " Prefix From Next hop Pref MED AS path Communities, or why rejected",
        /^x 10\.1\.2\.128\/25 .* rejected by policy: rule "too long" of policy "checked" \(.*:1\)$/,
        /^x 10\.9\.9\.0\/24 127\.1\.0\.1 \?? ?malformed UPDATE, treated as withdraw \(RFC 7606\): ORIGIN value 9 .* missing$/,
      ],
    ],
    [
      `show routes 10.1.0.0/16 -n ${B} --advertised`,
      [
        " Prefix From Next hop Pref MED AS path Communities, or why rejected",
        "> 10.1.0.0/16 127.1.0.1 127.0.0.1 64500 65001 65100 i 65001:7 65001:1:2",
      ],
    ],
    [
      // The best path is A's own: it gets the next one.
      `show routes 16.0.0.0/24 -n ${A} --advertised`,
      [
        " Prefix From Next hop Pref MED AS path Communities, or why rejected",
        "> 16.0.0.0/24 127.1.0.2 192.0.2.99 0 65002 100000 i",
      ],
    ],
    ["show routes 203.0.113.1", ["no routes"]],
    ["show routes -6", ["no routes"]],
    [
      "show status",
      [
        /^Version: \d+\.\d+\.\d+$/,
        "Router: AS 64500, identifier 192.0.2.1",
        /^Running for: \d\d:\d\d:\d\d$/,
        "Neighbors: 2 of 4 established",
      ],
    ],
    [
      `explain import 10.1.2.128/25 ${A}`,
      [
        /^10\.1\.2\.128\/25 from 127\.1\.0\.1: .*/,
        " path from 127.1.0.1, AS path 65001 65100",
        " yes checks: AS_PATH, NEXT_HOP and prefix are in order",
        /^ no policy: rejected by policy: rule "too long" of policy "checked"/,
        /^ checked \/ too long \(.*:1\): reject$/,
        " yes prefix-length: at least 25 found: 10.1.2.128/25",
      ],
    ],
    [
      `explain export 10.1.0.0/16 ${A}`,
      [
        /^10\.1\.0\.0\/16 to 127\.1\.0\.1: not advertised$/,
        " path from 127.1.0.1, AS path 65001 65100",
        " no split-horizon: learned from this peer",
      ],
    ],
    ["reload", ["nothing differs"]],
  ];

  test.each(TABLES)("%s", async (command, lines) => {
    const { code, stdout, stderr } = await ask(...command.split(" "));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const expected = lines.map((line) =>
      line instanceof RegExp ? expect.stringMatching(line) : line,
    );
    expect(shown(linesOf(stdout))).toEqual(expected);
  });

  test("columns are aligned under their titles", async () => {
    const { stdout } = await ask("show", "neighbors");
    const [title, ...rows] = linesOf(stdout);
    const stateAt = title!.indexOf("State");
    expect(rows.map((row) => /^\S/.test(row.slice(stateAt)) && row[stateAt - 1] === " ")).toEqual(
      rows.map(() => true),
    );
  });

  test("one neighbor is told with all that is known of it, by address or description", async () => {
    const byAddress = await ask("show", "neighbor", A);
    for (const line of [
      /^Neighbor: +127\.1\.0\.1, AS 65001, route server client$/m,
      /^Description: +First client$/m,
      /^State: +Established$/m,
      /^Import policy: +checked$/m,
      /^Hold time: +90 s, keepalive every 30 s$/m,
      /^Capabilities: +four octet as, route refresh$/m,
      /^Messages received: +1 open, 3 update, 0 notification, \d+ keepalive, 0 route refresh$/m,
      /^Faulty UPDATEs: +1 treat-as-withdraw$/m,
      /^ipv4-unicast: +5 received, 3 accepted, 2 rejected, 5 of at most 100 prefixes \(shutdown\); 5000 advertised/m,
    ]) {
      expect(byAddress.stdout).toMatch(line);
    }
    expect((await ask("show", "neighbor", "First client")).stdout).toMatch(
      /^Neighbor: +127\.1\.0\.1/,
    );
    const away = await ask("show", "neighbor", AWAY);
    expect(away.stdout).toMatch(/^Up since: +not established$/m);
  });

  test.each(["show groups", "show memory"])("%s", async (command) => {
    const { code, stdout, stderr } = await ask(...command.split(" "));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(linesOf(stdout).length).toBeGreaterThan(2);
    expect(stdout).not.toMatch(/undefined|NaN|\[object/);
  });
});

describe.concurrent("which routes", () => {
  test.each([
    ["10.1.0.0/16", 1],
    ["10.1.2.3", 1],
    ["10.1.2.0/24 --covering", 2],
    ["10.0.0.0/8 --longer", 2],
    ["10.0.0.0/8 --exact", 0],
    ["10.0.0.0/8", 0],
    ["16.0.0.0/24", 2],
    ["16.0.0.0/24 --best", 1],
    ["", ROUTES_OF_B + 3],
    ["-4 --best", ROUTES_OF_B + 2],
    [`-n ${A}`, 3],
    [`-n ${A} --accepted`, 3],
    [`-n ${A} --received`, 5],
    [`-n ${A} --rejected`, 2],
    [`-n ${A} --advertised`, ROUTES_OF_B],
    [`-n ${B} --advertised`, 3],
    [`-n ${AWAY} --advertised`, 0],
  ])("show routes %s: %i", async (words, count) => {
    const args = words === "" ? [] : words.split(" ");
    expect(await askJson("show", "routes", ...args)).toHaveLength(count);
  });
});

describe.concurrent("words cut short", () => {
  test.each([
    ["sh neighbors", "show neighbors"],
    ["sh ro 10.1.0.0/16", "show routes 10.1.0.0/16"],
    [`ex i 10.1.0.0/16 ${A}`, `explain import 10.1.0.0/16 ${A}`],
  ])("%s is %s", async (short, long) => {
    const [one, other] = await Promise.all([ask(...short.split(" ")), ask(...long.split(" "))]);
    const withoutTime = ({ stdout }: Result) => stdout.replace(/\d\d:\d\d:\d\d/g, "");
    expect([one.code, withoutTime(one)]).toEqual([0, withoutTime(other)]);
  });

  test("the control socket may be named by the environment", async () => {
    const env = { TSBGP_SOCKET: speaker.socket };
    expect((await tsbgp(["show", "status"], { env })).code).toBe(0);
  });
});

test.concurrent.each([
  ["show neighbor 127.9.9.9", /no neighbor has the address 127\.9\.9\.9/],
  ["show routes 10.0.0.0/33", /a length that is not between 0 and 32/],
  ["show routes 10.0.0.1/8", /has bits behind its length/],
  ["show routes -n 127.9.9.9", /no neighbor has the address/],
  [`explain import 10.0.0.0/8x ${A}`, /a length that is not between/],
  ["explain export 10.0.0.0/8 127.9.9.9", /no neighbor has the address/],
  [`refresh ${AWAY}`, /no session is established/],
  ["reset 127.9.9.9", /no neighbor has the address/],
  [`enable ${OFF}`, /the configuration has the neighbor disabled/],
])("%s is answered with no: exit 1", async (command, message) => {
  for (const json of [[], ["--json"]]) {
    const { code, stdout, stderr } = await ask(...command.split(" "), ...json);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^tsbgp: [^\n]+\n$/);
  }
});

test.each([["show routes"], ["show routes --json"]])(
  "%s ends without a word when its reader has enough",
  async (command) => {
    const args = [MAIN, ...command.split(" "), "--socket", speaker.socket];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [code] = await once(child, "close");
    expect([code, stderr]).toEqual([0, ""]);
  },
);

describe("orders", () => {
  test("refresh asks the neighbor for its routes, or sends it ours", async () => {
    const asked = a.count(ROUTE_REFRESH);
    expect((await ask("refresh", A)).stdout).toBe(`${A} was asked for its routes\n`);
    await until(() => a.count(ROUTE_REFRESH) > asked, WAIT_MS, "the neighbor is asked");
    const before = (await speaker.neighbor(A)).messages.sent.update;
    expect((await ask("refresh", A, "--out")).stdout).toBe(`${A} is sent our routes again\n`);
    const isSent = async () => (await speaker.neighbor(A)).messages.sent.update >= before + 50;
    await until(isSent, WAIT_MS, "the routes are sent again");
  });

  test("reload tells what changed, and what is wrong with a file", async () => {
    const [first, ...others] = CONFIG.neighbors;
    speaker.configure({
      ...CONFIG,
      neighbors: [
        { ...first, description: "Another" },
        ...others.slice(0, 2),
        neighbor("127.1.0.5", 65005),
      ],
    });
    const { code, stdout } = await ask("reload");
    expect([code, linesOf(stdout)]).toEqual([
      0,
      ["added: 1 (127.1.0.5)", `removed: 1 (${OFF})`, `changed: 1 (${A})`],
    ]);
    speaker.configure({ ...CONFIG, neighbors: [{ address: "nowhere", as: 1 }] });
    const refused = await ask("reload");
    expect([refused.code, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toMatch(/tsbgp\.yaml:1:\d+: /);
    expect(refused.stderr).toMatch(/nothing was changed\n$/);
    expect((await speaker.neighbor(A)).description).toBe("Another");
    speaker.configure(CONFIG);
    expect((await ask("reload")).code).toBe(0);
  });

  test("reload --dry-run tells what one would change, and changes nothing", async () => {
    const many = ["127.2.0.1", "127.2.0.2", "127.2.0.3", "127.2.0.4", "127.2.0.5"];
    const [first, ...others] = CONFIG.neighbors;
    speaker.configure({
      ...CONFIG,
      log: { level: "debug" },
      neighbors: [
        { ...first, "hold-time": 33 },
        ...others,
        ...many.map((address) => neighbor(address, 65005)),
      ],
    });
    const head = "nothing was changed; a reload would make this of it:";
    const dry = await ask("reload", "--dry-run");
    expect([dry.code, linesOf(dry.stdout)]).toEqual([
      0,
      [head, "added: 5", `reset: 1 (${A})`, "global: 1 (log)"],
    ]);
    const verbose = await ask("reload", "--dry-run", "--verbose");
    expect(linesOf(verbose.stdout)).toEqual([
      head,
      `added: 5 (${many.join(" ")})`,
      `reset: 1 (${A})`,
      "global: 1 (log)",
    ]);
    const again = await ask("reload", "--dry-run");
    expect(again.stdout).toBe(dry.stdout);
    speaker.configure({ ...CONFIG, neighbors: [{ address: "nowhere", as: 1 }] });
    const refused = await ask("reload", "--dry-run");
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/tsbgp\.yaml:1:\d+: /),
    ]);
    speaker.configure(CONFIG);
    expect((await ask("reload")).stdout).toBe("nothing differs\n");
  });

  test("disable ends the session with a text, and enable lets it begin again", async () => {
    const { code, stdout } = await ask("disable", B, "--reason", "Wartung für heute");
    expect([code, stdout]).toEqual([0, `${B} is disabled\n`]);
    const notification = await b.untilClosed();
    expect(notification).toMatchObject({ code: 6, subcode: 2 });
    expect(notification!.data.subarray(1).toString()).toBe("Wartung für heute");
    expect(await speaker.neighbor(B)).toMatchObject({ disabled: true, since_ms: null });
    expect((await ask("enable", B)).stdout).toBe(`${B} is enabled\n`);
    b = await Peer.establish({
      port: speaker.port,
      localAddress: B,
      as: 65002,
      onUpdate: () => {},
    });
    expect(b.count(KEEPALIVE)).toBeGreaterThan(0);
  });

  test("graceful-shutdown has all routes sent with a community, and is shown", async () => {
    const isShown = async () => (await ask("show", "status")).stdout.includes("GRACEFUL_SHUTDOWN");
    for (const state of ["on", "off"]) {
      const { code, stdout } = await ask("graceful-shutdown", state);
      expect([code, stdout]).toEqual([0, `graceful shutdown is ${state}\n`]);
      expect(await isShown()).toBe(state === "on");
    }
    const { code, stderr } = await ask("graceful-shutdown", "soon");
    expect([code, stderr]).toEqual([2, 'tsbgp: "soon" is not on or off\n']);
  });

  test("reset ends the session with a text, and it may begin again at once", async () => {
    const { code, stdout } = await ask("reset", B, "-r", "again, please");
    expect([code, stdout]).toEqual([0, `${B} is reset\n`]);
    const notification = await b.untilClosed();
    expect(notification).toMatchObject({ code: 6, subcode: 4 });
    expect(notification!.data.subarray(1).toString()).toBe("again, please");
    b = await Peer.establish({
      port: speaker.port,
      localAddress: B,
      as: 65002,
      onUpdate: () => {},
    });
  });
});
