/** Where the control socket is when nobody says so. */

import { accessSync, constants } from "node:fs";
import os from "node:os";
import path from "node:path";

const NAME = "ts-bgp.sock";

/** Of a service: its folder is made by systemd, by the image, or by a speaker of root. */
export const SYSTEM_SOCKET: string = path.join("/run/ts-bgp", NAME);

/** That of a speaker of this user: the system's where it may make it, else one of the user's own. */
export function defaultControlSocket(): string {
  if (process.geteuid?.() === 0) return SYSTEM_SOCKET;
  try {
    accessSync(path.dirname(SYSTEM_SOCKET), constants.W_OK);
    return SYSTEM_SOCKET;
  } catch {
    return userSocket();
  }
}

/** In a folder of the user's own, which the speaker makes. */
export function userSocket(): string {
  const folder = process.env["XDG_RUNTIME_DIR"];
  if (folder) return path.join(folder, "ts-bgp", NAME);
  return path.join(os.tmpdir(), `ts-bgp-${process.geteuid?.() ?? 0}`, NAME);
}
