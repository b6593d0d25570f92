/**
 * Messages as JSON, for `tsbgp decode`, logs and tests.
 *
 * Verdicts are those of the session's own readers (`messageLength`, `decodeOpen`, `UpdateReader`);
 * nothing is judged here. Each message becomes one object:
 *
 * | type          | fields beside `type` and `length` (octets with header)                       |
 * | ------------- | ---------------------------------------------------------------------------- |
 * | OPEN          | `version`, `as` (the real one), `my_as` (the 2-octet field), `hold_time`,    |
 * |               | `bgp_identifier`, `capabilities`                                             |
 * | UPDATE        | `withdrawn`, `attributes`, `nlri`; `end_of_rib` names the family of a marker |
 * | NOTIFICATION  | `code`, `subcode`, `name`, `text` (RFC 9003, when there is one), `data`      |
 * | KEEPALIVE     |                                                                              |
 * | ROUTE-REFRESH | `afi`, `safi`, `family`, `subtype`, `subtype_name`                           |
 * | UNKNOWN       | `raw`: what is not a message, up to the end of the octets                    |
 *
 * A capability has `code`, `name` and its own fields, as in `Capability` with names in snake_case;
 * where there are `afi` and `safi` there is also `family`, such as "ipv6-unicast". An unknown one
 * has `value` in hexadecimal.
 *
 * A route is a prefix such as "192.0.2.0/24", with ADD-PATH {"path_id": 1, "prefix": "..."}.
 *
 * A path attribute has `type`, `name` ("UNKNOWN" without a known name), `flags` ({"optional",
 * "transitive", "partial", "extended_length"}) and `value`, or `raw` in hexadecimal when it is
 * malformed or repeated:
 *
 * | attribute                              | value                                               |
 * | -------------------------------------- | --------------------------------------------------- |
 * | ORIGIN                                 | "IGP", "EGP" or "INCOMPLETE"                         |
 * | AS_PATH, AS4_PATH                      | {"text": "65001 {1,2}", "segments": [{"type":       |
 * |                                        | "AS_SEQUENCE", "as": [65001]}, ...]}                 |
 * | NEXT_HOP, ORIGINATOR_ID                | "192.0.2.1"                                          |
 * | MULTI_EXIT_DISC, LOCAL_PREF, OTC       | a number                                             |
 * | ATOMIC_AGGREGATE                       | true                                                 |
 * | AGGREGATOR, AS4_AGGREGATOR             | {"as": 65001, "address": "192.0.2.1"}                |
 * | COMMUNITIES and the other three kinds  | ["65000:1", "65535:65281"], see `community.ts`; with |
 * |                                        | `names` {"65535:65281": "no-export"} beside `value`  |
 * | CLUSTER_LIST                           | ["192.0.2.1", ...]                                   |
 * | MP_REACH_NLRI                          | {"afi", "safi", "family", "next_hop", "nlri"}        |
 * | MP_UNREACH_NLRI                        | {"afi", "safi", "family", "nlri"}                    |
 * | AIGP                                   | [{"type": 1, "metric": "100"}, ...]                  |
 * | any other                              | hexadecimal octets                                   |
 *
 * `next_hop` may be a global and a link-local address with a space between; `nlri` of families that
 * are neither unicast nor multicast is hexadecimal.
 *
 * A faulty message also has `error` {"code", "subcode", "action" ("session-reset",
 * "treat-as-withdraw" or "attribute-discard"), "attribute" (type or null), "reason"}: its heaviest
 * fault; and `errors` with all of them when there are several.
 *
 * `tsbgp decode` prints an object for each line of input. A line with several messages gives
 * {"messages": [...]}; one that is not hexadecimal octets {"type": "UNKNOWN", "input_error": "why"}.
 */

import type { UpdateContext } from "./attribute.ts";
import { ATTRIBUTE_TABLE } from "./attribute-table.ts";
import {
  type AttributePlace,
  attributesOf,
  type DecodedAttribute,
  decodedBy,
  decodedHead,
} from "./attribute-values.ts";
import type { Capability } from "./capability.ts";
import { AFI, EXTENDED_MESSAGE_OCTETS_MAX, FAMILY, HEADER_OCTETS, MESSAGE } from "./constants.ts";
import { familyAfi, familyName } from "./family.ts";
import { ACTION_WEIGHT, Fault, type FaultAction } from "./fault.ts";
import { messageLength } from "./frame.ts";
import { decodeRoutes, type Route } from "./nlri.ts";
import { decodeNotification, notificationName, shutdownText } from "./notification.ts";
import { readU16 } from "./octets.ts";
import { readOpen } from "./open.ts";
import { decodeRouteRefresh } from "./route-refresh.ts";
import { formatHex, formatIpv4 } from "./text.ts";
import { UpdateReader } from "./update-reader.ts";

