/** Who asks. */

import { createHash, timingSafeEqual } from "node:crypto";
import type { HttpToken } from "@ts-bgp/config";
import type { Role } from "./endpoints.ts";
import type { HttpAccess } from "./messages.ts";

export interface Asker {
  readonly role: Role;
  /** Of the token; null without one. */
  readonly name: string | null;
  /** Of a member, else null. */
  readonly as: number | null;
}

interface Known {
  readonly token: HttpToken;
  readonly digest: Buffer;
}

export class Tokens {
  private readonly anonymous: Asker;
  private readonly known: readonly Known[];

  constructor({ anonymous, tokens }: HttpAccess) {
    this.anonymous = { role: anonymous, name: null, as: null };
    this.known = tokens.map((token) => ({ token, digest: digestOf(token.secret) }));
  }

  /**
   * @param authorization - Bearer (RFC 6750), or Basic (RFC 7617) with the token as password, for programs
   *   that know addresses alone; undefined without the header
   * @returns null for a token that is none
   */
  whoIs(authorization: string | undefined): Asker | null {
    if (authorization === undefined) return this.anonymous;
    const secret = secretIn(authorization);
    if (secret === null) return null;
    // All are compared, and digests at that: how long it takes says nothing of a secret.
    const digest = digestOf(secret);
    const [found] = this.known.filter((known) => timingSafeEqual(known.digest, digest));
    if (found === undefined) return null;
    const { role, name, as } = found.token;
    return { role, name, as };
  }
}

function secretIn(authorization: string): string | null {
  const [scheme = "", value = "", ...more] = authorization.trim().split(/ +/);
  if (more.length > 0 || value === "") return null;
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return null;
  const pair = Buffer.from(value, "base64").toString();
  const at = pair.indexOf(":");
  return at < 0 ? null : pair.slice(at + 1);
}

function digestOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
