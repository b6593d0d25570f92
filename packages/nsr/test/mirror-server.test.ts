/** What mirrors can cost the side that they follow, and each other. */

import { setTimeout as sleep } from "node:timers/promises";
import { frameOf } from "@ts-bgp/replication";
import { expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { FewLines, LINES_MAX } from "../src/few-lines.ts";
import { connect, follow, type Speaks, serve, socketPath, WAIT_MS } from "./mirror-bench.ts";

/** @returns somebody who is let in, and has the state */
async function mirrorNamed(name: string, path: string): Promise<Speaks> {
  const mirror = connect(path);
  mirror.hello("mirror", name);
  await until(async () => mirror.heard.includes("imageEnd"), WAIT_MS, "it has the state");
  return mirror;
}

async function untilBye(mirror: Speaks): Promise<string | null> {
  await until(async () => mirror.bye !== null, WAIT_MS, "it is sent away");
  return mirror.bye;
}

/** Joins, and drops the link as soon as something comes. @returns what it was: the state, or why there is none */
function joinsAndDrops(path: string, name: string): Promise<string> {
  return new Promise((resolve) => {
    const mirror = connect(path, (record) => {
      if (record.record !== "image" && record.record !== "bye") return;
      mirror.socket.on("close", () => resolve(record.record === "bye" ? record.reason : "state"));
      mirror.socket.destroy();
    });
    mirror.hello("mirror", name);
  });
}

const A_MOMENT_AGO = "the state was sent a moment ago";

test("who drops each state as it begins is not sent one after the other, nor fills the log", async () => {
  const path = socketPath();
  const { lines } = await serve(path);
  expect(await joinsAndDrops(path, "m1")).toBe("state");
  for (let n = 0; n < 3 * LINES_MAX; n++) {
    expect(await joinsAndDrops(path, "m1")).toBe(A_MOMENT_AGO);
  }
  expect(lines.length).toBeLessThanOrEqual(LINES_MAX);
  // Others are not kept from it for so long.
  const comes = async () => (await joinsAndDrops(path, "m2")) === "state";
  await until(comes, WAIT_MS, "another one has it");
});

test("it can have it again after some seconds", async () => {
  const path = socketPath();
  const { server } = await serve(path);
  expect(await joinsAndDrops(path, "m1")).toBe("state");
  const begun = server["serving"]!["begunMs"];
  begun.set("m1", begun.get("m1")! - 5000);
  await until(async () => (await joinsAndDrops(path, "m1")) === "state", WAIT_MS, "it comes");
});

test("after a copy that took long nobody has another one at once, though it was dropped", async () => {
  const path = socketPath();
  const copyMs = 300;
  await serve(path, copyMs);
  expect(await joinsAndDrops(path, "m1")).toBe("state");
  const startMs = performance.now();
  const comes = async () => (await joinsAndDrops(path, "m2")) === "state";
  await until(comes, WAIT_MS, "another one has it");
  expect(performance.now() - startMs).toBeGreaterThan(2.5 * copyMs);
});

test("lines that were left out are counted in the next one", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const few = new FewLines(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (let n = 0; n < 100; n++) few.say(`line ${n}`);
  expect(lines).toHaveLength(LINES_MAX);
  nowMs = 10_000;
  few.say("another");
  few.say("one more");
  const counted = `another (and ${100 - LINES_MAX} more such lines were left out)`;
  expect(lines.slice(LINES_MAX)).toEqual([counted, "one more"]);
});

test("one that follows keeps its place from others of its name", async () => {
  const path = socketPath();
  const { server } = await serve(path);
  const first = await mirrorNamed("m1", path);
  const second = connect(path);
  second.hello("mirror", "m1");
  expect(await untilBye(second)).toBe("a mirror of that name follows already, from this host");
  const older = connect(path);
  older.hello("mirror", "m1", { build: "another", software: "0.9" });
  expect(await untilBye(older)).toMatch(/^a mirror runs the very program of its server/);
  first.socket.write(frameOf("look", { number: 1, applied: 1, ageMs: 0, problem: "" }));
  await until(async () => first.heard.includes("look"), WAIT_MS, "it is answered");
  expect(server.shown?.mirrors.map(({ name }) => name)).toEqual(["m1"]);
});

test("one that has said nothing for some seconds makes way, though not for another version", async () => {
  const path = socketPath();
  const { server } = await serve(path);
  const first = await mirrorNamed("m1", path);
  const serving = server["serving"]!;
  serving["links"].get("m1")!.heardMs -= 10_000;
  const older = connect(path);
  older.hello("mirror", "m1", { build: "another", software: "0.9" });
  expect(await untilBye(older)).toMatch(/^a mirror runs the very program of its server/);
  expect(first.bye).toBe(null);
  const second = connect(path);
  // As if the state had been sent a while ago.
  serving["begunMs"].clear();
  serving["nextStateMs"] = 0;
  second.hello("mirror", "m1");
  expect(await untilBye(first)).toMatch(/^it says nothing, and another mirror of that name/);
  await until(async () => second.heard.includes("hello"), WAIT_MS, "the second is let in");
});

test("a mirror that is sent away as soon as it follows does not come again at once", async () => {
  const path = socketPath();
  const { server, lines } = await serve(path);
  const { follower } = follow(path);
  const follows = async () => follower.shown.state === "following";
  await until(follows, WAIT_MS, "it follows");
  const { since_ms } = follower.shown;
  const serving = server["serving"]!;
  const endMs = performance.now() + 2000;
  while (performance.now() < endMs) {
    serving["drop"]("m1", "for a test");
    // The server would send it the state at any time.
    serving["begunMs"].clear();
    serving["nextStateMs"] = 0;
    await sleep(50);
  }
  // Again after 1 s, and then after 2 s.
  const comes = lines.filter((line) => /^the mirror m1 (is being|goes on)/.test(line));
  expect(comes.length).toBeLessThanOrEqual(3);
  await until(follows, WAIT_MS, "it follows again");
  expect(follower.shown.since_ms).toBeGreaterThan(since_ms);
});

test("a mirror that follows nobody itself gives what it has to those alone that have nothing, or less", async () => {
  const path = socketPath();
  const upper = { problem: "no way to a server", isJoining: false };
  const { server } = await serve(path, 0, {
    path: () => ["a", "m0"],
    ageMs: () => 60_000,
    problem: () => upper.problem,
    isJoining: () => upper.isJoining,
  });
  const first = await mirrorNamed("m1", path);
  const { last, stream } = server["serving"]!.mirrored.mirrors;
  const came = async (lacks: number) => {
    const mirror = connect(path);
    mirror.hello("mirror", "m2", { stream, lacks });
    return { why: await untilBye(mirror), again: mirror.again };
  };
  const why = "a follows nobody itself: no way to a server";
  // Who came from elsewhere has what is here, or more: another server is better.
  expect(await came(last + 1)).toEqual({ why, again: 2 });
  expect(await came(last + 9)).toEqual({ why, again: 2 });
  upper.isJoining = true;
  expect(await came(last + 1)).toEqual({ why, again: 1 });
  // Mirrors that are servers of each other do not tell longer and longer tales.
  upper.problem = "m9 follows nobody itself: m8 follows nobody itself: no way to a server";
  expect(await came(last + 1)).toEqual({ why, again: 1 });
  upper.problem = "no way to a server";
  // Who follows stays, and is told what is wrong, and how old it is.
  first.socket.write(frameOf("look", { number: 1, applied: 1, ageMs: 0, problem: "" }));
  await until(async () => first.heard.includes("look"), WAIT_MS, "it is answered");
  const answer = first.records.find(({ record }) => record === "look");
  expect(answer).toMatchObject({ ageMs: 60_000, problem: "no way to a server" });
  expect(first.bye).toBe(null);
  upper.problem = "";
  const second = connect(path);
  second.hello("mirror", "m2", { stream, lacks: last + 1 });
  await until(async () => second.heard.includes("hello"), WAIT_MS, "it is let in");
});

test("a mirror that is behind a takeover is not given what is older by one that has not heard of that", async () => {
  const path = socketPath();
  const through = {
    path: () => ["a", "m0"],
    ageMs: () => 15_000,
    problem: () => "",
    isJoining: () => false,
  };
  const { server } = await serve(path, 0, through);
  await mirrorNamed("m1", path);
  const { mirrors } = server["serving"]!.mirrored;
  const { last, stream } = mirrors;
  // As a mirror that serves others has it from the first bracket on.
  vi.spyOn(mirrors, "goesOnFrom").mockImplementation((of, lacks) => (of === stream ? lacks : 0));
  const came = (from: { epoch: number; stream: number; lacks: number }) => {
    const mirror = connect(path);
    mirror.hello("mirror", "m2", from);
    return mirror;
  };
  const later = came({ epoch: 2, stream: stream + 1, lacks: last + 5 });
  expect(await untilBye(later)).toBe("a has not heard yet of the takeover that m2 is behind");
  expect(later.again).toBe(2);
  // One that has followed that very log goes on, whatever it has heard of.
  const same = came({ epoch: 2, stream, lacks: last + 1 });
  await until(async () => same.heard.includes("hello"), WAIT_MS, "it is let in");
  same.socket.destroy();
  await until(async () => server.shown?.mirrors.length === 1, WAIT_MS, "it has left");
  // One that is of no later side is given a state, or told when.
  const other = came({ epoch: 1, stream: stream + 1, lacks: last + 5 });
  await until(async () => other.heard.length > 0, WAIT_MS, "it is answered");
  expect(other.bye ?? "").not.toContain("takeover");
});
