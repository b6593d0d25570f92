/**
 * The kernel's packet queue (linux/netfilter/nfnetlink_queue.h): binding to it, and the form of
 * verdicts.
 */

import { type Layout, struct, u8, u16, u16be, u32, u32be } from "buffer-layout";
import { check, KernelError, libc, MSG_DONTWAIT, MSG_PEEK, setBuffer } from "./libc.ts";
import {
  attribute,
  NETLINK_NETFILTER,
  NLMSG_ERROR,
  NLMSG_HEADER_OCTETS,
  nlmsghdr,
  openNetlink,
} from "./netlink.ts";

const SUBSYSTEM_QUEUE = 3;
const MESSAGE_VERDICT = (SUBSYSTEM_QUEUE << 8) | 1;
const MESSAGE_CONFIG = (SUBSYSTEM_QUEUE << 8) | 2;

export const NFQA_PACKET_HDR = 1;
const NFQA_VERDICT_HDR = 2;
export const NFQA_PAYLOAD = 10;
const NFQA_CFG_CMD = 1;
const NFQA_CFG_PARAMS = 2;
const NFQA_CFG_QUEUE_MAXLEN = 3;
const NFQA_CFG_MASK = 4;
const NFQA_CFG_FLAGS = 5;
const COMMAND_BIND = 1;
const COPY_PACKET = 2;
/**
 * Large packets come whole. The flag that lets packets pass when the queue is full must stay off.
 */
const FLAG_GSO = 4;

/** Enough for the headers of IP and TCP with all their options. */
const COPY_OCTETS = 160;
const QUEUE_PACKETS_MAX = 65_536;
const NETLINK_BUFFER_OCTETS = 32 << 20;
const NLM_F_REQUEST = 1;

export const VERDICT_DROP = 0;
export const VERDICT_ACCEPT = 1;
/** `struct nfgenmsg` of linux/netfilter/nfnetlink.h. */
export const NFGENMSG_OCTETS = 4;

/** A verdict on one packet, whole: netlink header, `nfgenmsg`, and one attribute. */
const verdictMessage: Layout<{
  octets: number;
  type: number;
  flags: number;
  sequence: number;
  port: number;
  family: number;
  version: number;
  queue: number;
  attributeOctets: number;
  attributeType: number;
  verdict: number;
  packetId: number;
}> = struct([
  u32("octets"),
  ...["type", "flags"].map(u16),
  ...["sequence", "port"].map(u32),
  ...["family", "version"].map(u8),
  u16be("queue"),
  ...["attributeOctets", "attributeType"].map(u16),
  ...["verdict", "packetId"].map(u32be),
]);

/** `struct nfqnl_msg_config_cmd` and `struct nfqnl_msg_config_params`. */
const configCommand: Layout<{ command: number; padding: number; family: number }> = struct([
  u8("command"),
  u8("padding"),
  u16be("family"),
]);
const configParams: Layout<{ copyOctets: number; copyMode: number }> = struct([
  u32be("copyOctets"),
  u8("copyMode"),
]);

/**
 * Takes a packet queue. From then on the kernel waits for a verdict on every packet that a rule
 * sends there.
 *
 * @returns a netlink socket with the queue's packets; when it is closed the kernel drops them
 * @throws KernelError EBUSY or EPERM while another process has the queue
 */
export function bindQueue(queue: number): number {
  const fd = openNetlink(NETLINK_NETFILTER);
  try {
    setBuffer(fd, "receive", NETLINK_BUFFER_OCTETS);
    const config = configMessage(queue);
    check(libc().send(fd, config, config.length, 0), "packet queue");
    // The kernel has dealt with the message by now, and complains first; a packet means that all is
    // well.
    const answer = Buffer.alloc(NLMSG_HEADER_OCTETS + 4);
    if (libc().recv(fd, answer, answer.length, MSG_PEEK | MSG_DONTWAIT) === answer.length) {
      const isComplaint = nlmsghdr.decode(answer).type === NLMSG_ERROR;
      const reason = -answer.readInt32LE(NLMSG_HEADER_OCTETS);
      if (isComplaint && reason !== 0) throw new KernelError(`packet queue ${queue}`, reason);
    }
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** All settings in one message: a packet may come as soon as the queue exists. */
function configMessage(queue: number): Buffer {
  const command = Buffer.alloc(configCommand.span);
  configCommand.encode({ command: COMMAND_BIND, padding: 0, family: 0 }, command);
  const params = Buffer.alloc(configParams.span);
  configParams.encode({ copyOctets: COPY_OCTETS, copyMode: COPY_PACKET }, params);
  const generic = Buffer.alloc(NFGENMSG_OCTETS);
  generic.writeUInt16BE(queue, 2);
  const payload = Buffer.concat([
    generic,
    attribute(NFQA_CFG_CMD, command),
    attribute(NFQA_CFG_PARAMS, params),
    attribute(NFQA_CFG_QUEUE_MAXLEN, numberBe(QUEUE_PACKETS_MAX)),
    attribute(NFQA_CFG_FLAGS, numberBe(FLAG_GSO)),
    attribute(NFQA_CFG_MASK, numberBe(FLAG_GSO)),
  ]);
  const message = Buffer.alloc(NLMSG_HEADER_OCTETS + payload.length);
  const octets = message.length;
  nlmsghdr.encode(
    { octets, type: MESSAGE_CONFIG, flags: NLM_F_REQUEST, sequence: 0, port: 0 },
    message,
  );
  message.set(payload, NLMSG_HEADER_OCTETS);
  return message;
}

function numberBe(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

export const VERDICT_OCTETS = verdictMessage.span;
/** The last two members. */
const VERDICT_AT = VERDICT_OCTETS - 8;
const PACKET_ID_AT = VERDICT_OCTETS - 4;

/** @returns `count` messages, one after the other, that want only `setVerdict` */
export function createVerdicts(queue: number, count: number): Uint8Array {
  const messages = Buffer.alloc(count * VERDICT_OCTETS);
  const fixed = {
    octets: VERDICT_OCTETS,
    type: MESSAGE_VERDICT,
    flags: NLM_F_REQUEST,
    sequence: 0,
    port: 0,
    family: 0,
    version: 0,
    queue,
    attributeOctets: 12,
    attributeType: NFQA_VERDICT_HDR,
    verdict: VERDICT_DROP,
    packetId: 0,
  };
  for (let index = 0; index < count; index++) {
    verdictMessage.encode(fixed, messages, index * VERDICT_OCTETS);
  }
  return messages;
}

/** Completes message `index`. Allocates nothing. */
export function setVerdict(messages: DataView, index: number, id: number, verdict: number): void {
  messages.setInt32(index * VERDICT_OCTETS + VERDICT_AT, verdict);
  messages.setInt32(index * VERDICT_OCTETS + PACKET_ID_AT, id);
}
