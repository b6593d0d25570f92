/** What the operating system says, in words that tell an operator what to do. */

import { getSystemErrorMessage } from "node:util";

/** @returns why a connection could not be made */
export function reasonOf(error: NodeJS.ErrnoException): string {
  return error.errno === undefined ? error.message : getSystemErrorMessage(error.errno);
}

/** @returns why an address cannot be listened on */
export function hint(code: string | undefined, error: Error): string {
  switch (code) {
    case "EACCES":
      return "permission denied (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
    case "EADDRINUSE":
      return "something else is listening there";
    case "EADDRNOTAVAIL":
      return "this host does not have the address";
    default:
      return error.message;
  }
}
