/** What a station is to get, written at once and for each neighbor by itself: no blocks, no parts, no queue. */

import { BmpWriter, type RouteRun, TABLE } from "@ts-bgp/feeds-codec";
import type { ObservedSession } from "@ts-bgp/router";
import { FAMILY } from "@ts-bgp/wire-codec";
import { withPathIds } from "../src/path-ids.ts";
import { bmpPeer } from "../src/peers.ts";

const HEAD_OCTETS = 48;

export class PlainTelling {
  private readonly chunks: Uint8Array[] = [];
  private readonly writer: BmpWriter = new BmpWriter();
  private readonly sessions: readonly ObservedSession[];

  /** @param sessions - that are up, in the order in which they came up */
  constructor(
    sessions: readonly ObservedSession[],
    hostname: string,
    description: string,
    text: string,
  ) {
    this.sessions = sessions;
    this.writer.initiation(hostname, description, text);
    for (const session of sessions) {
      this.writer.peerUp(bmpPeer(session), session.sinceMs, session, null);
    }
    this.chunks.push(this.writer.take());
  }

  get octets(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** Routes of the Loc-RIB as those that each neighbor could be sent, but for those that come from it. */
  exported(runs: readonly RouteRun[], atMs: number): void {
    const { writer } = this;
    for (const family of [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST]) {
      const used = runs.filter((run) => run.family === family);
      for (const session of this.sessions) {
        if ((session.families & family) === 0) continue;
        const hasPathIds = (session.addPathSend & family) !== 0;
        for (const run of used) {
          const { attributes } = run;
          const told = { ...(hasPathIds ? withPathIds(run) : run), table: TABLE.ADJ_OUT_PRE };
          const isOwn = run.peer === session.peer;
          writer.routes(bmpPeer(session), atMs, {
            ...told,
            attributes: isOwn ? null : attributes,
          });
        }
      }
    }
    this.chunks.push(writer.take());
  }

  /** An UPDATE that a neighbor was sent, its header octet by octet (RFC 7854 section 4.2, RFC 8671 section 4). */
  sent(
    { address, as, identifier, fourOctetAs }: ObservedSession,
    update: Uint8Array,
    atMs: number,
  ) {
    const head = Buffer.alloc(HEAD_OCTETS);
    const isIpv6 = address.length === 16;
    head[0] = 3;
    head.writeUInt32BE(HEAD_OCTETS + update.length, 1);
    head[7] = (isIpv6 ? 0x80 : 0) | 0x40 | (fourOctetAs ? 0 : 0x20) | 0x10;
    head.set(address, isIpv6 ? 16 : 28);
    head.writeUInt32BE(as, 32);
    head.writeUInt32BE(identifier, 36);
    head.writeUInt32BE(Math.floor(atMs / 1000), 40);
    head.writeUInt32BE(Math.floor((atMs % 1000) * 1000), 44);
    this.chunks.push(head, update);
  }
}
