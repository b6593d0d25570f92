/**
 * What etcd's gateway answers, checked in every part: who is active hangs on it, so anything that is not
 * what etcd's API gives to the very question is an error, and says nothing about a role.
 *
 * Numbers of 64 bits are texts in the gateway's JSON; what is zero, false or empty is left out.
 */

/** What a key holds; `revision` is that of its last change, over all keys of the cluster. */
export interface Entry {
  readonly text: string;
  readonly revision: number;
}

export interface Change {
  /** Keys that must not have changed since these revisions; 0 for one that must not be there. */
  readonly unchanged: ReadonlyMap<string, number>;
  readonly put: ReadonlyMap<string, string>;
}

/** What each answer says of the cluster of etcd. */
export interface Origin {
  /** Number of the cluster, decimal. */
  readonly cluster: string;
  /** Of all changes in the cluster when it was asked; null where the member that answers may be behind. */
  readonly revision: number | null;
}

export interface Answer extends Origin {
  readonly revision: number;
  /** What the prefix held then; after a change that was done, what it put. */
  readonly found: ReadonlyMap<string, Entry>;
}

export interface Changed extends Answer {
  readonly isDone: boolean;
}

/** An answer that is none of etcd's. */
export class BadAnswerError extends Error {
  constructor(what: string) {
    super(`not an answer of etcd: ${what}`);
  }
}

type Fields = Readonly<Record<string, unknown>>;

const NUMBER_64 = /^[1-9]\d{0,19}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** @param prefix - of all keys asked for; not part of their names in the answer */
export function readAnswer(json: unknown, prefix: string): Answer {
  const answer = fieldsOf(json, "the answer");
  const { cluster, revision } = headerOf(answer);
  return { cluster, revision, found: entriesOf(answer, prefix, revision) };
}

/** Of a transaction that puts, and reads the prefix then, or only reads it when the keys have changed. */
export function changeAnswer(json: unknown, prefix: string, { unchanged, put }: Change): Changed {
  const answer = fieldsOf(json, "the answer");
  const { cluster, revision } = headerOf(answer);
  const { succeeded: isDone = false } = answer;
  if (typeof isDone !== "boolean")
    throw new BadAnswerError('"succeeded" is neither true nor false');
  const responses = listOf(answer["responses"], '"responses"');
  const puts = isDone ? put.size : 0;
  if (responses.length !== puts + 1) {
    throw new BadAnswerError(`${responses.length} responses to ${puts + 1} requests`);
  }
  const parts = responses.map((response) => fieldsOf(response, "a response"));
  for (const part of parts.slice(0, puts)) {
    sameRevision(fieldsOf(part["response_put"], '"response_put"'), revision);
  }
  const range = fieldsOf(parts.at(-1)!["response_range"], '"response_range"');
  sameRevision(range, revision);
  const found = entriesOf(range, prefix, revision);
  if (isDone) {
    for (const [key, before] of unchanged) {
      if (!put.has(key) && (found.get(key)?.revision ?? 0) !== before) {
        throw new BadAnswerError(`a change was done although ${key} has changed`);
      }
    }
    for (const [key, text] of put) {
      const entry = found.get(key);
      if (entry?.text !== text || entry.revision !== revision) {
        throw new BadAnswerError(`${key} does not hold what was written`);
      }
    }
  } else if ([...unchanged].every(([key, before]) => (found.get(key)?.revision ?? 0) === before)) {
    throw new BadAnswerError("it refuses a change that nothing forbids");
  }
  return { cluster, revision, isDone, found };
}

/** Of a request that answers no more than that it was done, or how it would be. */
export function plainAnswer(json: unknown): Origin & { readonly found: undefined } {
  const { cluster } = headerOf(fieldsOf(json, "the answer"));
  return { cluster, revision: null, found: undefined };
}

/** Of a lease that is made. @returns its number */
export function leaseAnswer(json: unknown): Origin & { readonly found: string } {
  const answer = fieldsOf(json, "the answer");
  const { cluster } = headerOf(answer);
  return { cluster, revision: null, found: numberText(answer, "ID") };
}

/** Of a lease that is kept: an answer in a stream, of which there is one. @returns whether there is such a lease */
export function keepAliveAnswer(json: unknown): Origin & { readonly found: boolean } {
  const result = fieldsOf(fieldsOf(json, "the answer")["result"], '"result"');
  const { cluster } = headerOf(result);
  return { cluster, revision: null, found: result["TTL"] !== undefined };
}

