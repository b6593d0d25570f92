/**
 * Reading a received UPDATE: verdict, routes by offset, and canonical attribute octets.
 *
 * One walk over the path attributes checks each by its row of the attribute table and notes the
 * good ones in an `AttributeSet`, which also says what canonical octets are.
 */

import {
  type AttributeRow,
  OPTIONAL_TRANSITIVE,
  type UpdateContext,
  updateFault,
} from "./attribute.ts";
import { AttributeSet } from "./attribute-set.ts";
import { ATTRIBUTE_TABLE } from "./attribute-table.ts";
import { CANONICAL } from "./attribute-values.ts";
import {
  AFI,
  ATTR,
  ATTR_FLAG,
  FAMILY,
  type Family,
  HEADER_OCTETS,
  SAFI,
  UPDATE_ERROR,
} from "./constants.ts";
import { ACTION_WEIGHT, Fault } from "./fault.ts";
import {
  noSection,
  type ReachableSection,
  readMpReach,
  readMpUnreach,
  type Section,
  sectionProblem,
  setSection,
} from "./multiprotocol.ts";
import { isMartianNextHop } from "./next-hop.ts";
import { readU16 } from "./octets.ts";
import { formatNextHop } from "./text.ts";

const FLAG_BITS_IN_USE = OPTIONAL_TRANSITIVE | ATTR_FLAG.PARTIAL;
const UPDATE_OCTETS_MIN = HEADER_OCTETS + 4;
/** So many faults of a message are told; a heavier one than those is always among them. */
const FAULTS_MAX = 16;
/** Types as bits: of every route, and of one whose next hop is an attribute by itself. */
const MANDATORY = (1 << ATTR.ORIGIN) | (1 << ATTR.AS_PATH);
const WELL_KNOWN_MANDATORY = MANDATORY | (1 << ATTR.NEXT_HOP);
/** Routes of any session. */
const STORED: UpdateContext = { ...CANONICAL, anyNextHop: true };
/** Characters that are kept with a route. */
const FAULT_TEXT_MAX = 1000;

/** Faults without details, made once: a peer may cause them with every message. */
const FROM_EXTERNAL_PEER: readonly (Fault | null)[] = ATTRIBUTE_TABLE.map((row) =>
  row?.kept === "internal"
    ? updateFault(
        "attribute-discard",
        UPDATE_ERROR.OPTIONAL_ATTRIBUTE,
        `${row.name} from an external peer`,
        row.type,
      )
    : null,
);

/**
 * Reads UPDATE messages one after the other, allocating nothing but faults.
 *
 * All fields describe the message read last and are valid until the next `read`. One reader serves
 * any number of sessions.
 */
export class UpdateReader {
  /** In the order found, the first ones of many; empty for a message without fault. */
  readonly faults: Fault[] = [];
  /** `ACTION_WEIGHT` of the heaviest fault, 0 without one: it decides (RFC 7606 section 3 h). */
  action: 0 | 1 | 2 | 3 = 0;

  /** The IPv4 fields of RFC 4271. */
  readonly withdrawn: Section = noSection();
  readonly announced: Section = noSection();
  /** The routes of MP_UNREACH_NLRI and MP_REACH_NLRI (RFC 4760). */
  readonly unreachable: Section = noSection();
  readonly reachable: ReachableSection = noSection();
  /** FAMILY bit when the message is an End-of-RIB marker (RFC 4724 section 2), else 0. */
  endOfRib = 0;

  /** Canonical octets `[attrsAt, attrsEnd)` of `attrs` after `canonical`; read only. */
  attrs: Uint8Array;
  attrsAt = 0;
  attrsEnd = 0;

  /** The path attributes as they came are `[listAt, listEnd)` of the message's buffer. */
  listAt = 0;
  listEnd = 0;

  /** Type of an attribute that came and has its routes treated as withdrawn, 0 for none. */
  private braked = 0;
  private buf: Uint8Array;
  private context!: UpdateContext;
  private readonly set: AttributeSet = new AttributeSet();

  constructor() {
    this.attrs = this.set.scratch;
    this.buf = this.set.scratch;
  }

