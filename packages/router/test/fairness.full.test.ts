/** One peer's bulk does not hold up others, and its memory is given back. */

import { showTables } from "@ts-bgp/views";
import { expect, test } from "vitest";
import { Lab, type LabOptions, type Peer, yamlOf } from "../../../testkit/router.ts";
import { INPUT_OCTETS_MAX } from "../src/index.ts";

const GROUPS = 5;
const ROUTES_PER_MESSAGE = 900;
const ROUNDS = 4;

/** A sender of bulk, one of single routes, and receivers that are told apart by policy. */
function labOf(export_: string, options: LabOptions = {}): { lab: Lab; peers: Peer[] } {
  const numbers = Array.from({ length: GROUPS + 2 }, (_, i) => i + 1);
  const lines = numbers.map(
    (n) => `  - { address: 192.0.2.${n}, as: ${65000 + n}, export: p${n} }`,
  );
  const policies = numbers.map(
    (n) => `  p${n}: [{ if: { community: "64500:${n}" }, then: reject }, ${export_}]`,
  );
  const yaml = yamlOf(`
defaults: { import: accept-all, route-server-client: true, passive: true }
neighbors:
${lines.join("\n")}
policies:
${policies.join("\n")}
`);
  const lab = new Lab(yaml, { budget: () => 0, ...options });
  return { lab, peers: numbers.map((n) => lab.peer(`192.0.2.${n}`, { as: 65000 + n }).up()) };
}

const ALL = "{ then: accept }";
const NOT_THE_BULK = "{ if: { as-path: { origin: 65002 } }, then: accept }, { then: reject }";

function prefixes(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    return `${20 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.0/24`;
  });
}

/** Sends bulk as long as the router takes it, as TCP would. @returns the number of routes */
function sendBulk(peer: Peer, from: number, withdraws = false): number {
  let count = 0;
  while (peer.lab.router.wantsInput(peer.wire.id)) {
    const routes = prefixes(from + count, ROUTES_PER_MESSAGE);
    if (withdraws) peer.withdraw(routes);
    else peer.announce(routes);
    count += ROUTES_PER_MESSAGE;
  }
  return count;
}

test.each([
  ["that others are not sent", NOT_THE_BULK],
  ["that others are sent", ALL],
])("a single route is with all receivers a slice or two later, amid bulk %s", (_title, export_) => {
  const { lab, peers } = labOf(export_);
  const [bulk, single, ...receivers] = peers as [Peer, Peer, ...Peer[]];
  let from = 0;
  for (let n = 0; n < ROUNDS; n++) {
    from += sendBulk(bulk, from);
    expect(lab.router.wantsInput(bulk.wire.id)).toBe(false);
    const route = `10.0.${n}.0/24`;
    single.announce([route]);
    for (let slices = 0; slices <= GROUPS + 2; slices++) lab.slice();
    for (const { wire } of receivers) expect(wire.table.has(route)).toBe(true);
  }
  expect(lab.router.tables.rib(1).log.length).toBeGreaterThan(0);
  lab.run();
  for (const { wire } of receivers)
    expect(wire.table.size).toBe(export_ === ALL ? from + ROUNDS : ROUNDS);
});

test("bulk waits with its sender while update groups are far behind", () => {
  const { lab, peers } = labOf(NOT_THE_BULK);
  const { log } = lab.router.tables.rib(1);
  let from = 0;
  let max = 0;
  for (let n = 0; n < 150; n++) {
    from += sendBulk(peers[0]!, from);
    lab.slice();
    max = Math.max(max, log.length);
  }
  expect(max).toBeGreaterThan(1 << 15);
  expect(max).toBeLessThan((1 << 16) + (1 << 14));
  lab.run();
  expect(log.length).toBe(0);
});

test("what a peer says after its bulk is not passed on before it", () => {
  const { lab, peers } = labOf(ALL);
  const [bulk, , receiver] = peers as [Peer, Peer, Peer];
  const count = sendBulk(bulk, 0);
  const last = prefixes(count - 1, 1)[0]!;
  while (lab.router.tables.rib(1).prefixes.size < count) lab.slice();
  receiver.wire.forget();
  bulk.announce(["10.9.0.0/16"]);
  for (let n = 0; !receiver.wire.table.has("10.9.0.0/16"); n++) {
    if (n > 1000) throw new Error("the route did not come");
    lab.slice();
  }
  expect(receiver.wire.table.has(last)).toBe(true);
  lab.run();
  // All of it is passed on: from now on it is like any other.
  expect(lab.neighbor(bulk.address).session!.connection.isBulk).toBe(false);
});

