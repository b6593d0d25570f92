/** What becomes of what another member tells, and of its links: over a Unix socket, without the rest of a daemon. */
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { RunWriter, TABLE } from "@ts-bgp/feeds-codec";
import type { Speaker } from "@ts-bgp/speaker";
import { FAMILY } from "@ts-bgp/wire-codec";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { catchUncaught } from "../../../testkit/uncaught.ts";
import { FollowedMember } from "../src/cluster/followed-member.ts";
import { NO_OCTETS } from "../src/cluster/telling.ts";
import { ControlError } from "../src/control.ts";
import { ServerLink } from "../src/forward/server-link.ts";
import { Place, Said, Telling } from "./support/told-by-member.ts";

const HOLD_SECONDS = 1;
const ROUTES = 4000;
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function yaml(self: string, more: readonly string[]): string {
  return yamlOf(`
defaults: { passive: true, route-server-client: true, import: accept-all, export: accept-all }
neighbors:
  - { address: 192.0.2.1, as: 65001, speaker: a }
  - { address: 192.0.2.2, as: 65002, speaker: b }
${more.map((each) => `  - { address: ${each}, as: 65003, speaker: a }`).join("\n")}
cluster: { self: ${self}, members: { a: /run/x/a.sock, b: /run/x/b.sock } }
`);
}

/** Member `b`, which follows `a` at a place. */
class Following {
  readonly lab = new Lab(yaml("b", []));
  readonly calls: string[] = [];
  readonly said: string[] = [];
  readonly active = { mayWork: true };
  readonly member: FollowedMember;
  /** Called before each call of the router. */
  onCall: (what: string) => void = () => {};

  constructor(path: string, self = "b") {
    const { lab, active, calls } = this;
    const run = ({ name, news, octets }: { name: string; news: never; octets: Uint8Array }) => {
      const { what } = news as { what: string };
      this.onCall(what);
      calls.push(what);
      lab.router.member(name, news, octets, lab.nowMs);
      lab.run();
    };
    const speaker = { router: lab.router, isSuspended: false, active, now: () => lab.nowMs, run };
    this.member = new FollowedMember(
      "a",
      {
        ...{
          name: "cluster",
          self,
          listen: { path: "" },
          members: [],
          etcd: null,
          sharesAddress: false,
          tls: null,
        },
        holdSeconds: HOLD_SECONDS,
      },
      speaker as unknown as Speaker,
      "1",
      (_level, message) => this.said.push(message),
    );
    this.member.follow([{ path }], true);
    ends.push(() => this.member.close());
  }

  async isUpToDate(): Promise<void> {
    const { member } = this;
    await until(() => member.shown.state === "up to date", WAIT_MS, "it is up to date");
  }
}

async function placeOf(called: (said: Said, socket: Socket) => void): Promise<Place> {
  const place = new Place((socket) => called(new Said(socket), socket));
  await place.open();
  ends.push(() => place.close());
  return place;
}

async function memberA(more: readonly string[] = []): Promise<{ lab: Lab; telling: Telling }> {
  const lab = new Lab(yaml("a", more));
  const telling = new Telling(lab.router);
  await telling.place.open();
  ends.push(() => telling.place.close());
  return { lab, telling };
}

test("what is on the way when all is asked for once more is not taken for that", async () => {
  const { lab, telling } = await memberA(["192.0.2.3"]);
  const first = lab.peer("192.0.2.1", { as: 65_001 });
  first.up();
  for (let k = 0; k < ROUTES; k++) {
    const communities = Array.from({ length: 12 }, (_, c) => `${k}:${c}`);
    first.announce([`10.${k >> 8}.${k & 255}.0/24`], { path: [65_001, 1000 + k], communities });
  }
  const last = lab.peer("192.0.2.3", { as: 65_003 });
  last.up();
  last.announce(["11.0.0.0/8"], { path: [65_003] });
  lab.run();
  const following = new Following(telling.place.path);
  const { member, active } = following;
  await following.isUpToDate();
  expect(member.shown.routes).toBe(ROUTES);

  // Its standby stores slowly in the middle of a second copy, and a neighbor comes meanwhile.
  let least = ROUTES;
  following.onCall = (what) => {
    least = Math.min(least, member.shown.routes);
    if (what !== "routes") return;
    active.mayWork = false;
    following.onCall = () => {
      least = Math.min(least, member.shown.routes);
    };
  };
  following.lab.reload(yaml("b", ["192.0.2.4"]));
  member.look();
  expect(member.shown.state).toBe("copying");
  await until(() => !active.mayWork, WAIT_MS, "a copy has begun");
  const hasTold = () => telling.tellers[0]!.shown.state !== "silent";
  await until(hasTold, WAIT_MS, "the rest is on the way");
  following.lab.reload(yaml("b", ["192.0.2.4", "192.0.2.3"]));
  member.look();
  member.look();
  active.mayWork = true;
  await until(() => member.shown.routes === ROUTES + 1, WAIT_MS, "it has all");
  await following.isUpToDate();
  expect(least).toBe(ROUTES);
  expect(following.calls.filter((what) => what === "begin")).toHaveLength(3);
});