  /**
   * Reads one message.
   *
   * When `action` is below 3 (session reset), the four sections are found and checked: a loop over
   * their routes needs no checks of its own. Linear in the octets.
   *
   * @param buf - holds the whole message `[at, end)`, as `messageLength` found it; kept until the
   *   next `read`, so that `canonical` can point into it
   */
  read(buf: Uint8Array, at: number, end: number, context: UpdateContext): void {
    this.reset(buf, at, context);
    const withdrawnAt = at + HEADER_OCTETS + 2;
    const withdrawnEnd = withdrawnAt + readU16(buf, at + HEADER_OCTETS);
    this.listAt = withdrawnEnd + 2;
    // The order of the tests matters: the second length lies behind the first field.
    if (end - at < UPDATE_OCTETS_MIN || this.listAt > end) {
      this.malformedList("the withdrawn routes length overruns the message");
      return;
    }
    this.listEnd = this.listAt + readU16(buf, withdrawnEnd);
    if (this.listEnd > end) {
      this.listEnd = end;
      this.malformedList("the total path attribute length overruns the message");
      return;
    }
    setSection(this.withdrawn, AFI.IPV4, SAFI.UNICAST, withdrawnAt, withdrawnEnd, context);
    setSection(this.announced, AFI.IPV4, SAFI.UNICAST, this.listEnd, end, context);
    this.checkField(this.withdrawn, "withdrawn routes");
    this.checkField(this.announced, "NLRI");
    if (this.listAt < this.listEnd) this.readAttributes();
    this.checkWhole(at, end);
  }

  /**
   * Reads path attributes that somebody else has stored, who says that they are canonical octets of routes of one
   * family. As of a message `action` and `faults` say what is wrong, and below 2 `canonical("field")` gives what
   * may be stored of them; there are no routes.
   */
  readStored(buf: Uint8Array, at: number, end: number, family: Family): void {
    this.reset(buf, at, STORED);
    this.listEnd = end;
    if (at < end) this.readAttributes();
    const { set } = this;
    if (set.has(ATTR.MP_REACH_NLRI) || set.has(ATTR.MP_UNREACH_NLRI)) {
      this.malformedList("routes stand among the attributes");
    }
    this.checkMandatory(WELL_KNOWN_MANDATORY);
    if (!set.has(ATTR.NEXT_HOP)) return;
    const octets = set.octets(ATTR.NEXT_HOP);
    this.checkNextHop(set.at(ATTR.NEXT_HOP), octets);
    if (family === FAMILY.IPV4_UNICAST || octets !== 4) return;
    const reason = "the next hop of IPv6 routes is one of IPv4";
    const subcode = UPDATE_ERROR.INVALID_NEXT_HOP;
    this.add(updateFault("treat-as-withdraw", subcode, reason, ATTR.NEXT_HOP));
  }

  /**
   * Puts the canonical attribute octets for the routes of `announced` ("field") or `reachable`
   * ("mp") into `attrs`, `attrsAt` and `attrsEnd`. Only when `action` is at most 1 and there are
   * such routes. No copy is made of octets that were canonical in the message.
   */
  canonical(which: "field" | "mp"): void {
    if (this.set.inPlace && which === "field") {
      this.attrs = this.buf;
      this.attrsAt = this.listAt;
      this.attrsEnd = this.listEnd;
      return;
    }
    const { nextHopAt, nextHopOctets } = this.reachable;
    this.attrs = this.set.scratch;
    this.attrsAt = 0;
    this.attrsEnd = this.set.writeCanonical(nextHopAt, which === "mp" ? nextHopOctets : 0);
  }

  /**
   * Puts what is worth keeping of a message whose routes are treated as withdrawn into `attrs`,
   * `attrsAt` and `attrsEnd`: what was wrong with it (see `faultText`), and the canonical octets of
   * the attributes that could be read. Only when `action` is 2 and there are routes as above.
   */
  remains(which: "field" | "mp"): void {
    const { nextHopAt, nextHopOctets } = this.reachable;
    const text = this.faults
      .toSorted((a, b) => ACTION_WEIGHT[b.action] - ACTION_WEIGHT[a.action])
      .map(({ reason }) => reason)
      .join("; ")
      .slice(0, FAULT_TEXT_MAX);
    this.attrs = this.set.scratch;
    this.attrsAt = 0;
    this.attrsEnd = this.set.writeRemains(text, nextHopAt, which === "mp" ? nextHopOctets : 0);
  }

