/** Loaded into a speaker before all else, see `FATAL_HOOK`. */
import { writeSync } from "node:fs";
import { Standby } from "../packages/replication/src/standby.ts";
import type { Connection } from "../packages/router/src/connection.ts";
import { GroupExporter } from "../packages/router/src/exporter.ts";
import { Router } from "../packages/router/src/router.ts";
import { Session } from "../packages/router/src/session.ts";
import { type Fatal, fatalAttribute, HANGS } from "./fatal.ts";

const WITH_OTHERS: readonly Fatal[] = ["throws with others", "hangs with others"];

const isIn = (octets: Uint8Array, how: Fatal) =>
  Buffer.from(octets).includes(Buffer.from(fatalAttribute(how)));

function hang(): never {
  writeSync(2, `${HANGS}\n`);
  for (;;);
}

const read = Session.prototype.update;
Session.prototype.update = function update(buf, at, end) {
  const message = buf.subarray(at, end);
  if (isIn(message, "aborts")) process.abort();
  if (isIn(message, "hangs")) hang();
  if (isIn(message, "throws")) throw new Error("a fault in what reads UPDATEs");
  return read.call(this, buf, at, end);
};

const evaluate = GroupExporter.prototype.evaluate;
GroupExporter.prototype.evaluate = function evaluated(path, row, cls) {
  const { rib } = this as unknown as { rib: Parameters<typeof sentOf>[0] };
  const octets = sentOf(rib, path);
  if (isIn(octets, "hangs when sent") || isIn(octets, "hangs with others")) hang();
  if (isIn(octets, "throws when sent") || isIn(octets, "throws with others")) {
    throw new Error("a fault in what sends routes");
  }
  return evaluate.call(this, path, row, cls);
};

// Nothing is done before another neighbor's message has come as well, and then all is read in one slice. It
// depends on nothing but what the router has, so that a standby does the same.
const slice = Router.prototype.slice;
Router.prototype.slice = function sliced(nowMs, mayGoOn) {
  const { small, bulk } = this as unknown as Record<"small" | "bulk", Connection[]>;
  const unread = [...small, ...bulk].map(({ input }) => input.unread());
  const isWanted = unread.some((one) => WITH_OTHERS.some((how) => isIn(one, how)));
  if (!isWanted) return slice.call(this, nowMs, mayGoOn);
  if (unread.filter(({ length }) => length > 0).length < 2) return true;
  return slice.call(this, nowMs, () => true);
};

function sentOf(rib: import("@ts-bgp/rib").Rib, path: number): Uint8Array {
  return rib.attrs.copyOf(rib.paths.attr[path]!);
}

const record = Standby.prototype.record;
Standby.prototype.record = function recorded(one) {
  if (one.record === "image") {
    if (isIn(one.octets, "aborts in an image")) process.abort();
    if (isIn(one.octets, "hangs in an image")) hang();
    if (isIn(one.octets, "throws in an image")) throw new Error("a fault in what reads images");
  }
  return record.call(this, one);
};
