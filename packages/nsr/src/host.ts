/** What nonstop routing needs of this host. */

import { setFlagsFromString } from "node:v8";
import type { Config } from "@ts-bgp/config";
import {
  type DoctorRow,
  diagnose,
  type HostSizes,
  judgeLimits,
  type Probes,
  probeSockets,
  readHostLimits,
  type SocketProbes,
} from "@ts-bgp/takeover";
import { interfaceOf } from "./service-addresses.ts";

/** What was missing may be there after so long. */
const LOOK_MS = 3000;

/** What a host must have for a configuration. */
export interface HostNeeds {
  readonly interfaces: readonly string[];
  readonly congestionControls: readonly string[];
  readonly sizes: HostSizes;
}

/** @returns what a configuration needs beyond what every pair does */
export function needsOf({ nsr, neighbors, dynamicNeighbors }: Config): HostNeeds {
  const interfaces = (nsr?.serviceAddresses ?? []).map(
    (service) => interfaceOf(service) ?? `for ${service.address}/${service.bits}`,
  );
  const keyed = [...neighbors, ...dynamicNeighbors.map(({ options }) => options)];
  const md5Keys = keyed.filter(({ password }) => password !== null).length;
  const congestionControls = [...new Set(neighbors.flatMap((n) => n.congestionControl ?? []))];
  const neighbors6 = neighbors.filter(({ address }) => address.includes(":")).length;
  const neighbors4 = neighbors.length - neighbors6;
  return { interfaces, congestionControls, sizes: { md5Keys, neighbors4, neighbors6 } };
}

/** @returns what this host has not enough of, with what to do about it */
export function limitsOf(config: Config): string[] {
  const lacks = judgeLimits(readHostLimits(), needsOf(config).sizes).filter(({ ok }) => !ok);
  return lacks.map(({ what, detail, whatToDo }) => `${what}: ${detail}; ${whatToDo}`);
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
    return diagnose({ ...this.probes, ...gate }, needsOf(this.config).sizes);
  }
}
