/** What a stream of UPDATE messages leaves behind at its receiver. */

import { type DecodedUpdate, decodeMessages, type Route } from "@ts-bgp/wire-codec";
import type { Batch, SessionForm } from "../src/batch.ts";

/** Attributes by route: the prefix, with the path identifier in front where there is one. */
export type Table = Map<string, Record<string, unknown>>;

export const EXTERNAL: SessionForm = {
  families: 3,
  fourOctetAs: true,
  addPath: 0,
  octetsMax: 4096,
  internal: false,
  localAs: 65001,
  nextHop4: Uint8Array.of(198, 51, 100, 1),
  nextHop6: Uint8Array.of(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77),
};

export async function tableOf(
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  form: SessionForm = EXTERNAL,
): Promise<Table> {
  const table: Table = new Map();
  for await (const { octets } of batches) apply(octets, form, table);
  return table;
}

/** Applies messages; throws when one of them is faulty. */
export function apply(octets: Uint8Array, form: SessionForm, table: Table): void {
  const options = {
    fourOctetAs: form.fourOctetAs,
    addPath: form.addPath !== 0,
    external: !form.internal,
    allowAsSet: true,
  };
  for (const decoded of decodeMessages(octets, options) as DecodedUpdate[]) {
    if (decoded.error !== undefined) throw new Error(decoded.error.reason);
    if (decoded.type !== "UPDATE") continue;
    const values: Record<string, unknown> = {};
    for (const { name, value } of decoded.attributes) values[name] = value;
    const { MP_REACH_NLRI: reach, MP_UNREACH_NLRI: unreach, ...rest } = values;
    const { nlri: mpNlri = [], next_hop } = (reach ?? {}) as { nlri?: Route[]; next_hop?: string };
    const { nlri: mpWithdrawn = [] } = (unreach ?? {}) as { nlri?: Route[] };
    for (const route of [...decoded.withdrawn, ...mpWithdrawn]) table.delete(keyOf(route));
    for (const route of decoded.nlri) table.set(keyOf(route), rest);
    for (const route of mpNlri) table.set(keyOf(route), { ...rest, NEXT_HOP: next_hop });
  }
}

function keyOf(route: Route): string {
  return typeof route === "string" ? route : `${route.path_id} ${route.prefix}`;
}

/** The AS_PATH of a route as text. */
export function pathOf(table: Table, route: string): string {
  const attributes = table.get(route) ?? {};
  return (attributes["AS_PATH"] as { text: string }).text;
}
