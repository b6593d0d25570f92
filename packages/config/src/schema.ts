/**
 * Holding a file against the JSON Schema, with mistakes in words.
 *
 * What the schema finds wrong is taken out of the value afterwards, so that the checks that follow
 * see only values of the right shape and still find everything else that is wrong.
 */

import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import equal from "ajv/dist/runtime/equal.js";
import ucs2length from "ajv/dist/runtime/ucs2length.js";
import standalone from "ajv/dist/standalone/index.js";
import forward from "../schema/forward.schema.json" with { type: "json" };
import mirror from "../schema/mirror.schema.json" with { type: "json" };
import spare from "../schema/spare.schema.json" with { type: "json" };
import speaker from "../schema/ts-bgp.schema.json" with { type: "json" };
import { didYouMean, type Mistake } from "./mistakes.ts";
import { isSection, type Section, type YamlFile } from "./yaml-file.ts";

/** Taking something out can leave a section without a key that it needs; this often at most. */
const ROUNDS_MAX = 20;

/** What kinds of files there are: those of a speaker, of a spare, of a mirror, and of a forwarding module. */
const SCHEMAS = { speaker, spare, mirror, forward };
/** As that of a mirror names it, which has sections of a speaker. */
const SPEAKER = "ts-bgp.schema.json";
export type FileKind = keyof typeof SCHEMAS;

type Validator = Pick<ValidateFunction, "errors"> & ((value: unknown) => unknown);

interface Compiled {
  readonly validate: Validator;
  /** What it is made of; null of one that was made of it. */
  readonly code: string | null;
}

const compiled: Map<FileKind, Compiled> = new Map();

/** What the code of a validator asks for. */
const RUNTIME: Readonly<Record<string, unknown>> = {
  "ajv/dist/runtime/equal": asCommonJs(equal),
  "ajv/dist/runtime/ucs2length": asCommonJs(ucs2length),
};

/** Bundlers and Node.js differ in what the default of such a module is. */
function asCommonJs(module: unknown): { readonly default: unknown } {
  return { default: (module as { readonly default?: unknown }).default ?? module };
}

const codeOf = asCommonJs(standalone).default as (ajv: Ajv, validate: Validator) => string;

/**
 * @returns the validator of files of a kind as code for another thread, where compiling the schema anew takes
 *   longer than all that it is compiled for; null when no file of the kind was read in this one
 */
export function validatorCode(kind: FileKind): string | null {
  return compiled.get(kind)?.code ?? null;
}

/** @param code - of `validatorCode` of the same version */
export function useValidatorCode(kind: FileKind, code: string): void {
  const made: { exports: unknown } = { exports: null };
  new Function("module", "require", code)(made, (name: string) => RUNTIME[name]);
  compiled.set(kind, { validate: made.exports as Validator, code: null });
}

function validator(kind: FileKind): Validator {
  const known = compiled.get(kind);
  if (known !== undefined) return known.validate;
  const options = {
    ...{ allErrors: true, verbose: true, allowUnionTypes: true, strictTypes: false },
    // The validator runs once or twice: passes over its code take longer than they save.
    code: { optimize: false, source: true },
  };
  const ajv = new Ajv(options);
  if (kind === "mirror") ajv.addSchema(speaker, SPEAKER);
  const validate = ajv.compile(SCHEMAS[kind]);
  const code = codeOf(ajv, validate);
  // It has all of that once more.
  delete validate.source;
  compiled.set(kind, { validate, code });
  return validate;
}

/** A key or an item that is wrong, and the section or list that it stands in. */
interface Place {
  readonly parent: Section | unknown[] | null;
  readonly key: string;
}

/**
 * Notes all that the schema finds wrong, and takes it out of the value.
 *
 * @returns the value, or null when it is not even a section
 */
