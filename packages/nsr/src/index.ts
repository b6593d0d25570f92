/**
 * Nonstop routing: one side of a pair, around the machine of `@ts-bgp/pair` and a speaker.
 *
 *     pair.ts                one side: does what the machine says        tenure.ts   as long as it is active
 *     active-side.ts, standby-side.ts    what it does in its role
 *     router-clock.ts        the time of the active's router, at the standby
 *     pair-log.ts, switchover.ts, show-nsr.ts    what is told
 *     arbiter.ts, local-arbiter.ts, etcd-arbiter.ts    who may be active      role-asker.ts   asks
 *     etcd-client.ts, etcd-http.ts, etcd-answers.ts    of etcd
 *     etcd-entries.ts        keys with a lease there, for the cluster
 *     link.ts, links.ts, unix-server.ts, heartbeats.ts, heartbeat-worker.ts      streams and heartbeats between the sides
 *     link-thread.ts, link-worker.ts    the standby's end of the link, in a thread of its own
 *     standby-log.ts, log-of-stream.ts, log-thread.ts, log-worker.ts, read-log.ts    what a standby keeps on disk
 *     stream.ts              which brackets an active has for one that comes again with that
 *     mirror-server.ts, mirror-link.ts, mirror-follower.ts, mirror-types.ts, mirror-hello.ts, mirror-age.ts, server-choice.ts
 *                            those who only want to know, and whom they follow
 *     mirror-relay.ts        what they pass on to others of them
 *     recorder.ts, record-thread.ts, record-worker.ts, record-files.ts    what was, on disk
 *     record-player.ts, unpacked-file.ts    of there
 *     lobby.ts, refusals.ts, private-folder.ts, certificate-check.ts    who is let in there
 *     pair-gate.ts, protector.ts, resume.ts, host.ts, service-addresses.ts    what `takeover` does for it
 *     thread-failure.ts      an exception in a thread ends the process
 *     suspects.ts            neighbors whose message ended a side
 *     handover-check.ts      what the other side says of its connections, before it is believed
 *     probe-pair.ts, probe-etcd.ts    link, arbiter and addresses, for the doctor
 */

export { type CertificateProblem, certificateProblem } from "./certificate-check.ts";
export { createArbiter } from "./create-arbiter.ts";
export { lingerMs } from "./heartbeats.ts";
export { type HostNeeds, limitsOf, needsOf } from "./host.ts";
export { MirrorFollower } from "./mirror-follower.ts";
export {
  type Mirrored,
  MirrorServer,
  type ShownMirror,
  type ShownServing,
} from "./mirror-server.ts";
export type { ShownFollowing } from "./mirror-types.ts";
export { Pair } from "./pair.ts";
export { makePrivateFolder } from "./private-folder.ts";
export { probeMembership } from "./probe-etcd.ts";
export { probePair } from "./probe-pair.ts";
export {
  type Difference,
  Playback,
  PlaybackError,
  type Progress,
  playTo,
  recordedIn,
  startPlayback,
} from "./record-player.ts";
export { Recorder, type ShownRecord } from "./recorder.ts";
export { type ShownNsr, showNsr } from "./show-nsr.ts";
export type { ShownLog } from "./standby-log.ts";
export { newStream } from "./stream.ts";
export type { Outcome, Switchover } from "./switchover.ts";
