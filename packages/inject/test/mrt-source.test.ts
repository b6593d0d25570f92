import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InjectEvent } from "../src/events.ts";
import { type MrtOptions, openMrt } from "../src/mrt-source.ts";
import { openUpdates } from "../src/update-source.ts";
import {
  attributes,
  attributes6,
  message,
  peerIndexTable,
  record,
  rib,
  update,
} from "./mrt-octets.ts";
import { EXTERNAL, pathOf, type Table, tableOf } from "./routes-of.ts";

const PEERS = [
  { address: "192.0.2.1", as: 64500 },
  { address: "2001:db8::2", as: 64501 },
  { address: "192.0.2.3", as: 64500 },
];
const V6 = attributes6([64501], "2001:db8::2");

/** Peer 0 has two routes, peer 1 three, one of them of IPv6, and peer 2 one. */
const DUMP = Uint8Array.from([
  ...peerIndexTable(PEERS),
  ...rib("10.1.0.0/16", [
    { peer: 0, attributes: attributes([64500, 1], "192.0.2.1") },
    { peer: 1, attributes: attributes([64501, 1], "192.0.2.2") },
  ]),
  ...rib("10.2.0.0/16", [
    { peer: 0, attributes: attributes([64500, 1], "192.0.2.1") },
    { peer: 1, attributes: attributes([64501, 1], "192.0.2.2") },
    { peer: 2, attributes: attributes([64500, 3], "192.0.2.3") },
  ]),
  ...rib("2001:db8::/32", [{ peer: 1, attributes: V6 }]),
]);

const AS4 = { fourOctetAs: true, addPath: false };
const UPDATES = Uint8Array.from([
  ...message(PEERS[0]!, update([64500, 1], ["10.1.0.0/16", "10.2.0.0/16"]), AS4),
  ...message(PEERS[2]!, update([64500, 3], ["10.3.0.0/16"]), AS4),
  ...message(PEERS[0]!, update([64500, 2], ["10.2.0.0/16"]), AS4),
]);

const FORM = { ...EXTERNAL, localAs: 64500 };

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ts-bgp-inject-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(octets: Uint8Array): string {
  const path = join(directory, `${Math.random()}`);
  writeFileSync(path, octets);
  return path;
}

async function open(octets: Uint8Array, options: Partial<MrtOptions> = {}) {
  const events: InjectEvent[] = [];
  const all = { path: file(octets), peer: null, families: 3, partial: false, ...options };
  const source = await openMrt(all, (event) => events.push(event));
  const warnings = events.flatMap((event) => (event.kind === "warning" ? [event.text] : []));
  return {
    source,
    warnings,
    table: await tableOf(
      source.read(FORM, () => {}),
      FORM,
    ),
  };
}

