/** Whether this host has what a forwarding module needs. */

import { diagnoseForward, probeForward } from "@ts-bgp/forward";
import type { DoctorRow } from "@ts-bgp/takeover";
import { readForwardFile } from "../config-file.ts";

/** @returns what was found; throws as `readForwardFile` does, or a KernelError */
export function diagnoseForwardFile(file: string): DoctorRow[] {
  const { config } = readForwardFile(file);
  return diagnoseForward(config, probeForward(config));
}
