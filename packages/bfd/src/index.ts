/**
 * Bidirectional Forwarding Detection, pure: packets and states, no clock, no socket and no chance.
 *
 *     packet.ts             the Control packet
 *     authentication.ts     its authentication sections
 *     session.ts            states, intervals, and what is to be sent when
 *     sequence.ts           sequence numbers that another process can go on with
 *
 * The shell gives packets that it has received, and the time; it gets packets to be sent, and the changes
 * of state. A `BfdRecord` is all that another process needs in order to go on as the same session.
 *
 * RFCs: 5880 (asynchronous mode, polls, authentication), 5881 (single hop), 5882, 5883 (several hops).
 */

export {
  authSecretOctetsMax,
  BFD_AUTH_TYPES,
  type BfdAuth,
  type BfdAuthType,
  type Digest,
  type SequenceSeen,
  signPacket,
  verifyPacket,
} from "./authentication.ts";
export {
  BFD_STATES,
  type BfdPacket,
  type BfdState,
  DIAGNOSTIC,
  DIAGNOSTIC_NAMES,
  decodePacket,
  encodePacket,
  PACKET_OCTETS_MAX,
  type ReadPacket,
} from "./packet.ts";
export { movedSequence, type Sequence, sequenceAt } from "./sequence.ts";
export {
  type BfdAction,
  type BfdChange,
  type BfdConfig,
  type BfdRecord,
  type BfdRemote,
  type BfdSession,
  beginSession,
  deafen,
  detectionUs,
  expireDue,
  farewell,
  intervalUs,
  listen,
  newRecord,
  nextMs,
  received,
  reconfigure,
  sendDue,
  TRANSITIONS,
} from "./session.ts";