describe("a table dump", () => {
  test("with records of unknown kinds is announced without them, with a warning", async () => {
    const odd = [record(20, 0, [1, 2]), record(20, 0, []), record(13, 99, [1])].flat();
    const { table, warnings } = await open(Uint8Array.from([...odd, ...DUMP]));
    expect(table.size).toBe(3);
    expect(warnings).toEqual([
      "3 MRT records of unknown kinds were skipped: 2 of type 20, 1 of type 13 subtype 99",
    ]);
  });

  test("is announced as the table of the peer with most routes", async () => {
    const { source, table } = await open(DUMP);
    expect([source.routes, source.firstAs, source.families]).toEqual([3, 64501, 3]);
    expect([...table.keys()]).toEqual(["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"]);
  });

  test.each([
    ["its number", { by: "number", number: 2 }, ["10.2.0.0/16"]],
    ["its address", { by: "address", address: "192.0.2.1" }, ["10.1.0.0/16", "10.2.0.0/16"]],
    ["its AS, the largest of several", { by: "as", as: 64500 }, ["10.1.0.0/16", "10.2.0.0/16"]],
  ] as const)("is announced as the table of the peer with %s", async (_, peer, prefixes) => {
    const { table } = await open(DUMP, { peer });
    expect([...table.keys()]).toEqual(prefixes);
  });

  test("is announced in one message for equal attributes", async () => {
    const { source } = await open(DUMP, { peer: { by: "number", number: 0 } });
    const batches = [...(source.read(FORM, () => {}) as Iterable<{ messages: number }>)];
    expect(batches.reduce((sum, { messages }) => sum + messages, 0)).toBe(1);
  });

  test("gets the session's next hop, and the own AS where a path begins otherwise", async () => {
    const { table } = await open(DUMP);
    expect(table.get("10.1.0.0/16")?.["NEXT_HOP"]).toBe("198.51.100.1");
    expect(table.get("2001:db8::/32")?.["NEXT_HOP"]).toBe("2001:db8::77");
    expect(pathOf(table, "10.1.0.0/16")).toBe("64500 64501 1");
    const own = await open(DUMP, { peer: { by: "number", number: 0 } });
    expect(pathOf(own.table, "10.1.0.0/16")).toBe("64500 1");
  });

  test("keeps its next hops when asked to", async () => {
    const { source } = await open(DUMP);
    const form = { ...FORM, nextHop4: null, nextHop6: null };
    const table = await tableOf(
      source.read(form, () => {}),
      form,
    );
    expect(table.get("10.1.0.0/16")?.["NEXT_HOP"]).toBe("192.0.2.2");
    expect(table.get("2001:db8::/32")?.["NEXT_HOP"]).toBe("2001:db8::2");
  });

  test("is cut down to the families that are wanted", async () => {
    const { source, table } = await open(DUMP, { families: 2 });
    expect([source.families, [...table.keys()]]).toEqual([2, ["2001:db8::/32"]]);
  });

  test("tells which routes a session cannot carry", async () => {
    const { source } = await open(DUMP);
    const warnings: string[] = [];
    const form = { ...FORM, families: 1 };
    const table = await tableOf(
      source.read(form, (text) => warnings.push(text)),
      form,
    );
    expect(table.size).toBe(2);
    expect(warnings).toEqual([expect.stringContaining("1 routes not sent")]);
  });

  test("without next hops gets the peer's address", async () => {
    const bare = attributes([64500], "192.0.2.1").slice(0, -7);
    const octets = [
      ...peerIndexTable(PEERS),
      ...rib("10.0.0.0/8", [{ peer: 0, attributes: bare }]),
    ];
    const { source } = await open(Uint8Array.from(octets));
    const form = { ...FORM, nextHop4: null };
    const table = await tableOf(
      source.read(form, () => {}),
      form,
    );
    expect(table.get("10.0.0.0/8")?.["NEXT_HOP"]).toBe("192.0.2.1");
  });

  test("sends path identifiers to sessions that take them", async () => {
    const entries = [7, 8].map((pathId) => {
      return { peer: 0, attributes: attributes([64500, pathId], "192.0.2.1"), pathId };
    });
    const octets = Uint8Array.from([...peerIndexTable(PEERS), ...rib("10.0.0.0/8", entries)]);
    const { source, table } = await open(octets);
    const form = { ...FORM, addPath: 1 };
    const both = await tableOf(
      source.read(form, () => {}),
      form,
    );
    expect([...both.keys()]).toEqual(["7 10.0.0.0/8", "8 10.0.0.0/8"]);
    expect(pathOf(table, "10.0.0.0/8")).toBe("64500 8");
  });

  test.each([
    ["no such peer", DUMP, { peer: { by: "as", as: 1 } }, /no such peer[\s\S]*2: 192.0.2.3/],
    ["all peers", DUMP, { peer: { by: "all" } }, /one peer/],
    ["an empty file", new Uint8Array(0), {}, /no routes/],
    ["no routes", Uint8Array.from(peerIndexTable(PEERS)), {}, /no routes/],
    ["a family that is not there", DUMP.slice(0, -80), { families: 2, partial: true }, /no routes/],
    ["no such file", DUMP, { path: "/no/such/file" }, /there is no such file/],
    ["a directory", DUMP, { path: "/" }, /is a directory/],
  ] as const)("is refused for %s", async (_, octets, options, message) => {
    await expect(open(octets, options)).rejects.toThrow(message);
  });
});

describe("update messages", () => {
  test("are replayed in their order, those of the peer with most", async () => {
    const { source, table } = await open(UPDATES);
    expect([source.routes, source.firstAs]).toEqual([null, 64500]);
    expect([...table.keys()]).toEqual(["10.1.0.0/16", "10.2.0.0/16"]);
    expect(pathOf(table, "10.2.0.0/16")).toBe("64500 2");
  });

  test("are replayed for all peers when asked to", async () => {
    const { table } = await open(UPDATES, { peer: { by: "all" } });
    expect(table.size).toBe(3);
  });

  test("that are malformed are left out with a warning", async () => {
    const bad = update([0], ["10.9.0.0/16"]);
    const { source, table } = await open(
      Uint8Array.from([...UPDATES, ...message(PEERS[0]!, bad, AS4)]),
    );
    const warnings: string[] = [];
    await tableOf(
      source.read(FORM, (text) => warnings.push(text)),
      FORM,
    );
    expect(table.size).toBe(2);
    expect(warnings).toEqual([
      "1 malformed updates left out, the first because AS_PATH has AS number 0",
    ]);
  });

  test("can come as they are on the wire", async () => {
    const octets = Buffer.concat([
      update([64500, 1], ["10.1.0.0/16"]),
      update([64500], ["10.2.0.0/16"]),
    ]);
    const options = { path: file(octets), families: 3, partial: false };
    const source = await openUpdates(options, () => {});
    const table = await tableOf(
      source.read(FORM, () => {}),
      FORM,
    );
    expect([source.firstAs, table.size]).toEqual([64500, 2]);
    const text = { ...options, path: file(new TextEncoder().encode("not at all a message\n")) };
    await expect(openUpdates(text, () => {})).rejects.toThrow(/octet 0: the marker/);
  });
});

