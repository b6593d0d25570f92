import { afterAll, describe, expect, test } from "vitest";
import {
  CORPUS_MISSING,
  readFuzzStreams,
  readVectors,
  type Vector,
} from "../../../testkit/corpus.ts";
import { decodeMessages, messageLength, parseHex, UpdateReader } from "../src/index.ts";
import { disagreements } from "./vectors/compare.ts";
import { KNOWN } from "./vectors/known.ts";

/** Vectors by source and expectation, and how many of them this codec agrees with. */
const AGREEMENT: Readonly<Record<string, readonly [total: number, agree: number]>> = {
  "CAIDA/libbgpstream bgpdump-m": [36, 36],
  "DevQps/bgp-rs bgpdump-m": [28, 28],
  "DevQps/bgp-rs tshark-json": [42, 41],
  "DlieBG/zettabgp bgpdump-m": [22, 22],
  "Exa-Networks/exabgp exabgp-command": [34, 33],
  "Exa-Networks/exabgp exabgp-json": [109, 102],
  "Exa-Networks/exabgp test-source": [5, 5],
  "FRRouting/frr frr-aspath": [10, 10],
  "FRRouting/frr frr-attribute-parse": [14, 10],
  "FRRouting/frr frr-bgp_attr_parse": [19, 19],
  "FRRouting/frr frr-capability-parse": [25, 23],
  "FRRouting/frr rfc7606-outcome": [92, 88],
  "NLnetLabs/routecore test-source": [18, 18],
  "RIPE-NCC/bgpdump bgpdump-m": [113, 113],
  "RIPE-NCC/bgpdump none": [1, 1],
  "bgpkit/bgpkit-parser bgpdump-m": [19, 19],
  "bgpkit/bgpkit-parser test-source": [6, 5],
  "bio-routing/bio-rd bio-rd-test": [28, 15],
  "epiecs/packetlife-backup tshark-json": [2, 2],
  "faucetsdn/ryu tshark-json": [14, 14],
  "holo-routing/holo test-source": [5, 5],
  "https rfc7606-outcome": [1, 1],
  "jeanmichel-gh/bgp4r test-source": [11, 11],
  "jwhited/corebgp fuzz-regression": [2, 2],
  "jwhited/corebgp go-literal": [6, 6],
  "jwhited/corebgp must-fail": [1, 1],
  "networklessons/labs tshark-json": [14, 14],
  "nexthop-ai/BGP test-source": [26, 25],
  "opendaylight/bgpcep test-source": [7, 7],
  "osrg/gobgp fuzz-regression": [6, 6],
  "osrg/gobgp rfc7606-outcome": [4, 2],
  "osrg/gobgp test-source": [3, 2],
  "osrg/rustybgp test-source": [3, 3],
  "paaguti/java-mrt bgpdump-m": [36, 36],
  "pmacct/pmacct tshark-json": [225, 225],
};

const explained = (id: string) =>
  KNOWN.filter(({ ids }) =>
    ids.some((known) => (known.endsWith("*") ? id.startsWith(known.slice(0, -1)) : id === known)),
  );

const groupOf = ({ source, expected, expected_error }: Vector) =>
  `${source.replace(/:.*/, "")} ${(expected ?? expected_error)!["format"]}`;

describe.skipIf(CORPUS_MISSING !== null)(
  `third-party vectors (${CORPUS_MISSING ?? "there"})`,
  () => {
    const vectors = CORPUS_MISSING === null ? readVectors() : [];
    const found = new Map(vectors.map((vector) => [vector.id, disagreements(vector)]));

    test("every disagreement is explained", () => {
      const open = [...found].filter(
        ([id, texts]) => texts.length > 0 && explained(id).length === 0,
      );
      expect(open).toEqual([]);
    });

    test("every explanation is of a disagreement", () => {
      const used = new Set(
        [...found].filter(([, texts]) => texts.length > 0).flatMap(([id]) => explained(id)),
      );
      expect(KNOWN.filter((known) => !used.has(known))).toEqual([]);
    });

    const figures: Record<string, [number, number]> = {};
    for (const vector of vectors) {
      const [total, agree] = figures[groupOf(vector)] ?? [0, 0];
      figures[groupOf(vector)] = [total + 1, agree + (found.get(vector.id)!.length === 0 ? 1 : 0)];
    }

    test("agreement is as good as it was", () => {
      expect(figures).toEqual(AGREEMENT);
    });

    afterAll(() => {
      console.table(
        Object.entries(figures).map(([source, [total, agree]]) => ({ source, total, agree })),
      );
    });
  },
);

describe.skipIf(CORPUS_MISSING !== null)("fuzz streams of other daemons", () => {
  const streams = CORPUS_MISSING === null ? readFuzzStreams() : [];
  const options = { addPath: false, external: null };

  test("each gives messages, the last one a fault or nothing", () => {
    for (const { id, stream_hex } of streams) {
      const octets = parseHex(stream_hex)!;
      for (const fourOctetAs of [true, false]) {
        const messages = decodeMessages(octets, { ...options, fourOctetAs });
        const length = messages.reduce((sum, message) => sum + message.length, 0);
        expect([id, length]).toEqual([id, octets.length]);
      }
    }
  });

  test("the reader of a session finds the same verdicts", () => {
    const reader = new UpdateReader();
    const context = {
      fourOctetAs: true,
      external: true,
      addPath: 0,
      families: 3,
      allowAsSet: false,
      allowConfed: false,
      aigp: true,
      extendedNextHop: 3,
      rpkiState: false,
    };
    for (const { id, stream_hex } of streams) {
      const octets = parseHex(stream_hex)!;
      const messages = decodeMessages(octets, { ...options, external: true, fourOctetAs: true });
      let at = 0;
      for (const { type, length, error } of messages) {
        const whole = messageLength(octets, at, octets.length, 65535);
        if (type === "UPDATE" && whole === length) {
          reader.read(octets, at, at + length, context);
          const heaviest = reader.faults.find(({ reason }) => reason === error?.reason);
          expect([id, heaviest?.action]).toEqual([id, error?.action]);
        }
        at += length;
      }
    }
  });
});
