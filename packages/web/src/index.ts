/**
 * The looking glass: a page in the browser that asks the speaker's API, served by the speaker itself.
 *
 *     page/*.tsx, *.css --- bin/bundle.mjs, when packages are installed --> dist/ --- here --> HTTP
 *
 * The page fetches nothing from anywhere else.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

export interface PageFile {
  readonly contentType: string;
  readonly body: Buffer;
  /** The same by gzip. */
  readonly packed: Buffer;
  /** Changes with what is in it; with quotes, as a header has it. */
  readonly etag: string;
}

const DIST = new URL("../dist/", import.meta.url);
const FILES: Readonly<Record<string, readonly [path: string, contentType: string]>> = {
  "index.html": ["/", "text/html; charset=utf-8"],
  "page.js": ["/page.js", "text/javascript; charset=utf-8"],
  "page.css": ["/page.css", "text/css; charset=utf-8"],
  "icon.svg": ["/icon.svg", "image/svg+xml"],
};

/** Of all answers with a file: scripts, styles and questions are this server's, and nobody frames it. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  // Asked for again each time, which costs an ETag: a newer speaker has a newer page.
  "cache-control": "no-cache",
};

/** @returns what is served, by path; null where the page was not made, as without development tools */
export function readPage(): ReadonlyMap<string, PageFile> | null {
  try {
    return new Map(Object.entries(FILES).map(([name, [path, type]]) => [path, read(name, type)]));
  } catch {
    return null;
  }
}

function read(name: string, contentType: string): PageFile {
  const body = readFileSync(fileURLToPath(new URL(name, DIST)));
  const hash = createHash("sha256").update(body).digest("base64url").slice(0, 22);
  return { contentType, body, packed: gzipSync(body), etag: `"${hash}"` };
}
