/** The command line of `tsbgp inject`. */

import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { AFI, FAMILY, formatAddress, parseAddress, parseIpv4 } from "@ts-bgp/wire-codec";
import type { InjectOptions, SourceOptions } from "./inject.ts";
import type { PeerSelector } from "./mrt-source.ts";
import { SYNTHETIC_PREFIXES_MAX } from "./synthetic.ts";

export const INJECT_HELP = `usage: tsbgp inject TARGET SOURCE [OPTION]...

Opens a BGP session with TARGET, announces routes and keeps the session up until Ctrl-C.
TARGET is an address or a name, with a port behind a colon if it is not 179: 192.0.2.1,
[2001:db8::1]:1790. A ROUTE-REFRESH of the peer is answered by sending the routes again.

What to announce, one of:
  --mrt FILE          a MRT file: a table dump (one peer's routes, grouped by equal attributes) or
                      update messages, in their order
  --updates FILE      UPDATE messages as on the wire, back to back, with 4-octet AS numbers
  --synthetic N       N prefixes with lengths and attributes like those of the internet's table
Files may be compressed by gzip, bzip2 or zstd.

About the source:
  --peer WHICH        peer of a MRT file: its number, its address or AS65001; "all" for update
                      messages of all peers. Default: the peer with most routes
  --partial           of a truncated or corrupt file, announce what comes before the fault
  --seed N            of --synthetic and --flap; the same seed gives the same octets. Default 1
  --family FAMILY     ipv4, ipv6 or both. Default: both, for --synthetic ipv4
  --keep-next-hop     leave next hops as they are. Default: own address
  --next-hop ADDRESS  next hop in place of the own address; once for each family

About the session:
  --as N              own AS number. Default: the first one of the paths, 65001 for --synthetic.
                      To a peer in another AS it is put in front of paths that begin otherwise
  --router-id A.B.C.D own BGP Identifier. Default: the own address
  --local ADDRESS     address to connect from
  --port N            port of the peer. Default 179
  --hold-time SECONDS 0, or 3 to 65535. Default 90
  --add-path          send path identifiers if the peer takes them
  --reconnect         try again when the session ends or does not come up

What to do:
  --rate N            at most N messages a second
  --flap N            when all is sent, N messages a second withdraw and announce random prefixes
  --once              end when all is sent
  --withdraw          withdraw the routes before the session ends
  --json              one JSON object a line for each event, for programs
  --help              this text

Exit status: 0 when ended as asked, 1 when the session failed, 2 for unusable input.
`;

export type InjectArguments =
  | { readonly kind: "help" }
  | { readonly kind: "run"; readonly options: InjectOptions; readonly json: boolean }
  /** For people, without the name of the command. */
  | { readonly kind: "error"; readonly message: string };

/** The command line is not as it should be; the message is for people. */
class UsageError extends Error {}

const OPTIONS = {
  mrt: { type: "string" },
  updates: { type: "string" },
  synthetic: { type: "string" },
  peer: { type: "string" },
  partial: { type: "boolean" },
  seed: { type: "string" },
  family: { type: "string" },
  "keep-next-hop": { type: "boolean" },
  "next-hop": { type: "string", multiple: true },
  as: { type: "string" },
  "router-id": { type: "string" },
  local: { type: "string" },
  port: { type: "string" },
  "hold-time": { type: "string" },
  "add-path": { type: "boolean" },
  reconnect: { type: "boolean" },
  rate: { type: "string" },
  flap: { type: "string" },
  once: { type: "boolean" },
  withdraw: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parse>["values"];

/** @param argv - what follows `tsbgp inject` */
export function parseInjectArguments(argv: readonly string[]): InjectArguments {
  try {
    const { values, positionals } = parse(argv);
    if (values.help === true) return { kind: "help" };
    const options = optionsOf(values, positionals);
    return { kind: "run", options, json: values.json === true };
  } catch (error) {
    const usage = error instanceof UsageError || isParseArgsError(error);
    if (!usage) throw error;
    return { kind: "error", message: (error as Error).message };
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true });
}

function isParseArgsError(error: unknown): boolean {
  return String((error as NodeJS.ErrnoException).code).startsWith("ERR_PARSE_ARGS");
}

