/** What mirrors are not given: they take nothing over, and connect to nobody. */

import { configFrom } from "./config-octets.ts";
import { imageOf } from "./image.ts";
import { Classes, isConfig } from "./image-format.ts";
import { LedgerConnection } from "./ledger.ts";
import { OctetReader } from "./octet-reader.ts";
import { joined, OctetWriter } from "./octet-writer.ts";
import { RECORDS, type RecordOf, readOnly, write } from "./records.ts";

/** Stands for a secret: whether there is one decides, and not which. */
const HIDDEN = "hidden";

/**
 * Of a neighbor the secrets of TCP MD5 and of BFD, of an RPKI cache the password and the key, the tokens of the API,
 * the secret of the webhook, and what TCP has of a connection.
 *
 * @returns what a mirror is shown of a field
 */
export function concealed(object: object, field: string, value: unknown): unknown {
  switch (field) {
    case "password":
      return isOption(object) && typeof value === "string" ? HIDDEN : value;
    case "secret":
      return "keyId" in object && typeof value === "string" ? HIDDEN : value;
    case "tls":
      return isOption(object) ? null : value;
    case "http":
    case "webhook":
      return isConfig(object as Readonly<Record<string, unknown>>) ? null : value;
    case "tcp":
      return object instanceof LedgerConnection ? null : value;
    default:
      return value;
  }
}

/** Of a neighbor or a cache: elsewhere an operator may have given such a name. */
function isOption(object: object): boolean {
  return "ttlSecurity" in object || "preference" in object;
}

const CONFIG = new Classes([], []).showing(concealed);
const SECRET: readonly number[] = [RECORDS.configure.type, RECORDS.tcp.type];

/** @returns the calls of a bracket as a mirror makes them; linear in their octets */
export function concealedCalls(calls: Uint8Array): Uint8Array {
  const reader = new OctetReader(calls);
  const pieces: Uint8Array[] = [];
  let isSame = true;
  while (reader.left > 0) {
    const { at } = reader;
    const type = reader.varint();
    reader.octets(reader.varint());
    const octets = calls.subarray(at, reader.at);
    if (SECRET.includes(type)) {
      pieces.push(...concealedCall(octets));
      isSame = false;
    } else pieces.push(octets);
  }
  return isSame ? calls : joined(pieces);
}

function concealedCall(octets: Uint8Array): Uint8Array[] {
  const call = readOnly(octets, { records: 0, fields: 0 }) as RecordOf<"configure" | "tcp">;
  const out = new OctetWriter();
  if (call.record === "tcp") write(out, "tcp", { connection: call.connection, state: null });
  else {
    const config = joined(imageOf(configFrom(call.config), CONFIG));
    write(out, "configure", { nowMs: call.nowMs, config, about: call.about });
  }
  return out.take();
}
