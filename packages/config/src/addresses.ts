/** Addresses and prefixes where people write them. */

import { newPrefixEntry, parsePrefixEntry } from "@ts-bgp/policy";
import { Address4, Address6 } from "ip-address";

/** An address that was understood. */
export interface ParsedAddress {
  /** In the form of RFC 5952, with its zone behind it. */
  readonly text: string;
  readonly version: 4 | 6;
  readonly linkLocal: boolean;
  readonly multicast: boolean;
  readonly unspecified: boolean;
  readonly loopback: boolean;
}

/** @returns the address, or what is wrong with it */
export function parseHostAddress(text: string): ParsedAddress | string {
  if (text.includes("/")) return `"${text}" is a prefix; an address is wanted`;
  // What asks whether it is one makes an error with a stack where it is not.
  if (!text.includes(":") && Address4.isValid(text)) {
    const address = new Address4(text);
    return {
      text: address.correctForm(),
      version: 4,
      linkLocal: false,
      multicast: address.isMulticast(),
      unspecified: text === "0.0.0.0",
      loopback: text.startsWith("127."),
    };
  }
  if (!Address6.isValid(text)) return `"${text}" is not an IP address`;
  const address = new Address6(text);
  if (address.is4() || address.isMapped4()) {
    return `"${text}" is an IPv4 address in IPv6 form; write it in dotted form`;
  }
  const canonical = address.correctForm();
  // Nearly all are global unicast (RFC 4291 section 2.4), and the library takes long to see that.
  const isGlobal = /^[23][0-9a-f]{3}:/.test(canonical);
  return {
    text: canonical + address.zone,
    version: 6,
    linkLocal: !isGlobal && address.isLinkLocal(),
    multicast: !isGlobal && address.isMulticast(),
    unspecified: canonical === "::",
    loopback: canonical === "::1",
  };
}

const SCRATCH = newPrefixEntry();

/** @returns what is wrong with an entry of a prefix list, or null */
export function prefixMistake(text: string): string | null {
  const mistake = parsePrefixEntry(text, SCRATCH);
  if (mistake === null) return null;
  const [prefix = "", ...bounds] = text.split(" ");
  const meant = networkOf(prefix);
  if (meant === null || meant === prefix) return mistake;
  return `${mistake}; meant "${[meant, ...bounds].join(" ")}"?`;
}

/** @returns a prefix without bounds, in canonical form, with its address; or what is wrong with it */
export function parsePlainPrefix(text: string): { text: string; address: ParsedAddress } | string {
  if (text.includes(" ")) return `"${text}" is not a prefix alone`;
  const mistake = prefixMistake(text);
  if (mistake !== null) return mistake;
  const [first = "", bits] = text.split("/");
  const address = parseHostAddress(first);
  return typeof address === "string" ? address : { text: `${address.text}/${bits}`, address };
}

/** @returns the prefix that an address with a length lies in, or null */
function networkOf(text: string): string | null {
  const length = text.split("/")[1];
  if (length === undefined) return null;
  if (Address4.isValid(text)) return `${new Address4(text).startAddress().correctForm()}/${length}`;
  if (!Address6.isValid(text)) return null;
  return `${new Address6(text).startAddress().correctForm()}/${length}`;
}
