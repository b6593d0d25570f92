/** The fixed message header (RFC 4271 section 4.1), written. */

import { HEADER_OCTETS } from "./constants.ts";
import { writeU16 } from "./octets.ts";

/**
 * A new message with its header filled in and a body of zeros.
 *
 * @param octets - length of the whole message, header included
 */
export function newMessage(type: number, octets: number): Uint8Array {
  const message = new Uint8Array(octets);
  message.fill(0xff, 0, 16);
  writeU16(message, 16, octets);
  message[HEADER_OCTETS - 1] = type;
  return message;
}
