/**
 * The daemon around a speaker or a side of a pair: files, interfaces, logs.
 *
 *     daemon.ts              start, stop, reload
 *     control.ts             the control socket, both ends              commands.ts    what it can be asked
 *     control-path.ts        where that socket is
 *     metrics.ts, ...-metrics.ts, metric-text.ts    what is measured    logging.ts     pino
 *     http.ts, http-worker.ts, http-server.ts   Prometheus, health and the API, in a thread of its own
 *     api/                   what programs ask over HTTP, and who may
 *     route-pages.ts         answers with many items
 *     turns.ts, shared.ts    how those who ask share the thread that routes
 *     observers.ts           feeds, and webhook.ts: events to whoever is told by HTTP, from a thread of its own
 *     service-manager.ts     systemd: ready, status, watchdog
 *     config-file.ts, config-worker.ts   the configuration file, in a thread of its own
 *     mirror/                a copy of somebody else's speaker, and who may have one
 *     past/                  what can be asked of a record, and the processes that look it up
 *     service.ts             what a process without a speaker has
 *     spare/                 no speaker at all: processes with one each
 *     followers.ts, followers-worker.ts, follower.ts    those who follow the routes, in a thread of their own
 *     forward/               no speaker either: one who follows, and a kernel's routes
 *     stand-in.ts            what a standby can be asked            places.ts      where sides keep notes
 *     inherited.ts           a configuration that is newer than this side's file
 *     config-trials.ts       configurations that go back unless confirmed
 *     what-if.ts, what-if-worker.ts   what another configuration would do, by a copy of the state
 *
 * Nothing here may hold the thread that routes.
 */

export { fileKind } from "@ts-bgp/config";
export { PlaybackError } from "@ts-bgp/nsr";
export type {
  OfMember,
  ShownCluster,
  ShownMember,
  ShownMembership,
  ShownTeller,
  SilentMember,
} from "./cluster/shown.ts";
export type { ShownConnection, ShownMirrors, ShownPayloadSource } from "./commands.ts";
export {
  ConfigFileError,
  readConfigFile,
  readConfigText,
  readForwardFile,
  readMirrorFile,
  readSpareFile,
  UnusableFileError,
} from "./config-file.ts";
export type { ShownConfigTrial, ShownPastConfig, ShownReloads } from "./config-trials.ts";
export type { ControlRequest } from "./control.ts";
export { ControlError as AnswerError } from "./control.ts";
export { defaultControlSocket } from "./control-path.ts";
export { Daemon, type DaemonOptions } from "./daemon.ts";
export type {
  ShownFeedFiles,
  ShownFeedStation,
  ShownFeedStatus,
  ShownFeeds,
} from "./feed-commands.ts";
export type { ShownFollower, ShownFollowers } from "./follower-orders.ts";
export { diagnoseForwardFile } from "./forward/doctor.ts";
export { Forward, type ShownForward, type ShownServer } from "./forward/forward.ts";
export { Mirror, type MirrorOptions } from "./mirror/mirror.ts";
export {
  type AskedRecord,
  askPast,
  diffPast,
  historyOf,
  type PastChange,
  pastAt,
  type ReplayedFile,
  replayRecord,
} from "./past/past.ts";
export type { Running } from "./service.ts";
export { type ShownSpare, Spare } from "./spare/spare.ts";
export type { ShownSpared } from "./spare/spared-side.ts";
export type { ShownTrial } from "./what-if.ts";
