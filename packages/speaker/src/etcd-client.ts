/**
 * The little of etcd that an arbiter needs, over the HTTP/JSON gateway of version 3.4 and later: one
 * transaction, and reading what a prefix holds. Both are linearizable: they have gone through the
 * majority of the members.
 *
 * A request goes to the endpoint that answered last, and a moment later to the next one as well: the
 * first answer counts. So a transaction may be carried out although nobody was told, or be tried twice;
 * whoever makes one has to recognise its own work.
 */

/** What a key holds; `revision` is 0, and the text empty, when there is no such key. */
export interface Entry {
  readonly text: string;
  /** Of the last change, over all keys of the cluster. */
  readonly revision: number;
}

export interface Change {
  /** Keys that must not have changed since these revisions; 0 for one that must not be there. */
  readonly unchanged: ReadonlyMap<string, number>;
  readonly put: ReadonlyMap<string, string>;
}

export interface Changed {
  readonly done: boolean;
  /** Of the change, when done. */
  readonly revision: number;
  /** When not done, what the prefix held at that moment. */
  readonly found: ReadonlyMap<string, Entry>;
}

/** Other endpoints are asked as well when one has not answered for so long. */
const NEXT_ENDPOINT_MS = 40;

/** Numbers of 64 bits are texts in the gateway's JSON; what is zero is left out. */
interface Pair {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: string;
}

interface RangeAnswer {
  readonly kvs?: readonly Pair[];
}

interface TxnAnswer {
  readonly header: { readonly revision: string };
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: RangeAnswer }[];
}

export class EtcdClient {
  private readonly endpoints: readonly string[];
  private readonly prefix: string;
  private readonly timeoutMs: number;
  /** Number of the endpoint that answered last. */
  private first = 0;

  /**
   * @param endpoints - without a slash at the end
   * @param prefix - of all keys; those in calls are what stands behind it
   * @param timeoutMs - a request that has no answer has failed then
   */
  constructor(endpoints: readonly string[], prefix: string, timeoutMs: number) {
    this.endpoints = endpoints;
    this.prefix = prefix;
    this.timeoutMs = timeoutMs;
  }

  /** Rejects when no endpoint has an answer, as `change` does: it may have been done all the same. */
  async read(): Promise<ReadonlyMap<string, Entry>> {
    return this.entries((await this.ask("/v3/kv/range", this.range())) as RangeAnswer);
  }

  async change({ unchanged, put }: Change): Promise<Changed> {
    const answer = (await this.ask("/v3/kv/txn", {
      compare: [...unchanged].map(([key, revision]) => ({
        key: encoded(this.prefix + key),
        target: "MOD",
        result: "EQUAL",
        mod_revision: String(revision),
      })),
      success: [...put].map(([key, text]) => ({
        request_put: { key: encoded(this.prefix + key), value: encoded(text) },
      })),
      failure: [{ request_range: this.range() }],
    })) as TxnAnswer;
    const range = answer.responses?.[0]?.response_range;
    return {
      done: answer.succeeded === true,
      revision: Number(answer.header.revision),
      found: range === undefined ? new Map() : this.entries(range),
    };
  }

  private range(): Readonly<Record<string, string>> {
    // The prefix ends with a slash; what follows that in ASCII is behind all of its keys.
    const end = `${this.prefix.slice(0, -1)}0`;
    return { key: encoded(this.prefix), range_end: encoded(end) };
  }

  private entries({ kvs = [] }: RangeAnswer): ReadonlyMap<string, Entry> {
    return new Map(
      kvs.map(({ key, value = "", mod_revision }) => [
        decoded(key).slice(this.prefix.length),
        { text: decoded(value), revision: Number(mod_revision) },
      ]),
    );
  }

  private async ask(path: string, body: unknown): Promise<unknown> {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(new Error("no answer")), this.timeoutMs);
    const text = JSON.stringify(body);
    const order = this.endpoints.map((_, k) => (this.first + k) % this.endpoints.length);
    try {
      return await Promise.any(
        order.map(async (index, k) => {
          if (k > 0) await delay(k * NEXT_ENDPOINT_MS, over.signal);
          return this.askOne(index, path, text, over.signal);
        }),
      );
    } catch (error) {
      const reasons = (error as AggregateError).errors.map(({ cause, message }, k) => {
        const why = (cause as Error | undefined)?.message ?? message;
        return `${this.endpoints[order[k]!]}: ${why}`;
      });
      throw new Error(reasons.join("; "));
    } finally {
      clearTimeout(timer);
      over.abort();
    }
  }

  private async askOne(
    index: number,
    path: string,
    body: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    const answer = await fetch(this.endpoints[index]! + path, { method: "POST", body, signal });
    const json: unknown = await answer.json();
    if (!answer.ok) throw new Error((json as { message?: string }).message ?? answer.statusText);
    this.first = index;
    return json;
  }
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

function encoded(text: string): string {
  return Buffer.from(text).toString("base64");
}

function decoded(base64: string): string {
  return Buffer.from(base64, "base64").toString();
}
