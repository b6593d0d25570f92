/** Values of neighbors by name (`vars:`), and what policies ask of them as `$name`. */

import { type Policy, type Vars, varUses } from "@ts-bgp/policy";
import { type Checker, listOf } from "./checker.ts";
import type { FileOptions, FileShape, OneOrMore } from "./file-shape.ts";
import { didYouMean } from "./mistakes.ts";
import type { TermChecker } from "./terms.ts";
import type { NeighborConfig } from "./types.ts";

type FileVars = Readonly<Record<string, OneOrMore<string | number>>>;

/** @param layers - of sections, the one that goes first in front: they merge name by name */
export function mergedVars(layers: readonly FileVars[]): Vars {
  const merged: FileVars = Object.assign({}, ...[...layers].reverse());
  const names = Object.keys(merged).sort();
  return Object.fromEntries(names.map((name) => [name, valuesOf(merged[name]!)]));
}

function valuesOf(value: OneOrMore<string | number>): string[] {
  return listOf(value).map((each) => {
    const text = String(each);
    return /^\d{1,15}$/.test(text) ? String(Number(text)) : text;
  });
}

/** Values stand for what policies take them for, and who uses a policy has what it asks for. */
export function checkVars(
  shape: FileShape,
  neighbors: readonly NeighborConfig[],
  policies: Readonly<Record<string, Policy>>,
  terms: TermChecker,
  checker: Checker,
): void {
  const options: readonly FileOptions[] = [
    shape.defaults ?? {},
    ...Object.values(shape.groups ?? {}),
    ...(shape.neighbors ?? []),
  ];
  const layers: FileVars[] = options.map(({ vars = {} }) => vars);
  const defined = new Set(layers.flatMap((layer) => Object.keys(layer)));
  const { yaml } = checker;
  for (const [name, kinds] of terms.vars) {
    if (defined.has(name)) continue;
    const [at = 0] = kinds.values();
    yaml.add(
      at,
      `no neighbor has "${name}" among its vars${didYouMean(name, [...defined, "peer-as", "local-as"])}`,
    );
  }
  for (const layer of layers) {
    for (const name of Object.keys(layer)) {
      const kinds = terms.vars.get(name);
      if (kinds === undefined) {
        checker.warn(yaml.keyAt(layer, name), `no policy asks for $${name}`);
        continue;
      }
      for (const kind of kinds.keys()) checkValues(layer, name, kind, terms, checker);
    }
  }
  warnOfMissing(neighbors, policies, checker);
}

function checkValues(
  layer: FileVars,
  name: string,
  kind: Parameters<TermChecker["value"]>[0],
  terms: TermChecker,
  { yaml }: Checker,
): void {
  const value = layer[name]!;
  if (!Array.isArray(value)) {
    terms.value(kind, { text: valuesOf(value)[0]!, at: yaml.valueAt(layer, name) });
    return;
  }
  for (const [k, text] of valuesOf(value).entries()) {
    terms.value(kind, { text, at: yaml.valueAt(value, k) });
  }
}

/** Without a value nothing matches, which may be what is meant. */
function warnOfMissing(
  neighbors: readonly NeighborConfig[],
  policies: Readonly<Record<string, Policy>>,
  checker: Checker,
): void {
  const uses = new Map<string, readonly string[]>();
  const namesIn = (policy: string): readonly string[] => {
    if (!Object.hasOwn(policies, policy)) return [];
    const known = uses.get(policy);
    if (known !== undefined) return known;
    const names = [...new Set(varUses([policies[policy]!]).map(({ name }) => name))];
    uses.set(policy, names);
    return names;
  };
  for (const { address, source, vars, ...chains } of neighbors) {
    const lacks = new Set(
      [...chains.import, ...chains.export].flatMap((policy) =>
        namesIn(policy).filter((name) => !Object.hasOwn(vars, name)),
      ),
    );
    for (const name of lacks) {
      const message = `neighbor ${address} has no "${name}" among its vars, so $${name} is nothing`;
      checker.warnings.push({ ...source, column: 1, message });
    }
  }
}
