/** Options as they come together: a neighbor's own, those of its group, the defaults. */

import type { Vars } from "@ts-bgp/policy";
import { bfdOptions } from "./bfd.ts";
import { type Checker, listOf } from "./checker.ts";
import type {
  FileBfd,
  FileBlackhole,
  FileMaxPrefix,
  FileOptions,
  FilePathAttribute,
} from "./file-shape.ts";
import type { MaxPrefixOptions, MaxPrefixOutOptions, PathAttributeOptions } from "./route-types.ts";
import type { AddPathOptions, BfdOptions } from "./types.ts";
import { mergedVars } from "./vars.ts";

/** Of one section of options; null where it has none. */
export interface Secrets {
  readonly password: string | null;
  readonly bfd: string | null;
}

function limitOf(section: FileMaxPrefix): Omit<MaxPrefixOptions, "count"> {
  return {
    ipv4Unicast: section["ipv4-unicast"] ?? null,
    ipv6Unicast: section["ipv6-unicast"] ?? null,
    action: section.action ?? "shutdown",
    warnPercent: section["warn-percent"] ?? 80,
    restartAfter: section["restart-after"] ?? 900,
  };
}

/** Sections of options, the one that goes first in front. */
export class Layers {
  readonly checker: Checker;
  private readonly layers: readonly FileOptions[];
  private readonly secrets: ReadonlyMap<FileOptions, Secrets>;

  constructor(
    layers: readonly FileOptions[],
    secrets: ReadonlyMap<FileOptions, Secrets>,
    checker: Checker,
  ) {
    this.layers = layers;
    this.secrets = secrets;
    this.checker = checker;
  }

  get<K extends keyof FileOptions>(key: K): FileOptions[K] | undefined {
    return this.layers.find((layer) => layer[key] !== undefined)?.[key];
  }

  get vars(): Vars {
    return mergedVars(this.layers.map(({ vars = {} }) => vars));
  }

  /** @returns whether the text has the option, though perhaps with a value that will not do */
  wrote(key: keyof FileOptions): boolean {
    return this.layers.some((layer) => this.checker.yaml.wrote(layer, key));
  }

  get password(): string | null {
    const layer = this.layers.find(({ password }) => password !== undefined);
    return layer === undefined ? null : (this.secrets.get(layer)?.password ?? null);
  }

  /** @param isMultihop - whether routers may stand between, unless the section says it */
  bfd(isMultihop: boolean): BfdOptions | null {
    const layers = this.layers.filter(({ bfd }) => bfd !== undefined);
    const secretOf = (section: FileBfd) =>
      this.secrets.get(layers.find(({ bfd }) => bfd === section)!)?.bfd ?? null;
    const sections = layers.map(({ bfd }) => bfd!);
    return bfdOptions(sections, secretOf, isMultihop);
  }

  /** Sections merge key by key. */
  get addPath(): AddPathOptions {
    const parts = this.layers.map((layer) => layer["add-path"] ?? {});
    const { receive = false, send = 0 } = Object.assign({}, ...parts.reverse());
    return { receive, send };
  }

  get blackhole(): FileBlackhole {
    return Object.assign({}, ...this.layers.map((layer) => layer.blackhole ?? {}).reverse());
  }

  /** @returns a section of which a word is the mode, merged */
  restartSection<K extends "graceful-restart" | "long-lived-graceful-restart">(
    key: K,
  ): Exclude<NonNullable<FileOptions[K]>, string> {
    const parts = this.layers.map((layer) => {
      const value = layer[key] ?? {};
      return typeof value === "string" ? { mode: value } : value;
    });
    return Object.assign({}, ...parts.reverse());
  }

  get maxPrefix(): MaxPrefixOptions {
    const { count = "received", ...rest } = this.prefixLimit("max-prefix");
    return { ...limitOf(rest), count };
  }

  get maxPrefixAccepted(): MaxPrefixOptions {
    return { ...limitOf(this.prefixLimit("max-prefix-accepted")), count: "accepted" };
  }

  get maxPrefixOut(): MaxPrefixOutOptions {
    const { warnPercent: _, ...limit } = limitOf(this.prefixLimit("max-prefix-out"));
    return limit;
  }

  get pathAttribute(): PathAttributeOptions {
    const parts = this.layers.map((layer) => layer["path-attribute"] ?? {});
    const merged: FilePathAttribute = Object.assign({}, ...parts.reverse());
    const types = (key: keyof FilePathAttribute) =>
      [...new Set(listOf(merged[key] ?? []))].sort((a, b) => a - b);
    return { discard: types("discard"), treatAsWithdraw: types("treat-as-withdraw") };
  }

  /** @returns the section, in which a number is the limit of each family, merged */
  private prefixLimit(key: "max-prefix" | "max-prefix-accepted" | "max-prefix-out"): FileMaxPrefix {
    const parts = this.layers.map((layer) => {
      const value = layer[key] ?? {};
      return typeof value === "number" ? { "ipv4-unicast": value, "ipv6-unicast": value } : value;
    });
    return Object.assign({}, ...parts.reverse());
  }

  /** @returns null for none */
  limit(key: "max-as-path" | "max-communities"): number | null {
    const value = this.get(key);
    return typeof value === "number" ? value : null;
  }

  /** Notes a mistake at an option, in whichever section it stands. */
  add(key: keyof FileOptions, message: string): void {
    this.checker.yaml.add(this.at(key), message);
  }

  /** The same that is strange, and no mistake. */
  warn(key: keyof FileOptions, message: string): void {
    this.checker.warn(this.at(key), message);
  }

  private at(key: keyof FileOptions): number {
    const layer = this.layers.find((options) => options[key] !== undefined) ?? this.layers[0]!;
    return this.checker.yaml.valueAt(layer, key);
  }
}