  private reset(buf: Uint8Array, at: number, context: UpdateContext): void {
    if (this.faults.length > 0) this.faults.length = 0;
    this.action = 0;
    this.endOfRib = 0;
    this.braked = 0;
    this.buf = buf;
    this.context = context;
    this.set.clear(buf, context);
    this.listAt = at;
    this.listEnd = at;
    this.withdrawn.end = this.withdrawn.at;
    this.announced.end = this.announced.at;
    this.unreachable.end = this.unreachable.at;
    this.reachable.end = this.reachable.at;
  }

  private add(fault: Fault): void {
    const weight = ACTION_WEIGHT[fault.action];
    if (this.faults.length < FAULTS_MAX || weight > this.action) this.faults.push(fault);
    if (weight > this.action) this.action = weight;
  }

  private malformedList(reason: string): void {
    this.set.inPlace = false;
    this.add(updateFault("session-reset", UPDATE_ERROR.MALFORMED_ATTRIBUTE_LIST, reason));
  }

  /** RFC 7606 sections 3 i and 5.3. */
  private checkField(section: Section, name: string): void {
    if (section.at === section.end) return;
    const problem = sectionProblem(this.buf, section);
    if (problem === null) return;
    section.end = section.at;
    const subcode = UPDATE_ERROR.INVALID_NETWORK_FIELD;
    this.add(updateFault("session-reset", subcode, `${name}: ${problem}`));
  }

  private readAttributes(): void {
    const { buf, set, listEnd } = this;
    let last = -1;
    for (let i = this.listAt; i < listEnd; ) {
      const extended = (buf[i]! & ATTR_FLAG.EXTENDED_LENGTH) !== 0;
      const valueAt = i + (extended ? 4 : 3);
      const octets = extended ? readU16(buf, i + 2) : buf[i + 2]!;
      const next = valueAt + octets;
      if (valueAt > listEnd || next > listEnd) {
        this.badAttributeLength(i, valueAt, octets);
        return;
      }
      const type = buf[i + 1]!;
      if (type <= last) set.inPlace = false;
      last = type;
      if (set.see(type)) this.readAttribute(i, type, valueAt, octets);
      else this.repeated(type);
      i = next;
    }
  }

  /** RFC 7606 section 4: the lengths contradict each other, but the NLRI field is where it is. */
  private badAttributeLength(at: number, valueAt: number, octets: number): void {
    this.set.inPlace = false;
    const left = this.listEnd - at;
    const type = left > 1 ? this.buf[at + 1]! : 0;
    const reason =
      valueAt > this.listEnd
        ? `${left} octets are left in the path attributes, too few for an attribute`
        : `attribute ${type} has length ${octets}, ${this.listEnd - valueAt} octets left`;
    const subcode = UPDATE_ERROR.ATTRIBUTE_LENGTH;
    this.add(updateFault("treat-as-withdraw", subcode, reason, type));
  }

  /** RFC 7606 section 3 g: the first one counts, save for those that hold routes. */
  private repeated(type: number): void {
    this.set.inPlace = false;
    const holdsRoutes = type === ATTR.MP_REACH_NLRI || type === ATTR.MP_UNREACH_NLRI;
    const name = ATTRIBUTE_TABLE[type]?.name ?? `attribute ${type}`;
    this.add(
      updateFault(
        holdsRoutes ? "session-reset" : "attribute-discard",
        UPDATE_ERROR.MALFORMED_ATTRIBUTE_LIST,
        `${name} appears more than once`,
        type,
      ),
    );
  }

