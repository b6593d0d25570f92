/** What a mirror believes of its server. */

import { frameOf } from "@ts-bgp/replication";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import type { Hello } from "../src/hello.ts";
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