test("what was told stays while a copy that was asked for lasts, however long that is", async () => {
  const { lab, telling } = await memberA();
  const peer = lab.peer("192.0.2.1", { as: 65_001 });
  peer.up();
  for (let k = 0; k < ROUTES; k++) {
    peer.announce([`10.${k >> 8}.${k & 255}.0/24`], { path: [65_001, 1000 + k] });
  }
  lab.run();
  const following = new Following(telling.place.path);
  const { member, active } = following;
  await following.isUpToDate();
  following.lab.reload(yaml("b", ["192.0.2.4"]));
  following.onCall = (what) => {
    if (what === "begin") active.mayWork = false;
  };
  following.calls.length = 0;
  member.look();
  await until(() => following.calls.includes("routes"), WAIT_MS, "a copy has begun");
  await delay(1500 * HOLD_SECONDS);
  member.tick();
  expect(following.calls).not.toContain("complete");
  expect(member.shown.routes).toBe(ROUTES);
  active.mayWork = true;
  await until(() => following.calls.includes("complete"), WAIT_MS, "it is told all");
  expect(member.shown.routes).toBe(ROUTES);
});

test("routes are kept no longer for a link that ends again and again", async () => {
  let links = 0;
  const place = await placeOf((said, socket) => {
    links++;
    said.say("welcome", { version: 1, software: "1", self: "a" });
    said.say("role", { active: 1, epoch: 0 });
    setTimeout(() => socket.destroy(), 300);
  });
  const following = new Following(place.path);
  const timer = setInterval(() => following.member.tick(), 50);
  ends.push(() => clearInterval(timer));
  const hasEnded = () => following.calls.some((what) => what === "gone" || what === "complete");
  await until(hasEnded, WAIT_MS, "old routes go");
  expect(links).toBeGreaterThan(1);
});

test("old routes go while a copy lasts for too long, and what it has told stays", async () => {
  const peer = { peer: 1, address: "192.0.2.1", identifier: 7 };
  const place = await placeOf((said) => {
    said.say("welcome", { version: 1, software: "1", self: "a" });
    said.say("role", { active: 1, epoch: 0 });
    said.say("peer", peer);
  });
  const following = new Following(place.path);
  const timer = setInterval(() => following.member.tick(), 50);
  ends.push(() => clearInterval(timer));
  await until(() => following.calls.includes("complete"), WAIT_MS, "old routes go");
  expect(following.member.shown).toMatchObject({ state: "copying", keep_until_ms: null });
  expect(following.calls).not.toContain("gone");
});

test("a link that ends soon after its welcome is made anew later each time", async () => {
  const times: number[] = [];
  const place = await placeOf((said, socket) => {
    times.push(performance.now());
    said.say("welcome", { version: 1, software: "1", self: "a" });
    socket.end();
  });
  void new Following(place.path);
  await until(() => times.length === 4, WAIT_MS, "it tries four times");
  expect(times[3]! - times[2]!).toBeGreaterThan(900);
});

/** A side of a member that is active or not, and how many links to it began and ended. */
async function sideOf(active: 0 | 1): Promise<{ path: string; begun: number; ended: number }> {
  const counts = { path: "", begun: 0, ended: 0 };
  const place = await placeOf((said, socket) => {
    counts.begun++;
    socket.resume().on("close", () => counts.ended++);
    said.say("welcome", { version: 1, software: "1", self: "a" });
    said.say("role", { active, epoch: 0 });
    if (active) said.say("complete", {});
  });
  counts.path = place.path;
  return counts;
}

