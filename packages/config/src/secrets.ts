/** What a configuration keeps in other files: passwords and certificates. */

import type { Checker } from "./checker.ts";
import type { FileSecret } from "./file-shape.ts";

/** TCP MD5 takes no longer secret. */
const MD5_OCTETS_MAX = 80;

/** @returns the text; null once it is noted at an index of the configuration why there is none */
export function readSecret(secret: FileSecret, at: number, checker: Checker): string | null {
  const { yaml, sources } = checker;
  if (typeof secret === "string") {
    checker.warn(at, "the secret stands in clear; { file: PATH } or { env: NAME } keep it out");
    return secret;
  }
  let text: string | undefined;
  if (secret.file !== undefined) {
    text = checker.readFile(secret.file, at)?.split("\n", 1)[0]?.trim();
    if (text === undefined) return null;
  } else if (secret.env !== undefined) {
    text = sources.env(secret.env);
    if (text === undefined) {
      yaml.add(at, `environment variable ${secret.env} is not set`);
      return null;
    }
  }
  if (text === undefined || text === "") yaml.add(at, "the secret is empty");
  return text || null;
}

/** @returns a secret for TCP MD5; as `readSecret`, and what is too long is noted */
export function readMd5Secret(secret: FileSecret, at: number, checker: Checker): string | null {
  const text = readSecret(secret, at, checker);
  const octets = new TextEncoder().encode(text ?? "").length;
  if (octets > MD5_OCTETS_MAX) {
    const message = `the secret has ${octets} octets; TCP MD5 takes at most ${MD5_OCTETS_MAX}`;
    checker.yaml.add(at, message);
  }
  return text;
}

/** @returns the text of a file of PEM; what is wrong with it is noted at an index of the configuration */
export function readPem(
  kind: "certificate" | "key",
  file: string,
  at: number,
  checker: Checker,
): string {
  const { yaml } = checker;
  const text = checker.readFile(file, at);
  if (text === null) return "";
  if (kind === "key" && /ENCRYPTED/.test(text)) {
    yaml.add(at, `${file} is encrypted: nobody is there to type its password`);
  } else if (kind === "key" && !/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    yaml.add(at, `${file} has no private key (PEM)`);
  } else if (kind === "certificate" && !text.includes("-----BEGIN CERTIFICATE-----")) {
    yaml.add(at, `${file} has no certificate (PEM)`);
  }
  return text;
}