test("a file of messages that is cut at any octet gives the whole ones before", async () => {
  const messages = [1, 2, 3].map((as) => update([64500, as], [`10.${as}.0.0/16`]));
  const octets = Buffer.concat(messages);
  const ends = messages.map((_, i) => Buffer.concat(messages.slice(0, i + 1)).length);
  for (let end = 0; end < octets.length; end++) {
    const options = { path: file(octets.subarray(0, end)), families: 3, partial: true };
    const whole = ends.filter((one) => one <= end).length;
    const source = openUpdates(options, () => {});
    if (whole === 0) await expect(source).rejects.toThrow(/no UPDATE/);
    else
      expect(
        (
          await tableOf(
            (await source).read(FORM, () => {}),
            FORM,
          )
        ).size,
      ).toBe(whole);
    if (ends.includes(end)) continue;
    const strict = openUpdates({ ...options, partial: false }, () => {});
    const offset = ends[whole - 1] ?? 0;
    const fault = end === 0 ? "no UPDATE" : `octet ${offset}: the file ends in a message`;
    await expect(strict).rejects.toThrow(fault);
  }
});

/** Whether the machine can make bzip2 files for us. */
const bzip2 = (() => {
  try {
    execFileSync("bzip2", ["--version"], { stdio: "ignore", input: "" });
    return true;
  } catch {
    return false;
  }
})();

describe("a compressed file", () => {
  const whole = ["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"];
  const compressors: [string, (octets: Uint8Array) => Uint8Array][] = [
    ["gzip", (octets) => gzipSync(octets)],
    ["zstd", (octets) => zstdCompressSync(octets)],
  ];
  if (bzip2) {
    compressors.push(["bzip2", (input) => execFileSync("bzip2", { input, stdio: "pipe" })]);
  }

  test.each(compressors)("is told by its first octets: %s", async (_, compress) => {
    const { table } = await open(compress(DUMP));
    expect([...table.keys()]).toEqual(whole);
  });

  test.each(compressors)("that is cut at any octet is refused: %s", async (name, compress) => {
    const octets = compress(DUMP);
    for (let end = 5; end < octets.length; end++) {
      const cut = octets.slice(0, end);
      await expect(open(cut), `${end}`).rejects.toThrow(
        `the ${name} data are truncated or corrupt`,
      );
    }
  });

  test.each(compressors)("with any octet changed is read or refused: %s", async (_, compress) => {
    const octets = compress(DUMP);
    for (let at = 0; at < octets.length; at += 3) {
      const changed = octets.slice();
      changed[at]! ^= 0x55;
      const table: Table | string = await open(changed).then(
        (result) => result.table,
        (error) => error.message,
      );
      if (typeof table !== "string") expect(table.size).toBeLessThanOrEqual(whole.length);
    }
  });

  test.each([
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ])("gives what comes before its end when asked to: %s", async (_, compress) => {
    // No two records are alike, so that half of the file holds about half of them.
    const records = Array.from({ length: 8000 }, (_, i) => {
      const path = [64500, (i * 7919) % 60_000, (i * 104_729) % 64_000].map((as) => as + 1);
      const entry = { peer: 0, attributes: attributes(path, "192.0.2.1") };
      return rib(`10.${i >> 8}.${i & 255}.0/24`, [entry]);
    });
    const compressed = compress(Uint8Array.from([...peerIndexTable(PEERS), ...records.flat()]));
    const half = compressed.subarray(0, compressed.length >> 1);
    const { source, warnings } = await open(half, { partial: true });
    expect(source.routes).toBeGreaterThan(1000);
    expect(source.routes).toBeLessThan(7000);
    expect(warnings[0]).toMatch(/octet \d+: .* taking what comes before that/);
  });
});