function optionsOf(values: Values, positionals: readonly string[]): InjectOptions {
  const [target, surplus] = positionals;
  if (target === undefined) throw new UsageError("say where to: TARGET is missing");
  if (surplus !== undefined) throw new UsageError(`${surplus} is one TARGET too many`);
  const { host, port } = parseTarget(target);
  const seed = number("seed", values.seed, 0, 2 ** 32 - 1) ?? 1;
  const source = sourceOf(values, seed);
  const flap = number("flap", values.flap, 1, 1_000_000);
  const nextHops = (values["next-hop"] ?? []).map(nextHop);
  if (nextHops.length > 0 && values["keep-next-hop"] === true) {
    throw new UsageError("--next-hop and --keep-next-hop exclude each other");
  }
  return {
    session: {
      host,
      port: number("port", values.port, 1, 65535) ?? port ?? 179,
      localAddress: address("local", values.local),
      localAs: number("as", values.as, 1, 2 ** 32 - 1),
      identifier: identifier(values["router-id"]),
      holdTimeSeconds: holdTime(values["hold-time"]),
      families: source.families,
      addPath: values["add-path"] === true,
      reconnect: values.reconnect === true,
    },
    source,
    nextHop4: nextHops.find((octets) => octets.length === 4) ?? null,
    nextHop6: nextHops.find((octets) => octets.length === 16) ?? null,
    keepNextHop: values["keep-next-hop"] === true,
    rate: number("rate", values.rate, 1, 10_000_000),
    flap: flap === null ? null : { rate: flap, seed },
    once: values.once === true,
    withdraw: values.withdraw === true,
  };
}

function sourceOf(values: Values, seed: number): SourceOptions {
  const { mrt, updates, synthetic, peer } = values;
  const given = [mrt, updates, synthetic].filter((value) => value !== undefined).length;
  if (given !== 1) {
    throw new UsageError("say what to announce: one of --mrt, --updates and --synthetic");
  }
  if (peer !== undefined && mrt === undefined) throw new UsageError("--peer goes with --mrt");
  const families = familiesOf(values.family);
  const partial = values.partial === true;
  if (mrt !== undefined) {
    const selector = peer === undefined ? null : parsePeer(peer);
    return { kind: "mrt", path: mrt, peer: selector, families: families ?? BOTH, partial };
  }
  if (updates !== undefined) {
    return { kind: "updates", path: updates, families: families ?? BOTH, partial };
  }
  const prefixes = number("synthetic", synthetic, 1, SYNTHETIC_PREFIXES_MAX)!;
  return { kind: "synthetic", prefixes, seed, families: families ?? FAMILY.IPV4_UNICAST };
}

const BOTH = FAMILY.IPV4_UNICAST | FAMILY.IPV6_UNICAST;

function familiesOf(text: string | undefined): number | null {
  switch (text) {
    case undefined:
      return null;
    case "ipv4":
      return FAMILY.IPV4_UNICAST;
    case "ipv6":
      return FAMILY.IPV6_UNICAST;
    case "both":
      return BOTH;
    default:
      throw new UsageError(`--family ${text}: say ipv4, ipv6 or both`);
  }
}

function parsePeer(text: string): PeerSelector {
  if (text === "all") return { by: "all" };
  const as = /^as(\d+)$/i.exec(text)?.[1];
  if (as !== undefined) return { by: "as", as: Number(as) };
  if (/^\d+$/.test(text)) return { by: "number", number: Number(text) };
  const octets = parseAddress(text);
  if (octets !== null) {
    const afi = octets.length === 4 ? AFI.IPV4 : AFI.IPV6;
    return { by: "address", address: formatAddress(afi, octets, 0) };
  }
  throw new UsageError(`--peer ${text}: say a number, an address, AS65001 or all`);
}

/** `address`, `name`, either with `:port`; an IPv6 address with a port stands in brackets. */
function parseTarget(text: string): { host: string; port: number | null } {
  if (isIP(text) !== 0) return { host: text, port: null };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || (match?.[1] !== undefined && isIP(host) !== 6)) {
    throw new UsageError(`${text} is neither an address nor a name`);
  }
  return { host, port: match?.[3] === undefined ? null : number("port", match[3], 1, 65535) };
}

function number(name: string, text: string | undefined, min: number, max: number): number | null {
  if (text === undefined) return null;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} ${text}: say a whole number from ${min} to ${max}`);
}

function holdTime(text: string | undefined): number {
  const seconds = number("hold-time", text, 0, 65535) ?? 90;
  if (seconds === 1 || seconds === 2) {
    throw new UsageError(`--hold-time ${seconds}: say 0, or a whole number from 3 to 65535`);
  }
  return seconds;
}

function address(name: string, text: string | undefined): string | null {
  if (text === undefined || isIP(text) !== 0) return text ?? null;
  throw new UsageError(`--${name} ${text} is not an address`);
}

function nextHop(text: string): Uint8Array {
  const octets = parseAddress(text);
  if (octets === null) throw new UsageError(`--next-hop ${text} is not an address`);
  return octets;
}

function identifier(text: string | undefined): string | null {
  if (text === undefined) return null;
  if ((parseIpv4(text) ?? 0) !== 0) return text;
  throw new UsageError(`--router-id ${text}: say four numbers such as 192.0.2.1`);
}
