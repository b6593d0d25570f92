/** What nonstop routing needs of this host. */

import { setFlagsFromString } from "node:v8";
import type { Config } from "@ts-bgp/config";
import {
  type DoctorRow,
  diagnose,
  type Probes,
  probeSockets,
  type SocketProbes,
} from "@ts-bgp/takeover";
import { interfaceOf } from "./service-addresses.ts";

/** What was missing may be there after so long. */
const LOOK_MS = 3000;

/** What a host must have for a configuration. */
export interface HostNeeds {
  readonly interfaces: readonly string[];
  /** Keys that the listening socket holds. */
  readonly md5Keys: number;
  readonly congestionControls: readonly string[];
}

/** @returns what a configuration needs beyond what every pair does */
export function needsOf({ nsr, neighbors }: Config): HostNeeds {
  const interfaces = (nsr?.serviceAddresses ?? []).map(
    (service) => interfaceOf(service) ?? `for ${service.address}/${service.bits}`,
  );
  const md5Keys = neighbors.filter(({ password }) => password !== null).length;
  const congestionControls = [...new Set(neighbors.flatMap((n) => n.congestionControl ?? []))];
  return { interfaces, md5Keys, congestionControls };
}

export class HostCheck {
  private readonly config: Config;
  private probes: SocketProbes | null = null;
  private looking: Promise<void> | null = null;
  private lookedMs = 0;

  /** @param config - with a section `nsr` */
  constructor(config: Config) {
    this.config = config;
  }

  /** Tries everything, once. A connection is taken over for that, so that a real takeover is not the first. */
  look(): Promise<void> {
    this.looking ??= this.tryAll();
    return this.looking;
  }

  /** The same again, not too often. */
  async lookAgain(): Promise<void> {
    if (performance.now() > this.lookedMs + LOOK_MS) this.looking = null;
    await this.look();
  }

  private async tryAll(): Promise<void> {
    // By default the engine forgets what it compiled when it was not run for a while.
    setFlagsFromString("--no-flush-bytecode");
    this.probes = await probeSockets(needsOf(this.config));
    this.lookedMs = performance.now();
  }

  /**
   * @param gate - what it has, or why there is none
   * @returns a row for everything that is needed; none before it was looked at
   */
  rows(gate: Pick<Probes, "queue" | "rules">): DoctorRow[] {
    if (this.probes === null) return [];
    return diagnose({ ...this.probes, ...gate }, needsOf(this.config).md5Keys);
  }
}
