/** What goes wrong with a session, for people, and what they may do about it. */

import { type DownReason, describeDown } from "@ts-bgp/fsm";
import { CEASE, NOTIFICATION } from "@ts-bgp/wire-codec";
import type { SessionOptions } from "./session-config.ts";

/** @returns why no connection came about, without a final full stop */
export function connectProblem(error: NodeJS.ErrnoException, options: SessionOptions): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return `connection refused: nothing listens on port ${options.port} there`;
    case "ECONNRESET":
      return "the connection was reset";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "there is no route to that address";
    case "ETIMEDOUT":
      return "no answer";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name ${options.host} has no address`;
    case "EADDRNOTAVAIL":
      return `${options.localAddress ?? "the local address"} is no address of this machine`;
    case "EINVAL":
      return `one cannot connect from ${options.localAddress} to ${options.host}`;
    default:
      return error.message;
  }
}

/** @returns why a connection or a session ended, without a final full stop */
export function downProblem(reason: DownReason, wasUp: boolean, options: SessionOptions): string {
  const text = describeDown(reason);
  const hint = hintOn(reason, wasUp, options);
  return hint === null ? text : `${text}: ${hint}`;
}

const OPEN_ERROR = { BAD_PEER_AS: 2, BAD_BGP_IDENTIFIER: 3, UNSUPPORTED_CAPABILITY: 7 } as const;

function hintOn(reason: DownReason, wasUp: boolean, options: SessionOptions): string | null {
  if (wasUp) return null;
  if (reason.kind === "connection-lost") {
    return "the peer hung up before the session was up; it may not know this address";
  }
  if (reason.kind !== "notification-received") return null;
  if (reason.code === NOTIFICATION.CEASE && reason.subcode === CEASE.CONNECTION_REJECTED) {
    return "the peer does not know this address, or does not want it now";
  }
  if (reason.code !== NOTIFICATION.OPEN_MESSAGE_ERROR) return null;
  switch (reason.subcode) {
    case OPEN_ERROR.BAD_PEER_AS:
      return `the peer expects another AS than ${options.localAs} (--as)`;
    case OPEN_ERROR.BAD_BGP_IDENTIFIER:
      return "the peer refuses the router id (--router-id)";
    case OPEN_ERROR.UNSUPPORTED_CAPABILITY:
      return "the peer has none of the address families (--family)";
    default:
      return null;
  }
}