  private readAttribute(at: number, type: number, valueAt: number, octets: number): void {
    if (this.context.brakes !== undefined && this.brakes(type)) return;
    const row = ATTRIBUTE_TABLE[type]!;
    if (row === null) {
      this.readUnknown(at, type, valueAt, octets);
      return;
    }
    if (row.kept !== "always" && this.ignores(row)) return;
    const flags = this.buf[at]!;
    const isWrong = flagsAreWrong(row, flags);
    let fault: Fault | null = null;
    // Where flags are wrong, the routes are read all the same: they are what is withdrawn.
    if (type === ATTR.MP_REACH_NLRI) {
      fault = readMpReach(this.buf, valueAt, octets, this.context, this.reachable);
    } else if (type === ATTR.MP_UNREACH_NLRI) {
      fault = readMpUnreach(this.buf, valueAt, octets, this.context, this.unreachable);
    } else if (!isWrong) fault = row.check(this.buf, valueAt, octets, this.context);
    if (isWrong) fault ??= badFlags(row, flags);
    if (fault === null) {
      // PARTIAL says something of optional transitive attributes alone (RFC 4271 section 4.3).
      const partial = row.flags === OPTIONAL_TRANSITIVE ? flags & ATTR_FLAG.PARTIAL : 0;
      this.set.keep(at, type, row.flags | partial, octets);
    } else {
      this.set.inPlace = false;
      this.add(this.withData(fault, at, valueAt + octets));
    }
  }

  /** Whether the operator has said that an attribute is not to be looked at; before all that RFCs say of it. */
  private brakes(type: number): boolean {
    const { discard, treatAsWithdraw } = this.context.brakes!;
    if (treatAsWithdraw.includes(type)) this.braked = type;
    else if (discard.includes(type)) this.add(brakeFault("attribute-discard", type));
    else return false;
    this.set.inPlace = false;
    return true;
  }

  /** Whether the attribute means nothing on this session, and nothing about it is checked. */
  private ignores(row: AttributeRow): boolean {
    if (row.kept === "internal") {
      if (!this.context.external) return false;
      // RFC 7606 sections 7.5, 7.9 and 7.10.
      this.add(FROM_EXTERNAL_PEER[row.type]!);
    } else if (row.kept === "aigp") {
      if (this.context.aigp) return false;
    } else if (row.kept !== "as4" || !this.context.fourOctetAs) return false;
    this.set.inPlace = false;
    return true;
  }

  /** RFC 4271 section 5: what is not known is passed on when it is optional and transitive. */
  private readUnknown(at: number, type: number, valueAt: number, octets: number): void {
    const flags = this.buf[at]!;
    if ((flags & ATTR_FLAG.OPTIONAL) === 0) {
      const reason = `well-known attribute ${type} is not known`;
      const subcode = UPDATE_ERROR.UNRECOGNIZED_WELL_KNOWN;
      this.set.inPlace = false;
      const fault = updateFault("session-reset", subcode, reason, type);
      this.add(this.withData(fault, at, valueAt + octets));
    } else if ((flags & ATTR_FLAG.TRANSITIVE) === 0) this.set.inPlace = false;
    else this.set.keep(at, type, OPTIONAL_TRANSITIVE | ATTR_FLAG.PARTIAL, octets);
  }

  /** A NOTIFICATION about an attribute carries it from its flags on (RFC 4271 section 6.3). */
  private withData(fault: Fault, at: number, end: number): Fault {
    if (fault.action !== "session-reset") return fault;
    const data = this.buf.slice(at, end);
    return new Fault(fault.action, fault.code, fault.subcode, fault.reason, fault.attribute, data);
  }

