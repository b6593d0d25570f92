/** A socket to the kernel's routes: all that there are, changes of some, and word of those that others make. */

import {
  check,
  EAGAIN,
  EINTR,
  ENOENT,
  errno,
  KernelError,
  libc,
  MSG_DONTWAIT,
  SOL_SOCKET,
  setBuffer,
  setInt,
} from "@ts-bgp/takeover/libc";
import {
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  NLMSG_HEADER_OCTETS,
  nlmsghdr,
  openNetlink,
} from "@ts-bgp/takeover/netlink";
import type { Family } from "@ts-bgp/wire-codec";
import {
  type KernelRoute,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTPROT_BGP,
  readRoute,
  routesRequest,
} from "./kernel-route.ts";
import {
  type NextHopObject,
  NHMSG_OCTETS,
  RTM_DELNEXTHOP,
  RTM_GETNEXTHOP,
  RTM_NEWNEXTHOP,
  readNextHop,
} from "./next-hop-object.ts";

const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_GET_STRICT_CHK = 12;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLMSG_DONE = 3;
const RECEIVE_OCTETS = 1 << 16;
const BUFFER_OCTETS = 1 << 20;
/** A table that changes while it is read is read again, so often at most. */
const DUMPS_MAX = 20;
/** Of links, and of addresses and routes of both families. */
const GROUPS = [1, 5, 7, 9, 11];
const GROUP_OF_NEXT_HOPS = 32;
const PORT_AT = 12;
const SO_ATTACH_FILTER = 26;
const SOCK_FPROG_OCTETS = 16;

export class RouteSocket {
  private readonly fd: number;
  private readonly answer: Buffer = Buffer.alloc(RECEIVE_OCTETS);
  private sequence = 1 << 16;
  /** What the kernel knows this socket by, once it has answered. */
  private port = 0;

