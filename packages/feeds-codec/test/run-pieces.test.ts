/** Runs that are too long for somebody are cut, and say the same. */
import { FAMILY } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RunWriter, routeOctets, runPieces, runsOf, TABLE } from "../src/index.ts";

const run = fc.record({
  addPath: fc.boolean(),
  // 0: routes that are there no more; else octets of an attribute that nobody knows.
  octets: fc.constantFrom(0, 1, 50, 200),
  routes: fc.integer({ min: 1, max: 60 }),
});

/** @returns each route with all that its run says of it */
function routesOf(pieces: readonly Uint8Array[]): string[] {
  const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");
  return pieces.flatMap((piece) =>
    [...runsOf(piece)].flatMap(({ peer, addPath, attributes: set, routes: { buf, at, end } }) => {
      const attributes = set === null ? "none" : hex(set.buf.subarray(set.at, set.end));
      const found: string[] = [];
      for (let i = at; i < end; ) {
        const next = i + routeOctets(buf, i, addPath);
        found.push(`${peer} ${addPath} ${attributes} ${hex(buf.subarray(i, next))}`);
        i = next;
      }
      return found;
    }),
  );
}

test("pieces have all routes in order, and are as short as asked for where a route is", () => {
  fc.assert(
    fc.property(fc.array(run), fc.integer({ min: 1, max: 1000 }), (runs, octetsMax) => {
      const writer = new RunWriter();
      for (const [peer, { addPath, octets, routes }] of runs.entries()) {
        const buf = Uint8Array.from([0xd0, 200, octets >> 8, octets, ...Array(octets).fill(7)]);
        const attributes = octets === 0 ? null : { buf, at: 0, end: buf.length };
        writer.run(TABLE.ADJ_IN_POST, FAMILY.IPV4_UNICAST, peer, addPath, attributes);
        for (let n = 0; n < routes; n++) writer.prefix(n << 16, 0, 0, 0, 8 + (n % 17), n);
      }
      const all = writer.take();
      const pieces = runPieces(all, octetsMax);
      expect(routesOf(pieces)).toEqual(routesOf([all]));
      for (const piece of pieces) {
        const isOne = routesOf([piece]).length === 1;
        expect(piece.length <= octetsMax || isOne, `${piece.length} octets`).toBe(true);
      }
    }),
  );
});
