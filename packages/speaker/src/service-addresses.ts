/** The service addresses of a side: on its interfaces while it is active. */

import type { NsrConfig } from "@ts-bgp/config";
import {
  addAddress,
  announceAddresses,
  destroyConnectionsOf,
  removeAddress,
  type ServiceAddress,
  whoHas,
} from "@ts-bgp/takeover";

/** Nobody who had an address would be silent for so long. */
const SILENCE_MS = 300;

export class ServiceAddresses {
  private readonly addresses: readonly ServiceAddress[];
  private readonly problem: (message: string) => void;
  private stopAnnouncing: () => void = () => {};

  /** @param problem - told what goes wrong with giving addresses up */
  constructor({ serviceAddresses }: NsrConfig, problem: (message: string) => void) {
    this.addresses = serviceAddresses.map(({ address, bits, interface: name }) => ({
      address,
      prefixLength: bits,
      interface: name,
    }));
    this.problem = problem;
  }

  /** Rejects when one is on another host: nobody claims it before that one has given it up. */
  async expectFree(): Promise<void> {
    const holders = await Promise.all(this.addresses.map((one) => whoHas(one, SILENCE_MS)));
    for (const [k, holder] of holders.entries()) {
      if (holder === null) continue;
      const { address, interface: name } = this.addresses[k]!;
      throw new Error(`${address} is in use by ${holder} on ${name}: it is not claimed`);
    }
  }

  /** Has them here, and tells the segments. @throws when one cannot be had */
  claim(): void {
    for (const address of this.addresses) addAddress(address);
    if (this.addresses.length > 0) this.stopAnnouncing = announceAddresses(this.addresses);
  }

  /**
   * Ends what a process that died here left: its addresses, which may be elsewhere now, and before them
   * its connections. Packets of those must be held back meanwhile.
   */
  clear(): void {
    try {
      destroyConnectionsOf(this.addresses.map(({ address }) => address));
    } catch (error) {
      this.problem((error as Error).message);
    }
    this.drop();
  }

  /** Gives up those that are here. */
  drop(): void {
    this.stopAnnouncing();
    for (const address of this.addresses) {
      try {
        removeAddress(address);
      } catch (error) {
        this.problem((error as Error).message);
      }
    }
  }
}
