/**
 * AIGP, the accumulated IGP metric (RFC 7311): TLVs of which only type 1, the metric, is defined.
 */

import { type AttributeRow, badValue, OPTIONAL } from "./attribute.ts";
import { ATTR, UPDATE_ERROR } from "./constants.ts";
import { readU16, readU32, writeU16, writeU32 } from "./octets.ts";
import { formatHex, parseHex } from "./text.ts";

const METRIC = 1;
/** Octets of the metric TLV: type, length and an unsigned 64-bit number. */
const METRIC_OCTETS = 11;
const HEAD_OCTETS = 3;

/** A metric is a decimal number, as text since it may be beyond 2^53; other TLVs are octets. */
export type AigpTlv = { type: 1; metric: string } | { type: number; value: string };

/**
 * Section 3: malformed when its TLVs do not fill it or a metric has another length; without a
 * metric it says nothing. All of that discards it, as do wrong flags.
 */
export const AIGP: AttributeRow<AigpTlv[]> = {
  type: ATTR.AIGP,
  name: "AIGP",
  flags: OPTIONAL,
  malformed: "attribute-discard",
  wrongFlags: "attribute-discard",
  kept: "aigp",
  check(buf, at, octets) {
    const end = at + octets;
    let metrics = 0;
    let i = at;
    while (end - i >= HEAD_OCTETS) {
      const length = readU16(buf, i + 1);
      if (length < HEAD_OCTETS || (buf[i] === METRIC && length !== METRIC_OCTETS)) break;
      if (buf[i] === METRIC) metrics++;
      i += length;
    }
    if (i === end && metrics > 0) return null;
    const problem = i === end ? "has no metric" : "has a malformed TLV";
    return badValue(this, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, problem);
  },
  decode(buf, at, octets) {
    const tlvs: AigpTlv[] = [];
    for (let i = at; i < at + octets; i += readU16(buf, i + 1)) {
      const next = i + readU16(buf, i + 1);
      if (buf[i] === METRIC) {
        const metric = (BigInt(readU32(buf, i + 3)) << 32n) | BigInt(readU32(buf, i + 7));
        tlvs.push({ type: METRIC, metric: metric.toString() });
      } else {
        tlvs.push({ type: buf[i]!, value: formatHex(buf, i + HEAD_OCTETS, next) });
      }
    }
    return tlvs;
  },
  encode: (tlvs) => Uint8Array.from(tlvs.flatMap((tlv) => [...encodeTlv(tlv)])),
};

function encodeTlv(tlv: AigpTlv): Uint8Array {
  if ("metric" in tlv) {
    const out = new Uint8Array(METRIC_OCTETS);
    const metric = BigInt(tlv.metric);
    out[0] = METRIC;
    writeU16(out, 1, METRIC_OCTETS);
    writeU32(out, 3, Number(metric >> 32n));
    writeU32(out, 7, Number(metric & 0xffffffffn));
    return out;
  }
  const value = parseHex(tlv.value);
  if (value === null) throw new RangeError(`${tlv.value} is not hexadecimal`);
  const out = new Uint8Array(HEAD_OCTETS + value.length);
  out[0] = tlv.type;
  writeU16(out, 1, out.length);
  out.set(value, HEAD_OCTETS);
  return out;
}
