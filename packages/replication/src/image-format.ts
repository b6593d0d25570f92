/** What octets of an image mean, see image.ts. */

export const UNDEFINED = 0;
export const NULL = 1;
export const FALSE = 2;
export const TRUE = 3;
export const INTEGER = 4;
export const NEGATIVE = 5;
export const DOUBLE = 6;
export const TEXT = 7;
export const BEFORE = 8;
export const LIST = 9;
export const MAP = 10;
export const SET = 11;
export const NAMED_SHAPE = 12;
export const OBJECT = 13;
export const ARRAY = 14;
export const NAMED_STAND_IN = 15;
export const NUMBERED_SHAPE = 16;
export const NUMBERED_STAND_IN = 17;

export type TypedArray = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
/** Kinds of typed arrays by number. */
export const KINDS = [Uint8Array, Uint16Array, Uint32Array, Int32Array, Float64Array] as const;
