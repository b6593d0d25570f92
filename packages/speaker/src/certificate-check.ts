/** Whether the certificate of a side is one with which the other side lets it in. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { NsrTls } from "@ts-bgp/config";

/** Of one that is over sooner than that an operator wants to know. */
const SOON_MS = 30 * 24 * 3600 * 1000;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What is wrong with a certificate; empty texts when nothing is. */
export interface CertificateProblem {
  /** It cannot be used at all. */
  readonly mistake: string;
  /** The other side lets nobody in with it, or does not for long. */
  readonly warning: string;
}

/** @param cluster - the name of the pair, for which it has to be */
export function certificateProblem(
  { cert, key, ca }: NsrTls,
  cluster: string,
  nowMs: number,
): CertificateProblem {
  try {
    const chain = certificatesOf(cert);
    const authorities = certificatesOf(ca);
    const own = chain[0]!;
    if (!own.checkPrivateKey(createPrivateKey(key))) return mistaken('"key" is another one\'s');
    const isSigned = authorities.some((one) => chain.some((each) => each.verify(one.publicKey)));
    if (!isSigned) return warned('"ca" has not signed this certificate');
    if (own.checkHost(cluster) === undefined) return warned(`it is not for the pair "${cluster}"`);
    return { mistake: "", warning: timeProblem([own, ...authorities], nowMs) };
  } catch (error) {
    return mistaken((error as Error).message);
  }
}

function mistaken(why: string): CertificateProblem {
  return { mistake: `the certificate is of no use: ${why}`, warning: "" };
}

function warned(why: string): CertificateProblem {
  return { mistake: "", warning: `${why}, so the other side lets nobody in with it` };
}

function certificatesOf(pem: string): X509Certificate[] {
  const found = (pem.match(PEM) ?? []).map((one) => new X509Certificate(one));
  if (found.length === 0) throw new Error("it cannot be read");
  return found;
}

function timeProblem(certificates: readonly X509Certificate[], nowMs: number): string {
  const tooYoung = certificates.find(({ validFrom }) => Date.parse(validFrom) > nowMs);
  if (tooYoung !== undefined) return `the certificate holds from ${dayOf(tooYoung.validFrom)} on`;
  const [first] = certificates
    .map(({ validTo }) => validTo)
    .sort((a, b) => Date.parse(a) - Date.parse(b));
  const leftMs = Date.parse(first!) - nowMs;
  if (leftMs > SOON_MS) return "";
  const ends =
    leftMs < 0 ? "has expired, and no link comes up since" : "expires, and no link comes up from";
  return `the certificate ${ends} ${dayOf(first!)}: tsbgp keys makes new ones, for both sides`;
}

function dayOf(date: string): string {
  return new Date(date).toISOString().slice(0, 10);
}
