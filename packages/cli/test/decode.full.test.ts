/** `tsbgp decode` as a process: a line of JSON for each line that it reads, whatever it reads. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DecodeOptions, decodeMessages, parseHex } from "@ts-bgp/wire-codec";
import { afterAll, describe, expect, test } from "vitest";
import { attribute, four, message } from "../../../test/lab/raw-peer.ts";
import {
  CORPUS_MISSING,
  readFuzzStreams,
  readVectors,
  type Vector,
} from "../../../testkit/corpus.ts";
import { MAIN } from "../../../testkit/speaker.ts";
import { updateMessage } from "../../../testkit/updates.ts";
import { linesOf, tsbgp } from "./support/tsbgp.ts";

const hex = (octets: readonly number[]) => Buffer.from(octets).toString("hex");

const KEEPALIVE = hex(message(4, []));
const ORIGIN = attribute(0x40, 1, [0]);
const NEXT_HOP = attribute(0x40, 3, [192, 0, 2, 1]);
const PATH_4 = attribute(0x40, 2, [2, 1, ...four(65001)]);
const PATH_2 = attribute(0x40, 2, [2, 1, 0xfd, 0xe9]);
const LOCAL_PREF = attribute(0x40, 5, four(200));
const UPDATE = hex(updateMessage([], [...ORIGIN, ...PATH_4, ...NEXT_HOP], [24, 198, 51, 100]));
const FAULTY = hex(
  updateMessage([], [...attribute(0x40, 1, [9]), ...PATH_4, ...NEXT_HOP], [24, 198, 51, 100]),
);

async function decode(input: string, ...args: string[]) {
  const { code, stdout, stderr } = await tsbgp(["decode", ...args], { input });
  return { code, stderr, answers: linesOf(stdout).map((line) => JSON.parse(line)) };
}

const INPUT_ERROR = { type: "UNKNOWN", input_error: expect.any(String) };
const IS_KEEPALIVE = { type: "KEEPALIVE", length: 19 };

const INPUTS: readonly [name: string, input: string, answers: unknown[], exit: number][] = [
  ["nothing", "", [], 0],
  ["one message", `${KEEPALIVE}\n`, [IS_KEEPALIVE], 0],
  ["a last line without a newline", `${KEEPALIVE}\n${KEEPALIVE}`, [IS_KEEPALIVE, IS_KEEPALIVE], 0],
  ["lines that end with CRLF", `${KEEPALIVE}\r\n${KEEPALIVE}\r\n`, [IS_KEEPALIVE, IS_KEEPALIVE], 0],
  ["upper case", `${KEEPALIVE.toUpperCase()}\n`, [IS_KEEPALIVE], 0],
  ["a leading 0x, blanks and colons", `0x${KEEPALIVE.replace(/../g, "$&: ")}\n`, [IS_KEEPALIVE], 0],
  ["an empty line", `${KEEPALIVE}\n\n`, [IS_KEEPALIVE, INPUT_ERROR], 2],
  ["a blank line in front", `  \n${KEEPALIVE}\n`, [INPUT_ERROR, IS_KEEPALIVE], 2],
  ["garbage", `garbage\n${KEEPALIVE}\n`, [INPUT_ERROR, IS_KEEPALIVE], 2],
  ["half an octet", `${KEEPALIVE}0\n`, [INPUT_ERROR], 2],
  ["octets that are no text", "\u0000\ufffd\u202e\n", [INPUT_ERROR], 2],
  ["a header cut short", "ffff\n", [{ error: { code: 1, subcode: 2 } }], 1],
  [
    "several messages on a line",
    `${KEEPALIVE}${KEEPALIVE}\n${KEEPALIVE}\n`,
    [{ messages: [IS_KEEPALIVE, IS_KEEPALIVE] }, IS_KEEPALIVE],
    0,
  ],
  [
    "a faulty message behind a right one",
    `${KEEPALIVE}${FAULTY}\n`,
    [{ messages: [IS_KEEPALIVE, { type: "UPDATE", error: { action: "treat-as-withdraw" } }] }],
    1,
  ],
  [
    "a right message and a faulty one, a line each",
    `${UPDATE}\n${FAULTY}\n`,
    [
      { type: "UPDATE", nlri: ["198.51.100.0/24"], withdrawn: [] },
      { error: { code: 3, subcode: 6, action: "treat-as-withdraw", attribute: 1 } },
    ],
    1,
  ],
];

test.concurrent.each(INPUTS)(
  "%s: a line out for each line in, and the exit code",
  async (_, input, answers, exit) => {
    const result = await decode(input);
    expect(result.answers).toHaveLength(answers.length);
    expect(result).toMatchObject({ answers, code: exit, stderr: "" });
  },
);

describe("options", () => {
  const two = hex(updateMessage([], [...ORIGIN, ...PATH_2, ...NEXT_HOP], [24, 198, 51, 100]));
  const addPath = hex(
    updateMessage([], [...ORIGIN, ...PATH_4, ...NEXT_HOP], [...four(7), 24, 198, 51, 100]),
  );
  const internal = hex(
    updateMessage([], [...ORIGIN, ...PATH_4, ...NEXT_HOP, ...LOCAL_PREF], [24, 198, 51, 100]),
  );
  const path = { name: "AS_PATH", value: { text: "65001" } };

  test.each([
    ["--as2", two, { attributes: [{}, path, {}] }, 0],
    ["without --as2", two, { error: { attribute: 2 } }, 1],
    ["--add-path", addPath, { nlri: [{ path_id: 7, prefix: "198.51.100.0/24" }] }, 0],
    ["--ebgp", internal, { error: { action: "attribute-discard", attribute: 5 } }, 1],
    ["--ibgp", internal, { nlri: ["198.51.100.0/24"] }, 0],
    ["neither --ebgp nor --ibgp", internal, { nlri: ["198.51.100.0/24"] }, 0],
  ] as const)("%s", async (option, octets, answer, exit) => {
    const args = option.startsWith("--") ? [option] : [];
    const { answers, code } = await decode(`${octets}\n`, ...args);
    expect([answers, code]).toMatchObject([[answer], exit]);
  });

  test.each([[["--ebgp", "--ibgp"]], [["--as4"]], [["--ebgp=yes"]]])(
    "%s cannot be used",
    async (args) => {
      const { answers, code, stderr } = await decode("", ...args);
      expect([answers, code]).toEqual([[], 2]);
      expect(stderr).toMatch(/^tsbgp: .+\n$/);
    },
  );
});

describe("files", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-decode-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  afterAll(() => rmSync(folder, { recursive: true }));

  test("are read one after the other, standard input among them as -", async () => {
    const [a, b] = [file("a", `${KEEPALIVE}\n`), file("b", `${UPDATE}`)];
    const { answers, code } = await decode(`${FAULTY}\n`, a, "-", b);
    expect([answers.map(({ type }) => type), code]).toEqual([["KEEPALIVE", "UPDATE", "UPDATE"], 1]);
  });

  test.each([["/no/such/file"], [folder]])("%s cannot be read: exit 2", async (name) => {
    const { answers, code, stderr } = await decode("", file("c", `${KEEPALIVE}\n`), name);
    expect([answers, code]).toEqual([[IS_KEEPALIVE], 2]);
    expect(stderr).toMatch(new RegExp(`^tsbgp: cannot read ${name}: .+\n$`));
  });
});

test("a hundred thousand lines through a pipe come out in order", async () => {
  const notification = (n: number) => hex(message(3, [6, 9, ...four(n)]));
  const lines = Array.from({ length: 100_000 }, (_, n) => notification(n));
  const { answers, code } = await decode(`${lines.join("\n")}\n`);
  expect([answers.length, code]).toEqual([lines.length, 0]);
  expect(answers.every(({ data }, n) => Number.parseInt(data, 16) === n)).toBe(true);
});

test("a line of a megabyte is one line of JSON", async () => {
  const { answers, code } = await decode(`${KEEPALIVE.repeat(27_600)}\n${"0".repeat(1 << 20)}\n`);
  expect([answers.length, answers[0].messages.length, code]).toEqual([2, 27_600, 1]);
});

test("a reader that has enough ends it without a word", async () => {
  const child = spawn(process.execPath, [MAIN, "decode"], { stdio: "pipe" });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(`${KEEPALIVE}\n`.repeat(200_000));
  await once(child.stdout, "data");
  child.stdout.destroy();
  const [code] = await once(child, "close");
  expect([code, stderr]).toEqual([0, ""]);
});

/** Options that a vector is to be read with, as arguments and as the codec takes them. */
function sessionOf(vector: Vector): { args: string[]; options: DecodeOptions } {
  const { four_octet_as, add_path, session } = vector;
  return {
    args: [
      ...(four_octet_as === false ? ["--as2"] : []),
      ...(add_path ? ["--add-path"] : []),
      ...(session === undefined ? [] : [`--${session}`]),
    ],
    options: {
      fourOctetAs: four_octet_as !== false,
      addPath: add_path,
      external: session === undefined ? null : session === "ebgp",
    },
  };
}

