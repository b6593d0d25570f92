/** Canonical records without those of this package: for other protocols that are written in the same form. */

export { OctetPieces } from "./octet-pieces.ts";
export { FormatError, OctetReader } from "./octet-reader.ts";
export { joined, OctetWriter } from "./octet-writer.ts";
export { type RecordIn, RecordKinds, type Skipped } from "./record-kinds.ts";
export type { Schema, ValueOf } from "./tlv.ts";
