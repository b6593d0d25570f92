/** What a side of a pair shows, with something of everything. */
import { NONE_REFUSED } from "../../../nsr/src/refusals.ts";
import { type ShownNsr, showNsr } from "../../../nsr/src/show-nsr.ts";
import type { Switchover } from "../../../nsr/src/switchover.ts";

export const SWITCHOVER: Switchover = {
  cause: "process 12 of b has ended",
  planned: false,
  at_ms: 1_800_000_000_500,
  ms: { fence: 0.5, replay: 1, addresses: 0, restore: 7, total: 8.5, silence: 9.5 },
  resumed: 2,
  lost: [{ address: "192.0.2.9", cause: "the peer had closed" }],
};
/** Where nothing is. */
const NOTHING = showNsr(null, null);

export const SHOWN: ShownNsr = {
  ...NOTHING,
  cluster: "rs1",
  side: "a",
  mode: "shared",
  role: "active",
  epoch: 4,
  ready: true,
  peer: {
    side: "b",
    link: "up",
    over: "/run/nsr.sock",
    since_ms: 1,
    software: "0.1.0",
    ends: 0,
    ended: "",
    ways_down: ["x"],
  },
  standbys: [
    {
      ...{
        side: "b",
        link: "up",
        over: "",
        since_ms: 1,
        software: "",
        ends: 2,
        ended: "",
        ways_down: [],
      },
      ...{ ready: true, state: "declared", compared_ms: 0 },
      behind: { brackets: 3, octets: 1234, applied: 7 },
    },
    {
      ...{ ...NOTHING.peer, side: "c" },
      ...{ ready: false, state: "alone", compared_ms: 0 },
      behind: { brackets: 0, octets: 0, applied: 0 },
    },
  ],
  protected: 1,
  sessions: 2,
  neighbors: [
    { address: "192.0.2.1", protected: true, reason: "" },
    { address: "2001:db8::1", protected: false, reason: "nsr: off" },
  ],
  behind: { brackets: 3, octets: 1234, applied: 7 },
  digest: { at_ms: 1_800_000_000_250, differences: 2 },
  deviation: { what: "outputs", brackets: 12, doomed: [{ address: "192.0.2.1", cause: "x" }] },
  gate: {
    ...{ kind: "nft", held: 5, passed: 900, guarded: 1 },
    ...{ overflowed: 0, overruns: 0, unparsed: 0, fenced: 0 },
  },
  skipped: 0,
  log: { file: "/var/lib/ts-bgp/rs1-a.log", octets: 4096, problem: "no space" },
  refused: { ...NONE_REFUSED, user: 2, slow: 7 },
};
