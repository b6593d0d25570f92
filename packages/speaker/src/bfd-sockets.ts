/** The UDP sockets of BFD, for its thread. */

import { createSocket, type Socket } from "node:dgram";
import { PACKET_OCTETS_MAX } from "@ts-bgp/bfd";
import { closeUdp, openUdpReceiver, openUdpSender, sendUdp } from "@ts-bgp/takeover";

/** RFC 5881 section 4, RFC 5883 section 5. */
const PORTS = { direct: 3784, multihop: 4784 };
const SOURCE_PORT_MIN = 49_152;
const SOURCE_PORTS = 65_536 - SOURCE_PORT_MIN;

/** @param from - address of the sender, with `%interface` when link-local */
export type BfdHeard = (octets: Uint8Array, from: string, isMultihop: boolean) => void;

/** Hears packets of one family, on one of both ports. */
export class BfdReceiver {
  private readonly socket: Socket;

  /** @throws KernelError where the port cannot be had */
  constructor(isIpv4: boolean, isMultihop: boolean, heard: BfdHeard) {
    const port = isMultihop ? PORTS.multihop : PORTS.direct;
    const fd = openUdpReceiver(isIpv4 ? "ipv4" : "ipv6", port, !isMultihop);
    this.socket = createSocket(isIpv4 ? "udp4" : "udp6");
    this.socket.on("error", () => {});
    this.socket.on("message", (octets, { address }) => {
      if (octets.length <= 2 * PACKET_OCTETS_MAX) heard(octets, address, isMultihop);
    });
    this.socket.bind({ fd });
  }

  close(): void {
    this.socket.close();
  }
}

/** Sends the packets of one session, all from the same port. */
export class BfdSender {
  private readonly to: { readonly address: string; readonly port: number };
  private readonly fd: number;

  /** @throws KernelError where the local address is not there */
  constructor(address: string, from: string | null, isMultihop: boolean, discriminator: number) {
    const ip = address.includes(":") ? "ipv6" : "ipv4";
    // Another process that goes on with the session comes to the same one.
    const port = SOURCE_PORT_MIN + (discriminator % SOURCE_PORTS);
    this.fd = openUdpSender(ip, from, port);
    this.to = { address, port: isMultihop ? PORTS.multihop : PORTS.direct };
  }

  /** @returns 0, or the kernel's number of why it was not sent @throws Error when the interface is gone */
  send(octets: Uint8Array): number {
    return sendUdp(this.fd, this.to, octets);
  }

  close(): void {
    closeUdp(this.fd);
  }
}
