/**
 * Paths whose states others have worked out, checked against the ASPAs that they did it for: the examples of
 * NIST that draft-ietf-sidrops-aspa-verification-28 refers to in section 6.1, the cases of its authors, and
 * those that OpenBGPD is tested with.
 */

import { describe, expect, test } from "vitest";
import { AspaTable, PATH_STATE_NAMES } from "../src/index.ts";

/** From a provider: `down`. From a customer, a peer, a client of this route server, or a route server: `up`. */
type Way = "up" | "down";
/** A path, the neighbor first, the origin last; `{1}` is a set. */
type Case = readonly [way: Way, path: string, state: "valid" | "unknown" | "invalid"];

interface Vectors {
  /** Customers with their providers. */
  readonly aspas: string;
  readonly cases: readonly Case[];
}

/** E and F have none; G has no provider. A 65000, B 65010, C 65020, D 65030, E 65040, F 65050, G 65060. */
const NIST: Vectors = {
  aspas: "65000: 65020 65030; 65010: 65040; 65020: 65050; 65030: 65050 65060; 65060: 0",
  cases: [
    ["up", "65050 65020 65000", "valid"],
    ["up", "65030 65020 65000", "invalid"],
    ["up", "65030 65050 65020 65000", "unknown"],
    ["up", "65030 65040 65010", "unknown"],
    ["up", "65000 65030 65040 65010", "invalid"],
    ["up", "65000 65030 65060 65040 65010", "invalid"],
    ["up", "65000 65020 65050", "invalid"],
    ["up", "65000 65020 65050 65060", "invalid"],
    ["up", "65040 65010", "valid"],
    ["down", "65040 65060 65050 65020 65000", "unknown"],
    ["down", "65040 65060 65030 65000", "valid"],
    ["down", "65040 65030 65020 65000", "unknown"],
    ["down", "65040 65060 65030 65020 65000", "invalid"],
    ["down", "65020 65050 65030 65060", "unknown"],
    ["down", "65030 65060 65040 65010", "valid"],
    ["down", "65020 65030 65060 65040 65010", "invalid"],
    ["down", "65050 65020 65000", "valid"],
    // What a provider makes up towards its customer cannot be found (section 7.3).
    ["down", "65040 65000", "valid"],
    ["down", "65040 65020 65000", "valid"],
  ],
};

const AUTHORS: Vectors = {
  aspas:
    "3356: 6695; 2914: 0; 174: 6695; 6695: 0; 13238: 6762 174 9002 6939 208722 1299 3356; 43247: 13238; " +
    "12389: 1273 1299 3257 3356 3491 5511; 8342: 12389 8359; 3: 4; 4: 3",
  cases: [
    ["up", "3356", "valid"],
    ["up", "3356 3356", "valid"],
    ["up", "3356 13238", "valid"],
    ["up", "3356 3356 13238 13238", "valid"],
    ["up", "3356 3356 13238 43247", "valid"],
    ["up", "", "invalid"],
    ["up", "2914 3356", "invalid"],
    ["up", "2914 3356 {3356}", "invalid"],
    ["up", "{2914} 2914 3356", "invalid"],
    ["up", "2914 12389 3356", "invalid"],
    ["up", "2914 12389 12389 3356", "invalid"],
    ["up", "3356 13238 1", "unknown"],
    ["up", "3356 9002 13238", "unknown"],
    ["up", "3356 1 9002 13238", "unknown"],
    ["up", "4 3 8359 8342", "unknown"],
    ["down", "3356", "valid"],
    ["down", "12389", "valid"],
    ["down", "3356 12389", "valid"],
    ["down", "2914 3356 12389", "valid"],
    ["down", "13238 174 3356 12389", "valid"],
    ["down", "13238 13238 174 3356 3356 12389", "valid"],
    ["down", "13238 208722 3356 12389", "valid"],
    ["down", "13238 208722 208722 3356 3356 12389", "valid"],
    ["down", "174 2914 3356", "invalid"],
    ["down", "174 12389 3356", "invalid"],
    ["down", "174 20485 13238", "invalid"],
    ["down", "174 2 1", "unknown"],
    ["down", "13238 174 3356 12389 1", "unknown"],
    ["down", "2 1 174 3356 12389", "unknown"],
    ["down", "13238 208722 2 1 12389 8342", "unknown"],
    ["down", "1 13238 174 3356 12389", "unknown"],
    ["down", "13238 174 3356 12389 {1}", "invalid"],
    ["down", "13238 {1} 174 3356 12389", "invalid"],
    ["down", "{1} 13238 174 3356 12389", "invalid"],
    ["down", "174 {20485} 13238", "invalid"],
    // Route servers: 6695 is one that does not put itself into paths, or does.
    ["up", "6695 3356", "valid"],
    ["up", "1", "valid"],
    ["down", "13238 174 6695 3356 12389", "valid"],
    ["up", "3356 2914", "invalid"],
    ["up", "6695 3356 2914", "invalid"],
    ["up", "4635 3356", "invalid"],
    ["up", "4635 1 3356", "invalid"],
    ["up", "2 1", "unknown"],
    ["up", "6695 2 1", "unknown"],
  ],
};

