/** Where the user is: `#/neighbors/192.0.2.1?view=rejected`, so that everything has an address. */

import { useEffect, useState } from "preact/hooks";

export interface Place {
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return {
    path: path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function usePlace(): Place {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return placeOf(hash);
}

/** @returns the address of a place, without parameters that are empty */
export function linkTo(
  path: readonly string[],
  query: Readonly<Record<string, string>> = {},
): string {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  const text = given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
  return `#/${path.map(encodeURIComponent).join("/")}${text}`;
}

/** @returns what somebody means who types a prefix, an AS number or a community; null for none of them */
export function searchOf(text: string): Record<string, string> | null {
  const word = text.trim();
  if (/^as\d+$/i.test(word)) return { as: word.slice(2) };
  if (/^\d{1,10}$/.test(word)) return { as: word };
  if (/^[0-9.]+(\/\d+)?$/.test(word) && word.includes(".")) return { prefix: word };
  if (/^\d+:\d+(:\d+)?$/.test(word) || /^(rt|ro|soo|ext)[:-]/i.test(word))
    return { community: word };
  if (/^[0-9a-f:.]*::?[0-9a-f:.]*(\/\d+)?$/i.test(word)) return { prefix: word };
  return null;
}
