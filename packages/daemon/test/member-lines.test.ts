/** Lines about members that a list in etcd has, whoever has them said. */
import { LINES_MAX } from "@ts-bgp/nsr/few-lines";
import { expect, test } from "vitest";
import { MemberLines } from "../src/cluster/member-lines.ts";

test("lines about others, or about another member, leave room for those about a member", () => {
  const said: string[] = [];
  const lines = new MemberLines((level, message) => said.push(`${level}: ${message}`));
  lines.name(["a", "b"]);
  const flood = (name: string, level: "info" | "warn") => {
    for (let k = 0; k < 10 * LINES_MAX; k++) lines.say(name, level, `${name} ${k}`);
  };
  for (let k = 0; k < 10 * LINES_MAX; k++) lines.say(`x${k}`, "warn", `of x${k}`);
  expect(said).toHaveLength(LINES_MAX);
  flood("a", "warn");
  expect(said).toHaveLength(2 * LINES_MAX);
  said.length = 0;
  lines.say("b", "warn", "b is away");
  lines.say("a", "info", "a follows");
  lines.say("x", "warn", "x is away");
  expect(said).toEqual(["warn: b is away", "info: a follows"]);

  // A configuration that is read anew gives nobody new room.
  said.length = 0;
  lines.name(["a", "c"]);
  flood("a", "warn");
  flood("b", "warn");
  expect(said).toEqual([]);
  lines.say("c", "warn", "c is away");
  expect(said).toEqual(["warn: c is away"]);
});
