/**
 * The fixed layouts of BGP, declared. What the codec does by hand, because it is fast, must agree
 * with these, because they can be read beside the pictures of the RFCs.
 */

import { blob, type Layout, struct, u8, u16be, u32be } from "buffer-layout";

/** RFC 4271 section 4.1. */
export const HEADER: Layout<{ marker: Uint8Array; length: number; type: number }> = struct([
  blob(16, "marker"),
  u16be("length"),
  u8("type"),
]);

/** RFC 4271 section 4.2, up to the optional parameters. */
export const OPEN: Layout<{
  version: number;
  as: number;
  holdTimeSeconds: number;
  bgpIdentifier: number;
  parametersOctets: number;
}> = struct([
  u8("version"),
  u16be("as"),
  u16be("holdTimeSeconds"),
  u32be("bgpIdentifier"),
  u8("parametersOctets"),
]);

/** RFC 2918 section 3 and RFC 7313 section 3.2. */
export const ROUTE_REFRESH: Layout<{ afi: number; subtype: number; safi: number }> = struct([
  u16be("afi"),
  u8("subtype"),
  u8("safi"),
]);

/** RFC 5492 section 4. */
export const CAPABILITY: Layout<{ code: number; octets: number }> = struct([
  u8("code"),
  u8("octets"),
]);

/** RFC 4271 section 4.3. */
export const ATTRIBUTE: Layout<{ flags: number; type: number; octets: number }> = struct([
  u8("flags"),
  u8("type"),
  u8("octets"),
]);

/** The same with EXTENDED_LENGTH. */
export const EXTENDED_ATTRIBUTE: Layout<{ flags: number; type: number; octets: number }> = struct([
  u8("flags"),
  u8("type"),
  u16be("octets"),
]);
