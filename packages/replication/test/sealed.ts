import { hashOctets } from "@ts-bgp/rib";

/** A frame around octets that `frameOf` does not write. */
export function sealed(record: readonly number[]): Uint8Array {
  const frame = new Uint8Array(12 + record.length);
  frame.set(record, 12);
  const head = new DataView(frame.buffer);
  head.setUint32(0, record.length);
  head.setUint32(4, hashOctets(0, frame, 12, frame.length));
  head.setUint32(8, hashOctets(0, frame, 0, 8));
  return frame;
}
