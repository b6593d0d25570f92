/** The section of HTTP: where it is served, and who may use the API. */

import { type Checker, checkAddress } from "./checker.ts";
import type { FileHttp, FileShape } from "./file-shape.ts";
import { readSecret } from "./secrets.ts";
import type { HttpConfig, HttpToken } from "./types.ts";

/** Shorter ones could be guessed. */
const SECRET_CHARACTERS_MIN = 16;
/** Characters that a client can send as they are (RFC 6750 section 2.1). */
const SECRET = /^[A-Za-z0-9._~+/-]+=*$/;

export function checkHttp({ http }: Pick<FileShape, "http">, checker: Checker): HttpConfig | null {
  if (http === undefined) return null;
  const at = checker.yaml.valueAt(http, "address");
  const address = checkAddress(http.address ?? "127.0.0.1", at, checker);
  const communities = http["reason-communities"] ?? {};
  for (const [reason, text] of Object.entries(communities)) {
    const numbers = text.split(":").map(Number);
    const max = numbers.length === 2 ? 0xffff : 0xffffffff;
    if (numbers.every((number) => number <= max)) continue;
    checker.yaml.add(
      checker.yaml.valueAt(communities, reason),
      `"${text}" is no community: a number is too large`,
    );
  }
  const tokens = checkTokens(http, checker);
  // Whoever gives out tokens wants them to be shown.
  const isForAll = tokens.length === 0 && isLoopback(address);
  return {
    address,
    port: http.port,
    anonymous: http.anonymous ?? (isForAll ? "local" : "none"),
    tokens,
    reasonCommunities: communities,
  };
}

function checkTokens({ tokens = [] }: FileHttp, checker: Checker): HttpToken[] {
  const { yaml } = checker;
  const names = new Set<string>();
  const secrets = new Set<string>();
  return tokens.map((token) => {
    const { name, role, as = null } = token;
    if (names.has(name)) yaml.add(yaml.valueAt(token, "name"), `token "${name}" appears twice`);
    names.add(name);
    if (role === "member" && as === null) {
      yaml.add(yaml.valueAt(token, "role"), 'a member needs "as", the number of its AS');
    } else if (role !== "member" && as !== null) {
      yaml.add(yaml.keyAt(token, "as"), `"as" is for members, not for the role ${role}`);
    }
    const at = yaml.valueAt(token, "secret");
    const secret = readSecret(token.secret, at, checker) ?? "";
    if (secret !== "") {
      const problem = secrets.has(secret) ? "is that of another token, too" : problemOf(secret);
      if (problem !== "") yaml.add(at, `the secret of token "${name}" ${problem}`);
    }
    secrets.add(secret);
    return { name, role, as, secret };
  });
}

function problemOf(secret: string): string {
  if (secret.length < SECRET_CHARACTERS_MIN) {
    return `has ${secret.length} characters; it needs at least ${SECRET_CHARACTERS_MIN}`;
  }
  if (SECRET.test(secret)) return "";
  return "has others than letters, digits and . _ ~ + / - (and = at its end)";
}

/** @param address - in its canonical form */
function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
