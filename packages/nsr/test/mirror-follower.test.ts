/** What a mirror believes of its server. */

import { FrameReader, frameOf } from "@ts-bgp/replication";
import { expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import type { Hello } from "../src/hello.ts";
import { Link } from "../src/link.ts";
import { AGAIN } from "../src/mirror-hello.ts";
import { follow, pretend, type Speaks, serve, socketPath, WAIT_MS } from "./mirror-bench.ts";

const END = frameOf("imageEnd", { before: 1, octets: 0, hasOutputs: 0 });
const IMAGE = frameOf("image", { before: 1, octets: new Uint8Array(1000) });
const LOOK = frameOf("look", { number: 1, applied: 0, ageMs: 0, problem: "" });

function sends(...frames: readonly Uint8Array[]) {
  return ({ socket }: Speaks) => {
    for (const frame of frames) socket.write(frame);
  };
}

test.each<[string, (to: Speaks) => void, string]>([
  ["the end of a state", sends(END), 'the server says "imageEnd" before hello'],
  ["an answer", sends(LOOK), 'the server says "look" before hello'],
  [
    "hello, twice",
    (to) => {
      to.hello("active", "a");
      to.hello("active", "a");
    },
    "the server says hello again",
  ],
  [
    "the end of a state of which nothing came",
    (to) => {
      to.hello("active", "a");
      sends(frameOf("imageEnd", { before: 1, octets: 5, hasOutputs: 0 }))(to);
    },
    "the replication stream is broken: a part of the image is missing",
  ],
  [
    "a state without an end",
    (to) => {
      to.hello("active", "a");
      sends(IMAGE, IMAGE, IMAGE, IMAGE)(to);
    },
    "the state has more than 0 MB, which is more than there can be room for here",
  ],
])("%s ends the link, and nothing is followed", async (_, say, why) => {
  const path = socketPath();
  const came: number[] = [];
  pretend(path, (to) => {
    came.push(performance.now());
    say(to);
  });
  const { follower, lines } = follow(path, 3500);
  await until(async () => came.length === 2, WAIT_MS, "it comes again");
  expect(lines).toEqual([why]);
  expect(came[1]! - came[0]!).toBeGreaterThan(900);
  expect(follower.machine).toBe(null);
});

test("what is shown is kept through a state that does not come, and goes on with its own stream alone", async () => {
  const path = socketPath();
  const { server } = await serve(path);
  const { follower } = follow(path);
  const follows = async () => follower.shown.state === "following";
  await until(follows, WAIT_MS, "it follows");
  const { machine } = follower;
  server.use(null, null);
  const hellos: Hello[] = [];
  pretend(path, (to, hello) => {
    hellos.push(hello);
    // Of another log, of which it sends no more than the begin.
    to.hello("active", "b", { stream: 8 });
    to.socket.end(IMAGE);
  });
  await until(async () => hellos.length === 2, WAIT_MS, "it comes again");
  expect(hellos.map(({ stream, lacks }) => [stream, lacks > 0])).toEqual([
    [7, true],
    [7, true],
  ]);
  expect(follower.machine).toBe(machine);
});

test("one that follows ends the link at a state that was not announced", async () => {
  const path = socketPath();
  await serve(path);
  const { follower, lines } = follow(path);
  const follows = async () => follower.shown.state === "following";
  await until(follows, WAIT_MS, "it follows");
  const { machine } = follower;
  const link = follower["link"]!;
  link["events"].record({ record: "imageEnd", before: 1, octets: 0, hasOutputs: 0 }, END);
  await until(async () => follower.shown.state === "looking", WAIT_MS, "the link is ended");
  expect(lines.at(-1)).toBe("the server sends a state that it has not announced");
  expect(follower.machine).toBe(machine);
});

test("a state that takes longer than a server may be silent is waited for, and silence is not", async () => {
  const path = socketPath();
  pretend(path, (to) => to.hello("active", "a"));
  const { follower, lines } = follow(path);
  const joins = async () => follower.shown.state === "joining";
  await until(joins, WAIT_MS, "it is to be sent the state");
  const looksFor20s = () => {
    for (let n = 0; n < 40; n++) follower["look"]();
  };
  const image = { record: "image", before: 1, octets: new Uint8Array(10) } as const;
  for (let n = 0; n < 5; n++) {
    follower["link"]!["events"].record(image, IMAGE);
    looksFor20s();
  }
  expect(lines).toEqual([]);
  follower["look"]();
  await until(async () => lines.length > 0, WAIT_MS, "the link is ended");
  expect(lines).toEqual(["the server has said nothing for 20 s"]);
});

test("brackets of another side than the server's are no place to go on from: the state is taken anew", async () => {
  const path = socketPath();
  const hellos: Hello[] = [];
  const bracket = { calls: new Uint8Array(0), sum: 0, digest: null, outputs: new Uint8Array(0) };
  await serve(path);
  const { follower, lines } = follow(path);
  const follows = async () => follower.shown.state === "following";
  await until(follows, WAIT_MS, "it follows");
  const { number } = follower["standby"]!;
  const link = follower["link"]!;
  const astray = { record: "bracket", number: number + 1, epoch: 9, ...bracket } as const;
  link["events"].record(astray, IMAGE);
  await until(async () => follower.shown.state === "looking", WAIT_MS, "the link is ended");
  expect(lines.at(-1)).toBe("a bracket is of epoch 9, not 1: it joins anew");
  // What there is is shown meanwhile.
  expect(follower.machine).not.toBe(null);
  const send = vi.spyOn(Link.prototype, "send");
  try {
    await until(async () => follower.shown.states === 2, 2 * WAIT_MS, "it has the state again");
    for (const [frame] of send.mock.calls) {
      const reader = new FrameReader(null);
      reader.push(frame);
      const record = reader.next();
      if (record?.record === "hello" && record.role === "mirror") hellos.push(record);
    }
  } finally {
    send.mockRestore();
  }
  expect(new Set(hellos.map(({ lacks }) => lacks))).toEqual(new Set([0]));
});

test("a server that says nothing is no reason to follow nobody: the next one is followed", async () => {
  const hung = socketPath();
  const path = socketPath();
  const { promise: came, resolve } = Promise.withResolvers<void>();
  pretend(hung, () => resolve());
  await serve(path);
  const { follower } = follow([hung, path]);
  await came;
  for (let n = 0; n <= 40; n++) follower["look"]();
  const follows = async () => follower.shown.state === "following";
  await until(follows, WAIT_MS, "the other one is followed");
  expect(follower.shown.over).toBe(path);
});

test("who may come again does so within 5 s, and who may not within 30 s", () => {
  const { follower } = follow(socketPath());
  const waits = (again: number) => {
    follower["again"] = { ms: 100, maxMs: 5000 };
    return [...Array(8)].map(() => {
      follower["refused"](again);
      const { ms, maxMs } = follower["again"];
      follower["again"].ms = Math.min(2 * ms, maxMs);
      return ms / 1000;
    });
  };
  expect(waits(AGAIN.here)).toEqual([1, 2, 4, 5, 5, 5, 5, 5]);
  expect(waits(AGAIN.elsewhere)).toEqual([1, 2, 4, 5, 5, 5, 5, 5]);
  expect(waits(AGAIN.never)).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
});
