/** A configuration for some neighbors first, and when it goes back: the same on all sides, by a journal and by an image. */

import { expect, test } from "vitest";
import { configOf, Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { abortReason } from "../src/abort-if.ts";
import { concealedCalls, concealInSteps } from "../src/conceal.ts";
import type { ConfigAbout } from "../src/index.ts";
import { configOctets, machineFromImage, machineImage, parseAbortIf } from "../src/index.ts";
import { joined, OctetWriter } from "../src/octet-writer.ts";
import { KINDS, type RecordOf } from "../src/records.ts";
import { Followed } from "./followed-router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";

/** @param hidden - from clients, and taken from nobody @param options - of B */
const fileOf = (hidden: string, options = "") =>
  yamlOf(`
defaults: { route-server-client: true, import: clean, export: clean }
neighbors:
  - { address: ${A}, as: 65001 }
  - { address: ${B}, as: 65002${options} }
  - { address: ${C}, as: 65003 }
prefix-lists: { hidden: [ ${hidden} ] }
policies:
  clean: [ { if: { prefix: hidden }, then: reject }, { then: accept } ]
`);
const OLD = fileOf("203.0.113.0/24");
const NEW = fileOf("10.1.0.0/16 le 24");

function scene(): { followed: Followed; lab: Lab; peers: readonly [Peer, Peer, Peer] } {
  let followed!: Followed;
  const routerOf = (...rest: ConstructorParameters<typeof Followed>) => {
    followed = new Followed(...rest);
    return followed.router;
  };
  const lab = new Lab(OLD, { routerOf });
  const [a, b, c] = [A, B, C].map((address, k) => lab.peer(address, { as: 65001 + k }).up());
  a!.announce([1, 2, 3, 4].flatMap((k) => [`10.1.${k}.0/24`, `10.2.${k}.0/24`]));
  b!.announce(["10.1.77.0/24", "10.2.77.0/24"]);
  lab.run();
  followed.join();
  return { followed, lab, peers: [a!, b!, c!] };
}

function reload(
  { followed, lab }: ReturnType<typeof scene>,
  yaml: string,
  about: Partial<ConfigAbout>,
) {
  const config = configOctets(configOf(yaml));
  const all = { by: "noc", how: "reload", trySeconds: 600, ...about } as const;
  followed.journal.run({ record: "configure", config, nowMs: lab.nowMs, about: all });
  lab.run();
}

const conditions = (text: string) => ({ abortIf: parseAbortIf(text) as never });

/** Why it would go back, on all sides. */
function reasonsOf({ followed, lab }: ReturnType<typeof scene>): (string | null)[] {
  followed.compare();
  return [followed.journal.machine, ...followed.followers].map(({ history, router }) =>
    abortReason(history.trial!.watch!, router, lab.nowMs),
  );
}

const octetsTo = (lab: Lab, peer: Peer) =>
  lab.outputs.filter((one) => one.do === "write" && lab.wires.get(one.connection) === peer.wire)
    .length;

test("it is the new one for these alone, until it is confirmed", () => {
  const all = scene();
  const { followed, lab, peers } = all;
  const [a, b, c] = peers;
  const routes = (peer: Peer) => Object.keys(peer.table).length;
  expect(peers.map(routes)).toEqual([2, 8, 10]);
  const before = [octetsTo(lab, a), octetsTo(lab, c)];
  reload(all, NEW, { canary: [A] });
  // Of its own routes those are gone for all that are not taken from it any more.
  expect(peers.map(routes)).toEqual([1, 4, 6]);
  reload(all, OLD, { how: "expired", trySeconds: null });
  expect(peers.map(routes)).toEqual([2, 8, 10]);
  expect([octetsTo(lab, a), octetsTo(lab, c)]).not.toEqual(before);

  b.withdraw(["10.1.77.0/24", "10.2.77.0/24"]);
  lab.run();
  const quiet = [octetsTo(lab, a), octetsTo(lab, c)];
  reload(all, NEW, { canary: [B] });
  expect(peers.map(routes)).toEqual([0, 4, 8]);
  expect([octetsTo(lab, a), octetsTo(lab, c)]).toEqual(quiet);
  followed.join();
  followed.compare();

  const told = octetsTo(lab, b);
  for (const { history } of followed.followers) expect(history.trial?.whole).toEqual(configOf(NEW));
  const { whole } = followed.journal.machine.history.trial!;
  const about = { by: "noc", how: "confirmed", trySeconds: null } as const;
  const config = configOctets(whole!);
  followed.journal.run({ record: "configure", config, nowMs: lab.nowMs, about });
  lab.run();
  expect(peers.map(routes)).toEqual([0, 4, 4]);
  // It has it already.
  expect(octetsTo(lab, b)).toBe(told);
  followed.compare();
  const { history, router } = followed.journal.machine;
  expect(router.tables.config).toEqual(configOf(NEW));
  expect(history.trial).toBe(null);
  expect(history.past.map(({ how, canary }) => [how, canary])).toEqual([
    ["start", undefined],
    ["reload", [A]],
    ["expired", undefined],
    ["reload", [B]],
    ["confirmed", undefined],
  ]);
});

test("a way back is noted, also when nobody used what is taken away again", () => {
  for (const how of ["expired", "aborted", "rollback"] as const) {
    const all = scene();
    const { history } = all.followed.journal.machine;
    reload(all, OLD.replace("policies:", "policies:\n  more: [ { then: accept } ]"), {});
    expect(history.trial).toMatchObject({ back: 1 });
    reload(all, OLD, { how, trySeconds: null });
    expect(history.past.map((one) => [one.number, one.how])).toEqual([
      [1, "start"],
      [2, "reload"],
      [3, how],
    ]);
    expect(history.trial).toBe(null);
  }
});

test.each([["at once"], ["made beforehand"]])(
  "a mirror has what others get as well, and no secrets of it: %s",
  (when) => {
    const { followed, lab } = scene();
    const { machine } = followed.journal;
    const mirror = machineFromImage(machineImage(machine));
    const secret = "hush-hush-hush-0";
    const whole = configOf(NEW.replace("as: 65003", `as: 65003, password: ${secret}`));
    const about = { by: "noc", how: "reload", trySeconds: 600, canary: [A] } as const;
    const call = {
      record: "configure",
      nowMs: lab.nowMs,
      config: configOctets(whole),
      about,
    } as const;
    const out = new OctetWriter();
    KINDS.write(out, "configure", call);
    followed.journal.run(call);
    // What was made beforehand is taken for the octets that are given, and no others.
    const given = when === "at once" ? [] : [configOctets(whole)];
    for (const config of given) for (const steps = concealInSteps(config); !steps.next().done; );
    const { config: inForce } = machine.router.tables;
    const octets = concealedCalls(joined(out.take()), inForce, given);
    expect(Buffer.from(octets).includes(secret)).toBe(false);
    mirror.run(KINDS.readOnly(octets, { records: 0, fields: 0 }) as RecordOf<"configure">);
    const { policies, prefixLists } = mirror.history.trial!.whole!;
    expect({ policies, prefixLists }).toEqual({
      policies: whole.policies,
      prefixLists: whole.prefixLists,
    });
    expect(mirror.router.tables.config.policies).toEqual(machine.router.tables.config.policies);
  },
);

test.each([
  ["routes-lost > 5", null],
  ["routes-lost > 62%", `routes-lost > 62%: ${B} is sent 5 fewer of 8 routes`],
  ["routes-lost > 63%", null],
  ["rejected > 0", `rejected > 0: 1 more of 2 routes of ${B} are rejected`],
  ["rejected > 50%", null],
  ["sessions-lost > 0", null],
  ["sessions-lost > 0, routes-lost > 4", `routes-lost > 4: ${B} is sent 5 fewer of 8 routes`],
])("%s: %s", (text, reason) => {
  const all = scene();
  reload(all, NEW, { canary: [B], ...conditions(text) });
  const [a] = all.peers;
  a.withdraw(["10.2.1.0/24"]);
  all.lab.run();
  all.followed.join();
  expect(reasonsOf(all)).toEqual([reason, reason, reason]);
});

test("what is worse for others does not count, unless it is for all", () => {
  for (const [canary, counts] of [
    [{ canary: [A] }, false],
    [{}, true],
  ] as const) {
    const all = scene();
    reload(all, NEW, { ...canary, ...conditions("routes-lost > 1") });
    const reason = `routes-lost > 1: ${B} is sent 4 fewer of 8 routes`;
    expect(reasonsOf(all)[0]).toBe(counts ? reason : null);
  }
});

test("a session that the configuration itself resets has a minute to come back", () => {
  const all = scene();
  const { lab, peers } = all;
  const reset = fileOf("203.0.113.0/24", ", hold-time: 30");
  reload(all, reset, { ...conditions("sessions-lost > 0, routes-lost > 0") });
  expect(peers[1].isUp).toBe(false);
  expect(reasonsOf(all)).toEqual([null, null]);
  lab.advance(59_000);
  expect(reasonsOf(all)).toEqual([null, null]);
  lab.advance(2000);
  const reason = `sessions-lost > 0: 1 of 3, ${B} among them`;
  expect(reasonsOf(all)).toEqual([reason, reason]);
  peers[1].up().announce(["10.1.77.0/24", "10.2.77.0/24"]);
  lab.run();
  expect(reasonsOf(all)).toEqual([null, null]);
  peers[2].hangUp();
  lab.run();
  expect(reasonsOf(all)[0]).toBe(`sessions-lost > 0: 1 of 3, ${C} among them`);
});
