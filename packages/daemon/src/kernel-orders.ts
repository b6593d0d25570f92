/** What the thread that reads routes of the kernel is told, and what it tells; see `kernel-source.ts`. */

import type { KernelConfig } from "@ts-bgp/config";

/** Which routes; the data that the thread begins with. */
export type KernelWanted = Pick<KernelConfig, "table" | "protocols">;

/** `more`: what was told last is taken. */
export type KernelOrder = "more" | "exit";

export type KernelReply =
  /** Routes that are there, or are no more: runs of `feeds-codec`. The next follows at `more`. */
  | { readonly what: "routes"; readonly octets: Uint8Array }
  /** All that there were at first have been told. Likewise. */
  | { readonly what: "complete"; readonly count: number }
  /** They cannot be read for now, and why. */
  | { readonly what: "problem"; readonly message: string };
