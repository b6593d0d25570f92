/** How long routes take through a speaker, by its metrics. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { updateMessage } from "../../../testkit/updates.ts";
import { attributesWith, SmallExchange } from "./support/small-exchange.ts";

const NAME = "tsbgp_update_latency_seconds";
const OPENMETRICS = { accept: "application/openmetrics-text" };

let exchange: SmallExchange;

beforeAll(async () => {
  exchange = await SmallExchange.create();
});

afterAll(() => exchange?.remove());

/** @returns the lines of the metric */
async function shown(headers: Record<string, string> = {}): Promise<string[]> {
  const text = await (await exchange.ask("/metrics", { headers })).text();
  return text.split("\n").filter((line) => line.includes(NAME));
}

async function numberOf(series: string): Promise<number> {
  const line = (await shown()).find((one) => one.startsWith(`${NAME}${series} `));
  return Number(line!.split(" ")[1]);
}

/** A says something else of a prefix. */
function say(length: 24 | 25, med: number): void {
  const attributes = attributesWith([65001, 65100, 65200 + (med % 100)]);
  const prefix = length === 24 ? [24, 10, 1, 3] : [25, 10, 1, 3, 128];
  exchange.peers[0]!.send(updateMessage([], attributes, prefix));
}

test("what is sent on counts, and how long it took is plausible", async () => {
  const before = await numberOf("_count");
  // A table came, and was sent on.
  expect(before).toBeGreaterThan(0);
  let said = 0;
  const grows = async () => {
    say(24, said++);
    return (await numberOf("_count")) >= before + 3;
  };
  await until(grows, WAIT_MS, "samples are taken");
  const count = await numberOf("_count");
  expect(count).toBeLessThanOrEqual(before + said);
  const sum = await numberOf("_sum");
  expect(sum).toBeGreaterThan(0);
  expect(sum / count).toBeLessThan(30);
  expect(await numberOf('_bucket{le="+Inf"}')).toBeGreaterThanOrEqual(count);
});

test("what nothing comes of does not count", async () => {
  // One may be on its way.
  await sleep(300);
  const before = await numberOf("_count");
  for (let i = 0; i < 20; i++) {
    say(25, i);
    await sleep(20);
  }
  expect(await numberOf("_count")).toBe(before);
});

test("it is a histogram of OpenMetrics: classes that contain the smaller ones", async () => {
  const lines = await shown(OPENMETRICS);
  expect(lines).toContain(`# TYPE ${NAME} histogram`);
  const buckets = lines.flatMap((line) => {
    const [, le, value] = /_bucket\{le="([^"]+)"\} (\d+)$/.exec(line) ?? [];
    return le === undefined ? [] : [[Number(le.replace("+Inf", "Infinity")), Number(value)]];
  }) as [number, number][];
  expect(buckets).toHaveLength(16);
  expect(buckets.at(-1)![0]).toBe(Number.POSITIVE_INFINITY);
  for (const [i, [le, value]] of buckets.slice(1).entries()) {
    expect(le).toBeGreaterThan(buckets[i]![0]);
    expect(value).toBeGreaterThanOrEqual(buckets[i]![1]);
  }
});
