/**
 * The little of etcd that an arbiter needs, over the HTTP/JSON gateway of version 3.4 and later: one
 * transaction, and reading what a prefix holds. Both are linearizable: they have gone through the
 * majority of the members.
 *
 * A request goes to the endpoint that answered last, and a moment later to the next one as well: the
 * first answer that is one of etcd's counts. So a transaction may be carried out although nobody was
 * told, or be tried twice; whoever makes one has to recognise its own work.
 *
 * With a user, each endpoint has a token of its own, which is asked for when it is needed first and when it
 * is valid no more.
 */

import type { EtcdAccess, EtcdUser } from "@ts-bgp/config";
import {
  type Answer,
  BadAnswerError,
  type Change,
  type Changed,
  changeAnswer,
  errorText,
  type Origin,
  readAnswer,
  tokenAnswer,
} from "./etcd-answers.ts";
import { EtcdEndpoint } from "./etcd-http.ts";

/** Other endpoints are asked as well when one has not answered for so long. */
const NEXT_ENDPOINT_MS = 40;
/** A login takes a member of etcd some 100 ms of processor time; one that is slow is not begun again. */
const LOGIN_MS = 5000;
/** What etcd says when a token is needed, was forgotten, or is older than a change of the users. */
const TOKEN_IS_OLD = /invalid auth token|revision of auth store is old|user name is empty/;
/** No key was ever changed then. */
const NEVER = Number.MAX_SAFE_INTEGER;
/** Of an answer: many times what the two keys of a pair need. */
const ANSWER_OCTETS_MAX = 1 << 16;

export class EtcdClient {
  /** Number of the cluster, null before one has answered; others are not believed then. */
  cluster: string | null = null;
  private readonly endpoints: readonly EtcdEndpoint[];
  private readonly user: EtcdUser | null;
  private readonly prefix: string;
  private readonly timeoutMs: number;
  /** Of each endpoint, when asked for. */
  private readonly tokens: Map<EtcdEndpoint, Promise<string>> = new Map();
  /** Number of the endpoint that answered last. */
  private first = 0;
  /** The highest that was seen: no later answer has less. */
  private revision = 0;
  /** Of requests and logins that are under way. */
  private readonly running: Set<AbortController> = new Set();

  /**
   * @param prefix - of all keys; those in calls are what stands behind it
   * @param timeoutMs - a request that has no answer has failed then
   * @param octetsMax - of an answer
   */
  constructor(
    { endpoints, tls, user }: EtcdAccess,
    prefix: string,
    timeoutMs: number,
    octetsMax: number = ANSWER_OCTETS_MAX,
  ) {
    this.endpoints = endpoints.map((url) => new EtcdEndpoint(url, tls, octetsMax));
    this.user = user;
    this.prefix = prefix;
    this.timeoutMs = timeoutMs;
  }

  /** Rejects when no endpoint has an answer of etcd, as `change` does: it may have been done all the same. */
  read(): Promise<Answer> {
    return this.ask("/v3/kv/range", this.range(), (json) => readAnswer(json, this.prefix));
  }

  change(change: Change): Promise<Changed> {
    const { unchanged, put } = change;
    const compare = [...unchanged].map(([key, revision]) => ({
      key: encoded(this.prefix + key),
      target: "MOD",
      result: "EQUAL",
      mod_revision: String(revision),
    }));
    const puts = [...put].map(([key, text]) => ({
      request_put: { key: encoded(this.prefix + key), value: encoded(text) },
    }));
    const range = { request_range: this.range() };
    const body = { compare, success: [...puts, range], failure: [range] };
    return this.ask("/v3/kv/txn", body, (json) => changeAnswer(json, this.prefix, change));
  }

  /** Tries a change that is never done. Rejects when this client may not read or write. */
  async probe(key: string): Promise<void> {
    await this.change({ unchanged: new Map([[key, NEVER]]), put: new Map([[key, ""]]) });
  }

  /** Believes whatever cluster answers next, for those whom a wrong one does no harm. */
  forget(): void {
    this.cluster = null;
    this.revision = 0;
  }

