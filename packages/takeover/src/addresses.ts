/** Service addresses, which move between hosts with the sessions: claimed, announced, given up. */

import { setTimeout as sleep } from "node:timers/promises";
import { blob, type Layout, struct, u8, u16, u16be, u32 } from "buffer-layout";
import {
  AF_INET,
  AF_INET6,
  check,
  EADDRNOTAVAIL,
  KernelError,
  libc,
  MSG_DONTWAIT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_RAW,
} from "./libc.ts";
import { forgetUnanswered } from "./neighbor-cache.ts";
import {
  announcements,
  claimant,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV6,
  question,
} from "./neighbor-frames.ts";
import {
  attribute,
  NETLINK_ROUTE,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  openNetlink,
  request,
  requestOnce,
} from "./netlink.ts";
import { addressOctets, interfaceIndex, isIpv4 } from "./socket-address.ts";

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETROUTE = 26;
/** `struct rtmsg` of linux/rtnetlink.h, as far as it is used. */
const RTMSG_OCTETS = 12;
const RTM_FAMILY_AT = 0;
const RTM_BITS_AT = 1;
const RTM_TYPE_AT = 7;
const RTA_DST = 1;
const RTN_LOCAL = 2;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
/** Without the wait for duplicates, the address can be used at once. */
const IFA_F_NODAD = 2;
const AF_PACKET = 17;
const FRAME_OCTETS_MAX = 2048;
/** `struct ifreq` of netdevice(7): a name, then the flags. */
const IFREQ_OCTETS = 40;
const IFREQ_NAME_OCTETS = 16;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFHWADDR = 0x8927;
const ARPHRD_ETHER = 1;
/** IFF_UP and IFF_RUNNING. */
const IFF_UP_RUNNING = 0x41;

/** `struct ifaddrmsg` of linux/if_addr.h. */
const ifaddrmsg: Layout<{
  family: number;
  prefixLength: number;
  flags: number;
  scope: number;
  interface: number;
}> = struct([...["family", "prefixLength", "flags", "scope"].map(u8), u32("interface")]);

interface SockAddrLl {
  family: number;
  protocol: number;
  interface: number;
  hardwareKind: number;
  packetKind: number;
  hardwareOctets: number;
  hardware: Uint8Array;
}

/** `struct sockaddr_ll` of packet(7). */
const sockaddrLl: Layout<SockAddrLl> = struct([
  u16("family"),
  u16be("protocol"),
  u32("interface"),
  u16("hardwareKind"),
  ...["packetKind", "hardwareOctets"].map(u8),
  blob(8, "hardware"),
]);

/** An address with its prefix length, on an interface of this network namespace. */
export interface ServiceAddress {
  readonly address: string;
  readonly prefixLength: number;
  readonly interface: string;
}

/** How often an announcement is repeated, and when: a frame may get lost. */
const ANNOUNCE_AFTER_MS = [20, 100, 500, 2000] as const;
const QUESTION_EVERY_MS = 10;
const POLL_MS = 1;
/** Where the kernel does not say so soon that it takes what comes to an address, nobody waits for it. */
const SETTLE_MS_MAX = 20;
const SETTLE_POLL_MS = 0.2;

/** For announcements on all interfaces; null before the first one. */
let announcer: number | null = null;

/**
 * Puts addresses on their interfaces, or leaves them there. At once usable; nobody is told.
 *
 * An IPv6 address is there before the kernel takes what comes to it, which it has a worker do later, within a
 * millisecond or so. Whoever is asked for an Ethernet address in between, from that address, answers in vain,
 * and would be asked again only a second later. So this waits for the worker, and forgets who was asked.
 *
 * @throws KernelError, or Error when there is no such interface
 */
