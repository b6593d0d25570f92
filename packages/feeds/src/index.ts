/**
 * Feeds: what a speaker does, for those who observe it. BMP stations (RFC 7854, RFC 8671, RFC 9069), and MRT
 * files (RFC 6396, RFC 8050).
 *
 *     feeds.ts         in the thread that routes: hands on what happens, and walks tables in pieces
 *     feeds-worker.ts  the thread of the feeds: stations.ts, station.ts, outbox.ts, peers.ts; mrt-files.ts,
 *                      dump.ts, output-file.ts, compression.ts
 *     table-walk.ts, numbers.ts    what is there, for those who come later
 *     dumps.ts, rib-walk.ts, dumped-routes.ts    and for files
 *     orders.ts        what they say to each other
 *     thread.ts        a thread that begins again, and give-way.ts, behind routing: for others too
 *
 * Routing waits for none of it: a feed that does not follow is told that it missed something.
 */

export { compressionOf } from "./compression.ts";
export { Feeds, type FeedsHooks, type Observable } from "./feeds.ts";
export type { DumpRequest, DumpResult, ShownMrt, ShownStation } from "./orders.ts";