/** Of keys without what they hold: the oldest ones first. */
export function keysAnswer(
  json: unknown,
): Origin & { readonly found: { readonly keys: Uint8Array[]; readonly isWhole: boolean } } {
  const answer = fieldsOf(json, "the answer");
  const { cluster, revision } = headerOf(answer);
  const kvs = listOf(answer["kvs"] ?? [], '"kvs"');
  const keys = kvs
    .map((item) => fieldsOf(item, "a key"))
    .map((item) => ({ key: octetsIn(item, "key"), created: revisionIn(item, "create_revision") }))
    .sort((a, b) => a.created - b.created)
    .map(({ key }) => key);
  return { cluster, revision, found: { keys, isWhole: answer["more"] !== true } };
}

/** Of a login. @returns the token */
export function tokenAnswer(json: unknown): string {
  const { token } = fieldsOf(json, "the answer");
  // What is no token must not get into a header.
  if (typeof token !== "string" || !/^[\x21-\x7e]{1,8192}$/.test(token)) {
    throw new BadAnswerError('"token" is missing');
  }
  return token;
}

/** @returns what an answer says that is an error, in one short line */
export function errorText(json: unknown, status: number): string {
  const { message, error } = (typeof json === "object" && json !== null ? json : {}) as Fields;
  const text = [message, error].find((one) => typeof one === "string" && one !== "");
  if (text === undefined) return `HTTP status ${status}`;
  // It goes into logs, and somebody else may have written it.
  return (text as string).slice(0, 200).replace(/[^\x20-\x7e]/g, "?");
}

function headerOf(answer: Fields): { cluster: string; revision: number } {
  const header = fieldsOf(answer["header"], '"header"');
  for (const key of ["cluster_id", "member_id", "raft_term"]) numberText(header, key);
  return { cluster: numberText(header, "cluster_id"), revision: revisionIn(header, "revision") };
}

function sameRevision(response: Fields, revision: number): void {
  const header = fieldsOf(response["header"], "the header of a response");
  if (revisionIn(header, "revision") !== revision) {
    throw new BadAnswerError("the parts of a transaction have several revisions");
  }
}

function entriesOf(range: Fields, prefix: string, revision: number): Map<string, Entry> {
  const kvs = listOf(range["kvs"] ?? [], '"kvs"');
  const count = range["count"] === undefined ? "0" : numberText(range, "count");
  if (count !== String(kvs.length) || (range["more"] ?? false) !== false) {
    throw new BadAnswerError(`${kvs.length} keys of ${count}`);
  }
  const found = new Map<string, Entry>();
  for (const item of kvs) {
    const pair = fieldsOf(item, "a key");
    const key = textIn(pair, "key");
    const name = key.slice(prefix.length);
    if (!key.startsWith(prefix)) throw new BadAnswerError("a key that was not asked for");
    if (found.has(name)) throw new BadAnswerError("a key twice");
    const created = revisionIn(pair, "create_revision");
    const changed = revisionIn(pair, "mod_revision");
    revisionIn(pair, "version");
    if (created > changed || changed > revision) {
      throw new BadAnswerError("a key that was changed later than the answer was made");
    }
    found.set(name, { text: textIn(pair, "value"), revision: changed });
  }
  return found;
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new BadAnswerError(`${what} is ${value === undefined ? "missing" : "no object"}`);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new BadAnswerError(`${what} is ${value === undefined ? "missing" : "no list"}`);
}

function numberText(fields: Fields, key: string): string {
  const text = fields[key];
  if (typeof text === "string" && NUMBER_64.test(text)) return text;
  throw new BadAnswerError(`"${key}" is ${text === undefined ? "missing" : "no number"}`);
}

function revisionIn(fields: Fields, key: string): number {
  const revision = Number(numberText(fields, key));
  if (Number.isSafeInteger(revision)) return revision;
  throw new BadAnswerError(`"${key}" is too large`);
}

function textIn(fields: Fields, key: string): string {
  return octetsIn(fields, key).toString();
}

function octetsIn(fields: Fields, key: string): Buffer {
  const base64 = fields[key] ?? "";
  if (typeof base64 === "string" && BASE64.test(base64)) return Buffer.from(base64, "base64");
  throw new BadAnswerError(`"${key}" is not in base64`);
}