test("links to sides come and go singly, and what works goes on", async () => {
  const [first, second] = [await sideOf(1), await sideOf(0)];
  const following = new Following(first.path);
  const { member, calls } = following;
  await following.isUpToDate();
  member.follow([{ path: first.path }, { path: second.path }], false);
  await until(() => second.begun === 1, WAIT_MS, "there is a link to the second side");
  const isUp = () => member.shown.links.every(({ problem }) => problem === null);
  await until(() => member.shown.links.length === 2 && isUp(), WAIT_MS, "both work");
  // Nobody lists the first one any more, then nobody any of them: they work.
  for (const places of [[{ path: second.path }], [], null]) {
    member.follow(places, false);
    expect(member.shown).toMatchObject({ state: "up to date", source: first.path });
  }
  expect([member.shown.listed, member.shown.links.length]).toEqual([false, 2]);
  member.follow([{ path: second.path }], true);
  expect(member.shown.links).toEqual([{ address: second.path, problem: null }]);
  expect(member.shown).toMatchObject({ state: "away", source: null });
  await until(() => first.ended === 1, WAIT_MS, "that link is closed");
  expect([first.begun, second.begun, second.ended]).toEqual([1, 1, 0]);
  expect(calls).toEqual(["begin", "complete"]);
  expect(following.said.filter((line) => / is away/.test(line))).toHaveLength(1);
});

test("a member that was never there has no state, however long it is away", async () => {
  const following = new Following("/nowhere/a.sock");
  const { member, lab } = following;
  const timer = setInterval(() => member.tick(), 50);
  ends.push(() => clearInterval(timer));
  await until(() => member.shown.keep_until_ms === null, WAIT_MS, "the time is over");
  expect(following.calls).toEqual([]);
  lab.router.member("stranger", { what: "gone" }, NO_OCTETS, lab.nowMs);
  expect(lab.router.tables.members?.size ?? 0).toBe(0);
  expect(member.isNeeded).toBe(false);
});

test("another member than the one expected there is told nothing of, and shown", async () => {
  const place = await placeOf((said) => {
    said.say("welcome", { version: 1, software: "1", self: "c" });
    said.say("role", { active: 1, epoch: 0 });
    said.say("complete", {});
  });
  const { member, said, calls } = new Following(place.path);
  const problem = '"c" answers there, not "a"';
  await until(() => member.shown.links[0]!.problem === problem, WAIT_MS, "it is shown");
  expect(said).toEqual([`a: ${place.path}: ${problem}`]);
  expect(calls).toEqual([]);
});

test("routes with attributes that are wrong cost these routes alone, and are shown", async () => {
  const good = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1];
  const withoutOrigin = good.slice(4);
  const place = await placeOf((said) => {
    said.say("welcome", { version: 1, software: "1", self: "a" });
    said.say("role", { active: 1, epoch: 0 });
    said.say("peer", { peer: 1, address: "192.0.2.1", identifier: 7 });
    for (const wrong of [good, withoutOrigin]) {
      const writer = new RunWriter();
      for (const [k, octets] of [good, wrong, good].entries()) {
        const buf = Uint8Array.from(octets);
        const set = { buf, at: 0, end: buf.length };
        writer.run(TABLE.ADJ_IN_POST, FAMILY.IPV4_UNICAST, 1, false, set);
        writer.prefix(0x0a000000 + (k << 16), 0, 0, 0, 16, 0);
      }
      said.say("bracket", { routes: NO_OCTETS, more: 0, runs: writer.take() });
    }
    said.say("complete", {});
  });
  const following = new Following(place.path);
  await following.isUpToDate();
  const reason = "routes of 192.0.2.1: ORIGIN is missing";
  expect(following.member.shown).toMatchObject({
    ...{ routes: 2, faulty_runs: 1, last_fault: reason, links: [{ problem: null }] },
  });
  expect(following.said).toContain(`a: what it tells is not taken as told, ${reason}`);
  expect(following.calls.filter((what) => what === "begin")).toHaveLength(1);
});

