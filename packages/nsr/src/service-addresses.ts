/** The service addresses of a side: on its interfaces while it is active. */

import net from "node:net";
import os from "node:os";
import type { NsrConfig, ServiceAddressConfig } from "@ts-bgp/config";
import {
  addAddresses,
  announceAddresses,
  type Capability,
  destroyConnectionsOf,
  isInterfaceUp,
  missingCapabilities,
  removeAddress,
  type ServiceAddress,
  whoHas,
} from "@ts-bgp/takeover";

/** Nobody who had an address would be silent for so long. */
export const SILENCE_MS = 300;
/** So often the interfaces are looked at. */
const LOOK_MS = 200;
const NEEDED: readonly Capability[] = ["CAP_NET_ADMIN", "CAP_NET_RAW"];

export class ServiceAddresses {
  /** Why addresses that could be here cannot be any more; null as long as they can. */
  lost: string | null = null;
  private readonly addresses: readonly ServiceAddressConfig[];
  private readonly problem: (message: string) => void;
  private stopAnnouncing: () => void = () => {};
  private timer: NodeJS.Timeout | undefined;
  /** The interfaces were there once. */
  private wereThere = false;
  private isClaimed = false;
  /** By address, where it was put. */
  private readonly interfaces: Map<string, string> = new Map();

  /** @param problem - told what goes wrong with giving addresses up */
  constructor({ serviceAddresses }: NsrConfig, problem: (message: string) => void) {
    this.addresses = serviceAddresses;
    this.problem = problem;
  }

  /** Rejects when one is on another host: nobody claims it before that one has given it up. */
  async expectFree(): Promise<void> {
    const services = this.addresses.map(located);
    const holders = await Promise.all(services.map((one) => whoHas(one, SILENCE_MS)));
    for (const [k, holder] of holders.entries()) {
      if (holder === null) continue;
      const { address, interface: name } = services[k]!;
      throw new Error(`${address} is in use by ${holder} on ${name}: it is not claimed`);
    }
  }

  /** Has them here, and tells the segments. @throws when one cannot be had */
  claim(): void {
    const services = this.addresses.map(located);
    this.isClaimed = true;
    for (const service of services) this.interfaces.set(service.address, service.interface);
    addAddresses(services);
    this.stopAnnouncing();
    if (services.length > 0) this.stopAnnouncing = announceAddresses(services);
  }

  /** Does what `claim` does, but tells of what goes wrong; an address that cannot be had yet is put there later. */
  claimAgain(): void {
    this.isClaimed = true;
    try {
      this.claim();
    } catch (error) {
      this.problem((error as Error).message);
    }
  }

  /**
   * Ends what a process that died here left: its addresses, which may be elsewhere now, and before them
   * its connections. Packets of those must be held back meanwhile.
   *
   * @throws Error when this process may not do what it is for
   */
  clear(): void {
    if (this.addresses.length > 0) {
      const missing = missingCapabilities(NEEDED);
      if (missing.length > 0) {
        throw new Error(`${missing.join(" and ")} missing: service addresses cannot be moved`);
      }
    }
    try {
      destroyConnectionsOf(this.addresses.map(({ address }) => address));
    } catch (error) {
      this.problem((error as Error).message);
    }
    this.drop();
  }

  /** Gives up those that are here. */
  drop(): void {
    this.isClaimed = false;
    this.stopAnnouncing();
    for (const service of this.addresses) {
      try {
        // An interface without a carrier is not among those that can be seen.
        const name =
          this.interfaces.get(service.address) || service.interface || holderOf(service.address);
        if (name !== null) removeAddress({ ...placed(service), interface: name });
      } catch (error) {
        this.problem((error as Error).message);
      }
    }
  }

  /**
   * Looks after their interfaces from now on, and puts back an address that someone has taken away.
   *
   * @param isLost - told again and again while one is gone, or has nothing at the other end
   */
  watch(isLost: (reason: string) => void): void {
    if (this.addresses.length === 0) return;
    this.timer = setInterval(() => this.look(isLost), LOOK_MS).unref();
  }

  unwatch(): void {
    clearInterval(this.timer);
  }

  private look(isLost: (reason: string) => void): void {
    const absent = this.addresses.find((service) => {
      const name = interfaceOf(service);
      return name === null || !isInterfaceUp(name);
    });
    if (absent === undefined) {
      this.wereThere = true;
      this.lost = null;
      if (this.isClaimed) this.putBack();
    } else if (this.wereThere) {
      this.lost = `${absent.address} can be on no interface here: it is gone, or down`;
      isLost(this.lost);
    }
  }

  private putBack(): void {
    if (this.addresses.every(({ address }) => holderOf(address) !== null)) return;
    this.claimAgain();
  }
}

/** @returns the interface that a service address goes to; null when there is none at the moment */
export function interfaceOf(
  service: ServiceAddressConfig,
  interfaces: ReturnType<typeof os.networkInterfaces> = os.networkInterfaces(),
): string | null {
  const { address, bits, interface: name } = service;
  if (name !== "") return name;
  const family = address.includes(":") ? "ipv6" : "ipv4";
  const subnet = new net.BlockList();
  subnet.addSubnet(address, bits, family);
  for (const [found, entries = []] of Object.entries(interfaces)) {
    const isIn = entries.some(
      (entry) =>
        entry.address !== address &&
        entry.family.toLowerCase() === family &&
        subnet.check(entry.address, family),
    );
    if (isIn) return found;
  }
  return null;
}

/** @returns the interface that has an address now */
function holderOf(address: string): string | null {
  for (const [name, entries = []] of Object.entries(os.networkInterfaces())) {
    if (entries.some((entry) => entry.address === address)) return name;
  }
  return null;
}

function placed({ address, bits, interface: name }: ServiceAddressConfig): ServiceAddress {
  return { address, prefixLength: bits, interface: name };
}

/** @returns where a service address goes to @throws Error when there is no interface for it */
export function located(service: ServiceAddressConfig): ServiceAddress {
  const name = interfaceOf(service);
  if (name !== null) return { ...placed(service), interface: name };
  throw new Error(
    `no interface has an address of the subnet of ${service.address}/${service.bits}`,
  );
}
