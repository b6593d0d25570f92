/**
 * NOTIFICATION (RFC 4271 section 4.5), the names of its codes, and the text that an administrator
 * can send along with a shutdown (RFC 9003).
 */

import { HEADER_OCTETS, MESSAGE } from "./constants.ts";
import { newMessage } from "./header.ts";

/** NOTIFICATION error codes (RFC 4271 section 4.5, RFC 7313, RFC 9687). */
export const NOTIFICATION = {
  MESSAGE_HEADER_ERROR: 1,
  OPEN_MESSAGE_ERROR: 2,
  UPDATE_MESSAGE_ERROR: 3,
  HOLD_TIMER_EXPIRED: 4,
  FSM_ERROR: 5,
  CEASE: 6,
  ROUTE_REFRESH_ERROR: 7,
  SEND_HOLD_TIMER_EXPIRED: 8,
} as const;

/** Subcodes of Cease (RFC 4486, RFC 8538, RFC 9384). */
export const CEASE = {
  MAX_PREFIXES: 1,
  ADMINISTRATIVE_SHUTDOWN: 2,
  PEER_DECONFIGURED: 3,
  ADMINISTRATIVE_RESET: 4,
  CONNECTION_REJECTED: 5,
  OTHER_CONFIGURATION_CHANGE: 6,
  CONNECTION_COLLISION: 7,
  OUT_OF_RESOURCES: 8,
  HARD_RESET: 9,
  BFD_DOWN: 10,
} as const;

export interface NotificationMessage {
  code: number;
  subcode: number;
  data: Uint8Array;
}

/** Error codes with the names of their subcodes, as IANA's registry has them. */
const NAMES: readonly (readonly [string, readonly string[]])[] = [
  ["", []],
  [
    "Message Header Error",
    ["", "Connection Not Synchronized", "Bad Message Length", "Bad Message Type"],
  ],
  [
    "OPEN Message Error",
    [
      "",
      "Unsupported Version Number",
      "Bad Peer AS",
      "Bad BGP Identifier",
      "Unsupported Optional Parameter",
      "Authentication Failure",
      "Unacceptable Hold Time",
      "Unsupported Capability",
      "",
      "",
      "",
      "Role Mismatch",
    ],
  ],
  [
    "UPDATE Message Error",
    [
      "",
      "Malformed Attribute List",
      "Unrecognized Well-known Attribute",
      "Missing Well-known Attribute",
      "Attribute Flags Error",
      "Attribute Length Error",
      "Invalid ORIGIN Attribute",
      "AS Routing Loop",
      "Invalid NEXT_HOP Attribute",
      "Optional Attribute Error",
      "Invalid Network Field",
      "Malformed AS_PATH",
    ],
  ],
  ["Hold Timer Expired", []],
  [
    "Finite State Machine Error",
    [
      "",
      "Receive Unexpected Message in OpenSent State",
      "Receive Unexpected Message in OpenConfirm State",
      "Receive Unexpected Message in Established State",
    ],
  ],
  [
    "Cease",
    [
      "",
      "Maximum Number of Prefixes Reached",
      "Administrative Shutdown",
      "Peer De-configured",
      "Administrative Reset",
      "Connection Rejected",
      "Other Configuration Change",
      "Connection Collision Resolution",
      "Out of Resources",
      "Hard Reset",
      "BFD Down",
    ],
  ],
  ["ROUTE-REFRESH Message Error", ["", "Invalid Message Length"]],
  ["Send Hold Timer Expired", []],
];

const TEXT_OCTETS_MAX = 255;
const NOTIFICATION_OCTETS_MIN = HEADER_OCTETS + 2;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a NOTIFICATION. Every code is read, known or not: the session ends either way.
 *
 * @param buf - holds the whole message `[at, end)`, as `messageLength` found it
 * @returns the message; `data` is a copy
 */
export function decodeNotification(buf: Uint8Array, at: number, end: number): NotificationMessage {
  return {
    code: buf[at + HEADER_OCTETS]!,
    subcode: buf[at + HEADER_OCTETS + 1]!,
    data: buf.slice(at + NOTIFICATION_OCTETS_MIN, end),
  };
}

/**
 * @param data - at most 4,075 octets fit (RFC 4271 section 4); what is beyond is cut off
 * @returns a new message
 */
export function encodeNotification(code: number, subcode: number, data?: Uint8Array): Uint8Array {
  const octets = Math.min(data?.length ?? 0, 4096 - NOTIFICATION_OCTETS_MIN);
  const out = newMessage(MESSAGE.NOTIFICATION, NOTIFICATION_OCTETS_MIN + octets);
  out[HEADER_OCTETS] = code;
  out[HEADER_OCTETS + 1] = subcode;
  if (data !== undefined) out.set(data.subarray(0, octets), NOTIFICATION_OCTETS_MIN);
  return out;
}

/** @returns for example "Cease/Administrative Shutdown"; unknown numbers are shown as numbers */
export function notificationName(code: number, subcode: number): string {
  const known = NAMES[code];
  const name = known?.[0] || `Error ${code}`;
  const subname = known?.[1][subcode];
  if (subname) return `${name}/${subname}`;
  return subcode === 0 ? name : `${name}/${subcode}`;
}

/** @returns the data of a Hard Reset that has another NOTIFICATION inside (RFC 8538 section 3) */
export function hardResetData({ code, subcode, data }: NotificationMessage): Uint8Array {
  return Uint8Array.of(code, subcode, ...data);
}

/** Whether it ends a session for good, whatever was agreed on about restarts (RFC 8538 section 3). */
export function isHardReset({ code, subcode }: { code: number; subcode: number }): boolean {
  return code === NOTIFICATION.CEASE && subcode === CEASE.HARD_RESET;
}

/** @returns the name, and that of what a Hard Reset has inside: "Cease/Hard Reset (Cease/...)" */
export function notificationText({ code, subcode, data }: NotificationMessage): string {
  const name = notificationName(code, subcode);
  if (!isHardReset({ code, subcode }) || data.length < 2) return name;
  return `${name} (${notificationName(data[0]!, data[1]!)})`;
}

/**
 * The shutdown communication of RFC 9003, also one inside a hard reset (RFC 8538 section 3).
 *
 * @returns the text of an administrative shutdown or reset; null for any other notification, when
 *   there is none, and when it is longer than the data or not UTF-8
 */
export function shutdownText(notification: NotificationMessage): string | null {
  const { code, subcode, data } = notification;
  if (code !== NOTIFICATION.CEASE) return null;
  if (subcode === CEASE.HARD_RESET) {
    if (data.length < 2 || data[1] === CEASE.HARD_RESET) return null;
    return shutdownText({ code: data[0]!, subcode: data[1]!, data: data.subarray(2) });
  }
  if (subcode !== CEASE.ADMINISTRATIVE_SHUTDOWN && subcode !== CEASE.ADMINISTRATIVE_RESET) {
    return null;
  }
  const octets = data[0] ?? 0;
  if (octets === 0 || 1 + octets > data.length) return null;
  try {
    return UTF8.decode(data.subarray(1, 1 + octets));
  } catch {
    return null;
  }
}

/** @returns the length octet and the text, cut after a whole character at 255 octets of UTF-8 */
export function shutdownData(text: string): Uint8Array {
  const data = new Uint8Array(1 + TEXT_OCTETS_MAX);
  const { written } = new TextEncoder().encodeInto(text, data.subarray(1));
  data[0] = written;
  return data.slice(0, 1 + written);
}
