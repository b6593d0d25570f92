/**
 * What the attribute table says about one path attribute, and the faults its rows give.
 */

import { ATTR_FLAG, UPDATE_ERROR } from "./constants.ts";
import { Fault, type FaultAction } from "./fault.ts";

/** What a session negotiated and is configured for; made once per session. */
export interface UpdateContext {
  /** Both sides sent the four-octet AS capability (RFC 6793). */
  readonly fourOctetAs: boolean;
  /** The peer is in another AS. */
  readonly external: boolean;
  /** FAMILY bits for which NLRI carries path identifiers (RFC 7911). */
  readonly addPath: number;
  /** FAMILY bits that were negotiated. */
  readonly families: number;
  /** AS_SET and AS_CONFED_SET are accepted; false is RFC 9774. */
  readonly allowAsSet: boolean;
  /** Confederation segments are accepted (RFC 5065). */
  readonly allowConfed: boolean;
  /** AIGP is accepted, else quietly dropped (RFC 7311 section 3.1). */
  readonly aigp: boolean;
  /** FAMILY bits of IPv4 families whose routes may have an IPv6 next hop (RFC 8950 section 4). */
  readonly extendedNextHop: number;
  /** The origin validation state is taken from an external peer too (RFC 8097 section 2). */
  readonly rpkiState: boolean;
  /** NEXT_HOP may have any next hop, as in canonical octets; absent: only one of IPv4, as in a message. */
  readonly anyNextHop?: true;
  /** Attributes by type that the operator has said are not to be looked at; absent for none. */
  readonly brakes?: {
    /** Left out. */
    readonly discard: readonly number[];
    /** Routes that come with them are treated as withdrawn. */
    readonly treatAsWithdraw: readonly number[];
  };
}

/** Flags by class of attribute (RFC 4271 section 5). */
export const WELL_KNOWN: number = ATTR_FLAG.TRANSITIVE;
export const OPTIONAL: number = ATTR_FLAG.OPTIONAL;
export const OPTIONAL_TRANSITIVE: number = ATTR_FLAG.OPTIONAL | ATTR_FLAG.TRANSITIVE;

/**
 * On which sessions an attribute is part of the route's attribute set. `as4` is of sessions with
 * 2-octet AS numbers, where it is put into another one; on others nobody looks into it (RFC 6793
 * section 4.1).
 */
export type Kept = "always" | "internal" | "aigp" | "as4" | "never";

/** One row of the attribute table; `T` is the JSON value of the attribute. */
export interface AttributeRow<T = unknown> {
  readonly type: number;
  /** As in the RFCs, for example `AS_PATH`. */
  readonly name: string;
  /** The OPTIONAL and TRANSITIVE bits that the attribute must have. */
  readonly flags: number;
  /** What a wrong value does, if the check does not say otherwise. */
  readonly malformed: FaultAction;
  /** What wrong flags do where that is not `treat-as-withdraw` (RFC 7606 section 3 c). */
  readonly wrongFlags?: FaultAction;
  readonly kept: Kept;

  /**
   * Whether a value is well-formed. Allocates only for a fault.
   *
   * @param buf - whole message; `[at, at + octets)` lies in it; read only, not kept
   */
  check(buf: Uint8Array, at: number, octets: number, context: UpdateContext): Fault | null;

  /** The JSON value of octets that passed `check`. */
  decode(buf: Uint8Array, at: number, octets: number, context: UpdateContext): T;

  /** Names of parts of that value, by the part; null when none has one. Absent: there are none. */
  names?(buf: Uint8Array, at: number, octets: number): Record<string, string> | null;

  /** The value octets of what `decode` gave; throws when `value` is not of that shape. */
  encode(value: T, context: UpdateContext): Uint8Array;
}

const UPDATE_MESSAGE_ERROR = 3;

/** @returns a fault of an UPDATE (NOTIFICATION code 3) */
export function updateFault(
  action: FaultAction,
  subcode: number,
  reason: string,
  attribute = 0,
  data?: Uint8Array,
): Fault {
  return new Fault(action, UPDATE_MESSAGE_ERROR, subcode, reason, attribute, data);
}

type Head = Pick<AttributeRow, "type" | "name" | "malformed">;

/** @returns the fault when the value has not exactly `wanted` octets */
export function checkLength(row: Head, octets: number, wanted: number): Fault | null {
  return octets === wanted ? null : badLength(row, octets, `${wanted}`);
}

/** @returns the fault when the value has not a non-zero multiple of `unit` octets */
export function checkMultiple(row: Head, octets: number, unit: number): Fault | null {
  if (octets !== 0 && octets % unit === 0) return null;
  return badLength(row, octets, `a non-zero multiple of ${unit}`);
}

/** @returns a fault that says "NAME length `octets` is not `wanted`" */
export function badLength(row: Head, octets: number, wanted: string): Fault {
  const reason = `${row.name} length ${octets} is not ${wanted}`;
  return updateFault(row.malformed, UPDATE_ERROR.ATTRIBUTE_LENGTH, reason, row.type);
}

/** @returns a fault that says "NAME `problem`" */
export function badValue(row: Head, subcode: number, problem: string): Fault {
  return updateFault(row.malformed, subcode, `${row.name} ${problem}`, row.type);
}
