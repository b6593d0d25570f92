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
  /** The other side lets this one in, now. */
  readonly isGood: boolean;
  /** What to do. */
  readonly remedy: string;
}

const GOOD: CertificateProblem = { mistake: "", warning: "", isGood: true, remedy: "" };
const MAKE_NEW = "tsbgp keys makes new ones, for both sides";

/** @param cluster - the name of the pair, for which it has to be */
export function certificateProblem(
  { cert, key, ca }: NsrTls,
  cluster: string,
  nowMs: number,
): CertificateProblem {
  try {
    const [own, ...between] = certificatesOf(cert);
    if (!own!.checkPrivateKey(createPrivateKey(key))) return mistaken('"key" is another one\'s');
    const way = wayToAuthority(own!, between, certificatesOf(ca));
    if (way === null) {
      return warned('"ca" has not signed this certificate', 'name the "ca" that was made with it');
    }
    if (own!.checkHost(cluster) === undefined) {
      return warned(`it is not for the pair "${cluster}"`, MAKE_NEW);
    }
    return timeProblem(way, nowMs);
  } catch (error) {
    return mistaken((error as Error).message);
  }
}

function mistaken(why: string): CertificateProblem {
  const mistake = `the certificate is of no use: ${why}`;
  return { mistake, warning: "", isGood: false, remedy: 'name "cert" and "key" of the same side' };
}

function warned(why: string, remedy: string): CertificateProblem {
  const warning = `${why}, so the other side lets nobody in with it`;
  return { mistake: "", warning, isGood: false, remedy };
}

/** @returns those that vouch for a certificate, it first and the authority last; null when none does */
function wayToAuthority(
  own: X509Certificate,
  between: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): X509Certificate[] | null {
  // Of those of one key the one that lasts: an old one beside it does no harm.
  const lasting = authorities.toSorted((a, b) => Date.parse(b.validTo) - Date.parse(a.validTo));
  const way = [own];
  for (;;) {
    const last = way.at(-1)!;
    const authority = lasting.find(({ publicKey }) => last.verify(publicKey));
    if (authority !== undefined) return [...way, authority];
    const next = between.find((one) => !way.includes(one) && last.verify(one.publicKey));
    if (next === undefined) return null;
    way.push(next);
  }
}

function certificatesOf(pem: string): X509Certificate[] {
  const found = (pem.match(PEM) ?? []).map((one) => new X509Certificate(one));
  if (found.length === 0) throw new Error("it cannot be read");
  return found;
}

function timeProblem(certificates: readonly X509Certificate[], nowMs: number): CertificateProblem {
  const tooYoung = certificates.find(({ validFrom }) => Date.parse(validFrom) > nowMs);
  if (tooYoung !== undefined) {
    const why = `the certificate holds from ${dayOf(tooYoung.validFrom)} on`;
    return warned(why, "set the clock of this host");
  }
  const [first] = certificates
    .map(({ validTo }) => validTo)
    .sort((a, b) => Date.parse(a) - Date.parse(b));
  const leftMs = Date.parse(first!) - nowMs;
  if (leftMs > SOON_MS) return GOOD;
  const isGood = leftMs >= 0;
  const ends = isGood
    ? "expires, and no link comes up from"
    : "has expired, and no link comes up since";
  const warning = `the certificate ${ends} ${dayOf(first!)}`;
  return { mistake: "", warning, isGood, remedy: MAKE_NEW };
}

function dayOf(date: string): string {
  return new Date(date).toISOString().slice(0, 10);
}