export function addAddresses(services: readonly ServiceAddress[]): void {
  for (const service of services) {
    const reason = requestAddress(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, service);
    if (reason !== 0) throw new KernelError(`adding ${service.address}`, reason);
  }
  const late = services.filter(({ address }) => !isIpv4(address));
  const untilMs = performance.now() + SETTLE_MS_MAX;
  for (const { address } of late) {
    while (!isLocal(address) && performance.now() < untilMs) sleepNow(SETTLE_POLL_MS);
  }
  for (const name of new Set(late.map((service) => service.interface))) {
    forgetUnanswered(interfaceIndex(name));
  }
}

/** Takes an address from its interface. @returns whether it was there @throws as `addAddress` */
export function removeAddress(service: ServiceAddress): boolean {
  const reason = requestAddress(RTM_DELADDR, 0, service);
  if (reason !== 0 && reason !== EADDRNOTAVAIL) {
    throw new KernelError(`removing ${service.address}`, reason);
  }
  return reason === 0;
}

/** @returns whether an interface is there, and something is at the other end of its cable */
export function isInterfaceUp(name: string): boolean {
  const request = Buffer.alloc(IFREQ_OCTETS);
  if (!askInterface(name, SIOCGIFFLAGS, request)) return false;
  const flags = request.readUInt16LE(IFREQ_NAME_OCTETS);
  return (flags & IFF_UP_RUNNING) === IFF_UP_RUNNING;
}

/** @returns whether there is such an interface; what was asked is in `request` then, behind the name */
function askInterface(name: string, what: number, request: Buffer): boolean {
  request.write(name, 0, IFREQ_NAME_OCTETS - 1);
  const fd = check(libc().socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  try {
    return libc().ioctl(fd, what, request) >= 0;
  } finally {
    libc().close(fd);
  }
}

/**
 * Tells the segment that addresses are here now, at once and a few times more; an interface without
 * Ethernet addresses has nobody to tell.
 *
 * @returns ends the repetition
 */
export function announceAddresses(services: readonly ServiceAddress[]): () => void {
  const announce = () => {
    for (const service of services) announceOnce(service);
  };
  announce();
  const timers = ANNOUNCE_AFTER_MS.map((ms) => setTimeout(announce, ms).unref());
  return () => {
    for (const timer of timers) clearTimeout(timer);
  };
}

/**
 * Asks the segment who has an address, before it is claimed. Where the other side is known to be
 * dead that is not needed: it costs the whole wait.
 *
 * @param waitMs - silence that counts as nobody
 * @returns the Ethernet address of whoever has it, as text, or null
 * @throws KernelError, or Error when there is no such interface
 */
export async function whoHas(service: ServiceAddress, waitMs: number): Promise<string | null> {
  const address = addressOctets(service.address);
  const link = openLink(service.interface, address.length === 4 ? ETHERTYPE_ARP : ETHERTYPE_IPV6);
  if (link === null) return null;
  const frame = Buffer.alloc(FRAME_OCTETS_MAX);
  try {
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += POLL_MS) {
      if (waitedMs % QUESTION_EVERY_MS === 0) sendFrame(link.fd, question(address, link.hardware));
      await sleep(POLL_MS);
      for (;;) {
        const octets = libc().recv(link.fd, frame, frame.length, MSG_DONTWAIT);
        if (octets < 0) break;
        const found = claimant(frame.subarray(0, octets), address, link.hardware);
        if (found !== null)
          return Buffer.from(found)
            .toString("hex")
            .replace(/..(?!$)/g, "$&:");
      }
    }
    return null;
  } finally {
    libc().close(link.fd);
  }
}

function announceOnce(service: ServiceAddress): void {
  const address = addressOctets(service.address);
  const index = interfaceIndex(service.interface);
  const hardware = hardwareOf(service.interface);
  if (hardware === null) return;
  // Protocol 0 hears nothing. It stays open: to close one waits for tens of milliseconds until no processor
  // looks at it any more, in the middle of a takeover.
  announcer ??= check(libc().socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "packet socket");
  const to = linkAddress(index, 0);
  for (const frame of announcements(address, hardware)) {
    // A frame that cannot be sent now is one that got lost.
    libc().sendto(announcer, frame, frame.length, MSG_DONTWAIT, to, to.length);
  }
}

