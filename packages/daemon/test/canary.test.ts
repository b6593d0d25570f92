/** A configuration is tried with some neighbors first, and goes back when it does harm: with a real speaker. */
import { execFile } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { type ConfigFile, MAIN, SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, parseUpdate } from "../../../testkit/updates.ts";

/** Has the routes. */
const A = "127.1.0.1";
/** The canary. */
const B = "127.1.0.2";
/** Sees the same policies as the canary. */
const C = "127.1.0.3";
const ROUTES = 3000;
/** 1024 of the routes: 16.0.0.0/24 to 16.3.255.0/24. */
const MANY = ["16.0.0.0/14 le 24"];
const NONE = ["203.0.113.0/24"];
const TOKEN = "0123456789abcdef";

/** @param hidden - prefixes that clients are not sent @param name - of the API's token */
function config(hidden: readonly string[], name = "noc"): ConfigFile {
  const neighbor = (address: string, as: number) => ({ address, as, passive: true });
  return {
    http: { port: speaker?.httpPort ?? 0, tokens: [{ name, role: "operator", secret: TOKEN }] },
    defaults: { "route-server-client": true, import: "accept-all", export: "clean" },
    neighbors: [
      { ...neighbor(A, 65001), description: "source" },
      neighbor(B, 65002),
      { ...neighbor(C, 65003), description: "other" },
    ],
    policies: JSON.parse(`{ "clean": [
      { "name": "hidden", "if": { "prefix": "hidden" }, "then": "reject" }, { "then": "accept" }
    ] }`),
    "prefix-lists": { hidden },
  };
}

/** What a peer has heard. */
class Member {
  updates = 0;
  readonly routes: Set<string> = new Set();
  peer!: Peer;

  async connect(port: number, localAddress: string, as: number): Promise<this> {
    const onUpdate = (octets: Buffer) => this.hear(octets);
    this.peer = await Peer.establish({ port, localAddress, as, onUpdate });
    return this;
  }

  async has(count: number): Promise<void> {
    await until(() => this.routes.size === count, WAIT_MS, `it has ${count} routes`);
  }

  private hear(octets: Buffer): void {
    const { withdrawn, nlri } = parseUpdate(octets);
    this.updates++;
    for (const prefix of withdrawn) this.routes.delete(prefix);
    for (const prefix of nlri) this.routes.add(prefix);
  }
}

let speaker: SpeakerProcess;
const [a, b, c] = [new Member(), new Member(), new Member()] as const;

beforeAll(async () => {
  speaker = await SpeakerProcess.create({});
  speaker.configure(config(NONE));
  await speaker.start();
  const { port } = speaker;
  await Promise.all([
    a.connect(port, A, 65001),
    b.connect(port, B, 65002),
    c.connect(port, C, 65003),
  ]);
  await a.peer.sendAll(manyRoutes({ as: 65001, count: ROUTES }));
  await Promise.all([b.has(ROUTES), c.has(ROUTES)]);
});

afterAll(() => {
  for (const { peer } of [a, b, c]) peer?.end();
  speaker?.remove();
});

function tsbgp(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const all = [MAIN, ...words, "--socket", speaker.socket];
    execFile(process.execPath, all, (error, stdout, stderr) =>
      resolve({ code: (error?.code as number | undefined) ?? 0, stdout, stderr }),
    );
  });
}

async function reloads(): Promise<Record<string, unknown>[]> {
  const { items } = await speaker.ask({ command: "show-reloads" });
  return (items as [{ configurations: Record<string, unknown>[] }])[0].configurations;
}

