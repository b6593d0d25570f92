/** Answers of the API that take long: of `what-if`, whose process stands still here as it would work elsewhere. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { ShownTrial } from "@ts-bgp/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { SmallExchange } from "./support/small-exchange.ts";

const PATH = "/api/v1/what-if";
let exchange: SmallExchange;

beforeAll(async () => {
  exchange = await SmallExchange.create();
});

afterAll(() => exchange?.remove());

/** @returns the process that tries a configuration */
async function helper(): Promise<number> {
  const words = ["-P", String(exchange.speaker.pid), "-f", "what-if-worker"];
  const found = () => Number(spawnSync("pgrep", words, { encoding: "utf8" }).stdout.trim()) || null;
  return until(found, WAIT_MS, "there is a process that tries it");
}

test("an answer that takes long begins before it is there", async () => {
  const asked = exchange.ask(PATH);
  const pid = await helper();
  process.kill(pid, "SIGSTOP");
  const response = await asked;
  expect([response.status, response.headers.get("etag")]).toEqual([200, null]);
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  let text = new TextDecoder().decode(value);
  expect(text).toMatch(/^\n+$/);
  process.kill(pid, "SIGCONT");
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    text += new TextDecoder().decode(next.value);
  }
  expect(JSON.parse(text) as ShownTrial).toMatchObject({ differs: false, neighbors: [] });
});

test("who hangs up gives it up, and another one may ask", async () => {
  const controller = new AbortController();
  const asked = exchange.ask(PATH, { signal: controller.signal });
  const pid = await helper();
  process.kill(pid, "SIGSTOP");
  controller.abort();
  await expect(asked).rejects.toThrow("aborted");
  await until(() => !existsSync(`/proc/${pid}`), WAIT_MS, "its process has ended");
  const again = await exchange.ask(PATH);
  expect(again.status).toBe(200);
  expect(again.headers.get("etag")).not.toBeNull();
});