/** The session that the messages are taken to be from. */
export interface DecodeOptions {
  /** AS numbers have 4 octets in AS_PATH and AGGREGATOR. */
  fourOctetAs: boolean;
  /** Routes of unicast families have path identifiers. */
  addPath: boolean;
  /**
   * Whether the peer is in another AS. null: a message with LOCAL_PREF, ORIGINATOR_ID or
   * CLUSTER_LIST is taken to be from an internal peer, any other from an external one.
   */
  external: boolean | null;
  /** As in `UpdateContext`; false when absent. */
  allowAsSet?: boolean;
  allowConfed?: boolean;
}

export interface DecodedFault {
  code: number;
  subcode: number;
  action: FaultAction;
  attribute: number | null;
  reason: string;
}

/** One message as JSON; the fields by type are described at the top of this file. */
export interface DecodedMessage {
  type: "OPEN" | "UPDATE" | "NOTIFICATION" | "KEEPALIVE" | "ROUTE-REFRESH" | "UNKNOWN";
  length: number;
  error?: DecodedFault;
  errors?: DecodedFault[];
  [field: string]: unknown;
}

export interface DecodedUpdate extends DecodedMessage {
  type: "UPDATE";
  withdrawn: Route[];
  attributes: DecodedAttribute[];
  nlri: Route[];
  end_of_rib?: string;
}

const ALL_FAMILIES = FAMILY.IPV4_UNICAST | FAMILY.IPV6_UNICAST;
const SUBTYPE_NAMES = ["request", "BoRR", "EoRR"];
/** One for all calls; nothing of it is kept from one message to the next. */
const READER = new UpdateReader();

/**
 * Decodes the messages that stand back to back in `octets`.
 *
 * Never throws, and gives at least one message unless `octets` is empty. Octets that are not a
 * whole message with a right header end the list as one of type UNKNOWN.
 */
export function decodeMessages(octets: Uint8Array, options: DecodeOptions): DecodedMessage[] {
  const messages: DecodedMessage[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = messageLength(octets, at, octets.length, EXTENDED_MESSAGE_OCTETS_MAX);
    if (length instanceof Fault || length === 0) {
      messages.push(notAMessage(octets, at, length === 0 ? cutShort(octets, at) : length));
      break;
    }
    messages.push(decodeMessage(octets, at, at + length, options));
    at += length;
  }
  return messages;
}

function cutShort(octets: Uint8Array, at: number): Fault {
  const left = octets.length - at;
  const wanted = left < HEADER_OCTETS ? `at least ${HEADER_OCTETS}` : readU16(octets, at + 16);
  return new Fault("session-reset", 1, 2, `${left} octets are there of ${wanted}`);
}

function notAMessage(octets: Uint8Array, at: number, fault: Fault): DecodedMessage {
  const length = octets.length - at;
  return withFaults({ type: "UNKNOWN", length, raw: formatHex(octets, at) }, [fault]);
}

function decodeMessage(
  buf: Uint8Array,
  at: number,
  end: number,
  options: DecodeOptions,
): DecodedMessage {
  switch (buf[at + HEADER_OCTETS - 1]) {
    case MESSAGE.OPEN:
      return openJson(buf, at, end);
    case MESSAGE.UPDATE:
      return updateJson(buf, at, end, options);
    case MESSAGE.NOTIFICATION:
      return notificationJson(buf, at, end);
    case MESSAGE.KEEPALIVE:
      return { type: "KEEPALIVE", length: end - at };
    default:
      return routeRefreshJson(buf, at, end);
  }
}

function withFaults<T extends DecodedMessage>(message: T, faults: readonly Fault[]): T {
  let heaviest = faults[0];
  if (heaviest === undefined) return message;
  for (const fault of faults) {
    if (ACTION_WEIGHT[fault.action] > ACTION_WEIGHT[heaviest.action]) heaviest = fault;
  }
  message.error = faultJson(heaviest);
  if (faults.length > 1) message.errors = faults.map(faultJson);
  return message;
}

function faultJson({ code, subcode, action, attribute, reason }: Fault): DecodedFault {
  return { code, subcode, action, attribute: attribute === 0 ? null : attribute, reason };
}

function openJson(buf: Uint8Array, at: number, end: number): DecodedMessage {
  const { open, fault } = readOpen(buf, at, end);
  const fourOctet = open.capabilities.find(({ name }) => name === "four-octet-as");
  const message: DecodedMessage = {
    type: "OPEN",
    length: end - at,
    version: open.version,
    as: fourOctet?.name === "four-octet-as" ? fourOctet.as : open.as,
    my_as: open.as,
    hold_time: open.holdTimeSeconds,
    bgp_identifier: formatIpv4(open.bgpIdentifier),
    capabilities: open.capabilities.map(capabilityJson),
  };
  return withFaults(message, fault === null ? [] : [fault]);
}

