/** Canonical records without those of this package: for other protocols that are written in the same form. */

export { FormatError, OctetReader } from "./octet-reader.ts";
export { joined, OctetWriter } from "./octet-writer.ts";
export { readFields, type Schema, type ValueOf, writeRecord } from "./tlv.ts";
