/**
 * Taking over live TCP connections on Linux, without a compiled addon and without a changed kernel.
 *
 *     libc.ts, netlink.ts    the kernel's interfaces
 *     socket-address.ts, socket-options.ts, congestion-control.ts, accept.ts
 *     tcp-state.ts           what a connection is made of
 *       tcp-state-check.ts   whether what another process says is that
 *     tcp-restore.ts         building its socket again
 *     resume.ts              many at once; where is the peer?
 *       resume-thread.ts, resume-worker.ts, loopback.ts
 *     socket-destroy.ts      what a dead process left
 *     gate.ts                acknowledgements wait for the standby; no FIN or RST that is not meant
 *       gate-worker.ts, gate-table.ts, gate-packet.ts, gate-rules.ts, nfqueue.ts
 *     addresses.ts           service addresses that move
 *       neighbor-frames.ts   ARP, neighbor discovery
 *     capabilities.ts        what this process may do
 *     fence.ts               the other process is dead for good
 *     exit.ts                the end of this one
 *     process-end.ts         why one that was killed is still there
 *     black-box.ts           what one that died of its own doing was at
 *     peer-credentials.ts    who is at the other end of a Unix socket
 *     lease.ts               until when this side may act
 *     datagram.ts            to Unix sockets
 *     hand-over.ts           connections for another process
 *     udp-socket.ts          UDP with TTL rules, and from addresses that are elsewhere
 *     doctor.ts, probes.ts, host-limits.ts
 *                            whether this host can do all that
 *
 * The life of a protected connection. At establishment `snapshot` reads its state once, and
 * `Gate.protect` takes its flow. From then on both sides know its sequence numbers from the octets
 * they count; `Gate.release` follows what the standby has. When the active dies, its kernel's FIN
 * or RST finds a queue that nobody answers, and is dropped. The standby fences the active, takes
 * the queue and the addresses, and `resumeConnections` builds every socket again. A planned
 * switchover uses `freeze` and `closeSilently` in place of the crash, and nothing has to be asked.
 *
 * What a connection loses: its congestion state, and the peer's segments while nobody was there,
 * which the peer sends again. What it keeps: sequence numbers, options of the handshake, MD5 keys,
 * TTL rules, timestamps that go on.
 *
 * RFCs: 9293 (TCP), 7323 (window scale, timestamps, PAWS), 2018 (SACK), 2385 (MD5), 5082 (GTSM),
 * 826 and 5227 (ARP), 4861 (neighbor discovery), 4443 (ICMPv6).
 */

export {
  type AcceptedConnection,
  acceptNext,
  acceptStream,
  closeConnection,
  resetConnection,
} from "./accept.ts";
export {
  addAddresses,
  announceAddresses,
  isInterfaceUp,
  removeAddress,
  type ServiceAddress,
  whoHas,
} from "./addresses.ts";
export { BlackBox, type LastEnd, readLastEnd, readNotes } from "./black-box.ts";
export { type Capability, missingCapabilities } from "./capabilities.ts";
export {
  CONGESTION_CONTROL,
  type CongestionControls,
  congestionControlOf,
  congestionControlProblem,
  congestionControls,
  setCongestionControl,
} from "./congestion-control.ts";
export { sendDatagram } from "./datagram.ts";
export { diagnose, type Probe, type Probes } from "./doctor.ts";
export type { DoctorRow } from "./doctor-row.ts";
export { exitAtOnce } from "./exit.ts";
export { type ExitWatch, flock, hasExited, killAndWait, pidfdOpen, watchExit } from "./fence.ts";
export { Gate, type GateCounters, type GateEnd, type GateOptions } from "./gate.ts";
export { type GateRules, GateRulesError, type RuleKind } from "./gate-rules.ts";
export type { FlowSlot } from "./gate-table.ts";
export { handOver, takeHandedOver } from "./hand-over.ts";
export {
  BACKLOG_MAX,
  connectionTracking,
  type HostSizes,
  judgeLimits,
  NO_SIZES,
  readHostLimits,
} from "./host-limits.ts";
export { bootMs, Lease } from "./lease.ts";
export { destroyConnectionsOf } from "./leftovers.ts";
export { KernelError, setBuffer } from "./libc.ts";
export { isOwnUser, type PeerCredentials, peerCredentials } from "./peer-credentials.ts";
export { HEARTBEAT_PRIORITY, raiseLoopPriority } from "./priority.ts";
export { type ProbeOptions, probeHost, probeSockets, type SocketProbes } from "./probes.ts";
export { whyNotEnded } from "./process-end.ts";
export {
  type ResumeDeps,
  type ResumeOutcome,
  type ResumeRequest,
  resumeConnections,
} from "./resume.ts";
export { type ResumeList, ResumeThread } from "./resume-thread.ts";
export { octetsBetween, sequenceAfter, sequenceDistance } from "./sequence.ts";
export type { SocketAddress } from "./socket-address.ts";
export { destroySocket, destroySockets, type Ends } from "./socket-destroy.ts";
export {
  descriptorOf,
  MD5_KEY_OCTETS_MAX,
  SocketOptionError,
  type SocketProtection,
  setListenOptions,
  setMd5Key,
  setSessionOptions,
} from "./socket-options.ts";
export { goOnIfStuck } from "./tcp-restore.ts";
export {
  acknowledgedOctets,
  closeSilently,
  type FrozenTcpState,
  freeze,
  receivedOctets,
  snapshot,
  type TcpState,
  thaw,
} from "./tcp-state.ts";
export { isTcpState } from "./tcp-state-check.ts";
export { closeUdp, openUdpReceiver, openUdpSender, sendUdp } from "./udp-socket.ts";
