/** The arbiter that a configuration asks for. */

import type { NsrConfig } from "@ts-bgp/config";
import type { Arbiter } from "./arbiter.ts";
import { EtcdArbiter } from "./etcd-arbiter.ts";
import { LocalArbiter } from "./local-arbiter.ts";

export function createArbiter({ arbiter, cluster }: NsrConfig): Arbiter {
  if (arbiter.kind === "local") return new LocalArbiter(arbiter.file);
  const { ttlSeconds, ...access } = arbiter;
  return new EtcdArbiter({ ...access, cluster, ttlMs: 1000 * ttlSeconds });
}
