/**
 * BGP-4 messages: octets to values and back, with verdicts on what is wrong with them.
 *
 * Octets of a connection are cut into messages by `messageLength`. OPEN, NOTIFICATION, KEEPALIVE
 * and ROUTE-REFRESH are small and rare: each has a decoder to a value and an encoder from one.
 * UPDATE is what a speaker spends its time on, and has two readers:
 *
 * - `UpdateReader`, for sessions: allocates nothing, finds the routes by their offsets and gives
 *   the path attributes as *canonical octets*, the one form in which a set of attributes is stored,
 *   compared and counted. `canonical.ts` walks such octets, `UpdateWriter` sends them.
 * - `decodeMessages`, for people and tests: JSON of everything, `encodeUpdate` its inverse.
 *
 * Both take their verdicts from one attribute table (RFC 7606): a row per attribute with its name,
 * flags, check and JSON form. Nothing that a peer sends throws; what is wrong is a `Fault`, a value
 * with the action to take. Encoders throw on values that are not of their shape, since those are a
 * programmer's.
 *
 * RFCs: 4271 (BGP-4), 1997, 4360, 5668, 5701, 8092, 8097 (communities), 2545, 4760, 8950
 * (multiprotocol), 2918, 7313 (route refresh), 4456 (reflection), 4486, 6608, 8538, 9003, 9384,
 * 9687 (NOTIFICATION), 4724, 9494 (graceful restart), 5065 (confederations), 5492, 9072 (OPEN),
 * 6286, 6793, 7607, 9774 (AS numbers and identifiers), 7311 (AIGP), 7606 (error handling), 7911
 * (ADD-PATH), 8654 (extended messages), 9234 (roles and OTC); checked and passed on: 6514, 8669,
 * 9012, 9552.
 */

export {
  type AsPathSegment,
  type AsPathValue,
  decodeAsPath,
  encodeAsPath,
  formatAsPath,
  type SegmentName,
} from "./as-path.ts";
export type { AttributeRow, Kept, UpdateContext } from "./attribute.ts";
export {
  AttributeRewriter,
  communitiesLeftOut,
  LOCAL_PREF_DEFAULT,
  type WireForm,
} from "./attribute-rewriter.ts";
export { ATTRIBUTE_TABLE, attributeName } from "./attribute-table.ts";
export {
  type AttributeFlags,
  type AttributeValue,
  type DecodedAttribute,
  decodeAttributes,
  encodeAttributes,
} from "./attribute-values.ts";
export {
  type AsPathFacts,
  attributeValueAt,
  attributeValueOctets,
  countAs,
  faultText,
  findAttribute,
  nextAttribute,
  readAsPathFacts,
} from "./canonical.ts";
export { type AfiSafi, type Capability, encodeCapability, isCapability } from "./capability.ts";
export {
  COMMUNITY_OCTETS,
  type CommunityKind,
  formatCommunity,
  formatCommunityNumbers,
  parseCommunityOf,
  WELL_KNOWN_COMMUNITIES,
} from "./community.ts";
export {
  AFI,
  AS_TRANS,
  ATTR,
  ATTR_FLAG,
  EXTENDED_MESSAGE_OCTETS_MAX,
  FAMILY,
  type Family,
  HEADER_OCTETS,
  MESSAGE,
  MESSAGE_OCTETS_MAX,
  SAFI,
  SEGMENT,
  UPDATE_ERROR,
} from "./constants.ts";
export {
  capabilityJson,
  type DecodedFault,
  type DecodedMessage,
  type DecodedUpdate,
  type DecodeOptions,
  decodeMessages,
} from "./decode.ts";
export { encodeUpdate, type UpdateValue } from "./encode-update.ts";
export { familyAfi, familyBit, familyName } from "./family.ts";
export { ACTION_WEIGHT, Fault, type FaultAction } from "./fault.ts";
export { messageLength } from "./frame.ts";
export { KEEPALIVE_OCTETS } from "./keepalive.ts";
export type { ReachableSection, Section } from "./multiprotocol.ts";
export { decodeRoutes, encodeRoutes, type Route } from "./nlri.ts";
export {
  CEASE,
  decodeNotification,
  encodeNotification,
  hardResetData,
  isHardReset,
  NOTIFICATION,
  type NotificationMessage,
  notificationName,
  notificationText,
  shutdownData,
  shutdownText,
} from "./notification.ts";
export { copyOctets, readU16, readU32, writeU16, writeU32 } from "./octets.ts";
export { decodeOpen, encodeOpen, type OpenMessage } from "./open.ts";
export {
  decodeRouteRefresh,
  encodeRouteRefresh,
  ROUTE_REFRESH,
  type RouteRefreshMessage,
} from "./route-refresh.ts";
export {
  formatAddress,
  formatHex,
  formatIpv4,
  formatIpv6,
  formatNextHop,
  formatPrefix,
  type Prefix,
  parseAddress,
  parseHex,
  parseIpv4,
  parseIpv6,
  parseNextHop,
  parsePrefix,
} from "./text.ts";
export { UpdateReader } from "./update-reader.ts";
export { UpdateWriter } from "./update-writer.ts";
