/** A word as text: what arbiters keep. */

import type { Rights, Word } from "@ts-bgp/pair";
import { BadAnswerError } from "./etcd-answers.ts";

/** @returns what stands for the sides that may take over in JSON: one standby, as mostly, by itself */
export function rightsJson({ standbys, heirs }: Rights): Readonly<Record<string, unknown>> {
  const [standby = null] = standbys;
  const more = standbys.length > 1 ? { standbys } : {};
  return { standby, ...more, ...(heirs.length > 0 ? { heirs } : {}) };
}

/** @returns whom it names; null for what `rightsJson` does not write */
export function rightsIn(json: Readonly<Record<string, unknown>>): Rights | null {
  const { standby, standbys, heirs = [] } = json;
  const isOne = standby === null || typeof standby === "string";
  const all = standbys ?? (standby === null ? [] : [standby]);
  return isOne && areNames(all) && areNames(heirs) ? { standbys: all, heirs } : null;
}

function areNames(names: unknown): names is string[] {
  return Array.isArray(names) && names.every((name) => typeof name === "string");
}

/** @throws BadAnswerError for a text that no side writes */
export function wordIn(text: string): Word {
  let word: Readonly<Record<string, unknown>> = {};
  try {
    word = (JSON.parse(text) as typeof word | null) ?? {};
  } catch {
    // Told below.
  }
  const { epoch, active, holder, given = false } = word;
  const isEpoch = Number.isSafeInteger(epoch) && (epoch as number) >= 0;
  const isText = typeof active === "string" && typeof holder === "string";
  const rights = rightsIn(word);
  if (!isEpoch || rights === null || !isText || typeof given !== "boolean") {
    throw new BadAnswerError(`the key roles does not say roles`);
  }
  return {
    epoch: epoch as number,
    active: active === "" ? null : active,
    ...rights,
    holder,
    isGiven: given,
  };
}

export function wordText(word: Word): string {
  const { epoch, active, holder, isGiven } = word;
  const text = { epoch, active: active ?? "", ...rightsJson(word), holder, given: isGiven };
  return JSON.stringify(text);
}

export function isSame(a: Word, b: Word): boolean {
  return wordText(a) === wordText(b);
}
