/**
 * Frames as a newer program might send them: with records, and with fields of known records, that this
 * one does not know. Knows the format of frames and records by itself.
 */
import { hashOctets } from "@ts-bgp/rib";

const HEAD_OCTETS = 12;
const SUMMED_OCTETS = 8;
const BRACKET = 6;
/** Field of a bracket with records of its own. */
const CALLS = 3;
/** Nothing has these numbers; two octets long as varints, and one octet. */
const UNKNOWN_RECORD = 300;
const UNKNOWN_FIELDS = [100, 1000];

/** A type and the octets that belong to it: a record, or a field of one. */
interface Part {
  readonly type: number;
  readonly value: Uint8Array;
}

/** @returns the frame with unknown fields in all of its records, behind one with an unknown record */
export function newerFrames(frame: Buffer): readonly Buffer[] {
  const [record] = partsOf(frame.subarray(HEAD_OCTETS));
  return [framed(UNKNOWN), framed(octetsOf([newerRecord(record!)]))];
}

const UNKNOWN = octetsOf([{ type: UNKNOWN_RECORD, value: Buffer.from("of the next version") }]);

function newerRecord({ type, value }: Part): Part {
  const known = partsOf(value).map((field) =>
    type === BRACKET && field.type === CALLS
      ? { type: CALLS, value: octetsOf(newerCalls(partsOf(field.value))) }
      : field,
  );
  const unknown = UNKNOWN_FIELDS.map((field) => ({ type: field, value: Buffer.from("new") }));
  return { type, value: octetsOf([unknown[0]!, ...known, unknown[1]!]) };
}

/** Unknown calls between known ones: whatever they are, they change nothing that was there before. */
function newerCalls(calls: readonly Part[]): Part[] {
  const unknown = { type: UNKNOWN_RECORD, value: Buffer.from("a call") };
  return calls.flatMap((call) => [unknown, newerRecord(call)]);
}

function partsOf(octets: Uint8Array): Part[] {
  const parts: Part[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const octet = octets[at++];
      if (octet === undefined) throw new Error("octets that are no records");
      value += (octet & 0x7f) * unit;
      if (octet < 0x80) return value;
    }
  };
  while (at < octets.length) {
    const type = varint();
    const end = varint() + at;
    parts.push({ type, value: octets.subarray(at, end) });
    at = end;
  }
  return parts;
}

function octetsOf(parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.flatMap(({ type, value }) => [varintOf(type), varintOf(value.length), value]),
  );
}

function varintOf(value: number): Buffer {
  const octets: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  return Buffer.from([...octets, rest]);
}

function framed(record: Buffer): Buffer {
  const frame = Buffer.concat([Buffer.alloc(HEAD_OCTETS), record]);
  frame.writeUInt32BE(record.length, 0);
  frame.writeUInt32BE(hashOctets(0, frame, HEAD_OCTETS, frame.length), 4);
  frame.writeUInt32BE(hashOctets(0, frame, 0, SUMMED_OCTETS), SUMMED_OCTETS);
  return frame;
}
