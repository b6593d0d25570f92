/** Routes of a run that has no path identifiers, for a session that has some. */

import { OctetSink, type RouteRun, routeOctets } from "@ts-bgp/feeds-codec";

/** @returns the same run, each route with the path identifier 0 */
export function withPathIds(run: RouteRun): RouteRun {
  const { buf, at, end } = run.routes;
  const sink = new OctetSink();
  for (let i = at; i < end; ) {
    const next = i + routeOctets(buf, i, false);
    sink.u32(0);
    sink.octets(buf, i, next);
    i = next;
  }
  const octets = sink.take();
  return { ...run, addPath: true, routes: { buf: octets, at: 0, end: octets.length } };
}
