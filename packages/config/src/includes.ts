/** Files that a configuration includes: their sections become part of its own, with their places. */

import schema from "../schema/ts-bgp.schema.json" with { type: "json" };
import { type ConfigSources, readNamed } from "./checker.ts";
import { didYouMean, type Mistake } from "./mistakes.ts";
import { besides, isPattern } from "./paths.ts";
import { isSection, type Section, type YamlFile } from "./yaml-file.ts";

/** Links may make a file out of a file without end. */
const DEPTH_MAX = 16;

interface Property {
  readonly title?: string;
  /** Where keys are names of the operator's choice. */
  readonly propertyNames?: object;
}

const PROPERTIES = schema.properties as Readonly<Record<string, Property>>;
/** Lists that go on in another file; sections do in which each key is a name. */
const LISTS: readonly string[] = ["neighbors", "static"];

/**
 * Reads all files that the file includes, and those that they include, and adds what is in them to its
 * value. Mistakes are noted in the file.
 *
 * @returns warnings
 */
export function readIncludes(yaml: YamlFile, sources: ConfigSources): Mistake[] {
  const reader = new IncludeReader(yaml, sources);
  if (isSection(yaml.value)) reader.follow(yaml.value, yaml.value, [yaml.file]);
  return reader.warnings;
}

/**
 * @param path - of a file, or a pattern
 * @param at - where it stands
 * @returns the file, or those that are like the pattern
 */
export function filesOf(
  yaml: YamlFile,
  path: string,
  at: number,
  sources: ConfigSources,
): readonly string[] {
  const whole = besides(yaml.sourceOf(at).file, path);
  return isPattern(path) ? (sources.filesLike?.(whole) ?? []) : [whole];
}

class IncludeReader {
  readonly warnings: Mistake[] = [];
  private readonly yaml: YamlFile;
  private readonly sources: ConfigSources;
  /** Where files are included, by their names. */
  private readonly included: Map<string, number> = new Map();

  constructor(yaml: YamlFile, sources: ConfigSources) {
    this.yaml = yaml;
    this.sources = sources;
  }

  /**
   * @param section - of the file at hand
   * @param chain - the file at hand, behind those that it is included by
   */
  follow(root: Section, section: Section, chain: readonly string[]): void {
    const { yaml, sources, warnings } = this;
    const { include } = section;
    const paths = Array.isArray(include) ? include : [include];
    for (const [k, path] of paths.entries()) {
      // Another value is the schema's to find wrong.
      if (typeof path !== "string" || path === "") continue;
      const at = include === path ? yaml.valueAt(section, "include") : yaml.valueAt(paths, k);
      const files = filesOf(yaml, path, at, sources);
      if (files.length === 0) warnings.push(yaml.mistake(at, `no file is like ${path}`));
      for (const file of files) this.read(root, file, at, chain);
    }
  }

  private read(root: Section, file: string, at: number, chain: readonly string[]): void {
    const { yaml, sources, included } = this;
    const refusal = this.refusal(file, at, chain);
    if (refusal !== null) {
      yaml.add(at, refusal);
      return;
    }
    included.set(file, at);
    const text = readNamed(yaml, file, at, sources);
    const value = text === null ? undefined : yaml.read(file, text);
    // An empty file is right: that of a member without sessions, say.
    if (value === undefined || value === null) return;
    if (isSection(value)) {
      this.merge(root, value);
      this.follow(root, value, [...chain, file]);
    } else yaml.addStart("the file is not a section with keys of a configuration");
  }

  /** @returns why a file is not read; null when it is */
  private refusal(file: string, at: number, chain: readonly string[]): string | null {
    if (chain.at(-1) === file) return `${file} includes itself`;
    if (chain.includes(file)) return `${file} includes itself, by way of ${chain.at(-1)}`;
    if (chain.length > DEPTH_MAX) return `${file} is included too deeply`;
    const before = this.included.get(file);
    return before === undefined
      ? null
      : `${file} is included twice, first ${this.yaml.whereOf(before, at)}`;
  }

  private merge(root: Section, section: Section): void {
    const { yaml } = this;
    for (const [key, value] of Object.entries(section)) {
      const property = Object.hasOwn(PROPERTIES, key) ? PROPERTIES[key] : undefined;
      const isNamed = property?.propertyNames !== undefined;
      const isList = LISTS.includes(key);
      const at = yaml.keyAt(section, key);
      if (property === undefined) {
        yaml.add(at, `unknown key "${key}"${didYouMean(key, Object.keys(PROPERTIES))}`);
      } else if (key === "include") {
        const paths = Array.isArray(value) ? value : [value];
        if (paths.every((path) => typeof path === "string" && path !== "")) continue;
        yaml.add(yaml.valueAt(section, key), `"include" must be ${property.title}`);
      } else if (!isNamed && !isList) {
        yaml.add(at, `"${key}" belongs to ${yaml.file}, which includes this file`);
      } else if (isNamed ? !isSection(value) : !Array.isArray(value)) {
        yaml.add(yaml.valueAt(section, key), `"${key}" must be ${property.title}`);
      } else if (!Object.hasOwn(root, key)) {
        yaml.adopt(root, section, key);
      } else if (isNamed && isSection(root[key])) {
        this.mergeNames(root[key], value as Section);
      } else if (isList && Array.isArray(root[key])) {
        yaml.append(root[key], value as unknown[]);
      }
    }
  }

  private mergeNames(into: Section, from: Section): void {
    const { yaml } = this;
    for (const name of Object.keys(from)) {
      if (Object.hasOwn(into, name)) {
        const at = yaml.keyAt(from, name);
        yaml.add(at, `"${name}" appears twice, first ${yaml.whereOf(yaml.keyAt(into, name), at)}`);
      } else yaml.adopt(into, from, name);
    }
  }
}
