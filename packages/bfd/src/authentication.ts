/** Authentication sections of RFC 5880 section 6.7. */

import { type BfdPacket, encodePacket, MANDATORY_OCTETS, type ReadPacket } from "./packet.ts";

/** In the order of their numbers on the wire, which begin with 1. */
export const BFD_AUTH_TYPES = [
  "simple",
  "keyed-md5",
  "meticulous-keyed-md5",
  "keyed-sha1",
  "meticulous-keyed-sha1",
] as const;
export type BfdAuthType = (typeof BFD_AUTH_TYPES)[number];

export interface BfdAuth {
  readonly type: BfdAuthType;
  /** 0..255 */
  readonly keyId: number;
  /** 1 to `authSecretOctetsMax` octets of UTF-8. */
  readonly secret: string;
}

/** Digest of octets: 16 of MD5, 20 of SHA1. */
export type Digest = (algorithm: "md5" | "sha1", octets: Uint8Array) => Uint8Array;

/** What of a peer's sequence numbers is known (RFC 5880 section 6.8.1). */
export interface SequenceSeen {
  /** Null: any one is taken. */
  last: number | null;
}

/** Type, length, number of the key, a reserved octet, sequence number. */
const KEYED_OCTETS = 8;
const SIMPLE_OCTETS = 3;
const MD5_OCTETS = 16;
const SHA1_OCTETS = 20;
/** A sequence number may be ahead by so many detection times. */
const WINDOW = 3;

/** @returns how long a secret may be, octets */
export function authSecretOctetsMax(type: BfdAuthType): number {
  return type === "keyed-sha1" || type === "meticulous-keyed-sha1" ? SHA1_OCTETS : MD5_OCTETS;
}

/**
 * @param sequence - unsigned and of 32 bits; a simple password has none
 * @returns the packet as it is sent
 */
export function signPacket(
  packet: BfdPacket,
  auth: BfdAuth | null,
  sequence: number,
  digest: Digest,
): Uint8Array {
  if (auth === null) return encodePacket(packet);
  const secret = new TextEncoder().encode(auth.secret);
  const number = BFD_AUTH_TYPES.indexOf(auth.type) + 1;
  if (auth.type === "simple") {
    const section = SIMPLE_OCTETS + secret.length;
    const octets = encodePacket(packet, section);
    octets.set([number, section, auth.keyId, ...secret], MANDATORY_OCTETS);
    return octets;
  }
  const digestOctets = authSecretOctetsMax(auth.type);
  const section = KEYED_OCTETS + digestOctets;
  const octets = encodePacket(packet, section);
  octets.set([number, section, auth.keyId, 0], MANDATORY_OCTETS);
  new DataView(octets.buffer).setUint32(MANDATORY_OCTETS + 4, sequence);
  octets.set(keyedDigest(octets, auth, digest), MANDATORY_OCTETS + KEYED_OCTETS);
  return octets;
}

/**
 * Checks what a packet has for authentication.
 *
 * @param octets - of the packet, and nothing behind it
 * @param seen - noted in it is the sequence number of a packet that is genuine
 * @returns why the packet is to be discarded; null when it is genuine
 */
export function verifyPacket(
  octets: Uint8Array,
  { packet, hasAuth }: ReadPacket,
  auth: BfdAuth | null,
  seen: SequenceSeen,
  digest: Digest,
): string | null {
  if (auth === null) return hasAuth ? "it is authenticated, and no key is configured" : null;
  if (!hasAuth) return "it is not authenticated";
  const [type, length, keyId] = octets.subarray(MANDATORY_OCTETS);
  if (type !== BFD_AUTH_TYPES.indexOf(auth.type) + 1) return "authenticated in another way";
  if (length !== octets.length - MANDATORY_OCTETS) return "its authentication is of a wrong length";
  if (keyId !== auth.keyId) return "authenticated with another key";
  if (auth.type === "simple") {
    const secret = octets.subarray(MANDATORY_OCTETS + SIMPLE_OCTETS);
    return areEqual(secret, new TextEncoder().encode(auth.secret)) ? null : "another password";
  }
  const digestOctets = authSecretOctetsMax(auth.type);
  if (length !== KEYED_OCTETS + digestOctets) return "its authentication is of a wrong length";
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const sequence = view.getUint32(MANDATORY_OCTETS + 4);
  const least = auth.type.startsWith("meticulous") ? 1 : 0;
  if (seen.last !== null) {
    const ahead = (sequence - seen.last) >>> 0;
    if (ahead < least || ahead > WINDOW * packet.multiplier) return "its sequence number is wrong";
  }
  const sent = octets.subarray(MANDATORY_OCTETS + KEYED_OCTETS);
  if (!areEqual(sent, keyedDigest(octets, auth, digest))) return "its digest is wrong";
  seen.last = sequence;
  return null;
}

/** The digest is taken with the secret in the place of the digest. */
function keyedDigest(octets: Uint8Array, auth: BfdAuth, digest: Digest): Uint8Array {
  const keyed = Uint8Array.from(octets);
  const at = MANDATORY_OCTETS + KEYED_OCTETS;
  keyed.fill(0, at);
  keyed.set(new TextEncoder().encode(auth.secret), at);
  return digest(auth.type.endsWith("md5") ? "md5" : "sha1", keyed);
}

/** In a time that does not tell where they differ. */
function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= a[at]! ^ b[at]!;
  return difference === 0;
}