export function checkShape(file: YamlFile, kind: FileKind): Section | null {
  const { value } = file;
  if (!isSection(value)) {
    file.add(0, value === null ? "the file is empty" : `the file is not ${SCHEMAS[kind].title}`);
    return null;
  }
  const validate = validator(kind);
  for (let round = 0; round < ROUNDS_MAX && !validate(value); round++) {
    const errors = validate.errors ?? [];
    const places = errors.filter(isCause).map((error) => placeOf(value, error));
    // Later rounds, and places whose syntax is wrong, have only consequences of what is known.
    if (round === 0) {
      const placed = ({ file, line, column }: Mistake) => `${file}:${line}:${column}`;
      const known = new Set(file.mistakes.map(placed));
      for (const error of errors.filter(isCause)) {
        const [at, message] = described(file, value, error);
        if (!known.has(placed(file.mistake(at, message)))) file.add(at, message);
      }
    }
    takeOut(file, places);
  }
  return value;
}

/** Some keywords only say that another one inside of them was not satisfied. */
function isCause({ keyword }: ErrorObject): boolean {
  return keyword !== "propertyNames";
}

function placeOf(root: Section, error: ErrorObject): Place {
  const path = error.instancePath.split("/").slice(1).map(unescaped);
  const inside = innerKey(error);
  if (inside !== null) path.push(inside);
  let parent: unknown = root;
  for (const key of path.slice(0, -1)) parent = (parent as Section)[key];
  return { parent: path.length === 0 ? null : (parent as Section), key: path.at(-1) ?? "" };
}

/** Key of the section at the error's path that is itself what is wrong. */
function innerKey({ keyword, params, propertyName }: ErrorObject): string | null {
  if (propertyName !== undefined) return propertyName;
  return keyword === "additionalProperties" ? params["additionalProperty"] : null;
}

function unescaped(key: string): string {
  return key.replaceAll("~1", "/").replaceAll("~0", "~");
}

function takeOut(file: YamlFile, places: readonly Place[]): void {
  const items = new Map<unknown[], Set<number>>();
  for (const { parent, key } of places) {
    if (Array.isArray(parent)) items.set(parent, (items.get(parent) ?? new Set()).add(Number(key)));
    else if (parent !== null) delete parent[key];
  }
  for (const [list, gone] of items) file.removeItems(list, gone);
}

/** @returns where the mistake is, and the mistake in words */
function described(file: YamlFile, root: Section, error: ErrorObject): [number, string] {
  const { parent, key } = placeOf(root, error);
  const owner = parent ?? root;
  const schemaHere = error.parentSchema as { title?: string; properties?: object };
  switch (error.keyword) {
    case "additionalProperties": {
      const known = Object.keys(schemaHere.properties ?? {});
      return [file.keyAt(owner, key), `unknown key "${key}"${didYouMean(key, known)}`];
    }
    case "false schema":
      return [file.keyAt(owner, key), `"${key}" belongs to a single neighbor`];
    case "required": {
      const at = parent === null ? file.at(root) : file.valueAt(owner, key);
      return [at, `"${error.params["missingProperty"]}" is missing`];
    }
  }
  const excess = excessIn(error);
  if (excess !== null) return [file.valueAt(owner, key), `"${key}" ${excess}`];
  if (error.propertyName !== undefined) {
    return [file.keyAt(owner, key), `"${key}" is not ${schemaHere.title}`];
  }
  const subject = Array.isArray(owner) ? "" : `"${key}" `;
  const keys =
    error.keyword === "maxProperties"
      ? ` with ${Object.keys(error.data as Section).length} keys`
      : "";
  const what = `must be ${schemaHere.title}, not ${inWords(error.data)}${keys}`;
  const values = error.keyword === "enum" ? (error.params["allowedValues"] as string[]) : [];
  const hint = typeof error.data === "string" ? didYouMean(error.data, values) : "";
  return [file.valueAt(owner, key), `${subject}${what}${hint}`];
}

/** @returns what there is too much of in a list; null for another mistake */
function excessIn({ keyword, params, data }: ErrorObject): string | null {
  switch (keyword) {
    case "maxItems":
      return `has ${(data as unknown[]).length} entries, at most ${params["limit"]}`;
    case "uniqueItems":
      return `has ${inWords((data as unknown[])[params["i"]])} twice`;
    default:
      return null;
  }
}

function inWords(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (isSection(value)) return Object.keys(value).length === 0 ? "an empty section" : "a section";
  return JSON.stringify(value);
}
