/**
 * Two processes, one router: the argument of nonstop routing, and the code that carries it.
 *
 * **One idea.** The router is a pure function of the calls that it gets. The active writes every call
 * down before anybody can see what came of it; the calls of one slice are one *bracket*. A standby that
 * has stored a bracket can do exactly the same, so it has everything: routes, sessions, timers, what
 * each peer was sent, to the octet. It acknowledges a bracket when it has stored it, and runs it after
 * that.
 *
 *     peer -> TCP -> [gate] -> call -> journal -> router -> outputs  ...wait...  -> TCP -> peer
 *                      ^                  |                             ^
 *                      |                  | bracket n                   |
 *                      |                  v                             |
 *                      |               standby: store, acknowledge n ---+
 *                      '--- TCP may acknowledge what n received --------'
 *
 * On the acknowledgement of bracket n two things happen, and not before: the peers' TCP is told that the
 * octets which n received have arrived, and the octets that n wants to send leave. So at any instant
 * what a peer believes to have been received is on the standby, and what a peer may have received is on
 * the standby. The active can die at any instruction. The standby runs what it has stored; peers send
 * again what was not acknowledged; the standby sends again what peers have not acknowledged, from the
 * octet that each one expects. No message is lost, doubled or cut.
 *
 * - I1 acknowledged to a peer <= received in the last bracket that the standby has stored
 * - I2 written to a peer <= written in that bracket
 * - I3 the standby is always in the state after some whole bracket
 * - I4 one process at most writes to a connection: a new epoch begins when the old active is fenced
 * - I5 with no declared standby I1 and I2 are void, and the pair says so
 *
 * **Joining.** Between two slices the active writes its state down as an *image*: its objects, with their
 * columns as they are. It holds up routing for about 0.1 s per million routes, once. From then on it
 * writes the journal. When the standby has caught up, the gate is closed; when nothing is with a peer
 * that the standby has not got, it is declared, by a word of the arbiter. From then on it may take over.
 *
 * **Links.** The stream is a sequence of numbered brackets, and so is not bound to one link. A standby whose
 * link is cut or silent comes by another one, and says which bracket it needs next. The active still has
 * what was not acknowledged, and goes on there: nothing is lost or doubled, and no right changes. While no
 * link is up nothing is acknowledged, so nothing leaves; in the end patience counts as with any standby.
 *
 * **Several standbys.** A bracket is let out when each of those that are waited for has stored it. So all have
 * what peers have seen, and any of them may take over. They may differ in brackets that were not let out: who
 * takes over goes on with connections once the others have stored what it has, or have lost their right.
 *
 * **Mirrors.** Whoever only wants to know what the router knows is sent the image, and the brackets that are out.
 * It runs them as a standby does, and nobody waits for it, so it costs what it takes to send them. What is out is
 * with all standbys: it goes on with whoever takes over.
 *
 * **What must not go wrong, and how it is seen.** That both sides do the same is checked in every bracket,
 * by a checksum of what it put out, and every second by digests of the tables. A difference is named and
 * counted, the standby loses its right, and it joins again.
 *
 * **Inputs always, outputs where they may differ.** A standby that runs another program, or has differed, is
 * sent the outputs of each bracket as well. Where it comes to others, those of the active count as done: they
 * are in its ledger, so every connection is known to the octet, and it keeps its right. What it has to do at a
 * takeover, so that each peer ends with what this side says, is known to the router's `Deviations`.
 *
 *     octet-* tlv record-kinds records frames        the stream: records in frames
 *     json-fields                                    what JSON in them says, checked
 *     image image-* machine-image                    a router as octets, and on its way
 *     machine ledger journal replay outputs-*        calls, outputs, and what TCP has of each connection
 *     active standby receipts digest                 who may let what out when
 *     mirrors conceal                                those who only want to know
 *     recent-brackets log-reader                     for a standby that comes again after its end
 *     record-reader replay-difference                what was, from a file; what is not the same
 *
 * Pure: no clock, no I/O. What a peer's fault may break is checked by the router; octets of the stream
 * that are not what this code writes throw a FormatError.
 */

export { type AbortCondition, abortIfText, abortReason, parseAbortIf } from "./abort-if.ts";
export { Active } from "./active.ts";
export type {
  ActiveEvent,
  ActiveHooks,
  ActiveOptions,
  ActiveState,
  Estate,
  Joining,
  StandbyState,
} from "./active-types.ts";
export { CaptureRoom } from "./capture-room.ts";
export { concealInSteps } from "./conceal.ts";
export type { ConfigAbout, ConfigHistory, ConfigTrial, PastConfig } from "./config-history.ts";
export { configFrom, configInSteps, configOctets, replicated } from "./config-octets.ts";
export { type Deviation, DeviationNews, deviationText } from "./deviation.ts";
export { differences, digestOf } from "./digest.ts";
export { FRAME_OCTETS_MAX, FrameReader, frameOf, type Sender } from "./frames.ts";
export { ImageQueue } from "./image-queue.ts";
export { Journal, type Made } from "./journal.ts";
export { type DigestValue, isObject } from "./json-fields.ts";
export { Ledger, LedgerConnection, SendBuffer } from "./ledger.ts";
export { type LogHead, type LogOwner, LogReader } from "./log-reader.ts";
export {
  type Call,
  type CallName,
  Machine,
  type ResultOf,
} from "./machine.ts";
export { machineCapture, machineFromImage, machineImage, prepareCapture } from "./machine-image.ts";
export { MIRROR_OCTETS_MAX, type MirrorHooks, Mirrors } from "./mirrors.ts";
export { FormatError } from "./octet-reader.ts";
export { outputsFrom, outputsOctets } from "./outputs-octets.ts";
export { outputsSum } from "./outputs-sum.ts";
export { Receipts } from "./receipts.ts";
export { RecordedByNewer, type RecordHead, RecordReader, ReplayDiffers } from "./record-reader.ts";
export { type AnyRecord, type RecordOf, STREAM_VERSION } from "./records.ts";
export { replay } from "./replay.ts";
export type { DifferingRoute } from "./replay-difference.ts";
export { Standby, type StandbyHooks } from "./standby.ts";
