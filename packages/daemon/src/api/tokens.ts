/** Who asks. */

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
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

/** Localhost and addresses of the loopback, with any port, or none. */
const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
/** A proxy that hands a request on says so in one of these. */
const HANDED_ON = ["forwarded", "x-forwarded-for", "via"];

export class Tokens {
  private readonly anonymous: HttpAccess["anonymous"];
  private readonly known: readonly Known[];

  constructor({ anonymous, tokens }: HttpAccess) {
    this.anonymous = anonymous;
    this.known = tokens.map((token) => ({ token, digest: digestOf(token.secret) }));
  }

  /**
   * @param headers - `authorization`: Bearer (RFC 6750), or Basic (RFC 7617) with the token as password, for
   *   programs that know addresses alone
   * @returns null for a token that is none
   */
  whoIs(headers: IncomingHttpHeaders): Asker | null {
    const { authorization } = headers;
    if (authorization === undefined) return this.nobody(headers);
    const secret = secretIn(authorization);
    if (secret === null) return null;
    // All are compared, and digests at that: how long it takes says nothing of a secret.
    const digest = digestOf(secret);
    const [found] = this.known.filter((known) => timingSafeEqual(known.digest, digest));
    if (found === undefined) return null;
    const { role, name, as } = found.token;
    return { role, name, as };
  }

  private nobody(headers: IncomingHttpHeaders): Asker {
    const { anonymous } = this;
    const role = anonymous !== "local" ? anonymous : isLocal(headers) ? "reader" : "none";
    return { role, name: null, as: null };
  }
}

/**
 * Whether a program on this host asks for itself. A page of others, whose name is made to lead here, has that
 * name as Host: browsers let no page say another one.
 */
function isLocal(headers: IncomingHttpHeaders): boolean {
  return LOCAL_HOST.test(headers.host ?? "") && HANDED_ON.every((name) => !(name in headers));
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