/** @returns a capability as this file describes it */
export function capabilityJson(capability: Capability): unknown {
  return snakeCase(capability);
}

/** The same value with field names in snake_case, octets in hexadecimal and families named. */
function snakeCase(value: unknown): unknown {
  if (value instanceof Uint8Array) return formatHex(value);
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== "object" || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    out[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = snakeCase(field);
  }
  if (typeof out["afi"] === "number" && typeof out["safi"] === "number") {
    out["family"] = familyName(out["afi"], out["safi"]);
  }
  return out;
}

function notificationJson(buf: Uint8Array, at: number, end: number): DecodedMessage {
  const notification = decodeNotification(buf, at, end);
  const { code, subcode, data } = notification;
  const text = shutdownText(notification);
  return {
    type: "NOTIFICATION",
    length: end - at,
    code,
    subcode,
    name: notificationName(code, subcode),
    ...(text === null ? {} : { text }),
    data: formatHex(data),
  };
}

function routeRefreshJson(buf: Uint8Array, at: number, end: number): DecodedMessage {
  const head = { type: "ROUTE-REFRESH", length: end - at } as const;
  const message = decodeRouteRefresh(buf, at, end);
  if (message instanceof Fault) {
    return withFaults({ ...head, raw: formatHex(buf, at + HEADER_OCTETS, end) }, [message]);
  }
  const { afi, safi, subtype } = message;
  const family = familyName(afi, safi);
  return { ...head, afi, safi, family, subtype, subtype_name: SUBTYPE_NAMES[subtype] ?? "unknown" };
}

function updateJson(
  buf: Uint8Array,
  at: number,
  end: number,
  options: DecodeOptions,
): DecodedUpdate {
  const reader = READER;
  const external = options.external ?? !isInternal(buf, at, end);
  const context = contextOf(options, external);
  reader.read(buf, at, end, context);
  // Where the lengths contradict each other nothing behind them is shown.
  const listAt = Math.min(reader.listAt, end);
  const listEnd = Math.max(listAt, Math.min(reader.listEnd, end));
  const withdrawnAt = at + HEADER_OCTETS + 2;
  const withdrawnEnd = reader.listAt <= end ? reader.listAt - 2 : withdrawnAt;
  const places = [...attributesOf(buf, listAt, listEnd)];
  const routes = (from: number, to: number) =>
    decodeRoutes(AFI.IPV4, buf, from, to, options.addPath);
  const message: DecodedUpdate = {
    type: "UPDATE",
    length: end - at,
    withdrawn: routes(withdrawnAt, withdrawnEnd),
    attributes: attributesJson(buf, places, context),
    nlri: routes(listEnd, end),
  };
  if (reader.endOfRib !== 0) {
    message.end_of_rib = familyName(familyAfi(reader.endOfRib as 1 | 2), 1);
  }
  return withFaults(message, reader.faults);
}

/** Whether an UPDATE carries an attribute that only internal peers send. */
function isInternal(buf: Uint8Array, at: number, end: number): boolean {
  const listAt = at + HEADER_OCTETS + 4 + readU16(buf, at + HEADER_OCTETS);
  const listEnd = Math.min(end, listAt + readU16(buf, listAt - 2));
  for (const { type } of attributesOf(buf, listAt, listEnd)) {
    if (ATTRIBUTE_TABLE[type]?.kept === "internal") return true;
  }
  return false;
}

function contextOf(options: DecodeOptions, external: boolean): UpdateContext {
  return {
    fourOctetAs: options.fourOctetAs,
    external,
    addPath: options.addPath ? ALL_FAMILIES : 0,
    families: ALL_FAMILIES,
    allowAsSet: options.allowAsSet ?? false,
    allowConfed: options.allowConfed ?? false,
    aigp: true,
    extendedNextHop: ALL_FAMILIES,
    rpkiState: true,
  };
}

/** A value that some session would accept is shown decoded, whatever this session's verdict. */
function attributesJson(
  buf: Uint8Array,
  places: readonly AttributePlace[],
  context: UpdateContext,
): DecodedAttribute[] {
  const lenient: UpdateContext = { ...context, allowAsSet: true, allowConfed: true };
  const seen = new Set<number>();
  return places.map(({ flags, type, valueAt, octets }) => {
    const head = decodedHead(type, flags);
    const row = ATTRIBUTE_TABLE[type];
    const repeated = seen.has(type);
    seen.add(type);
    if (repeated || (row && row.check(buf, valueAt, octets, lenient) !== null)) {
      return { ...head, raw: formatHex(buf, valueAt, valueAt + octets) };
    }
    if (!row) return { ...head, value: formatHex(buf, valueAt, valueAt + octets) };
    return decodedBy(row, flags, buf, valueAt, octets, lenient);
  });
}
