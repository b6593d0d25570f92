/**
 * Files of public collectors, where they are at hand. The figures are the lines that bgpdump 1.6.2
 * prints for them (`-M`): routes of table dumps, announcements and withdrawals of update files.
 */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import type { Section } from "@ts-bgp/wire-codec";
import { UpdateReader } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { DATA_FOLDER } from "../../../test/data-folder.ts";
import { CanonicalRoutes } from "../src/canonical-routes.ts";
import { MrtReader } from "../src/mrt.ts";
import { MrtSplitter } from "../src/mrt-records.ts";
import { openMrt } from "../src/mrt-source.ts";
import { readChunks } from "../src/octet-file.ts";
import { PrefixWords } from "../src/prefix-words.ts";
import { openUpdates } from "../src/update-source.ts";
import { FOUR_OCTETS } from "./mrt-octets.ts";
import { EXTERNAL, tableOf } from "./routes-of.ts";

const DATA = DATA_FOLDER;
const REASON = existsSync(`${DATA}mrt`) ? null : `${DATA}mrt is not there`;
const TITLE = `a file of a collector${REASON === null ? "" : ` (${REASON})`}`;

interface Counts {
  routes: number;
  announced: number;
  withdrawn: number;
  /** Routes that a session would refuse. */
  rejected: number;
  fault: string | null;
}

const FILES: [name: string, expected: Partial<Counts>][] = [
  ["bview.20020722.2337.gz", { routes: 115_521 }],
  ["bview.ipv4_unicast_add_path.gz", { routes: 62, rejected: 2 }],
  ["bview.ipv6_unicast_add_path.gz", { routes: 62, rejected: 2 }],
  ["decix-20241005.1800.update.gz", { announced: 6053, withdrawn: 1758 }],
  ["dump_as51861_addpath_disabled.mrt.gz", { announced: 24_862, withdrawn: 4 }],
  [
    "rib.20140523.0600_firstMB.bz2",
    { routes: 270_005, fault: "the bzip2 data are truncated or corrupt (unexpected end of file)" },
  ],
  ["routeviews.updates.20131201.bz2", { announced: 126_269, withdrawn: 10_975 }],
  ["rrc20.updates.20180205.1030.gz", { announced: 63_301, withdrawn: 4194 }],
  ["updates.20170103.0630.gz", { announced: 24_628, withdrawn: 2302 }],
  ["updates.20190101.0000.gz", { announced: 159_948, withdrawn: 2626 }],
  ["updates.et-header.2015.gz", { announced: 577_737, withdrawn: 3 }],
  ["updates.long_withdrawal.gz", { withdrawn: 4096 }],
];

async function count(path: string): Promise<Counts> {
  const counts = { routes: 0, announced: 0, withdrawn: 0, rejected: 0, fault: null };
  const canonical = new CanonicalRoutes();
  const updates = new UpdateReader();
  const reader = new MrtReader({
    route(route) {
      counts.routes++;
      if (!canonical.readRoute(route, reader.peers[route.peer]!.address)) counts.rejected++;
    },
    update({ buf, at, end, fourOctetAs }) {
      updates.read(buf, at, end, { ...FOUR_OCTETS, fourOctetAs });
      counts.announced += routesIn(buf, updates.announced) + routesIn(buf, updates.reachable);
      counts.withdrawn += routesIn(buf, updates.withdrawn) + routesIn(buf, updates.unreachable);
    },
  });
  const splitter = new MrtSplitter();
  const chunks = readChunks(path);
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) return { ...counts, fault: value };
    splitter.octets.push(value.octets);
    for (let record = splitter.next(); record !== null; record = splitter.next()) {
      const fault = "reason" in record ? record : reader.read(record);
      if (fault !== null) return { ...counts, fault: fault.reason };
    }
  }
}

function routesIn(buf: Uint8Array, { at, end }: Section): number {
  const words = new PrefixWords();
  let routes = 0;
  for (let i = at; i < end; i = words.next, routes++) words.read(buf, i, false);
  return routes;
}

describe.skipIf(REASON !== null)(TITLE, () => {
  test.each(FILES)("is read as bgpdump reads it: %s", async (name, expected) => {
    const none = { routes: 0, announced: 0, withdrawn: 0, rejected: 0, fault: null };
    expect(await count(`${DATA}mrt/${name}`)).toEqual({ ...none, ...expected });
  });

  test("gives the same as the messages of the same session without their records", async () => {
    const options = { families: 3, partial: false };
    const mrt = `${DATA}mrt/updates.et-header.2015.gz`;
    const updates = `${DATA}updates/real-ipv4-577706.as3856.ebgp-derived.updates.zst`;
    const sources = [
      await openMrt({ ...options, path: mrt, peer: null }, () => {}),
      await openUpdates({ ...options, path: updates }, () => {}),
    ];
    const form = { ...EXTERNAL, localAs: 3856 };
    const outcomes = [];
    for (const source of sources) {
      const hash = createHash("sha256");
      const warnings: string[] = [];
      let routes = 0;
      for await (const batch of source.read(form, (text) => warnings.push(text))) {
        hash.update(batch.octets);
        routes += batch.routes;
      }
      const { firstAs } = source;
      outcomes.push({ firstAs, routes, warnings, hash: hash.digest("hex") });
    }
    expect(outcomes[0]).toMatchObject({ firstAs: 3856, routes: 577_736 });
    expect(outcomes[0]!.warnings).toEqual([expect.stringContaining("AS number 0")]);
    expect(outcomes[1]).toEqual(outcomes[0]);
  });

  test("gives the table of one of its peers, the one with most routes", async () => {
    const path = `${DATA}mrt/rib.20140523.0600_firstMB.bz2`;
    const options = { path, peer: null, families: 3, partial: true };
    const source = await openMrt(options, () => {});
    const table = await tableOf(source.read(EXTERNAL, () => {}));
    expect(table.size).toBe(source.routes);
    expect(table.size).toBeGreaterThan(8900);
  });
});