describe("a reload for some neighbors", () => {
  test("gives them the new policy, and nobody else is sent an UPDATE; then goes back", async () => {
    const before = c.updates;
    speaker.configure(config(MANY, "chief"));
    const dry = await tsbgp("reload", "--dry-run", "--canary", "AS65002");
    expect(dry.stdout).toContain(`changed: 1 (${B})\npolicies: 1 (clean~new)\n`);
    const { stdout } = await tsbgp("reload", "--canary", "AS65002", "--confirm", "600");
    expect(stdout).toBe(
      `changed: 1 (${B})\npolicies: 1 (clean~new)\n` +
        "goes back in 600 s: `tsbgp confirm` gives it to all neighbors, `tsbgp rollback` goes back at once\n",
    );
    await b.has(ROUTES - 1024);
    const status = await tsbgp("show", "status");
    expect(status.stdout).toMatch(/^ *for alone: +127\.1\.0\.2$/m);
    const shown = await tsbgp("show", "reloads");
    expect(shown.stdout).toMatch(
      / in force, goes back to 1 in .* unless confirmed; for 127\.1\.0\.2 alone$/m,
    );
    expect(shown.stdout).toContain(`${speaker.file} says what comes for all neighbors\n`);
    const explained = await tsbgp("explain", "export", "16.0.0.0/24", B);
    expect(explained.stdout).toContain('rule "hidden" of policy "clean~new"');
    await tsbgp("rollback");
    await b.has(ROUTES);
    expect(c.routes.size).toBe(ROUTES);
    expect(c.updates).toBe(before);
    const back = await tsbgp("rollback", "--to", "2");
    expect(back.stderr).toBe(`tsbgp: configuration 2 was for ${B} alone\n`);
  });

  test("is there for all once it is confirmed, with the sections of the speaker", async () => {
    const before = { b: b.updates, c: c.updates };
    speaker.configure(config(MANY, "chief"));
    const reload = { confirm: 600, canary: `${B}, AS65002` };
    const post = async (path: string, body: unknown) => {
      const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
      const url = `http://127.0.0.1:${speaker.httpPort}/api/v1/${path}`;
      const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
      return answer.json() as Promise<Record<string, unknown>>;
    };
    expect(await post("reload", reload)).toMatchObject({ changed: [B], policies: ["clean~new"] });
    await b.has(ROUTES - 1024);
    expect(c.updates).toBe(before.c);
    const told = b.updates;
    // What the file says by then is not asked.
    speaker.configure(config(NONE));
    const number = (await reloads())[0]!["number"] as number;
    expect(await post("confirm", {})).toEqual({ number: number + 1 });
    await c.has(ROUTES - 1024);
    expect(b.updates).toBe(told);
    expect((await reloads())[0]).toMatchObject({
      ...{ how: "confirmed", by: "noc", canary: null, until_ms: null },
    });
    // The token has its new name.
    expect(await post("rollback", {})).toMatchObject({ to: [String(number - 1)] });
    expect((await reloads())[0]).toMatchObject({ how: "rollback", by: "chief" });
    await b.has(ROUTES);
    await c.has(ROUTES);
  });

  test("stays as it is where the rest cannot come", async () => {
    const listen = [`127.0.0.1`, "192.0.2.77"].map((address) => ({ address, port: speaker.port }));
    speaker.configure({ ...config(MANY), listen });
    await speaker.ask({ command: "reload", confirm: 600, canary: "65002" });
    await b.has(ROUTES - 1024);
    const { code, stderr } = await tsbgp("confirm");
    expect([code, stderr]).toEqual([1, expect.stringContaining("192.0.2.77")]);
    expect(stderr).toContain("\nit is still for some neighbors alone\n");
    expect((await reloads())[0]).toMatchObject({ canary: [B], until_ms: expect.any(Number) });
    await speaker.ask({ command: "rollback" });
    await b.has(ROUTES);
  });

  test.each([
    ["AS65009", "no neighbor has the AS number, address or description AS65009"],
    [
      "other,127.1.0.9",
      "the neighbor 127.1.0.9 is new in the file: it comes when all are to have it",
    ],
    ["source", "the file has no neighbor source any more"],
    [C, "the file changes nothing for 127.1.0.3"],
  ])("for %s is refused: %s", async (canary, message) => {
    const file = config(NONE);
    const neighbors = (file["neighbors"] as object[]).slice(1);
    const added = { address: "127.1.0.9", as: 65007, passive: true };
    speaker.configure({ ...file, neighbors: [...neighbors, added] });
    const refused = await tsbgp("reload", "--canary", canary, "--confirm", "60");
    expect([refused.code, refused.stderr]).toEqual([1, `tsbgp: ${message}\nnothing was changed\n`]);
  });
});

describe("a reload with conditions", () => {
  test("goes back at once when routes are lost", async () => {
    const before = c.updates;
    speaker.configure(config(MANY));
    const { code } = await tsbgp(
      ...["reload", "--canary", "AS65002", "--confirm", "600"],
      ...["--abort-if", "sessions-lost > 0, routes-lost > 10%"],
    );
    expect(code).toBe(0);
    const line = await speaker.untilLogged("going back", ({ how }) => how === "aborted");
    const reason = `routes-lost > 10%: ${B} is sent 1024 fewer of 3000 routes`;
    expect(line).toMatchObject({ id: "config-rolled-back", level: "warn", reason });
    await b.has(ROUTES);
    expect(c.updates).toBe(before);
    expect(await reloads()).toMatchObject([
      { how: "aborted", in_force: true, reason, canary: null },
      { how: "reload", canary: [B], abort_if: null },
      ...new Array((await reloads()).length - 2).fill({}),
    ]);
    expect((await tsbgp("show", "reloads")).stdout).toContain(` in force; ${reason}\n`);
  });

  test("goes on while they do not hold, and goes back when a session is lost", async () => {
    speaker.configure(config(MANY));
    const conditions = "routes-lost > 1024, rejected > 0, sessions-lost > 0";
    await speaker.ask({ command: "reload", confirm: 600, abort_if: conditions });
    await c.has(ROUTES - 1024);
    const { items } = await speaker.ask({ command: "show-status" });
    expect(items).toMatchObject([{ config_trial: { canary: null, abort_if: conditions } }]);
    b.peer.end();
    const reason = `sessions-lost > 0: 1 of 3, ${B} among them`;
    await speaker.untilLogged("going back", (line) => line["reason"] === reason);
    await c.has(ROUTES);
  });

  test("takes no count of rejected routes that are not kept", async () => {
    const file = config(MANY);
    const [one, ...rest] = file["neighbors"] as object[];
    speaker.configure({ ...file, neighbors: [{ ...one, "keep-rejected": false }, ...rest] });
    const request = { command: "reload", dry_run: true, abort_if: "rejected > 5" };
    const problem = `abort-if: rejected routes of ${A} are not kept (keep-rejected: false)`;
    await expect(speaker.ask(request)).rejects.toThrow(problem);
    await expect(speaker.ask({ ...request, canary: "AS65001" })).rejects.toThrow(problem);
    // It does not count.
    await speaker.ask({ ...request, canary: "AS65002" });
    await speaker.ask({ ...request, abort_if: "routes-lost > 5" });
  });

  test.each([
    [
      { confirm: 9, abort_if: "routes-lost > 1%, rejected 5" },
      'abort-if, column 28: ">" behind rejected is to be there, not "5"',
    ],
    [
      { abort_if: "rejected > 5" },
      '"abort_if" needs "confirm": after how many seconds it goes back',
    ],
    [{ canary: "AS65002" }, '"canary" needs "confirm": after how many seconds it goes back'],
    [
      { confirm: 9, canary: "AS65002,," },
      '"canary" must be AS numbers, addresses or descriptions of neighbors',
    ],
  ])("%j is refused", async (request, message) => {
    await expect(speaker.ask({ command: "reload", ...request })).rejects.toThrow(message);
  });
});
