/**
 * What is wrong with octets a peer sent, as a value. Nothing a peer sends makes this package throw.
 */

/** RFC 7606 section 2, from light to heavy. */
export type FaultAction = "attribute-discard" | "treat-as-withdraw" | "session-reset";

/** The order of the actions: the heaviest fault of a message decides (RFC 7606 section 3 h). */
export const ACTION_WEIGHT: Readonly<Record<FaultAction, 1 | 2 | 3>> = {
  "attribute-discard": 1,
  "treat-as-withdraw": 2,
  "session-reset": 3,
};

const NO_DATA = new Uint8Array(0);

/** One thing wrong with a message. */
export class Fault {
  readonly action: FaultAction;
  /** NOTIFICATION error code when the fault resets the session (RFC 4271 section 4.5). */
  readonly code: number;
  /** NOTIFICATION error subcode, 0 when the RFC names none. */
  readonly subcode: number;
  /** A sentence for people, without a final full stop; names the values that were found. */
  readonly reason: string;
  /** Type of the path attribute at fault, 0 when it is none. */
  readonly attribute: number;
  /** Data field of the NOTIFICATION. */
  readonly data: Uint8Array;

  constructor(
    action: FaultAction,
    code: number,
    subcode: number,
    reason: string,
    attribute = 0,
    data: Uint8Array = NO_DATA,
  ) {
    this.action = action;
    this.code = code;
    this.subcode = subcode;
    this.reason = reason;
    this.attribute = attribute;
    this.data = data;
  }
}
