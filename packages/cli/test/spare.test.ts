/** `tsbgp show nsr` of a spare for people, and what is asked of the wrong one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ShownSpared } from "@ts-bgp/daemon";
import { afterAll, describe, expect, test } from "vitest";
import { listenForRequests } from "../src/control-relay.ts";
import { spareLines } from "../src/spare.ts";
import { linesOf, tsbgp } from "./support/tsbgp.ts";

const READY: ShownSpared = {
  ...{ cluster: "rs1", file: "/etc/ts-bgp/rs1.yaml", socket: "/run/ts-bgp/rs1.sock" },
  ...{ process: "running", pid: 77, started_ms: 1, starts: 1, last_end: "", next_start_ms: null },
  ...{ answers: true, role: "standby", side: "spare", other_side: "a", since_ms: 0, ready: true },
  ...{ reason: "", sessions: 12, protected: 12, memory_octets: 250e6, memory_max_octets: null },
  ...{ cpu_ms: 1000, cpu_share: 0.034 },
};
const ACTIVE: ShownSpared = { ...READY, role: "active", ready: false, reason: "no standby" };
const SILENT: ShownSpared = {
  ...READY,
  ...{ answers: false, role: "unknown", ready: false, reason: "it does not answer" },
};
const WAITING: ShownSpared = {
  ...SILENT,
  ...{ process: "waiting", pid: 0, last_end: "SIGSEGV", memory_octets: 0, cpu_share: 0 },
};
const named = (cluster: string, shown: ShownSpared): ShownSpared => ({ ...shown, cluster });

describe("the first line says how the spare is", () => {
  test.each<[string, readonly ShownSpared[]]>([
    ["this spare can take over 2 of 2 pairs", [READY, named("rs2", READY)]],
    ["this spare can take over ONLY 1 of 2 pairs", [READY, named("rs2", SILENT)]],
    [
      "this spare can take over 1 of 1 pairs, and is active for rs2 (NOT PROTECTED)",
      [READY, named("rs2", ACTIVE)],
    ],
    [
      "this spare is active for rs1 (protected), rs2 (NOT PROTECTED)",
      [
        { ...ACTIVE, ready: true },
        { ...named("rs2", ACTIVE), role: "simplex" },
      ],
    ],
  ])("%s", (line, pairs) => {
    expect(spareLines({ pairs: [...pairs] })[0]).toBe(line);
  });
});

test("each pair has a line", () => {
  const pairs = [READY, named("rs2", ACTIVE), named("rs3", SILENT), named("rs4", WAITING)];
  const [, , ...lines] = spareLines({ pairs });
  expect(lines.map((line) => line.replace(/ +/g, " "))).toEqual([
    "Cluster Role Ready Since Other side Sessions Protected Memory CPU Starts Why not",
    "rs1 standby yes a 12 12 250.0 MB 3.4 % 1",
    "rs2 active NO a 12 12 250.0 MB 3.4 % 1 no standby",
    "rs3 unknown NO a 12 12 250.0 MB 3.4 % 1 it does not answer",
    "rs4 waiting NO a 12 12 0 B 0.0 % 1 it does not answer",
  ]);
});

describe("a switchover of a pair that is not there", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-spare-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each<[string, object, RegExp]>([
    ["of a speaker", { cluster: "rs1" }, /is that of a speaker, which has no pairs to choose from/],
    ["of a spare", { pairs: [READY] }, /the spare has no pair rs9; it has rs1/],
  ])("%s is answered with no", async (name, answer, message) => {
    const socket = join(folder, name.replaceAll(" ", "-"));
    const end = await listenForRequests(socket, async (_, item) => {
      item(answer);
      return {};
    });
    const { code, stdout, stderr } = await tsbgp(["switchover", "rs9", "-s", socket]);
    end();
    expect([code, stdout, linesOf(stderr).length]).toEqual([1, "", 1]);
    expect(stderr).toMatch(message);
  });
});