  /** What can only be said of the message as a whole. */
  private checkWhole(at: number, end: number): void {
    const { announced, reachable, unreachable, set } = this;
    // Routes of a family that is not negotiated are ignored, with all that may be wrong with them.
    const field = announced.at !== announced.end && announced.family !== 0;
    const mp = reachable.at !== reachable.end && reachable.family !== 0;
    if (field || mp) {
      const { external } = this.context;
      const nextHop = field ? 1 << ATTR.NEXT_HOP : 0;
      this.checkMandatory(MANDATORY | nextHop | (external ? 0 : 1 << ATTR.LOCAL_PREF));
    }
    if (field && set.has(ATTR.NEXT_HOP)) this.checkNextHop(set.at(ATTR.NEXT_HOP), 4);
    if (mp) this.checkMpNextHop();
    if (announced.at !== announced.end || reachable.at !== reachable.end) {
      if (this.braked !== 0) this.add(brakeFault("treat-as-withdraw", this.braked));
      return;
    }
    if (this.action === ACTION_WEIGHT["treat-as-withdraw"]) {
      // RFC 7606 section 5.2: there should be routes to withdraw, and they were not found.
      const { subcode, reason, attribute } = this.faults.find(
        ({ action }) => action === "treat-as-withdraw",
      )!;
      const text = `${reason}, and the message has no reachable routes`;
      this.add(updateFault("session-reset", subcode, text, attribute));
    } else if (end - at === UPDATE_OCTETS_MIN) this.endOfRib = announced.family;
    else if (
      this.action === 0 &&
      this.withdrawn.at === this.withdrawn.end &&
      unreachable.at === unreachable.end &&
      set.isOnly(ATTR.MP_UNREACH_NLRI)
    ) {
      this.endOfRib = unreachable.family;
    }
  }

  /** RFC 7606 section 3 d; LOCAL_PREF by RFC 4271 section 5.1.5. */
  private checkMandatory(wanted: number): void {
    for (let missing = this.set.missing(wanted); missing !== 0; missing &= missing - 1) {
      const type = 31 - Math.clz32(missing & -missing);
      const reason = `${ATTRIBUTE_TABLE[type]!.name} is missing`;
      this.add(updateFault("treat-as-withdraw", UPDATE_ERROR.MISSING_WELL_KNOWN, reason, type));
    }
  }

  private checkMpNextHop(): void {
    const { family, nextHopAt, nextHopOctets } = this.reachable;
    this.checkNextHop(nextHopAt, nextHopOctets);
    if (family !== FAMILY.IPV4_UNICAST || nextHopOctets === 4) return;
    if ((this.context.extendedNextHop & family) !== 0) return;
    const address = formatNextHop(this.buf, nextHopAt, nextHopOctets);
    const reason = `next hop ${address} of IPv4 routes, and RFC 8950 was not negotiated`;
    const subcode = UPDATE_ERROR.OPTIONAL_ATTRIBUTE;
    this.add(updateFault("treat-as-withdraw", subcode, reason, ATTR.MP_REACH_NLRI));
  }

  /** RFC 4271 section 6.3: a next hop must be the address of a host. */
  private checkNextHop(at: number, octets: number): void {
    if (!isMartianNextHop(this.buf, at, octets)) return;
    const type = octets === 4 ? ATTR.NEXT_HOP : ATTR.MP_REACH_NLRI;
    const reason = `next hop ${formatNextHop(this.buf, at, octets)} is no address of a host`;
    this.add(updateFault("treat-as-withdraw", UPDATE_ERROR.INVALID_NEXT_HOP, reason, type));
  }
}

function brakeFault(action: "attribute-discard" | "treat-as-withdraw", type: number): Fault {
  const name = ATTRIBUTE_TABLE[type]?.name ?? `attribute ${type}`;
  const what = action === "attribute-discard" ? "left out" : "treated as a withdrawal";
  const reason = `${name} is ${what}, as path-attribute says`;
  return updateFault(action, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, reason, type);
}

/**
 * RFC 7606 section 3 c, which says nothing of PARTIAL. FRR minds that on well-known attributes (RFC
 * 4271 section 4.3), which costs a route; on optional ones, where it might cost a session, nobody does.
 */
function flagsAreWrong(row: AttributeRow, flags: number): boolean {
  if (((flags ^ row.flags) & OPTIONAL_TRANSITIVE) !== 0) return true;
  return (flags & ATTR_FLAG.PARTIAL) !== 0 && (row.flags & ATTR_FLAG.OPTIONAL) === 0;
}

function badFlags(row: AttributeRow, flags: number): Fault {
  const found = `0x${(flags & FLAG_BITS_IN_USE).toString(16)}`;
  const reason = `${row.name} flags ${found} are not 0x${row.flags.toString(16)}`;
  const action = row.wrongFlags ?? "treat-as-withdraw";
  return updateFault(action, UPDATE_ERROR.ATTRIBUTE_FLAGS, reason, row.type);
}
