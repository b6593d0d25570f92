/** Building messages octet by octet, and the sessions they are read in. */

import { MESSAGE, parseHex, type UpdateContext, writeU16 } from "../src/index.ts";

/** Octets of hexadecimal digits, in which blanks separate what people want to see apart. */
export function hex(text: string): Uint8Array {
  const octets = parseHex(text.replaceAll(/\s+/g, ""));
  if (octets === null) throw new Error(`${text} is not hexadecimal`);
  return octets;
}

export function messageOf(type: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(19 + body.length);
  message.fill(0xff, 0, 16);
  writeU16(message, 16, message.length);
  message[18] = type;
  message.set(body, 19);
  return message;
}

export interface UpdateParts {
  withdrawn?: string;
  attributes?: string;
  nlri?: string;
}

/** An UPDATE of hexadecimal parts, with right lengths. */
export function updateOf({ withdrawn = "", attributes = "", nlri = "" }: UpdateParts): Uint8Array {
  const parts = [withdrawn, attributes, nlri].map(hex);
  const body = new Uint8Array(4 + parts.reduce((sum, part) => sum + part.length, 0));
  let at = writeU16(body, 0, parts[0]!.length);
  body.set(parts[0]!, at);
  at = writeU16(body, at + parts[0]!.length, parts[1]!.length);
  body.set(parts[1]!, at);
  body.set(parts[2]!, at + parts[1]!.length);
  return messageOf(MESSAGE.UPDATE, body);
}

export const EBGP: UpdateContext = {
  fourOctetAs: true,
  external: true,
  addPath: 0,
  families: 3,
  allowAsSet: false,
  allowConfed: false,
  aigp: true,
  extendedNextHop: 3,
  rpkiState: false,
};

export const IBGP: UpdateContext = { ...EBGP, external: false };
export const AS2: UpdateContext = { ...EBGP, fourOctetAs: false };

/** ORIGIN, AS_PATH 65001, NEXT_HOP 192.0.2.1. */
export const MANDATORY = "40010100 4002060201 0000fde9 400304 c0000201";
export const LOCAL_PREF = "400504 00000064";
/** 10.1.0.0/24 */
export const ROUTE = "18 0a0100";
/** ORIGIN and AS_PATH 65001. */
export const WITHOUT_NEXT_HOP = "40010100 4002060201 0000fde9";
/** MP_REACH_NLRI of 2001:db8::/32 through 2001:db8::1. */
export const MP_REACH = "800e1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8";
