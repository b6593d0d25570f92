/** Building one UPDATE from values, where speed does not matter: tests and load tools. */

import type { UpdateContext } from "./attribute.ts";
import { type AttributeValue, CANONICAL, encodeAttributes } from "./attribute-values.ts";
import { AFI, EXTENDED_MESSAGE_OCTETS_MAX, HEADER_OCTETS, MESSAGE } from "./constants.ts";
import { newMessage } from "./header.ts";
import { encodeRoutes, type Route } from "./nlri.ts";
import { writeU16 } from "./octets.ts";

/** An UPDATE as a value; what is absent is empty. Routes of MP attributes stand in these. */
export interface UpdateValue {
  withdrawn?: readonly Route[];
  attributes?: readonly AttributeValue[];
  nlri?: readonly Route[];
}

/**
 * Encodes one UPDATE with canonical attributes.
 *
 * @param context - of the session that is to read it; 4-octet AS numbers when absent
 * @returns a new message; throws when a value is not of its shape, or the message would be longer
 *   than 65,535 octets
 */
export function encodeUpdate(update: UpdateValue, context: UpdateContext = CANONICAL): Uint8Array {
  const withdrawn = encodeRoutes(AFI.IPV4, update.withdrawn ?? []);
  const attributes = encodeAttributes(update.attributes ?? [], context);
  const nlri = encodeRoutes(AFI.IPV4, update.nlri ?? []);
  const octets = HEADER_OCTETS + 4 + withdrawn.length + attributes.length + nlri.length;
  if (octets > EXTENDED_MESSAGE_OCTETS_MAX) throw new RangeError("UPDATE is too long");
  const out = newMessage(MESSAGE.UPDATE, octets);
  let at = writeU16(out, HEADER_OCTETS, withdrawn.length);
  out.set(withdrawn, at);
  at = writeU16(out, at + withdrawn.length, attributes.length);
  out.set(attributes, at);
  out.set(nlri, at + attributes.length);
  return out;
}