/** @returns the Ethernet address of an interface; null when it is no Ethernet, or gone */
function hardwareOf(name: string): Buffer | null {
  const request = Buffer.alloc(IFREQ_OCTETS);
  if (!askInterface(name, SIOCGIFHWADDR, request)) return null;
  const hardware = request.subarray(IFREQ_NAME_OCTETS + 2, IFREQ_NAME_OCTETS + 8);
  const isEthernet = request.readUInt16LE(IFREQ_NAME_OCTETS) === ARPHRD_ETHER;
  return isEthernet && hardware.some((octet) => octet !== 0) ? hardware : null;
}

/** @returns a packet socket on the interface, or null when it is no Ethernet */
function openLink(name: string, protocol: number): { fd: number; hardware: Buffer } | null {
  const index = interfaceIndex(name);
  const fd = check(libc().socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "packet socket");
  try {
    const address = linkAddress(index, protocol);
    check(libc().bind(fd, address, address.length), `packets of ${name}`);
    check(libc().getsockname(fd, address, Uint32Array.of(address.length)), `packets of ${name}`);
    const { hardwareOctets, hardware } = sockaddrLl.decode(address);
    const own = Buffer.from(hardware.subarray(0, 6));
    if (hardwareOctets === 6 && own.some((octet) => octet !== 0)) return { fd, hardware: own };
  } catch (error) {
    libc().close(fd);
    throw error;
  }
  libc().close(fd);
  return null;
}

function linkAddress(interfaceIndex: number, protocol: number): Buffer {
  const address = Buffer.alloc(sockaddrLl.span);
  const none = { hardwareKind: 0, packetKind: 0, hardwareOctets: 0, hardware: Buffer.alloc(8) };
  sockaddrLl.encode({ family: AF_PACKET, protocol, interface: interfaceIndex, ...none }, address);
  return address;
}

/** A frame that cannot be sent now is one that got lost. */
function sendFrame(fd: number, frame: Buffer): void {
  libc().send(fd, frame, frame.length, MSG_DONTWAIT);
}

/** @returns whether the kernel takes what comes to an address of IPv6 */
function isLocal(address: string): boolean {
  const octets = addressOctets(address);
  const asked = Buffer.alloc(RTMSG_OCTETS);
  asked[RTM_FAMILY_AT] = AF_INET6;
  asked[RTM_BITS_AT] = 8 * octets.length;
  let type = 0;
  const fd = openNetlink(NETLINK_ROUTE);
  try {
    const payload = Buffer.concat([asked, attribute(RTA_DST, octets)]);
    request(fd, RTM_GETROUTE, 0, payload, (message) => {
      type = message[RTM_TYPE_AT]!;
    });
  } finally {
    libc().close(fd);
  }
  return type === RTN_LOCAL;
}

/** Has this thread wait, and nothing else be done meanwhile. */
function sleepNow(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function requestAddress(type: number, flags: number, service: ServiceAddress): number {
  const octets = addressOctets(service.address);
  const message = Buffer.alloc(ifaddrmsg.span);
  ifaddrmsg.encode(
    {
      family: octets.length === 4 ? AF_INET : AF_INET6,
      prefixLength: service.prefixLength,
      flags: 0,
      scope: 0,
      interface: interfaceIndex(service.interface),
    },
    message,
  );
  const attributes = [attribute(IFA_LOCAL, octets), attribute(IFA_ADDRESS, octets)];
  if (octets.length === 16 && type === RTM_NEWADDR) {
    const noDad = Buffer.alloc(4);
    noDad.writeUInt32LE(IFA_F_NODAD);
    attributes.push(attribute(IFA_FLAGS, noDad));
  }
  return requestOnce(NETLINK_ROUTE, type, flags, Buffer.concat([message, ...attributes]));
}