describe("a question to another member", () => {
  async function asked(): Promise<{ telling: Telling; following: Following }> {
    const { telling } = await memberA();
    const following = new Following(telling.place.path);
    await following.isUpToDate();
    return { telling, following };
  }

  test("is answered, however long the answer is, and none that changes something", async () => {
    const { telling, following } = await asked();
    const items = Array.from({ length: 400 }, (_, k) => ({ k, text: "aé€😀".repeat(500) }));
    const heard: unknown[] = [];
    telling.answer = async function* (request, by) {
      heard.push({ ...request, by: by() });
      yield* items;
      return { next: "further" };
    };
    const answer = await following.member.ask({ command: "show-neighbors", as: 7 });
    expect(answer).toEqual({ items, end: { next: "further" } });
    expect(heard).toEqual([{ command: "show-neighbors", as: 7, limit: 500, by: "member b" }]);
    for (const command of ["reset", "stop", "reload", "ask-cluster", "constructor"]) {
      const problem = `"${command}" is not answered`;
      await expect(following.member.ask({ command })).rejects.toThrow(problem);
    }
    expect(heard).toHaveLength(1);
  });

  test("is refused where it is too long, and costs no link", async () => {
    const { telling, following } = await asked();
    const { member } = following;
    const question = (length: number) =>
      member.ask({ command: "show-routes", prefix: "1".repeat(length) });
    await expect(question(5000)).rejects.toThrow("too long for other members");
    expect(await question(3400)).toEqual({ items: [], end: {} });
    expect([telling.reasons, member.shown.state]).toEqual([[], "up to date"]);
  });

  test("that makes a fault show is answered with it, and the fault is told here as well", async () => {
    const { telling, following } = await asked();
    const question = () => following.member.ask({ command: "show-routes" });
    telling.answer = () => {
      throw new ControlError("no such neighbor");
    };
    await expect(question()).rejects.toThrow(/^no such neighbor$/);
    expect(telling.faults).toEqual([]);
    telling.answer = () => {
      throw new TypeError("a fault");
    };
    await expect(question()).rejects.toThrow("internal error: a fault");
    expect(telling.faults).toEqual(['request {"command":"show-routes"} of member b']);
  });

  test("ends with what is wrong", async () => {
    const { telling, following } = await asked();
    telling.answer = async function* () {
      for (;;) yield { text: "a".repeat(1 << 16) };
    };
    const question = () => following.member.ask({ command: "show-routes" });
    await expect(question()).rejects.toThrow("the answer is too long");
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    telling.answer = async function* () {
      yield await held;
      return {};
    };
    const many = Array.from({ length: 9 }, () => question().catch(({ message }) => message));
    expect(await many[8]).toBe("too much is asked at once");
    telling.place.close();
    expect(await many[0]).toBe("the link to it is cut");
    release();
    await expect(question()).rejects.toThrow(/./);
  });
});

test("one who is no other member is refused", async () => {
  const { telling } = await memberA();
  const { member, calls } = new Following(telling.place.path, "c");
  const problem = '"c" is no other member of the cluster, as a knows it';
  await until(() => member.shown.links[0]!.problem === problem, WAIT_MS, "it is shown");
  expect(telling.tellers).toEqual([]);
  expect(calls).toEqual([]);
});

test("a fault of this process is none of what the other one says", async () => {
  const place = await placeOf((said) => {
    said.say("welcome", { version: 1, software: "1", self: "a" });
    said.say("bracket", { routes: NO_OCTETS, more: 0, runs: NO_OCTETS });
  });
  const caught = catchUncaught(ends);
  const link = new ServerLink(
    {
      ...{ address: { path: place.path }, cluster: "cluster", tls: null, server: "a" },
      ...{ follower: "b", families: 0, software: "1" },
    },
    {
      role: () => {},
      bracket: () => {
        throw new Error("a fault");
      },
      complete: () => {},
      lost: () => {},
      say: () => {},
    },
  );
  ends.push(() => link.close());
  link.connect();
  await until(() => caught.mock.calls.length > 0, WAIT_MS, "it is a fault of the process");
  expect(caught.mock.calls[0]![0]).toMatchObject({ message: "a fault" });
  expect(link.problem).toBe(null);
});