const OPENBGPD: Vectors = {
  aspas:
    "1: 4 5 6; 2: 10 11; 3: 1 13 14; 4: 16 24; 5: 1 17 25; 8: 0; 9: 2; 10: 0; 11: 2; 12: 3; 13: 0; 14: 3 25; " +
    "15: 4; 16: 4; 17: 5; 18: 6; 20: 19; 21: 0; 23: 22; 24: 0; 25: 0; 26: 5; 27: 14; " +
    "101: 102; 102: 103 104 105; 103: 111 112 203; 105: 0; 112: 0; 113: 104 105 204 205; " +
    "121: 131 132 133; 123: 0; 131: 121 122 123; 133: 0; 201: 202; 202: 203 204 205; 203: 103 111 112; 205: 0",
  cases: [
    ["up", "2", "valid"],
    ["up", "7", "valid"],
    ["up", "2 8", "invalid"],
    ["up", "2 9", "valid"],
    ["up", "2 10", "invalid"],
    ["up", "2 11", "valid"],
    ["up", "3 8", "invalid"],
    ["up", "3 12", "valid"],
    ["up", "3 13", "invalid"],
    ["up", "3 14", "valid"],
    ["up", "7 19", "unknown"],
    ["up", "7 21", "invalid"],
    ["up", "3 14 25", "invalid"],
    ["up", "3 14 19", "unknown"],
    ["up", "3 14 21", "invalid"],
    ["up", "3 14 27", "valid"],
    ["up", "7 19 22 21", "invalid"],
    ["down", "4", "valid"],
    ["down", "4 8", "valid"],
    ["down", "4 15", "valid"],
    ["down", "4 16", "valid"],
    ["down", "4 24", "valid"],
    ["down", "5 8", "valid"],
    ["down", "5 17", "valid"],
    ["down", "5 25", "valid"],
    ["down", "5 26", "valid"],
    ["down", "6 18", "valid"],
    ["down", "6 19", "valid"],
    ["down", "6 19 20", "valid"],
    ["down", "20 19 6", "valid"],
    ["down", "6 19 22 23", "unknown"],
    ["down", "1 5 17 13 3 14 27", "valid"],
    ["down", "27 14 3 13 17 5 1", "valid"],
    ["down", "27 14 3 6 7 19 17 5 1", "invalid"],
    ["down", "27 14 3 7 19 6 1 5 17", "unknown"],
    // The ramps overlap, touch, or have one hop between them, of which anything may be said.
    ["down", "201 202 203 103 102 101", "valid"],
    ["down", "101 102 103 203 202 201", "valid"],
    ["down", "201 202 203 111 103 102 101", "valid"],
    ["down", "101 102 103 111 203 202 201", "valid"],
    ["down", "201 202 203 112 103 102 101", "valid"],
    ["down", "101 102 103 112 203 202 201", "valid"],
    ["down", "201 202 204 104 102 101", "valid"],
    ["down", "201 202 204 105 102 101", "valid"],
    ["down", "201 202 205 104 102 101", "valid"],
    ["down", "201 202 205 105 102 101", "valid"],
    // Two hops between them.
    ["down", "201 202 205 111 105 102 101", "invalid"],
    ["down", "201 202 205 112 105 102 101", "invalid"],
    ["down", "201 202 205 113 105 102 101", "invalid"],
    ["down", "201 202 205 111 104 102 101", "unknown"],
    ["down", "201 202 204 111 105 102 101", "unknown"],
    ["down", "201 202 204 111 104 102 101", "unknown"],
    ["down", "201 202 205 112 104 102 101", "unknown"],
    ["down", "201 202 204 112 105 102 101", "unknown"],
    ["down", "201 202 204 112 104 102 101", "unknown"],
    ["down", "201 202 205 113 104 102 101", "unknown"],
    ["down", "201 202 204 113 105 102 101", "unknown"],
    ["down", "201 202 204 113 104 102 101", "unknown"],
  ],
};

function tableOf(aspas: string): AspaTable {
  const table = new AspaTable();
  for (const aspa of aspas.split("; ")) {
    const [customer, providers] = aspa.split(": ");
    table.put(Number(customer), 1, Uint32Array.from(providers!.split(" "), Number));
    table.settle(Number(customer), 1);
  }
  table.show();
  return table;
}

/** The value of AS_PATH. */
function octetsOf(path: string): Uint8Array {
  const segments = path.split(" ").filter((part) => part !== "");
  const octets = new Uint8Array(6 * segments.length);
  for (const [k, segment] of segments.entries()) {
    octets[6 * k] = segment.startsWith("{") ? 1 : 2;
    octets[6 * k + 1] = 1;
    new DataView(octets.buffer).setUint32(6 * k + 2, Number(segment.replace(/[{}]/g, "")));
  }
  return octets;
}

describe.each([
  ["of NIST", NIST],
  ["of the authors", AUTHORS],
  ["of OpenBGPD", OPENBGPD],
])("the cases %s", (_, { aspas, cases }) => {
  const table = tableOf(aspas);
  const stateOf = (way: Way, path: string, neighborAs: number) => {
    const octets = octetsOf(path);
    return PATH_STATE_NAMES[table.stateOf(octets, 0, octets.length, way === "down", neighborAs)];
  };

  test.each(cases)("%s: %s is %s", (way, path, state) => {
    expect(stateOf(way, path, 0)).toBe(state);
    // The most recently added AS is to be the neighbor, whatever else there is to say (steps 2).
    expect(stateOf(way, path, Number.parseInt(path, 10) || 9)).toBe(state);
    expect(stateOf(way, path, 64_999)).toBe("invalid");
  });
});