  constructor() {
    this.fd = openNetlink(NETLINK_ROUTE);
    // The kernel looks at what is asked for, and answers with no more.
    setInt(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1, "strict netlink requests");
    setInt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1, "short netlink answers");
    setBuffer(this.fd, "receive", BUFFER_OCTETS);
  }

  close(): void {
    libc().close(this.fd);
  }

  /**
   * Has routes changed, in order.
   *
   * @param messages - numbered from 0; the last one is acknowledged
   * @param failed - told the kernel's reason (errno) of each that it refuses
   * @throws KernelError when there is no answer: what was changed is not known
   */
  change(messages: Buffer, count: number, failed: (number: number, reason: number) => void): void {
    check(libc().send(this.fd, messages, messages.length, 0), "routes to the kernel");
    this.receive((type, number, octets) => {
      // Of a reading before that was given up.
      if (type !== NLMSG_ERROR || number >= count) return false;
      const reason = -octets.readInt32LE(0);
      if (reason !== 0) failed(number, reason);
      return number === count - 1;
    });
  }

  /**
   * Has objects changed, in order.
   *
   * @param messages - numbered from `from`
   * @param failed - told the kernel's reason (errno) of each that it refuses
   * @throws KernelError as `change` does
   */
  changeObjects(messages: readonly Buffer[], from: number, failed: (reason: number) => void): void {
    const last = messages.at(-1)!;
    last.writeUInt16LE(last.readUInt16LE(6) | NLM_F_ACK, 6);
    const octets = Buffer.concat(messages);
    const end = from + messages.length;
    check(libc().send(this.fd, octets, octets.length, 0), "next hops to the kernel");
    this.receive((type, number, answer) => {
      if (type !== NLMSG_ERROR || number < from || number >= end) return false;
      const reason = -answer.readInt32LE(0);
      if (reason !== 0) failed(reason);
      return number === end - 1;
    });
  }

  /**
   * Reads all routes of a table, 0 for all tables; there are none where the kernel does not have the table.
   *
   * @param protocol - 0 for any
   * @param begin - called before the first route, and again when what was read is void, as routes have changed
   * @param take - told each route
   * @throws KernelError
   */
  read(
    family: Family,
    table: number,
    protocol: number,
    begin: () => void,
    take: (route: KernelRoute) => void,
  ): void {
    const isWanted = (route: KernelRoute) =>
      // A kernel without a family answers with those of others.
      route.family === family &&
      (table === 0 || route.table === table) &&
      (protocol === 0 || route.protocol === protocol);
    for (let left = DUMPS_MAX; left > 0; left--) {
      begin();
      const isWhole = this.dump(routesRequest(family, table, protocol), (route) => {
        if (isWanted(route)) take(route);
      });
      if (isWhole) return;
    }
    throw new Error(`table ${table} of the kernel changes all the time`);
  }

  /**
   * Reads all next hops that are objects, whoever has made them.
   *
   * @param begin - as with `read`
   * @throws KernelError where the kernel has none
   */
  readNextHops(begin: () => void, take: (object: NextHopObject) => void): void {
    for (let left = DUMPS_MAX; left > 0; left--) {
      begin();
      const isWhole = this.dumpAll(RTM_GETNEXTHOP, Buffer.alloc(NHMSG_OCTETS), (type, octets) => {
        const object = type === RTM_NEWNEXTHOP ? readNextHop(octets) : null;
        if (object !== null) take(object);
      });
      if (isWhole) return;
    }
    throw new Error("next hops of the kernel change all the time");
  }

  /** Whether a message that was heard of tells what was done by this socket. */
  isOwn(port: number): boolean {
    return port === this.port;
  }

  /** @returns false when the routes have changed while they were read */
  private dump(payload: Buffer, take: (route: KernelRoute) => void): boolean {
    return this.dumpAll(RTM_GETROUTE, payload, (type, octets) => {
      const route = type === RTM_NEWROUTE ? readRoute(octets) : null;
      if (route !== null) take(route);
    });
  }

  private dumpAll(
    request: number,
    payload: Buffer,
    take: (type: number, octets: Buffer) => void,
  ): boolean {
    const message = Buffer.alloc(NLMSG_HEADER_OCTETS + payload.length);
    const sequence = this.sequence++;
    nlmsghdr.encode(
      {
        octets: message.length,
        type: request,
        flags: NLM_F_REQUEST | NLM_F_DUMP,
        sequence,
        port: 0,
      },
      message,
    );
    message.set(payload, NLMSG_HEADER_OCTETS);
    check(libc().send(this.fd, message, message.length, 0), "routes of the kernel");
    let isWhole = true;
    let reason = 0;
    this.receive((type, number, octets, flags) => {
      if (number !== sequence) return false;
      if ((flags & NLM_F_DUMP_INTR) !== 0) isWhole = false;
      if (type === NLMSG_ERROR || type === NLMSG_DONE) {
        reason = octets.length < 4 ? 0 : -octets.readInt32LE(0);
        return true;
      }
      take(type, octets);
      return false;
    });
    if (reason !== 0 && reason !== ENOENT) throw new KernelError("routes of the kernel", reason);
    return isWhole;
  }

  /** Hands over messages until `take` says that it was the last. */
  private receive(
    take: (type: number, sequence: number, octets: Buffer, flags: number) => boolean,
  ): void {
    for (;;) {
      const octets = libc().recv(this.fd, this.answer, this.answer.length, 0);
      if (octets < 0) {
        const reason = errno();
        if (reason === EINTR) continue;
        throw new KernelError("answer of the kernel", reason);
      }
      if (octets >= NLMSG_HEADER_OCTETS) this.port = this.answer.readUInt32LE(PORT_AT);
      for (let at = 0; at + NLMSG_HEADER_OCTETS <= octets; ) {
        const length = this.answer.readUInt32LE(at);
        const type = this.answer.readUInt16LE(at + 4);
        const flags = this.answer.readUInt16LE(at + 6);
        const sequence = this.answer.readUInt32LE(at + 8);
        if (
          take(type, sequence, this.answer.subarray(at + NLMSG_HEADER_OCTETS, at + length), flags)
        ) {
          return;
        }
        at += (Math.max(length, NLMSG_HEADER_OCTETS) + 3) & ~3;
      }
    }
  }
}

