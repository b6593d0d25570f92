/** BMP as a station reads it (RFC 7854): messages cut out of octets, and tables made of them. */

import { decodeMessages } from "@ts-bgp/wire-codec";

export interface BmpMessage {
  readonly type: number;
  /** Address in hexadecimal, flags and type of the peer; empty for messages about none. */
  readonly peer: string;
  readonly flags: number;
  readonly body: Uint8Array;
}

const HEADER_OCTETS = 6;
const PEER_OCTETS = 42;
const OPTIONS = { fourOctetAs: true, addPath: false, external: true } as const;

export class BmpReader {
  readonly messages: BmpMessage[] = [];
  private rest: Uint8Array = new Uint8Array(0);

  push(octets: Uint8Array): void {
    const all = Buffer.concat([this.rest, octets]);
    let at = 0;
    while (all.length - at >= HEADER_OCTETS) {
      const length = all.readUInt32BE(at + 1);
      if (all[at] !== 3 || length < HEADER_OCTETS) throw new Error(`no BMP message at ${at}`);
      if (all.length - at < length) break;
      this.messages.push(messageOf(all.subarray(at, at + length)));
      at += length;
    }
    this.rest = all.subarray(at);
  }

  /** Texts of an initiation or termination, by type. */
  static infos(body: Uint8Array): Map<number, string> {
    const buf = Buffer.from(body);
    const infos = new Map<number, string>();
    for (let at = 0; at + 4 <= buf.length; at += 4 + buf.readUInt16BE(at + 2)) {
      const end = at + 4 + buf.readUInt16BE(at + 2);
      infos.set(buf.readUInt16BE(at), buf.toString("utf8", at + 4, end));
    }
    return infos;
  }

  /** Prefixes of a peer's table, by the flags of its routes; with the families whose end was told. */
  table(peer: string, flags: number): { prefixes: Set<string>; ends: Set<string> } {
    const prefixes = new Set<string>();
    const ends = new Set<string>();
    for (const message of this.messages) {
      if (message.type !== 0 || message.peer !== peer || message.flags !== flags) continue;
      for (const update of decodeMessages(message.body, OPTIONS) as unknown as Update[]) {
        if (update.end_of_rib !== undefined) ends.add(update.end_of_rib);
        for (const prefix of update.withdrawn ?? []) prefixes.delete(prefix);
        for (const prefix of update.nlri ?? []) prefixes.add(prefix);
      }
    }
    return { prefixes, ends };
  }
}

interface Update {
  readonly withdrawn?: string[];
  readonly nlri?: string[];
  readonly end_of_rib?: string;
}

function messageOf(octets: Buffer): BmpMessage {
  const type = octets[5]!;
  // Those that begin and end a session are about nobody.
  if (type === 4 || type === 5) {
    return { type, peer: "", flags: 0, body: octets.subarray(HEADER_OCTETS) };
  }
  const flags = octets[HEADER_OCTETS + 1]!;
  const address = octets.subarray(HEADER_OCTETS + 10, HEADER_OCTETS + 26);
  const isIpv6 = (flags & 0x80) !== 0;
  const peer = `${octets[HEADER_OCTETS]} ${address.subarray(isIpv6 ? 0 : 12).toString("hex")}`;
  return { type, peer, flags, body: octets.subarray(HEADER_OCTETS + PEER_OCTETS) };
}
