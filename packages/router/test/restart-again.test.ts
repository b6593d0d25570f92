/**
 * A peer that comes back, and is gone again before it has sent all. By RFC 4724 section 4.2 what was stale before
 * goes then; by RFC 8538 section 4.1, where both sides apply that, it stays as all the rest does.
 */

import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const OLD = "10.1.0.0/16";
const NEW = "10.2.0.0/16";
const END_OF_RIB_SECONDS = 360;

const yaml = (restart: string) =>
  yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001, graceful-restart: ${restart} }, { address: ${B}, as: 65002, next-hop: unchanged }]
`);

/** Peer a has announced both, was gone, and came back with one of them. */
function backWith(isNotified: boolean, restart = `{ notification: ${isNotified} }`) {
  const lab = new Lab(yaml(restart));
  const b = lab.peer(B, { as: 65002 }).up();
  const gracefulRestart = { seconds: 30, notification: true };
  const a = lab.peer(A, { as: 65001, gracefulRestart }).up();
  a.announce([OLD, NEW]).endOfRib();
  lab.run();
  a.hangUp();
  lab.run().advance(20_000);
  a.up().announce([NEW]);
  lab.run();
  return { lab, a, b };
}

const keys = (peer: Peer) => Object.keys(peer.table);

describe("gone again before its End-of-RIB marker", () => {
  test.each([
    [false, [NEW]],
    [true, [OLD, NEW]],
  ])("with NOTIFICATION support of both: %s", (isNotified, expected) => {
    const { lab, a, b } = backWith(isNotified);
    a.hangUp();
    lab.run();
    expect(keys(b).sort()).toEqual(expected);
  });

  test("all of it has the time that the peer has asked for now", () => {
    const { lab, a, b } = backWith(true);
    a.hangUp();
    lab.run().advance(29_000);
    expect(keys(b).sort()).toEqual([OLD, NEW]);
    lab.advance(2_000);
    expect(keys(b)).toEqual([]);
  });

  test("what the next session sends is told apart from all that there was", () => {
    const { lab, a, b } = backWith(true);
    a.hangUp();
    lab.run();
    a.up().announce([OLD]);
    lab.run();
    expect(keys(b).sort()).toEqual([OLD, NEW]);
    a.endOfRib();
    lab.run();
    expect(keys(b)).toEqual([OLD]);
  });

  test("however often, nothing is kept beyond the configured time and that of a session", () => {
    const { lab, a, b } = backWith(true, "{ notification: true, restart-time-max: 40 }");
    a.hangUp();
    lab.run();
    // It was gone for the first time 20 s ago.
    for (let second = 20; second + 20 < 40 + END_OF_RIB_SECONDS; second += 20) {
      expect(keys(b).sort(), `after ${second} s`).toEqual([OLD, NEW]);
      lab.advance(20_000);
      a.up();
      lab.run();
      a.hangUp();
      lab.run();
    }
    lab.advance(21_000);
    expect(keys(b)).toEqual([]);
  });

  test("a reload that shortens the time moves the end", () => {
    const { lab, a, b } = backWith(true);
    a.hangUp();
    lab.run();
    lab.reload(yaml("{ notification: true, restart-time-max: 5 }")).run();
    expect(keys(b).sort()).toEqual([OLD, NEW]);
    lab.advance(6_000);
    expect(keys(b)).toEqual([]);
  });
});