/**
 * What others have changed: nothing, routes alone, something that the kernel takes routes away with and says no word of
 * them, or more than there was room for.
 */
export type Heard = "nothing" | "routes" | "changes" | "too much";

/** Hears of links, addresses and routes that change, but for routes of protocol `bgp`. */
export class RouteMonitor {
  private readonly fd: number;
  private readonly octets: Buffer = Buffer.alloc(RECEIVE_OCTETS);

  /** @param nextHops - whether to hear of those that are objects as well */
  constructor(nextHops = false) {
    this.fd = openNetlink(NETLINK_ROUTE);
    this.leaveOutOwn();
    for (const group of nextHops ? [...GROUPS, GROUP_OF_NEXT_HOPS] : GROUPS) {
      setInt(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, "netlink group");
    }
  }

  close(): void {
    libc().close(this.fd);
  }

  /**
   * @param put - told each route that somebody has put into the kernel
   * @param moved - told each next hop that is made, changed or deleted, and by which socket; @returns what that is
   * @returns what has changed since this was asked last
   */
  hear(
    put: (route: KernelRoute) => void,
    moved: (object: NextHopObject, port: number) => Heard = () => "nothing",
  ): Heard {
    const { octets } = this;
    let hasFailed = false;
    for (let heard: Heard = "nothing"; ; ) {
      const length = libc().recv(this.fd, octets, octets.length, MSG_DONTWAIT);
      if (length >= 0) {
        hasFailed = false;
        heard = worse(heard, this.heardOne(length, put, moved));
        continue;
      }
      const reason = errno();
      if (reason === EINTR) continue;
      // That some were lost is said once, and others may be behind it; what fails again will go on to.
      if (reason === EAGAIN || hasFailed) return heard;
      heard = "too much";
      hasFailed = true;
    }
  }

  /** There is one message at a time. */
  private heardOne(
    length: number,
    put: (route: KernelRoute) => void,
    moved: (object: NextHopObject, port: number) => Heard,
  ): Heard {
    if (length <= NLMSG_HEADER_OCTETS) return "changes";
    const type = this.octets.readUInt16LE(4);
    const payload = this.octets.subarray(NLMSG_HEADER_OCTETS, length);
    if (type === RTM_NEWROUTE) {
      const route = readRoute(payload);
      if (route !== null) put(route);
      return "routes";
    }
    if (type === RTM_NEWNEXTHOP || type === RTM_DELNEXTHOP) {
      const object = readNextHop(payload);
      return object === null ? "nothing" : moved(object, this.octets.readUInt32LE(PORT_AT));
    }
    return type === RTM_DELROUTE ? "routes" : "changes";
  }

  /** A million routes that this program writes would otherwise be told here. */
  private leaveOutOwn(): void {
    const [LOAD_HALF, LOAD_OCTET, EQUAL, RETURN] = [0x28, 0x30, 0x15, 0x06];
    const jump = (code: number, yes: number, no: number) => code | (yes << 16) | (no << 24);
    // The type has its low octet first, and is read the other way round.
    const swapped = (type: number) => type << 8;
    const instructions = Uint32Array.of(
      ...[LOAD_HALF, 4],
      ...[jump(EQUAL, 1, 0), swapped(RTM_NEWROUTE)],
      ...[jump(EQUAL, 0, 2), swapped(RTM_DELROUTE)],
      ...[LOAD_OCTET, NLMSG_HEADER_OCTETS + 5],
      ...[jump(EQUAL, 1, 0), RTPROT_BGP],
      ...[RETURN, 0xffff_ffff],
      ...[RETURN, 0],
    );
    const program = { count: instructions.length / 2, instructions };
    const done = libc().attachFilter(
      this.fd,
      SOL_SOCKET,
      SO_ATTACH_FILTER,
      program,
      SOCK_FPROG_OCTETS,
    );
    check(done, "filter of routes");
  }
}

const HEARD: readonly Heard[] = ["nothing", "routes", "changes", "too much"];

function worse(one: Heard, other: Heard): Heard {
  return HEARD.indexOf(one) > HEARD.indexOf(other) ? one : other;
}
