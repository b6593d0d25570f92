/**
 * ROUTE-REFRESH (RFC 2918) with the subtypes of enhanced route refresh (RFC 7313).
 */

import { HEADER_OCTETS, MESSAGE } from "./constants.ts";
import { Fault } from "./fault.ts";
import { newMessage } from "./header.ts";
import { readU16, writeU16 } from "./octets.ts";

/** Message subtypes of ROUTE-REFRESH (RFC 7313 section 3.2). */
export const ROUTE_REFRESH = { REQUEST: 0, BEGIN: 1, END: 2 } as const;

const ROUTE_REFRESH_OCTETS = HEADER_OCTETS + 4;
const ROUTE_REFRESH_ERROR = 7;
const INVALID_MESSAGE_LENGTH = 1;

export interface RouteRefreshMessage {
  afi: number;
  safi: number;
  /** 0 request, 1 beginning (BoRR), 2 end (EoRR); a message with any other is ignored. */
  subtype: number;
}

/**
 * Reads a ROUTE-REFRESH.
 *
 * What follows the four octets of a request (subtype 0) are outbound route filters (RFC 5291),
 * which this speaker never asks for; they are ignored.
 *
 * @param buf - holds the whole message `[at, end)`, as `messageLength` found it; not kept
 * @returns the message, or fault 7,1 with the whole message as data when a beginning or end is
 *   longer than 23 octets (RFC 7313 section 5)
 */
export function decodeRouteRefresh(
  buf: Uint8Array,
  at: number,
  end: number,
): RouteRefreshMessage | Fault {
  const subtype = buf[at + HEADER_OCTETS + 2]!;
  const octets = end - at;
  const fixedLength = subtype === ROUTE_REFRESH.BEGIN || subtype === ROUTE_REFRESH.END;
  if (octets < ROUTE_REFRESH_OCTETS || (fixedLength && octets !== ROUTE_REFRESH_OCTETS)) {
    return new Fault(
      "session-reset",
      ROUTE_REFRESH_ERROR,
      INVALID_MESSAGE_LENGTH,
      `length ${octets} of a ROUTE-REFRESH with subtype ${subtype} is not ${ROUTE_REFRESH_OCTETS}`,
      0,
      buf.slice(at, end),
    );
  }
  return { afi: readU16(buf, at + HEADER_OCTETS), safi: buf[at + HEADER_OCTETS + 3]!, subtype };
}

/** @returns a new message of 23 octets */
export function encodeRouteRefresh(message: RouteRefreshMessage): Uint8Array {
  const out = newMessage(MESSAGE.ROUTE_REFRESH, ROUTE_REFRESH_OCTETS);
  writeU16(out, HEADER_OCTETS, message.afi);
  out[HEADER_OCTETS + 2] = message.subtype;
  out[HEADER_OCTETS + 3] = message.safi;
  return out;
}
