/**
 * X.509 certificates (RFC 5280) for the two sides of a pair: an authority that signs one for each.
 *
 * The keys are of the curve P-256, the signatures ECDSA with SHA-256. Only what `node:crypto` lacks
 * is here: putting a certificate together in DER (X.690), of which it takes little.
 */

import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";

/** A certificate and its key, as PEM texts. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

/** Identifiers of algorithms, names and extensions, dotted. */
const OID = {
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

/** Bits of key usage, from the left. */
const USAGE_DIGITAL_SIGNATURE = 0x80;
const USAGE_SIGN_CERTIFICATES = 0x04;

/** A clock that is behind by less does not find the certificate too young. */
const EARLY_MS = 24 * 3600 * 1000;

interface Party {
  readonly name: Buffer;
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
}

/**
 * Makes the certificates of a pair. The authority's own key is forgotten: nobody can sign another
 * side, and a pair that needs new certificates gets all of them.
 *
 * @param cluster - DNS name in the certificates of the sides, and their organization
 * @param sides - common names of the sides
 * @returns the authority's certificate, and those of the sides in their order
 */
export function issuePair(
  cluster: string,
  sides: readonly string[],
  nowMs: number,
  validYears: number,
): { readonly authority: string; readonly sides: readonly Issued[] } {
  const from = new Date(nowMs - EARLY_MS);
  const until = new Date(nowMs);
  until.setUTCFullYear(until.getUTCFullYear() + validYears);
  const validity = sequence(time(from), time(until));
  const authority = newParty(cluster, "authority");
  const authorityExtensions = [
    extension(OID.basicConstraints, sequence(der(0x01, [0xff]), integer([0])), true),
    extension(OID.keyUsage, bits(USAGE_SIGN_CERTIFICATES), true),
  ];
  const issued = sides.map((side) => {
    const party = newParty(cluster, side);
    const certificate = issue(party, authority, validity, [
      extension(OID.basicConstraints, sequence(), true),
      extension(OID.keyUsage, bits(USAGE_DIGITAL_SIGNATURE), true),
      extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
      extension(OID.subjectAltName, sequence(der(0x82, Buffer.from(cluster, "ascii")))),
    ]);
    const key = party.keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    return { certificate, key };
  });
  return { authority: issue(authority, authority, validity, authorityExtensions), sides: issued };
}

function newParty(cluster: string, commonName: string): Party {
  const part = (type: string, text: string) =>
    der(0x31, sequence(oid(type), der(0x0c, Buffer.from(text, "utf8"))));
  return {
    name: sequence(part(OID.organization, cluster), part(OID.commonName, commonName)),
    keys: generateKeyPairSync("ec", { namedCurve: "prime256v1" }),
  };
}

/** @returns the certificate as PEM text */
function issue(
  subject: Party,
  authority: Party,
  validity: Buffer,
  extensions: readonly Buffer[],
): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const serial = randomBytes(16);
  // Positive, and not to be shortened.
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  const keyIds = [
    extension(OID.subjectKeyIdentifier, der(0x04, keyId(subject))),
    extension(OID.authorityKeyIdentifier, sequence(der(0x80, keyId(authority)))),
  ];
  const body = sequence(
    der(0xa0, integer([2])),
    integer(serial),
    algorithm,
    authority.name,
    validity,
    subject.name,
    subject.keys.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions, ...keyIds)),
  );
  const signature = sign("sha256", body, authority.keys.privateKey);
  const whole = sequence(body, algorithm, der(0x03, Buffer.concat([Buffer.of(0), signature])));
  return new X509Certificate(whole).toString();
}

/** RFC 7093 section 2, method 1. */
function keyId({ keys }: Party): Buffer {
  const info = keys.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(info).digest().subarray(0, 20);
}

function extension(type: string, value: Buffer, critical = false): Buffer {
  const flag = critical ? [der(0x01, [0xff])] : [];
  return sequence(oid(type), ...flag, der(0x04, value));
}

/** An element: tag, length, contents. */
function der(tag: number, contents: Uint8Array | readonly number[]): Buffer {
  const octets = Buffer.from(contents);
  const { length } = octets;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), octets]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), octets]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), octets]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function integer(octets: Uint8Array | readonly number[]): Buffer {
  return der(0x02, octets);
}

/** A bit string of one octet, without the zeros at its end. */
function bits(octet: number): Buffer {
  return der(0x03, [31 - Math.clz32(octet & -octet), octet]);
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets = [40 * first + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    octets.push(...groups);
  }
  return der(0x06, octets);
}

/** Two digits for the year until 2049, four from then on (RFC 5280 section 4.1.2.5). */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.\d+|[-:T]/g, "");
  if (date.getUTCFullYear() >= 2050) return der(0x18, Buffer.from(digits, "ascii"));
  return der(0x17, Buffer.from(digits.slice(2), "ascii"));
}
