/** Arguments of a request to the control socket, each checked; all functions throw a ControlError. */

import { isIP } from "node:net";
import { maskedWords, type PrefixKey } from "@ts-bgp/rib";
import { parseAddress, readU32 } from "@ts-bgp/wire-codec";
import { ControlError, type ControlRequest } from "./control.ts";
import type { Page } from "./route-pages.ts";

/** @returns an argument that is text, null when it is absent or empty */
export function textOf(request: ControlRequest, name: string): string | null {
  const text = request[name] ?? "";
  if (typeof text !== "string") throw new ControlError(`"${name}" must be text`, "bad");
  return text === "" ? null : text;
}

/** @returns an argument that is one of a few words, null when it is absent or empty */
export function choice<W extends string>(
  request: ControlRequest,
  name: string,
  words: readonly W[],
): W | null {
  const text = textOf(request, name);
  const word = words.find((known) => known === text);
  if (text === null || word !== undefined) return word ?? null;
  throw new ControlError(`"${name}" must be ${words.join(" or ")}, not "${text}"`, "bad");
}

/** A prefix or an address, which then has all its bits; throws a ControlError. */
export function prefixOf(request: ControlRequest): { family: 1 | 2; key: PrefixKey; text: string } {
  const text = textOf(request, "prefix") ?? "";
  const [address = "", length, ...rest] = text.split("/");
  const isAddress = isIP(address) !== 0 && rest.length === 0;
  const octets = isAddress ? parseAddress(address) : null;
  if (octets === null) {
    throw new ControlError(`"${text}" is not a prefix or an address`, "bad");
  }
  const max = 8 * octets.length;
  const bits = length === undefined ? max : Number(length);
  if (!/^\d{1,3}$/.test(length ?? "0") || bits > max) {
    throw new ControlError(`"${text}" has a length that is not between 0 and ${max}`, "bad");
  }
  const words = [0, 4, 8, 12].map((at) => (at < octets.length ? readU32(octets, at) : 0));
  const masked = maskedWords(words as [number, number, number, number], bits);
  if (length !== undefined && masked.some((word, i) => word !== words[i])) {
    throw new ControlError(`"${text}" has bits behind its length`, "bad");
  }
  return { family: octets.length === 4 ? 1 : 2, key: { words: masked, bits }, text };
}

/** Cursors and limits that are used by programs. */
export function pageIn(request: ControlRequest): Page {
  const limit = numberOf(request, "limit");
  if (limit !== null && limit < 1) throw new ControlError('"limit" must be at least 1', "bad");
  const withinMs = numberOf(request, "within_ms");
  return { limit, cursor: textOf(request, "cursor"), withinMs };
}

/** @returns an argument that is a whole number, null when it is absent */
export function numberOf(request: ControlRequest, name: string): number | null {
  const value = request[name] ?? null;
  if (value === null || (Number.isSafeInteger(value) && (value as number) >= 0)) {
    return value as number | null;
  }
  throw new ControlError(`"${name}" must be a whole number`, "bad");
}
