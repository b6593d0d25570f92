/** What the active side says of a standby that has ended before. */
import { expect, test } from "vitest";
import type { Hello } from "../src/hello.ts";
import { StandbyLink } from "../src/standby-link.ts";

test("how a standby has ended is said until its link has been up for long", () => {
  const hello = { ends: 2, ended: "SIGABRT" } as Hello;
  const standby = new StandbyLink(hello);
  standby.sinceMs = 1000;
  expect(standby.endsAt(2_000_000)).toEqual(hello);
  standby.over = "192.0.2.1 port 1790";
  expect(standby.endsAt(600_000)).toEqual(hello);
  expect(standby.endsAt(602_000)).toEqual({ ends: 0, ended: "" });
});
