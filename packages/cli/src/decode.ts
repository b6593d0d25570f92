/** `tsbgp decode`: BGP messages from hexadecimal to JSON. */

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { type DecodeOptions, decodeMessages, parseHex } from "@ts-bgp/wire-codec";
import { type Arguments, type Command, EXIT, UsageError } from "./command.ts";

export const decodeCommand: Command = {
  name: "decode",
  usage: "[FILE...] [--as2] [--add-path] [--ebgp|--ibgp]",
  summary: "BGP messages, hexadecimal, one a line, to JSON, one a line",
  help: [
    "Reads standard input when no FILE is given; - is standard input too. White space, colons and a",
    'leading 0x do not count. A line with several messages back to back gives {"messages": [...]}.',
    "  --as2              AS numbers have two octets (default: four, RFC 6793)",
    "  --add-path         routes have path identifiers (RFC 7911)",
    "  --ebgp, --ibgp     session of the messages (default: told by their attributes)",
    'A faulty message has "error" with the action of RFC 7606 beside what could be decoded.',
    "Exit: 0 all messages are right, 1 some are faulty, 2 input cannot be used.",
  ],
  options: {
    as2: { type: "boolean" },
    "add-path": { type: "boolean" },
    ebgp: { type: "boolean" },
    ibgp: { type: "boolean" },
  },
  run: async (args) => {
    const options = decodeOptions(args);
    let exit: number = EXIT.OK;
    for (const file of args.words.length === 0 ? ["-"] : args.words) {
      exit = Math.max(exit, await decodeFile(file, options));
    }
    return exit;
  },
};

function decodeOptions({ options }: Arguments): DecodeOptions {
  const { ebgp, ibgp } = options;
  if (ebgp && ibgp) throw new UsageError("--ebgp and --ibgp exclude each other");
  return {
    fourOctetAs: options["as2"] !== true,
    addPath: options["add-path"] === true,
    external: ebgp ? true : ibgp ? false : null,
  };
}

async function decodeFile(file: string, options: DecodeOptions): Promise<number> {
  const input = file === "-" ? process.stdin : createReadStream(file);
  let exit: number = EXIT.OK;
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const [text, code] = decodeLine(line, options);
      if (!process.stdout.write(`${text}\n`)) await drained();
      exit = Math.max(exit, code);
    }
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
  return exit;
}

/** @returns the line of JSON for a line of input, and what it means for the exit code */
export function decodeLine(line: string, options: DecodeOptions): [json: string, exit: number] {
  const hex = line.replace(/[\s:]+/g, "").replace(/^0x/i, "");
  const octets = hex === "" ? null : parseHex(hex);
  if (octets === null) {
    const reason = hex === "" ? "the line is empty" : "the line is not hexadecimal octets";
    return [JSON.stringify({ type: "UNKNOWN", input_error: reason }), EXIT.UNUSABLE];
  }
  const messages = decodeMessages(octets, options);
  const exit = messages.some(({ error }) => error !== undefined) ? EXIT.NO : EXIT.OK;
  return [JSON.stringify(messages.length === 1 ? messages[0] : { messages }), exit];
}

function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.once("drain", resolve));
}
