/** Who looks up what was: processes that are begun, end, and cannot be begun. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { answerOf, JSON_TYPE, listText, withReason } from "../src/api/bodies.ts";
import { Problem } from "../src/api/problem.ts";
import type { Pieces } from "../src/api/router-thread.ts";
import type { ControlError } from "../src/control.ts";
import { RecordDesk } from "../src/past/ask-record.ts";
import type { ToPast } from "../src/past/past-messages.ts";

const ASKED: ToPast = {
  directory: "/nonexistent/record",
  question: { ask: "history", prefix: "192.0.2.0/24", times: [0, null] },
  itemsMax: 10,
};
const NOT_KEPT = "unknown";

let desk: RecordDesk;
let said: string[];
/** Processes of others. */
let before: ReadonlySet<number>;

beforeEach(() => {
  said = [];
  before = new Set(childrenOf(process.pid));
  desk = new RecordDesk((message) => said.push(message));
});

afterEach(() => desk.close());

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
      .split(" ")
      .filter(Boolean)
      .map(Number),
  );
}

function helpers(): number[] {
  return childrenOf(process.pid).filter((pid) => !before.has(pid));
}

/** @returns why there is no answer */
async function refusalOf(asked: RecordDesk = desk): Promise<string> {
  try {
    for await (const _ of asked.ask(ASKED));
    return "";
  } catch (error) {
    return (error as ControlError).kind;
  }
}

test("one small process stays for all questions, and what it begins goes behind routing", async () => {
  desk.open();
  const [pid, ...others] = helpers();
  expect(others).toEqual([]);
  for (let i = 0; i < 2; i++) expect(await refusalOf()).toBe(NOT_KEPT);
  expect(helpers()).toEqual([pid]);
  const threads = readdirSync(`/proc/${pid}/task`);
  const niceOf = (thread: string) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  };
  expect(threads.length).toBeGreaterThan(1);
  expect(Math.min(...threads.map(niceOf))).toBeGreaterThanOrEqual(5);
  desk.close();
  await until(() => helpers().length === 0, WAIT_MS, "it is gone with the record");
});

test("when it dies another one is begun, and not at once", async () => {
  desk.open();
  process.kill(helpers()[0]!, "SIGKILL");
  await until(() => said.length > 0, WAIT_MS, "it is said");
  expect(said[0]).toMatch(/has ended \(SIGKILL/);
  expect([await refusalOf(), helpers()]).toEqual(["busy", []]);
  const other = new RecordDesk(() => {}, 0);
  expect(await refusalOf(other)).toBe(NOT_KEPT);
  process.kill(helpers()[0]!, "SIGKILL");
  await until(async () => (await refusalOf(other)) === NOT_KEPT, WAIT_MS, "another one answers");
  other.close();
});

test("one that dies over a question is not described to who asks", async () => {
  desk.open();
  const [pid] = helpers();
  const answer = refusalOf();
  let killed = 0;
  const kills = () => {
    for (const child of childrenOf(pid!)) {
      process.kill(child, "SIGKILL");
      killed++;
    }
    return killed > 0;
  };
  await until(kills, WAIT_MS, "it is at work");
  expect([await answer, await refusalOf()]).toEqual(["refused", NOT_KEPT]);
  expect(said).toEqual([expect.stringMatching(/has ended \(SIGKILL/)]);
});

test("without room for another process it is refused, and later it is not", () => {
  const program = new URL("support/no-descriptors.ts", import.meta.url).pathname;
  const command = 'ulimit -n 256; exec "$0" "$@"';
  const node = [process.execPath, ...process.execArgv, program];
  const text = execFileSync("bash", ["-c", command, ...node], { encoding: "utf8" });
  expect(JSON.parse(text)).toEqual(["busy", "busy", "unknown"]);
});

test("four wait, in the order in which they came", async () => {
  const order: number[] = [];
  const all = Array.from({ length: 7 }, async (_, i) => {
    const refusal = await refusalOf();
    order.push(i);
    return refusal;
  });
  expect(await Promise.all(all)).toEqual([...Array(5).fill(NOT_KEPT), "busy", "busy"]);
  expect(order.slice(2)).toEqual([0, 1, 2, 3, 4]);
});

test.each([
  ["a list that has begun", "[1]", true, '{"items":[[1]],"next":null,"error":"why"}\n'],
  ["a list that has not", "", true, '{"items":[],"next":null,"error":"why"}\n'],
  ["one thing", "", false, '{"error":"why"}\n'],
])("a reason that is found late ends %s", async (_, piece, isList, expected) => {
  const sent = { isBegun: true };
  let answer = "";
  for await (const part of withReason(listText(refused(piece)), isList, sent)) answer += part;
  expect(answer).toBe(expected);
});

test("it is late once the beginning of the answer is sent, and else a refusal", async () => {
  const asked = { method: "GET", path: "", query: "", headers: {}, body: "" } as const;
  const question = { ...asked, gone: new AbortController().signal };
  const answered = async (piece: string) => {
    const sent = { isBegun: false };
    const text = withReason(listText(refused(piece)), true, sent);
    const { body } = await answerOf(text, JSON_TYPE, question, true, sent);
    let answer = "";
    for await (const part of body as AsyncIterable<string>) answer += part;
    return answer;
  };
  expect(await answered("[1]".padEnd(1 << 20))).toMatch(/\],"next":null,"error":"why"\}\n$/);
  await expect(answered("[1]")).rejects.toThrow(Problem);
});

async function* refused(piece: string): Pieces {
  yield piece;
  throw new Problem(404, "why");
}
