/** Whose sessions are up, as those who observe have been told, and how BMP names them. */

import { BMP_PEER, type BmpPeer, type BmpPeerDown, type BmpPeerUp } from "@ts-bgp/feeds-codec";
import type { Observed, ObservedSession } from "@ts-bgp/router";
import { AFI, AS_TRANS, encodeNotification, encodeOpen, SAFI } from "@ts-bgp/wire-codec";
import type { Identity } from "./orders.ts";

/** Events of the state machine (RFC 4271 section 8.1, RFC 9687 section 4). */
const EVENT = { MANUAL_STOP: 2, SEND_HOLD_TIMER_EXPIRES: 29 } as const;
const NO_ADDRESS = new Uint8Array(0);
const ANY_ADDRESS = new Uint8Array(4);

type Down = Extract<Observed, { readonly kind: "down" }>;

export class Peers {
  /** By row of the neighbor. */
  readonly up: Map<number, ObservedSession> = new Map();

  /** @returns whether that is another session than the one that is known */
  goesUp(session: ObservedSession): boolean {
    const isNew = this.up.get(session.peer)?.connection !== session.connection;
    if (isNew) this.up.set(session.peer, session);
    return isNew;
  }

  /** @returns the session that has ended, null when it was known no more */
  goesDown({ peer, connection }: Down): ObservedSession | null {
    const session = this.up.get(peer);
    if (session?.connection !== connection) return null;
    this.up.delete(peer);
    return session;
  }
}

export function bmpPeer({ address, as, identifier }: ObservedSession): BmpPeer {
  return { type: BMP_PEER.GLOBAL, address, as, identifier };
}

/** The Loc-RIB as a peer (RFC 9069 section 4.1). */
export function locRibPeer({ as, identifier }: Identity): BmpPeer {
  return { type: BMP_PEER.LOC_RIB, address: NO_ADDRESS, as, identifier };
}

/** What a station is told of the Loc-RIB in place of OPENs that were sent (RFC 9069 section 5.2). */
export function locRibUp({ as, identifier }: Identity): BmpPeerUp {
  const open = encodeOpen({
    version: 4,
    as: as > 0xffff ? AS_TRANS : as,
    holdTimeSeconds: 0,
    bgpIdentifier: identifier,
    capabilities: [
      { code: 1, name: "multiprotocol", afi: AFI.IPV4, safi: SAFI.UNICAST },
      { code: 1, name: "multiprotocol", afi: AFI.IPV6, safi: SAFI.UNICAST },
      { code: 65, name: "four-octet-as", as },
    ],
  });
  const ends = { localAddress: ANY_ADDRESS, localPort: 0, remotePort: 0 };
  return { ...ends, sentOpen: open, receivedOpen: open };
}

export function bmpDown({ reason }: Down): BmpPeerDown {
  switch (reason.kind) {
    case "notification-sent":
    case "notification-received": {
      const { code, subcode, data } = reason;
      const notification = encodeNotification(code, subcode, data);
      return { reason: reason.kind === "notification-sent" ? 1 : 3, notification };
    }
    case "send-hold-timer-expired":
      return { reason: 2, event: EVENT.SEND_HOLD_TIMER_EXPIRES };
    case "restarting":
      return { reason: 2, event: EVENT.MANUAL_STOP };
    default:
      return { reason: 4 };
  }
}
