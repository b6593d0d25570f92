/** The stream without what runs it, for threads that only read or write it: they load in half the time. */

export { FrameReader, frameOf, type Sender } from "./frames.ts";
export { octetsOf, Receipts } from "./receipts.ts";
export type { AnyRecord, RecordOf } from "./records.ts";