test("a member that has much to catch up on is sent a small change first", () => {
  const { lab, peers } = labOf(ALL);
  const [bulk, single, ...receivers] = peers as [Peer, Peer, ...Peer[]];
  const late = receivers[0]!;
  let from = 0;
  for (let n = 0; n < 2; n++) {
    from += sendBulk(bulk, from);
    lab.run();
  }
  late.refresh(0);
  lab.slice();
  const before = late.wire.changes.length;
  single.announce(["10.0.0.0/24"]);
  for (let slices = 0; slices <= GROUPS + 2; slices++) lab.slice();
  const at = late.wire.changes.indexOf("10.0.0.0/24", before);
  expect(at).toBeGreaterThanOrEqual(before);
  lab.run();
  expect(late.wire.changes.length - at).toBeGreaterThan(from / 2);
  expect(late.wire.table.size).toBe(from + 1);
});

test("a peer keeps as much waiting as it may, and no octet of it is lost", () => {
  const { lab, peers } = labOf(ALL);
  const count = sendBulk(peers[0]!, 0);
  expect(4 * count).toBeGreaterThan(INPUT_OCTETS_MAX - 2 * 4096);
  lab.run();
  for (const { wire } of peers.slice(1)) expect(wire.table.size).toBe(count);
});

const HELD_MS = 10_000;

test.each([
  ["a route server", false],
  ["ADD-PATH", true],
])("memory is given back some time after most prefixes have gone: %s", (_title, addPath) => {
  const config = `
defaults: { import: accept-all, export: accept-all, route-server-client: true, passive: true${addPath ? ", add-path: { send: all }" : ""} }
neighbors:
${[1, 2, 3].map((n) => `  - { address: 192.0.2.${n}, as: ${65000 + n} }`).join("\n")}
`;
  const lab = new Lab(yamlOf(config));
  const options = addPath ? { addPath: "receive" as const } : {};
  const [a, b, c] = [1, 2, 3].map((n) =>
    lab.peer(`192.0.2.${n}`, { as: 65000 + n, ...options }).up(),
  );
  const octets = () => {
    const { prefix_octets, path_octets, change_log_octets, adj_rib_out_octets } = showTables(
      lab.router,
    ).families[0]!;
    return prefix_octets + path_octets + change_log_octets + adj_rib_out_octets;
  };
  const stays: string[] = [];
  let count = 0;
  for (let n = 0; n < 90; n++) {
    a!.announce(prefixes(count, ROUTES_PER_MESSAGE));
    count += ROUTES_PER_MESSAGE;
    stays.push(`10.0.${n}.0/24`);
    b!.announce([stays.at(-1)!], { path: [65002, 65100 + n] });
    lab.run();
  }
  const full = octets();
  c!.wire.reads = false;
  for (let from = 0; from < count; from += ROUTES_PER_MESSAGE) {
    a!.withdraw(prefixes(from, ROUTES_PER_MESSAGE));
  }
  lab.run();
  lab.advance(HELD_MS / 2);
  expect(octets()).toBeGreaterThan(full / 2);
  lab.advance(HELD_MS);
  expect(octets()).toBeLessThan(full / 5);
  // Everything still is where it was, and goes on.
  c!.wire.drain();
  lab.run();
  expect(Object.keys(a!.table).map((key) => key.split(" ")[0])).toEqual([...stays].sort());
  expect(c!.table).toEqual(a!.table);
  b!.announce(stays, { path: [65002, 65200] });
  b!.withdraw(stays.slice(0, 50));
  a!.announce(prefixes(0, 5));
  lab.run();
  expect(c!.wire.table.size).toBe(stays.length - 45);
  expect(c!.wire.redundant).toBe(0);
  for (const peer of [a!, b!]) peer.hangUp();
  lab.run();
  expect(lab.router.tables.rib(1).prefixes.size).toBe(0);
  expect(c!.wire.table.size).toBe(0);
});
