/** What the other side says of connections in a handover, as JSON: checked before anything is made of it. */

import { FormatError, isObject } from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";
import { isTcpState } from "@ts-bgp/takeover";
import type { Frozen, Resumed } from "./frozen.ts";
import type { ProtectedTcp } from "./protector.ts";

/** @returns how connections were left; throws a FormatError for what does not say it of each */
export function frozenIn(json: unknown): Map<ConnectionId, Frozen> {
  const frozen = new Map<ConnectionId, Frozen>();
  if (!isObject(json)) throw new FormatError("it names no connections");
  for (const [id, one] of Object.entries(json)) {
    if (!/^\d+$/.test(id) || !isFrozen(one)) {
      throw new FormatError(`connection ${id.slice(0, 20)} is not described`);
    }
    frozen.set(Number(id), one);
  }
  return frozen;
}

/** @returns the sessions that the standby says it has lost; null for what does not say it */
export function lostIn(json: unknown): Resumed["lost"] | null {
  return Array.isArray(json) && json.every(isLoss) ? json : null;
}

/** Whether a connection can be taken over by what was written down when it came about. */
export function isProtectedTcp(tcp: unknown): tcp is ProtectedTcp {
  return isTcpState(tcp) && Number.isFinite((tcp as Partial<ProtectedTcp>).arrivedOctets);
}

function isFrozen(value: unknown): value is Frozen {
  if (!isObject(value)) return false;
  const { acknowledged, unackedOctets, unsentOctets, unread, tcp } = value;
  const areCounts = [acknowledged, unackedOctets, unsentOctets].every(Number.isSafeInteger);
  return areCounts && typeof unread === "string" && isTcpState(tcp);
}

function isLoss(value: unknown): boolean {
  return (
    isObject(value) && typeof value["address"] === "string" && typeof value["cause"] === "string"
  );
}
