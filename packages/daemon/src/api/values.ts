/** What a request says besides its path, checked. */

import type { HttpQuestion } from "../http-server.ts";
import type { ValueKind } from "./endpoints.ts";
import { Problem } from "./problem.ts";

type Kinds = Readonly<Record<string, ValueKind>>;
const TYPES: Readonly<Record<ValueKind, string>> = {
  text: "string",
  number: "number",
  flag: "boolean",
};

type Values = Readonly<Record<string, unknown>>;

/** Throws a `Problem` for what is not known, is there twice, or is of another kind. */
export function queryValues(query: string, kinds: Kinds): Values {
  const values: Record<string, unknown> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    const kind = kindOf(kinds, name);
    if (Object.hasOwn(values, name)) throw new Problem(400, `"${name}" appears twice`);
    values[name] = typed(name, text, kind);
  }
  return values;
}

/** Throws a `Problem` for a body that is no JSON object, or has what is not known or of another kind. */
export function bodyValues({ body, headers, query }: HttpQuestion, kinds: Kinds): Values {
  queryValues(query, {});
  if (body === "") return {};
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new Problem(415, "the body must be application/json");
  let values: unknown;
  try {
    values = JSON.parse(body);
  } catch {
    throw new Problem(400, "the body is not JSON");
  }
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new Problem(400, "the body must be an object");
  }
  for (const [name, value] of Object.entries(values)) {
    const type = TYPES[kindOf(kinds, name)];
    const is: string = typeof value;
    if (is !== type) throw new Problem(400, `"${name}" must be a ${type}`);
  }
  return values as Values;
}

function kindOf(kinds: Kinds, name: string): ValueKind {
  if (Object.hasOwn(kinds, name)) return kinds[name]!;
  const known = Object.keys(kinds).join(", ");
  throw new Problem(400, `"${name}" is unknown here${known === "" ? "" : `: there are ${known}`}`);
}

function typed(name: string, text: string, kind: ValueKind): unknown {
  if (kind === "text") return text;
  if (kind === "number") {
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new Problem(400, `"${name}" must be a whole number, not "${text}"`);
  }
  if (text === "" || text === "1" || text === "true") return true;
  if (text === "0" || text === "false") return false;
  throw new Problem(400, `"${name}" must be 1 or 0, not "${text}"`);
}
