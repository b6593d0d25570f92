/** Whose messages ended the side that was followed: they are held down, here and at other standbys. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Journal, Machine, replay } from "@ts-bgp/replication";
import { Held, type Speaker } from "@ts-bgp/speaker";
import { encodeUpdate } from "@ts-bgp/wire-codec";
import { expect, onTestFinished, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { Suspects } from "../src/suspects.ts";

const ADDRESS = "192.0.2.2";
const SEED = 1;

test("those that a router holds down by itself are held as long by whoever follows, and not once more", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tsbgp-suspects-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const config = configOf(yamlOf(`neighbors: [{ address: ${ADDRESS}, as: 65001 }]`));
  const machine = new Machine(config, SEED);
  const other = new Machine(config, SEED);
  const held = new Held(join(directory, "held"), (message) => expect.fail(message));
  const suspects = new Suspects({ crash: () => null, crashFile: () => null, held });
  const suspect = { address: ADDRESS, cause: "SIGABRT", message: encodeUpdate({}) };
  suspects.ended({ peer: null, suspects: [suspect], isHanging: false, machine }, true);
  suspects.isolate(machine.router);
  const { nowMs } = machine.router.tables;
  const quarantineOf = ({ router }: Machine) => router.neighbors.get(ADDRESS)!.quarantine;
  const isolated = quarantineOf(machine);
  expect(isolated).toMatchObject({ count: 1, untilMs: nowMs + 60_000 });
  const journal = new Journal(machine);
  journal.isOn = true;
  suspects.goOn({
    journal,
    now: () => nowMs + 10_000,
    router: machine.router,
  } as unknown as Speaker);
  await held.settled();
  replay(other, journal.take().calls, { records: 0, fields: 0 });
  for (const each of [machine, other]) {
    expect(quarantineOf(each)).toMatchObject({ count: 1, untilMs: isolated!.untilMs });
  }
});
