/** Packets and capture files, made by hand. */

export interface CraftedSegment {
  readonly timeMs: number;
  readonly from: string;
  readonly to: string;
  readonly ports: readonly [from: number, to: number];
  readonly sequence: number;
  readonly acknowledgement?: number;
  readonly flags: number;
  readonly payload?: Uint8Array;
  readonly timestamp?: number;
}

const two = (value: number) => [(value >>> 8) & 0xff, value & 0xff];
const four = (value: number) => [...two(value >>> 16), ...two(value)];

/** An Ethernet frame; IPv6 addresses are written out, as eight groups. */
export function frame(segment: CraftedSegment): Uint8Array {
  const { from, to, ports, sequence, acknowledgement = 0, flags, payload, timestamp } = segment;
  const octets = payload ?? new Uint8Array(0);
  // Some option, so that the length of the header counts.
  const options =
    timestamp === undefined ? [1, 1, 1, 0] : [1, 1, 8, 10, ...four(timestamp), ...four(0)];
  const tcp = [
    ...two(ports[0]),
    ...two(ports[1]),
    ...four(sequence),
    ...four(acknowledgement),
    ...[(20 + options.length) << 2, flags, 0xff, 0xff, 0, 0, 0, 0],
    ...options,
    ...octets,
  ];
  const macs = new Array<number>(12).fill(2);
  if (from.includes(":")) {
    const address = (text: string) => text.split(":").flatMap((group) => two(parseInt(group, 16)));
    const head = [0x60, 0, 0, 0, ...two(tcp.length), 6, 64];
    return Uint8Array.from([
      ...macs,
      0x86,
      0xdd,
      ...head,
      ...address(from),
      ...address(to),
      ...tcp,
    ]);
  }
  const address = (text: string) => text.split(".").map(Number);
  const head = [0x45, 0, ...two(20 + tcp.length), 0, 0, 0x40, 0, 64, 6, 0, 0];
  return Uint8Array.from([...macs, 8, 0, ...head, ...address(from), ...address(to), ...tcp]);
}

/** A capture file; with nanoseconds or, like tcpdump, with microseconds. */
export function captureFile(
  packets: readonly { timeMs: number; frame: Uint8Array }[],
  nanoseconds = false,
): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 0);
  header.writeUInt32LE(1, 20);
  const records = packets.flatMap(({ timeMs, frame: octets }) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(timeMs / 1000), 0);
    record.writeUInt32LE((timeMs % 1000) * (nanoseconds ? 1_000_000 : 1000), 4);
    record.writeUInt32LE(octets.length, 8);
    record.writeUInt32LE(octets.length, 12);
    return [record, octets];
  });
  return Buffer.concat([header, ...records]);
}

/** A BGP message (RFC 4271 section 4.1). */
export function bgp(type: number, body: readonly number[] = []): Uint8Array {
  return Uint8Array.from([...new Array(16).fill(0xff), ...two(19 + body.length), type, ...body]);
}

/** An UPDATE that announces 192.0.N.0/24 with a MED, or withdraws it. */
export function update(n: number, med: number | null): Uint8Array {
  const nlri = [24, 192, 0, n];
  if (med === null) return bgp(2, [...two(nlri.length), ...nlri, 0, 0]);
  const attributes = [
    ...[0x40, 1, 1, 0],
    ...[0x40, 2, 6, 2, 1, ...four(65_001)],
    ...[0x40, 3, 4, 10, 0, 0, 9],
    ...[0x80, 4, 4, ...four(med)],
  ];
  return bgp(2, [0, 0, ...two(attributes.length), ...attributes, ...nlri]);
}
