/**
 * What reading an UPDATE costs. Run by hand: `node packages/wire-codec/bench/update-reader.ts`
 * from the top of the repository; prints nanoseconds per message, the best of ten rounds.
 *
 * The stream is synthetic and seeded: about 90 octets a message, a few routes each, attributes as a
 * full table has them. "canonical" ones can be handed on where they stand, "rewritten" ones have
 * an extended length that they do not need, as some routers send AS_PATH, and "ipv6" ones have
 * their routes in MP_REACH_NLRI.
 */

import {
  ATTR_FLAG,
  type AttributeValue,
  encodeUpdate,
  messageLength,
  UpdateReader,
} from "../src/index.ts";

const MESSAGES = 261_000;
const ROUNDS = 10;

const CONTEXT = {
  fourOctetAs: true,
  external: true,
  addPath: 0,
  families: 3,
  allowAsSet: false,
  allowConfed: false,
  aigp: false,
  extendedNextHop: 3,
  rpkiState: false,
};

let seed = 1;
/** A linear congruential generator: the same stream in every run. */
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed % below;
}

const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

function attributes(): AttributeValue[] {
  const as = many(3 + random(3), () => 1 + random(400_000));
  const list: AttributeValue[] = [
    { type: 1, value: "IGP" },
    { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as }] } },
  ];
  if (random(3) === 0) list.push({ type: 4, value: random(1000) });
  if (random(2) === 0) {
    list.push({
      type: 8,
      value: many(1 + random(6), () => `${1 + random(65000)}:${random(9999)}`),
    });
  }
  if (random(8) === 0) list.push({ type: 7, value: { as: as[0], address: "192.0.2.1" } });
  return list;
}

function ipv4(): Uint8Array {
  const nlri = many(
    1 + random(4),
    () => `${1 + random(223)}.${random(256)}.${random(256)}.0/${20 + random(5)}`,
  );
  return encodeUpdate({ attributes: [...attributes(), { type: 3, value: "192.0.2.1" }], nlri });
}

/** AS_PATH, which is the second attribute behind ORIGIN, gets a length of two octets. */
function rewritten(): Uint8Array {
  const short = ipv4();
  const at = 19 + 4 + 4;
  const long = new Uint8Array(short.length + 1);
  long.set(short.subarray(0, at + 2));
  long.set(short.subarray(at + 2), at + 3);
  long[at]! |= ATTR_FLAG.EXTENDED_LENGTH;
  long[17]!++;
  long[22]!++;
  return long;
}

function ipv6(): Uint8Array {
  const nlri = many(1 + random(2), () => `2001:${random(65536).toString(16)}::/32`);
  const reach = { afi: 2, safi: 1, next_hop: "2001:db8::1", nlri };
  return encodeUpdate({ attributes: [...attributes(), { type: 14, value: reach }] });
}

/** @returns nanoseconds per message and octets per message */
function measure(make: () => Uint8Array): { ns: number; octets: number; inPlace: number } {
  const messages = many(2000, make);
  const octets = messages.reduce((sum, message) => sum + message.length, 0);
  const stream = new Uint8Array(Math.ceil((MESSAGES / messages.length) * octets) + octets);
  let end = 0;
  for (let i = 0; i < MESSAGES; i++) {
    stream.set(messages[i % messages.length]!, end);
    end += messages[i % messages.length]!.length;
  }
  const reader = new UpdateReader();
  let best = Number.POSITIVE_INFINITY;
  let inPlace = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    inPlace = readAll(reader, stream, end);
    best = Math.min(best, performance.now() - start);
  }
  return { ns: (best * 1e6) / MESSAGES, octets: end / MESSAGES, inPlace };
}

function readAll(reader: UpdateReader, stream: Uint8Array, end: number): number {
  let inPlace = 0;
  for (let at = 0; at < end; ) {
    const length = messageLength(stream, at, end, 4096) as number;
    reader.read(stream, at, at + length, CONTEXT);
    if (reader.announced.at !== reader.announced.end) reader.canonical("field");
    if (reader.reachable.at !== reader.reachable.end) reader.canonical("mp");
    if (reader.attrs === stream) inPlace++;
    at += length;
  }
  return inPlace;
}

for (const [name, make] of Object.entries({ canonical: ipv4, rewritten, ipv6 })) {
  const { ns, octets, inPlace } = measure(make);
  const milliseconds = ((ns * MESSAGES) / 1e6).toFixed(0);
  const share = ((100 * inPlace) / MESSAGES).toFixed(0);
  console.log(
    `${name.padEnd(10)} ${ns.toFixed(0).padStart(4)} ns per message of ${octets.toFixed(0)} octets,`,
    `${milliseconds} ms for ${MESSAGES}, ${share} % in place`,
  );
}