/** What `decodeMessages` makes of a line. */
function expectedAnswer(text: string, options: DecodeOptions): unknown {
  const octets = parseHex(text);
  if (octets === null || octets.length === 0) return INPUT_ERROR;
  const messages = decodeMessages(octets, options);
  return JSON.parse(JSON.stringify(messages.length === 1 ? messages[0] : { messages }));
}

describe.skipIf(CORPUS_MISSING !== null)(
  `third-party octets${CORPUS_MISSING === null ? "" : ` (${CORPUS_MISSING})`}`,
  () => {
    test("every vector gives one line, the one that the codec gives", async () => {
      const bySession = new Map<string, Vector[]>();
      for (const vector of readVectors()) {
        const key = sessionOf(vector).args.join(" ");
        bySession.set(key, [...(bySession.get(key) ?? []), vector]);
      }
      for (const vectors of bySession.values()) {
        const { args, options } = sessionOf(vectors[0]!);
        const input = vectors.map(({ message_hex }) => `${message_hex}\n`).join("");
        const { answers, stderr } = await decode(input, ...args);
        expect([answers.length, stderr]).toEqual([vectors.length, ""]);
        for (const [i, { id, message_hex }] of vectors.entries()) {
          expect(answers[i], id).toEqual(expectedAnswer(message_hex, options));
        }
      }
    });

    test("every fuzz stream gives one line, and one process reads them all", async () => {
      const streams = readFuzzStreams();
      const input = streams.map(({ stream_hex }) => `${stream_hex}\n`).join("");
      const { answers, stderr } = await decode(input);
      expect([answers.length, stderr]).toEqual([streams.length, ""]);
      const options = { fourOctetAs: true, addPath: false, external: null };
      for (const [i, { id, stream_hex }] of streams.entries()) {
        expect(answers[i], id).toEqual(expectedAnswer(stream_hex, options));
      }
    });
  },
);
