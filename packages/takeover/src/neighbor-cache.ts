/** What the kernel of this host knows of the Ethernet addresses of its neighbors. */

import { type Layout, struct, u8, u16, u32 } from "buffer-layout";
import { AF_INET6, KernelError, libc } from "./libc.ts";
import { attribute, NETLINK_ROUTE, NLM_F_DUMP, openNetlink, request } from "./netlink.ts";

const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const NDA_DST = 1;
const NUD_INCOMPLETE = 1;

interface NeighborMessage {
  family: number;
  padding1: number;
  padding2: number;
  interface: number;
  state: number;
  flags: number;
  type: number;
}

/** `struct ndmsg` of linux/neighbour.h. */
const ndmsg: Layout<NeighborMessage> = struct([
  u8("family"),
  u8("padding1"),
  u16("padding2"),
  u32("interface"),
  u16("state"),
  u8("flags"),
  u8("type"),
]);

/**
 * Forgets the IPv6 neighbors of an interface that were asked for their Ethernet address and have not answered:
 * they are asked again at once by the next packet, and not a second later (RFC 4861 section 10,
 * RETRANS_TIMER). Costs one pass through what the kernel knows of neighbors.
 *
 * @throws KernelError
 */
export function forgetUnanswered(interfaceIndex: number): void {
  const fd = openNetlink(NETLINK_ROUTE);
  try {
    const none = { padding1: 0, padding2: 0, flags: 0, type: 0 };
    const of = { ...none, family: AF_INET6, interface: interfaceIndex, state: 0 };
    const unanswered: Buffer[] = [];
    const asked = request(fd, RTM_GETNEIGH, NLM_F_DUMP, encoded(of), (message) => {
      const found = ndmsg.decode(message);
      if (found.interface !== interfaceIndex || found.state !== NUD_INCOMPLETE) return;
      const address = attributeOf(message, NDA_DST);
      if (address !== null) unanswered.push(Buffer.from(address));
    });
    if (asked !== 0) throw new KernelError("reading neighbors", asked);
    for (const address of unanswered) {
      // One that has answered meanwhile is asked again; one that is gone need not be forgotten.
      request(fd, RTM_DELNEIGH, 0, Buffer.concat([encoded(of), attribute(NDA_DST, address)]));
    }
  } finally {
    libc().close(fd);
  }
}

function encoded(message: NeighborMessage): Buffer {
  const octets = Buffer.alloc(ndmsg.span);
  ndmsg.encode(message, octets);
  return octets;
}

function attributeOf(message: Buffer, type: number): Buffer | null {
  for (let at = ndmsg.span; at + 4 <= message.length; ) {
    const octets = message.readUInt16LE(at);
    if (octets < 4) return null;
    if (message.readUInt16LE(at + 2) === type) return message.subarray(at + 4, at + octets);
    at += (octets + 3) & ~3;
  }
  return null;
}
