/** The looking glass over HTTP: its files, and what a browser is told about them. */

import { PAGE_HEADERS, type PageFile, readPage } from "@ts-bgp/web";
import type { HttpAnswer, HttpQuestion } from "./http-server.ts";

const files: ReadonlyMap<string, PageFile> | null = readPage();
const NO_PAGE =
  "The page was not made: `npm ci` with development tools does that. Here are /metrics, /healthz and the API.\n";

/** @returns null for what is no file of the page */
export function pageAnswer({ path, headers }: HttpQuestion): HttpAnswer | null {
  if (files === null && path === "/") {
    return { status: 404, contentType: "text/plain", body: NO_PAGE };
  }
  const file = files?.get(path);
  if (file === undefined) return null;
  const { contentType, etag } = file;
  const all = { ...PAGE_HEADERS, etag, vary: "accept-encoding" };
  if (headers["if-none-match"]?.includes(etag)) {
    return { status: 304, contentType, headers: all, body: "" };
  }
  const takesPacked = /\bgzip\b/.test(String(headers["accept-encoding"] ?? ""));
  if (!takesPacked) return { status: 200, contentType, headers: all, body: file.body };
  const packed = { ...all, "content-encoding": "gzip" };
  return { status: 200, contentType, headers: packed, body: file.packed };
}
