/** Log events of rules that ask for them, as many as the log of the neighbor lets through. */

import type { LoggedRule } from "@ts-bgp/policy";
import type { AttrId, AttrStore } from "@ts-bgp/rib";
import {
  ATTR,
  attributeValueAt,
  attributeValueOctets,
  decodeAsPath,
  FAMILY,
  type Family,
  findAttribute,
  formatPrefix,
  writeU32,
} from "@ts-bgp/wire-codec";
import type { SessionPeer } from "./session-peer.ts";

/** Where they go, and what time it is. */
export type RuleLog = Pick<SessionPeer, "log" | "tables">;

/** @param attr - attributes of the route as policy was given it */
export function logRules(
  { log, tables }: RuleLog,
  rules: readonly LoggedRule[],
  attr: AttrId,
  family: Family,
  words: readonly [number, number, number, number],
  bits: number,
): void {
  for (const { policy, rule, action } of rules) {
    if (!log.admits("policy-rule", tables.nowMs)) continue;
    const prefix = prefixText(family, words, bits);
    const asPath = asPathText(tables.attrs, attr);
    const what = `${prefix} with AS path "${asPath}"`;
    const message = `rule "${rule}" of policy "${policy}" (${action}): ${what}`;
    log.write("policy-rule", "info", message, { policy, rule, action, prefix, asPath });
  }
}

function prefixText(
  family: Family,
  words: readonly [number, number, number, number],
  bits: number,
): string {
  const nlri = new Uint8Array(17);
  nlri[0] = bits;
  for (const [k, word] of words.entries()) writeU32(nlri, 1 + 4 * k, word);
  return formatPrefix(family === FAMILY.IPV4_UNICAST ? 1 : 2, nlri, 0);
}

function asPathText(attrs: AttrStore, attr: AttrId): string {
  const buf = attrs.bytesOf(attr);
  const at = attrs.offsetOf(attr);
  const header = findAttribute(buf, at, at + attrs.lengthOf(attr), ATTR.AS_PATH);
  if (header < 0) return "";
  const valueAt = attributeValueAt(buf, header);
  return decodeAsPath(buf, valueAt, valueAt + attributeValueOctets(buf, header), 4).text;
}
