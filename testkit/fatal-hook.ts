/** Loaded into a speaker before all else, see `FATAL_HOOK`. */
import { Session } from "../packages/router/src/session.ts";
import { type Fatal, fatalAttribute } from "./fatal.ts";

const read = Session.prototype.update;

Session.prototype.update = function update(buf, at, end) {
  const message = Buffer.from(buf.subarray(at, end));
  const isIn = (how: Fatal) => message.includes(Buffer.from(fatalAttribute(how)));
  if (isIn("aborts")) process.abort();
  while (isIn("hangs"));
  if (isIn("throws")) throw new Error("a fault in what reads UPDATEs");
  return read.call(this, buf, at, end);
};
