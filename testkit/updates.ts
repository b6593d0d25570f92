/** UPDATE messages in great numbers, made of octets. */
import { attribute, four, message } from "../test/lab/raw-peer.ts";
import { UPDATE } from "./peer.ts";

export interface ManyRoutes {
  readonly as: number;
  readonly count: number;
  /** Number of the first route; 0 unless given. */
  readonly from?: number;
  /** MULTI_EXIT_DISC of all of them. */
  readonly med?: number;
  /** Routes of a message, which share a path that is theirs alone; 100 unless given. */
  readonly perMessage?: number;
}

const PER_MESSAGE = 100;

/** Prefix of length 24 with a number below 2^20: 16.0.0.0/24, 16.0.1.0/24, ... */
export function routeOctets(n: number): number[] {
  return [24, 16 + (n >>> 16), (n >>> 8) & 0xff, n & 0xff];
}

/** Announces routes of length 24. */
export function manyRoutes(options: ManyRoutes): Buffer {
  const { as, count, from = 0, med = 0, perMessage = PER_MESSAGE } = options;
  const messages: number[][] = [];
  for (let first = from; first < from + count; first += perMessage) {
    const attributes = [
      ...attribute(0x40, 1, [0]),
      ...attribute(0x40, 2, [2, 2, ...four(as), ...four(100_000 + first)]),
      ...attribute(0x40, 3, [192, 0, 2, 99]),
      ...attribute(0x80, 4, four(med)),
    ];
    const last = Math.min(first + perMessage, from + count);
    const nlri: number[] = [];
    for (let n = first; n < last; n++) nlri.push(...routeOctets(n));
    messages.push(updateMessage([], attributes, nlri));
  }
  return Buffer.concat(messages.map((octets) => Buffer.from(octets)));
}

/** Withdraws routes that `manyRoutes` announced. */
export function manyWithdrawals(count: number, from = 0): Buffer {
  const messages: number[][] = [];
  for (let first = from; first < from + count; first += PER_MESSAGE) {
    const last = Math.min(first + PER_MESSAGE, from + count);
    const withdrawn: number[] = [];
    for (let n = first; n < last; n++) withdrawn.push(...routeOctets(n));
    messages.push(updateMessage(withdrawn, [], []));
  }
  return Buffer.concat(messages.map((octets) => Buffer.from(octets)));
}

export function updateMessage(
  withdrawn: readonly number[],
  attributes: readonly number[],
  nlri: readonly number[],
): number[] {
  const part = (octets: readonly number[]) => [
    octets.length >>> 8,
    octets.length & 0xff,
    ...octets,
  ];
  return message(UPDATE, [...part(withdrawn), ...part(attributes), ...nlri]);
}

/** An IPv4 UPDATE without ADD-PATH, taken apart. */
export interface PlainUpdate {
  /** Length and octets of a prefix, in hexadecimal. */
  readonly withdrawn: readonly string[];
  /** Values by type. */
  readonly attributes: ReadonlyMap<number, Buffer>;
  readonly nlri: readonly string[];
}

const HEADER_OCTETS = 19;

/** @param octets - a message with its header, which is taken to be right */
export function parseUpdate(octets: Buffer): PlainUpdate {
  const listAt = HEADER_OCTETS + 2 + octets.readUInt16BE(HEADER_OCTETS) + 2;
  const listEnd = listAt + octets.readUInt16BE(listAt - 2);
  const attributes = new Map<number, Buffer>();
  for (let at = listAt; at < listEnd; ) {
    const long = (octets[at]! & 0x10) !== 0;
    const valueAt = at + (long ? 4 : 3);
    const end = valueAt + (long ? octets.readUInt16BE(at + 2) : octets[at + 2]!);
    attributes.set(octets[at + 1]!, octets.subarray(valueAt, end));
    at = end;
  }
  return {
    withdrawn: prefixes(octets, HEADER_OCTETS + 2, listAt - 2),
    attributes,
    nlri: prefixes(octets, listEnd, octets.length),
  };
}

function prefixes(octets: Buffer, from: number, to: number): string[] {
  const found: string[] = [];
  for (let at = from; at < to; ) {
    const end = at + 1 + Math.ceil(octets[at]! / 8);
    found.push(octets.toString("hex", at, end));
    at = end;
  }
  return found;
}
