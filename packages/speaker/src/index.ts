/**
 * The daemon shell around the router: what the pure packages may not touch.
 *
 *     speaker.ts     time, slices, and the router's outputs    transport.ts   TCP
 *     daemon.ts      start, stop, reload
 *     control.ts     the control socket, both ends              commands.ts    what it can be asked
 *     control-path.ts, private-folder.ts    where sockets are, and whether others could replace them
 *     metrics.ts, ...-metrics.ts   what is measured             logging.ts     pino
 *     http.ts, http-worker.ts, http-server.ts   Prometheus and health, in a thread of its own
 *     turns.ts    how those who ask share the thread that routes
 *     accept-more.ts, turned-away.ts    listening sockets in a flood
 *     service-manager.ts    systemd: ready, status, watchdog
 *     config-file.ts, config-worker.ts   the configuration file, in a thread of its own
 *
 * and, of a pair:
 *
 *     pair.ts                one side: takes a role, and another one when its time has come
 *     active-side.ts, standby-side.ts    what it does in its role       pair-log.ts, switchover.ts   what is told
 *     arbiter.ts, local-arbiter.ts, etcd-arbiter.ts    who may be active
 *     link.ts, links.ts, beats.ts, beat-worker.ts      streams and heartbeats between the sides
 *     link-thread.ts, link-worker.ts    the standby's end of the link, in a thread of its own
 *     lobby.ts, refusals.ts, private-folder.ts, certificate-check.ts    who is let in there
 *     pair-gate.ts, protector.ts, resume.ts, host.ts, service-addresses.ts    what `takeover` does for it
 *     inherited.ts           a configuration that is newer than this side's file
 *     probe-pair.ts          link, arbiter and addresses, for the doctor
 *     show-nsr.ts, nsr-metrics.ts        what an operator sees of it
 *
 * All routing is in one thread. A slice of routing work lasts a few milliseconds, then timers and sockets get their
 * turn, so that no KEEPALIVE is late however much there is to do.
 *
 * RFCs: 2385 (TCP MD5), 5082 (GTSM).
 */

export { type CertificateProblem, certificateProblem } from "./certificate-check.ts";
export type { ShownConnection } from "./commands.ts";
export { ConfigFileError, readConfigFile, UnusableFileError } from "./config-file.ts";
export type { ControlRequest } from "./control.ts";
export { defaultControlSocket } from "./control-path.ts";
export { Daemon, type DaemonOptions } from "./daemon.ts";
export { type HostNeeds, needsOf } from "./host.ts";
export type { LogEvent } from "./log-event.ts";
export { makePrivateFolder } from "./private-folder.ts";
export { probePair } from "./probe-pair.ts";
export type { ShownNsr } from "./show-nsr.ts";
export { nowMs, Speaker } from "./speaker.ts";
export type { Outcome, Switchover } from "./switchover.ts";
