/** Whether clients find what goes wrong: an instrument that shows nothing may have seen nothing. */
import { afterEach, describe, expect, test } from "vitest";
import { labAvailable } from "../test/lab/install.ts";
import { until } from "../test/lab/until.ts";
import { type Act, runEpisode } from "./episode.ts";
import {
  differencesOf,
  type Exchange,
  type ExchangeOptions,
  fillExchange,
  hasFaults,
  openExchange,
  settle,
} from "./exchange.ts";

const REASON = labAvailable();
const CLIENTS = 10;
const ROUTES = 40;
const MARK = { set: { community: { add: ["64500:1"] } } };
const ACCEPT = JSON.parse('{ "then": "accept" }');
let exchange: Exchange | null = null;

afterEach(() => exchange?.lab.remove());

async function opened(options: Partial<ExchangeOptions>): Promise<Exchange> {
  const common = { clients: CLIENTS, routes: ROUTES, seed: 1 };
  exchange = await openExchange({ kind: "shared", ...common, ...options });
  return exchange;
}

function episode(of: Exchange, act: Act) {
  const windows = { windowSeconds: 2, undisturbedSeconds: 1 };
  return runEpisode(of, { act, churn: 100, bulkShare: 0.5, ...windows });
}

describe.skipIf(REASON !== null)(`clients of an exchange${REASON ? ` (${REASON})` : ""}`, () => {
  test("notice nothing of a kill, a switchover and a kill in a bulk", async () => {
    const pair = await opened({});
    await fillExchange(pair);
    for (const act of ["kill", "switchover", "bulk"] as const) {
      const { problems, faults, joinFaults, join, readyAgainSeconds, toldShare } = await episode(
        pair,
        act,
      );
      expect(problems).toEqual([]);
      expect(hasFaults(faults)).toBe(false);
      expect(joinFaults === null).toBe(act === "switchover");
      expect(join === null).toBe(act === "switchover");
      expect(readyAgainSeconds).not.toBeNull();
      expect(toldShare === null).toBe(act !== "bulk");
    }
  });

  test("notice the end of a side without a partner, each of them", async () => {
    const alone = await opened({ kind: "alone" });
    await fillExchange(alone);
    const { problems, faults } = await episode(alone, "kill");
    expect(faults.closed).toBe(CLIENTS);
    expect(faults.fins + faults.resets).toBe(CLIENTS);
    expect(problems.join("; ")).toContain(`${CLIENTS} sessions were closed`);
  });

  test("notice routes that are not as they were sent", async () => {
    const other = await opened({
      kind: "alone",
      sections: {
        policies: { marked: [MARK, ACCEPT] },
        defaults: {
          ...{ import: "accept-all", export: "marked", passive: true },
          ...{ "route-server-client": true, families: ["ipv4-unicast"] },
        },
      },
    });
    const { clients } = other;
    clients.connect();
    await until(async () => (await clients.stat()).up === CLIENTS, 30_000, "the sessions are up");
    clients.announce();
    const check = await settle(other);
    const all = CLIENTS * (CLIENTS - 1) * ROUTES;
    expect(check).toMatchObject({ different: all, missing: 0, extra: 0, echoed: 0 });
    expect(check.clients).toBe(CLIENTS);
    expect(differencesOf(check)).toBe(all);
  });
});
