/** KEEPALIVE is the header alone (RFC 4271 section 4.4). */

import { HEADER_OCTETS, MESSAGE } from "./constants.ts";
import { newMessage } from "./header.ts";

/** The one KEEPALIVE message; shared, never written to. */
export const KEEPALIVE_OCTETS: Uint8Array = newMessage(MESSAGE.KEEPALIVE, HEADER_OCTETS);
