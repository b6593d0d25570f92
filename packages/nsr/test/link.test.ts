/** What ends a link, and what is more than that. */
import { PassThrough } from "node:stream";
import { InvariantError } from "@ts-bgp/pair";
import { frameOf } from "@ts-bgp/replication/stream";
import { expect, test } from "vitest";
import { Link } from "../src/link.ts";

/** @returns a way to hand octets to a link whose records are taken with that error, and why it was closed */
function linkThatFailsWith(error: Error) {
  const reasons: string[] = [];
  const link = new Link(new PassThrough(), "stranger", {
    record() {
      throw error;
    },
    drained() {},
    idle() {},
    closed: (reason) => reasons.push(reason),
  });
  const frame = frameOf("bye", { reason: "", slow: 0, to: "", again: 0 });
  return { read: () => link["read"](frame), reasons };
}

test("a record that cannot be taken ends the link, with the reason", () => {
  const { read, reasons } = linkThatFailsWith(new Error("not now"));
  read();
  expect(reasons).toEqual(["the replication stream is broken: not now"]);
});

test("an invariant that does not hold is not taken for a fault of the other side", () => {
  const { read, reasons } = linkThatFailsWith(new InvariantError("does not hold: one"));
  expect(read).toThrow(InvariantError);
  expect(reasons).toEqual([]);
});
