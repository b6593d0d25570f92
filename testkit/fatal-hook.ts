/** Loaded into a speaker before all else, see `FATAL_HOOK`. */
import { Standby } from "../packages/replication/src/standby.ts";
import { GroupExporter } from "../packages/router/src/exporter.ts";
import { Session } from "../packages/router/src/session.ts";
import { type Fatal, fatalAttribute } from "./fatal.ts";

const isIn = (octets: Uint8Array, how: Fatal) =>
  Buffer.from(octets).includes(Buffer.from(fatalAttribute(how)));

const read = Session.prototype.update;
Session.prototype.update = function update(buf, at, end) {
  const message = buf.subarray(at, end);
  if (isIn(message, "aborts")) process.abort();
  while (isIn(message, "hangs"));
  if (isIn(message, "throws")) throw new Error("a fault in what reads UPDATEs");
  return read.call(this, buf, at, end);
};

const evaluate = GroupExporter.prototype.evaluate;
GroupExporter.prototype.evaluate = function evaluated(path, row, cls) {
  const { rib } = this as unknown as { rib: Parameters<typeof sentOf>[0] };
  const octets = sentOf(rib, path);
  while (isIn(octets, "hangs when sent"));
  if (isIn(octets, "throws when sent")) throw new Error("a fault in what sends routes");
  return evaluate.call(this, path, row, cls);
};

function sentOf(rib: import("@ts-bgp/rib").Rib, path: number): Uint8Array {
  return rib.attrs.copyOf(rib.paths.attr[path]!);
}

const record = Standby.prototype.record;
Standby.prototype.record = function recorded(one) {
  if (one.record === "image" && isIn(one.octets, "aborts in an image")) process.abort();
  return record.call(this, one);
};