  /** Ends all requests and connections. */
  close(): void {
    for (const each of this.running) each.abort(new Error("nobody waits for it any more"));
    for (const endpoint of this.endpoints) endpoint.close();
  }

  private range(): Readonly<Record<string, string>> {
    // The prefix ends with a slash; what follows that in ASCII is behind all of its keys.
    const end = `${this.prefix.slice(0, -1)}0`;
    return { key: encoded(this.prefix), range_end: encoded(end) };
  }

  /** Any request; rejects as `read` does. */
  async ask<T extends Origin>(
    path: string,
    body: unknown,
    parse: (json: unknown) => T,
  ): Promise<T> {
    const { signal, end } = this.limited(this.timeoutMs);
    const text = JSON.stringify(body);
    const order = this.endpoints.map((_, k) => (this.first + k) % this.endpoints.length);
    const { revision } = this;
    try {
      return await Promise.any(
        order.map(async (index, k) => {
          if (k > 0) await delay(k * NEXT_ENDPOINT_MS, signal);
          const json = await this.askOne(this.endpoints[index]!, path, text, signal);
          const answer = parse(json);
          this.believe(answer, revision);
          this.first = index;
          return answer;
        }),
      );
    } catch (error) {
      const reasons = (error as AggregateError).errors.map(
        (reason: Error, k) => `${this.endpoints[order[k]!]!.url}: ${reasonOf(reason)}`,
      );
      throw new Error(reasons.join("; "));
    } finally {
      end();
    }
  }

  /** @returns the signal of something that is to be over after a time, or when nobody waits any more */
  private limited(ms: number): { signal: AbortSignal; end: () => void } {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(new Error("no answer")), ms);
    this.running.add(over);
    const end = () => {
      clearTimeout(timer);
      this.running.delete(over);
      over.abort();
    };
    return { signal: over.signal, end };
  }

  /** @param floor - what `revision` was when the question was asked */
  private believe({ cluster, revision }: Origin, floor: number): void {
    if (this.cluster !== null && cluster !== this.cluster) {
      throw new Error(`another cluster of etcd, ${cluster}, answered than before, ${this.cluster}`);
    }
    if (revision !== null && revision < floor) {
      throw new BadAnswerError(`revision ${revision} after ${floor}`);
    }
    this.cluster = cluster;
    this.revision = Math.max(this.revision, revision ?? 0);
  }

  private async askOne(
    endpoint: EtcdEndpoint,
    path: string,
    body: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    for (let tries = 0; ; tries++) {
      const token = this.user === null ? null : this.token(endpoint, this.user);
      const word = token === null ? null : await orAborted(token, signal);
      const { status, json } = await endpoint.post(path, body, word, signal);
      if (status === 200) return json;
      const text = errorText(json, status);
      if (token === null || tries > 0 || !TOKEN_IS_OLD.test(text)) throw new Error(text);
      // Another request may have asked for a new one already.
      if (this.tokens.get(endpoint) === token) this.tokens.delete(endpoint);
    }
  }

  /** A token that is asked for is for the next request as well, if it comes too late for this one. */
  private token(endpoint: EtcdEndpoint, user: EtcdUser): Promise<string> {
    let token = this.tokens.get(endpoint);
    if (token === undefined) {
      const { signal, end } = this.limited(LOGIN_MS);
      token = logIn(endpoint, user, signal).finally(end);
      this.tokens.set(endpoint, token);
      token.catch(() => this.tokens.delete(endpoint));
    }
    return token;
  }
}

async function logIn(
  endpoint: EtcdEndpoint,
  { name, password }: EtcdUser,
  signal: AbortSignal,
): Promise<string> {
  const body = JSON.stringify({ name, password });
  const { status, json } = await endpoint.post("/v3/auth/authenticate", body, null, signal);
  if (status !== 200) throw new Error(`no login as ${name}: ${errorText(json, status)}`);
  return tokenAnswer(json);
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
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

function reasonOf(error: Error): string {
  // OpenSSL's own words have places in its source around the reason.
  const { reason, message, code } = error as Error & { reason?: string; code?: string };
  return (code?.startsWith("ERR_SSL_") ? reason : message) || code || error.name;
}

function encoded(text: string): string {
  return Buffer.from(text).toString("base64");
}
