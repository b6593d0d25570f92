/** The words of the command line: verbs cut short, help, versions, and what is wrong with them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { completions, resolveVerb } from "../src/verbs.ts";
import { linesOf, tsbgp } from "./support/tsbgp.ts";

/** Commands with words of their own, in the order of the overview. */
const COMMANDS = [
  "run",
  "spare",
  "mirror",
  "forward",
  "demo",
  "check",
  "doctor",
  "keys",
  "show status",
  "show neighbors",
  "show neighbor",
  "show routes",
  "show groups",
  "show memory",
  "show nsr",
  "show mirrors",
  "show record",
  "show rpki",
  "show feeds",
  "show followers",
  "show cluster",
  "show forward",
  "show bfd",
  "show quarantine",
  "show reloads",
  "explain import",
  "explain export",
  "what-if",
  "reload",
  "confirm",
  "rollback",
  "stop",
  "refresh",
  "reset",
  "disable",
  "enable",
  "graceful-shutdown",
  "release",
  "switchover",
  "upgrade check",
  "dump",
  "at",
  "diff",
  "history",
  "replay",
  "decode",
  "inject",
] as const;
const ASKING = COMMANDS.slice(COMMANDS.indexOf("show status"), COMMANDS.indexOf("at"));

describe("verbs cut short", () => {
  test.each([
    ["show neighbors", "show neighbors", []],
    ["sh neighbors", "show neighbors", []],
    ["sh neighbor 10.0.0.1", "show neighbor", ["10.0.0.1"]],
    ["sh ro 10.0.0.0/8", "show routes", ["10.0.0.0/8"]],
    ["ex i 10.0.0.0/8 10.0.0.1", "explain import", ["10.0.0.0/8", "10.0.0.1"]],
    ["relo", "reload", []],
    ["sw --wait", "switchover", ["--wait"]],
    ["sh ns", "show nsr", []],
    ["dis 10.0.0.1", "disable", ["10.0.0.1"]],
    ["disable show", "disable", ["show"]],
    ["ch -c show", "check", ["-c", "show"]],
  ])("%s is %s", (words, name, rest) => {
    expect(resolveVerb(COMMANDS, words.split(" "))).toEqual({ kind: "command", name, rest });
  });

  test.each([
    ["d", ["decode", "demo", "diff", "disable", "doctor", "dump"]],
    ["s", ["show", "spare", "stop", "switchover"]],
    ["re", ["refresh", "release", "reload", "replay", "reset"]],
    ["e", ["enable", "explain"]],
    ["show neighbo", ["neighbor", "neighbors"]],
  ])("%s is ambiguous", (words, candidates) => {
    const resolved = resolveVerb(COMMANDS, words.split(" "));
    expect(resolved).toMatchObject({ kind: "ambiguous", candidates });
  });

  // "restart" shares its first letters with "reset", and is another thing.
  test.each([["restart"], ["show nothing"], ["show neighborss"], ["constructor"], [""], ["SHOW"]])(
    "%j is unknown",
    (words) => {
      expect(resolveVerb(COMMANDS, words.split(" ")).kind).toBe("unknown");
    },
  );

  test.each(COMMANDS)("every start of %s that is unique leads to it, and no other does", (name) => {
    const words = name.split(" ");
    const last = words.at(-1)!;
    const others = COMMANDS.filter((other) => other.startsWith(words.slice(0, -1).join(" ")))
      .map((other) => other.split(" ")[words.length - 1]!)
      .filter((other) => other !== last);
    for (let length = 1; length <= last.length; length++) {
      const start = last.slice(0, length);
      if (others.includes(start)) continue;
      const isUnique = start === last || !others.some((other) => other.startsWith(start));
      const resolved = resolveVerb(COMMANDS, [...words.slice(0, -1), start]);
      if (isUnique) expect(resolved, start).toMatchObject({ kind: "command", name });
      else expect(resolved.kind, start).toBe("ambiguous");
    }
  });

  test("completions are the words that begin so, or the word itself", () => {
    const words = fc.array(fc.string({ unit: fc.constantFrom(..."ABab-"), minLength: 1 }), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(
        words,
        fc.string({ unit: fc.constantFrom(..."ABab-"), minLength: 1 }),
        (all, word) => {
          const candidates = [...new Set(all)];
          const begin = candidates.filter((candidate) => candidate.startsWith(word)).sort();
          const expected = candidates.includes(word) ? [word] : begin;
          expect(completions(candidates, word)).toEqual(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe.concurrent("help", () => {
  test("names every command, on standard output", async () => {
    for (const args of [["--help"], ["-h"], ["help"]]) {
      const { code, stdout, stderr } = await tsbgp(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${name}`, "m"));
      for (const line of linesOf(stdout)) expect(line.length, line).toBeLessThanOrEqual(128);
    }
  });

  test.each(COMMANDS)("of %s says how it is used", async (name) => {
    for (const option of ["--help", "-h"]) {
      const { code, stdout, stderr } = await tsbgp([...name.split(" "), option]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(new RegExp(`^usage: tsbgp ${name}`));
      if (ASKING.includes(name)) expect(stdout).toMatch(/--socket .*--json/);
    }
  });
});

test.concurrent.each(["show", "sh", "explain"])("help of %s names its commands", async (word) => {
  const start = word === "sh" ? "show" : word;
  const names = COMMANDS.filter((name) => name.startsWith(`${start} `));
  for (const option of ["--help", "-h"]) {
    const { code, stdout, stderr } = await tsbgp([word, option]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const found = linesOf(stdout).flatMap((line) => /^ {2}([a-z]+ [a-z]+)/.exec(line)?.[1] ?? []);
    expect(found).toEqual(names);
  }
});

test("the version is that of the package", async () => {
  const { version } = JSON.parse(
    readFileSync(join(import.meta.dirname, "../package.json"), "utf8"),
  );
  for (const option of ["--version", "-V"]) {
    expect(await tsbgp([option])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  }
});

describe.concurrent("what is wrong with the words: exit 2", () => {
  test("no words at all show the help", async () => {
    const { code, stdout } = await tsbgp([]);
    expect([code, stdout]).toEqual([2, expect.stringMatching(/^tsbgp: /)]);
  });

  test.each([
    [["nothing"], /"nothing" is not known; there are at, check, confirm, decode, demo/],
    [["show"], /one of these must follow: bfd, cluster, feeds, followers, forward, groups, memory/],
    [
      ["show", "nothing"],
      /"nothing" is not known; there are bfd, cluster, feeds, followers, forward, groups/,
    ],
    [["re"], /"re" may be refresh or release or reload or replay or reset/],
    [["show", "neighbor"], /the neighbor's address is missing/],
    [["show", "neighbor", "a", "b"], /no place for "b"/],
    [["show", "neighbors", "a"], /no place for "a"/],
    [["show", "routes", "10.0.0.0/8", "10.1.0.0/16"], /no place for "10\.1\.0\.0\/16"/],
    [["show", "routes", "--received"], /--received needs --neighbor/],
    [["show", "routes", "foo"], /"foo" is not a prefix or an address/],
    [["show", "routes", "10.0.0.0/8/8"], /"10\.0\.0\.0\/8\/8" is not a prefix or an address/],
    [["explain", "import", "foo", "10.0.0.1"], /"foo" is not a prefix or an address/],
    [["show", "routes", "--exact"], /--exact needs a prefix/],
    [["show", "routes", "-n", "a", "--received", "--accepted"], /exclude each other/],
    [["show", "routes", "10.0.0.0/8", "--exact", "--longer"], /exclude each other/],
    [["explain", "import", "10.0.0.0/8"], /the neighbor's address is missing/],
    [["explain", "import"], /the prefix is missing/],
    [["refresh", "a", "--in", "--out"], /exclude each other/],
    [["reset"], /the neighbor's address is missing/],
    [["enable", "a", "--reason", "none"], /Unknown option '--reason'/],
    [["show", "neighbors", "--jsno"], /Unknown option '--jsno'/],
    [["show", "neighbors", "--socket"], /argument missing/],
    [["--jsno"], /"--jsno" is not known/],
    [["show", "nsr", "a"], /no place for "a"/],
    [["switchover", "a", "b"], /no place for "b"/],
    [["spare"], /-c FILE is missing/],
    [["forward"], /-c FILE is missing/],
    [["spare", "-c", "/no/such/file.yaml"], /cannot read \/no\/such\/file\.yaml/],
    [["switchover", "--timeout", "soon"], /--timeout takes a number of seconds, not "soon"/],
    [["switchover", "--timeout", "0"], /--timeout takes a number of seconds, not "0"/],
    [["reload", "--confirm", "soon"], /--confirm takes a number of seconds, not "soon"/],
    [["reload", "--confirm", "0"], /--confirm takes a number of seconds, not "0"/],
    [["reload", "--confirm", "9", "--dry-run"], /--dry-run and --confirm exclude each other/],
    [["reload", "--canary", "AS1"], /--canary takes --confirm SECONDS as well/],
    [["reload", "--abort-if", "rejected > 5"], /--abort-if takes --confirm SECONDS as well/],
    [["rollback", "--to", "x"], /--to takes the number of a configuration, not "x"/],
    [["doctor", "a"], /no place for "a"/],
    [["doctor", "-c", "/no/such/file.yaml"], /cannot read \/no\/such\/file\.yaml/],
    [["keys", "--cluster", "rs1"], /the directory is missing/],
    [["keys", "/tmp/keys"], /--cluster NAME is missing/],
    [["keys", "/tmp/keys", "--cluster", "a.b"], /"a\.b" is no name: up to 63 letters/],
    [["keys", "/tmp/keys", "--cluster", "x", "--side", "../x"], /"\.\.\/x" is no name/],
    [["keys", "/tmp/keys", "--cluster", "x", "--side", "y", "--side", "y"], /y is given twice/],
    [["keys", "/tmp/keys", "--cluster", "x", "--side", "ca"], /a side cannot be called ca/],
    [["keys", "/dev/null/keys", "--cluster", "x"], /cannot write/],
    [["run", "-c", "x.yaml", "--nsr-self", "side a"], /--nsr-self "side a" is no name/],
  ])("%j", async (args, message) => {
    const { code, stdout, stderr } = await tsbgp(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^tsbgp: [^\n]+\n$/);
  });

  test.each(ASKING)("%s without a speaker says that there is none", async (name) => {
    const neighbor = /neighbor$|refresh|reset|release|able$/.test(name) ? ["10.0.0.1"] : [];
    const takes = { "graceful-shutdown": ["on"], dump: ["/tmp/x.mrt"] }[name as string] ?? neighbor;
    const words = name.startsWith("explain") ? ["10.0.0.0/8", "10.0.0.1"] : takes;
    const socket = "/tmp/no-such-socket.sock";
    const { code, stdout, stderr } = await tsbgp([...name.split(" "), ...words, "-s", socket]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toBe(`tsbgp: no speaker is running with control socket ${socket}\n`);
  });
});
