/** Which program this is: sides that run the same files put out the same, others may not. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PACKAGES = fileURLToPath(new URL("../../", import.meta.url));

/** @returns a digest of the program's files, as they are now; some ten milliseconds' work */
export function programDigest(): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(PACKAGES).sort()) {
    const folder = `${PACKAGES}${name}/src/`;
    if (!existsSync(folder)) continue;
    for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
      if (!/\.[cm]?[jt]s$/.test(file)) continue;
      hash.update(`${name}/${file}\0`).update(readFileSync(`${folder}${file}`));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
