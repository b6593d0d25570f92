/** Runs in pieces that are no longer than somebody takes: cut between runs, and a run that is too long between routes. */

import { readU32, writeU32 } from "@ts-bgp/wire-codec";
import { FLAG, HEAD_OCTETS, routeOctets } from "./table-routes.ts";

/**
 * @param octets - see `RunWriter`
 * @param octetsMax - of a piece; a route is never cut, so one with more attributes than that is a piece of its own
 * @returns pieces in order, each of which is runs
 */
export function runPieces(octets: Uint8Array, octetsMax: number): Uint8Array[] {
  if (octets.length <= octetsMax) return octets.length === 0 ? [] : [octets];
  const pieces: Uint8Array[] = [];
  let start = 0;
  const endPiece = (at: number) => {
    if (at > start) pieces.push(octets.subarray(start, at));
    start = at;
  };
  for (let at = 0; at < octets.length; ) {
    const routesAt = at + HEAD_OCTETS + readU32(octets, at + 5);
    const end = routesAt + readU32(octets, at + 9);
    if (end - start > octetsMax) endPiece(at);
    if (end - at > octetsMax) {
      pieces.push(...piecesOfRun(octets, at, routesAt, end, octetsMax));
      start = end;
    }
    at = end;
  }
  endPiece(octets.length);
  return pieces;
}

/** @returns runs with the same attributes, which have the routes between them */
function piecesOfRun(
  octets: Uint8Array,
  from: number,
  routesAt: number,
  end: number,
  octetsMax: number,
): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const addPath = (octets[from + 2]! & FLAG.ADD_PATH) !== 0;
  const headOctets = routesAt - from;
  for (let at = routesAt; at < end; ) {
    const first = at;
    do at += routeOctets(octets, at, addPath);
    while (at < end && headOctets + at - first + routeOctets(octets, at, addPath) <= octetsMax);
    const piece = new Uint8Array(headOctets + at - first);
    piece.set(octets.subarray(from, routesAt));
    piece.set(octets.subarray(first, at), headOctets);
    writeU32(piece, 9, at - first);
    pieces.push(piece);
  }
  return pieces;
}
