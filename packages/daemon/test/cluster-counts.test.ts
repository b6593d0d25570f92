/** What a member of a cluster counts is of its own neighbors: others are no sessions that are down. */

import { showTotals } from "@ts-bgp/views";
import { expect, test } from "vitest";
import { Lab } from "../../../testkit/router.ts";
import { NEIGHBOR_TABLE, neighborRows } from "../src/neighbor-metrics.ts";
import { member, Telling } from "./support/telling.ts";

const BOTH = `
  - { address: 192.0.2.1, as: 65001, speaker: a }
  - { address: 192.0.2.2, as: 65002, speaker: b }
`;

test("other members' neighbors have no metrics, and do not count", () => {
  const a = new Lab(member("a", BOTH));
  const b = new Lab(member("b", BOTH));
  const telling = new Telling(a, "a", b);
  a.peer("192.0.2.1", { as: 65001 }).up().announce(["10.1.0.0/16"]);
  b.peer("192.0.2.2", { as: 65002 }).up().announce(["10.2.0.0/16"]);
  telling.pass();
  expect(telling.routesOf("192.0.2.1")).toHaveLength(1);
  const rows = [...neighborRows(b.router)];
  expect(NEIGHBOR_TABLE.texts[0]).toBe("neighbor");
  expect(rows.flatMap(({ subjects }) => subjects.map(([address]) => address))).toEqual([
    "192.0.2.2",
  ]);
  const counts = { neighbors: 1, established: 1, received: 1, accepted: 1 };
  expect(showTotals(b.router)).toMatchObject({ ...counts, prefixes: { "ipv4-unicast": 2 } });
});
