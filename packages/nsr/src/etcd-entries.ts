/**
 * Keys in etcd that last as long as somebody keeps the lease they have, and which ones there are.
 *
 * What a key holds is never read: whoever can write there could make that long. Names of keys are octets here, since
 * others need not be text.
 */

import type { EtcdAccess } from "@ts-bgp/config";
import { keepAliveAnswer, keysAnswer, leaseAnswer, plainAnswer } from "./etcd-answers.ts";
import { EtcdClient } from "./etcd-client.ts";

/** More octets of an answer are not read at once. */
const ANSWER_OCTETS_MAX = 1 << 18;
const TOO_LONG = /not an answer of etcd: longer than/;
/** No key is ever changed then. */
const NEVER = "9007199254740991";

export interface FoundKeys {
  /** The oldest ones first. */
  readonly keys: readonly Uint8Array[];
  /** Whether there are no others. */
  readonly isWhole: boolean;
}

export class EtcdEntries {
  private readonly etcd: EtcdClient;

  /** @param timeoutMs - every request has failed then */
  constructor(access: EtcdAccess, timeoutMs: number) {
    this.etcd = new EtcdClient(access, "", timeoutMs, ANSWER_OCTETS_MAX);
  }

  /** @returns the number of a lease that lasts for so long unless it is kept */
  grant(ttlSeconds: number): Promise<string> {
    return this.ask("/v3/lease/grant", { TTL: String(ttlSeconds) }, leaseAnswer);
  }

  /** @returns whether the lease was still there; it lasts for its whole time again then */
  keepAlive(lease: string): Promise<boolean> {
    return this.ask("/v3/lease/keepalive", { ID: lease }, keepAliveAnswer);
  }

  /** Puts a key that goes with a lease. */
  put(key: string, value: string, lease: string): Promise<void> {
    const body = { key: base64(key), value: base64(value), lease };
    return this.ask("/v3/kv/put", body, plainAnswer);
  }

  /** Ends a lease, and with it the keys that have it. */
  revoke(lease: string): Promise<void> {
    return this.ask("/v3/lease/revoke", { ID: lease }, plainAnswer);
  }

  /**
   * @param prefix - ends with a slash
   * @param max - of more keys those that are first by their octets are read
   * @returns none where the names of keys are too long for one answer
   */
  async keysUnder(prefix: string, max: number): Promise<FoundKeys> {
    // Without an order: for any, etcd would read and sort all that there is before it looks at the limit.
    const body = { ...rangeOf(prefix), limit: String(max), keys_only: true };
    try {
      return await this.ask("/v3/kv/range", body, keysAnswer);
    } catch (error) {
      if (TOO_LONG.test((error as Error).message)) return { keys: [], isWhole: false };
      throw error;
    }
  }

  /** Tries a change that is never done. Rejects when this client may not read or write under a prefix. */
  probe(prefix: string): Promise<void> {
    const key = base64(`${prefix}probe`);
    const compare = [{ key, target: "MOD", result: "EQUAL", mod_revision: NEVER }];
    const range = { request_range: { ...rangeOf(prefix), limit: "1", keys_only: true } };
    const success = [{ request_put: { key, value: "" } }];
    return this.ask("/v3/kv/txn", { compare, success, failure: [range] }, plainAnswer);
  }

  /** Ends all that is asked; nothing may be asked any more. */
  close(): void {
    this.etcd.close();
  }

  private async ask<T>(
    path: string,
    body: object,
    parse: (json: unknown) => { cluster: string; revision: number | null; found: T },
  ): Promise<T> {
    try {
      return (await this.etcd.ask(path, body, parse)).found;
    } catch (error) {
      // An etcd that was set up anew is believed the next time: nobody gets a role by this.
      this.etcd.forget();
      throw error;
    }
  }
}

function rangeOf(prefix: string): { key: string; range_end: string } {
  // What follows a slash in ASCII is behind all keys of the prefix.
  return { key: base64(prefix), range_end: base64(`${prefix.slice(0, -1)}0`) };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
