/** What JSON in a record says, checked: it is written by another process, maybe of another version. */

import { BFD_STATES } from "@ts-bgp/bfd";
import type { BfdNews, Doomed, KernelNews, MemberNews, Order } from "@ts-bgp/router";
import type { SourceEnd } from "@ts-bgp/rpki";
import type { Question } from "@ts-bgp/views";
import { FormatError } from "./octet-reader.ts";

/** What is compared of two sides, by name: a difference can be named. */
export type DigestValue = Readonly<Record<string, number | string>>;

type Fields = Readonly<Record<string, unknown>>;

/** @throws FormatError for what is no digest */
export function digestIn(json: unknown): DigestValue {
  const isRight =
    isObject(json) &&
    Object.values(json).every((value) => typeof value === "string" || Number.isFinite(value));
  if (!isRight) throw new FormatError("a digest that is none");
  return json as DigestValue;
}

/** @throws FormatError for what is no list of sessions that would end */
export function doomedIn(json: unknown): readonly Doomed[] {
  const isRight =
    Array.isArray(json) &&
    json.every(
      (one) =>
        isObject(one) && typeof one["address"] === "string" && typeof one["cause"] === "string",
    );
  if (!isRight) throw new FormatError("sessions that would end, which are none");
  return json as Doomed[];
}

/** @throws FormatError for an order that this version does not know */
export function orderIn(json: unknown): Order {
  if (!isOrder(json)) throw new FormatError("an operator's order that is not known");
  return json;
}

/** @throws FormatError for what no BFD session says of itself */
export function bfdNewsIn(json: unknown): BfdNews {
  if (!isBfdNews(json)) throw new FormatError("news of a BFD session that are not known");
  return json;
}

/** @throws FormatError for what no member of a cluster tells */
export function memberNewsIn(json: unknown): MemberNews {
  if (!isMemberNews(json))
    throw new FormatError("news of a member of the cluster that are not known");
  return json;
}

/** @throws FormatError for what is not told of routes of the kernel */
export function kernelNewsIn(text: string): KernelNews {
  if (!["begin", "routes", "complete"].includes(text)) {
    throw new FormatError("news of the kernel that are not known");
  }
  return text as KernelNews;
}

/** @throws FormatError for a question that this version does not know */
export function questionIn(json: unknown): Question {
  if (!isQuestion(json)) throw new FormatError("a question for a route that is not known");
  return json;
}

/** @throws FormatError for what no source says at its end */
export function sourceEndIn(json: unknown): SourceEnd {
  if (!isSourceEnd(json)) throw new FormatError("an end of payloads that is not known");
  return json;
}

function isSourceEnd(json: unknown): json is SourceEnd {
  if (!isObject(json)) return false;
  const { session, isWhole, version, serial } = json;
  const { refreshSeconds, retrySeconds, expireSeconds } = json;
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  const areCounts = [version, serial, refreshSeconds, retrySeconds, expireSeconds].every(isCount);
  return areCounts && typeof isWhole === "boolean" && (session === null || isCount(session));
}

function isBfdNews(json: unknown): json is BfdNews {
  if (!isObject(json)) return false;
  const { record, change } = json;
  return (record === null || isBfdRecord(record)) && (change === null || isBfdChange(change));
}

function isBfdRecord(json: unknown): boolean {
  if (!isObject(json)) return false;
  const { remote, sequence, state, isPolling } = json;
  if (!isObject(remote) || !isObject(sequence)) return false;
  const numbers = [
    ...[json["diagnostic"], json["discriminator"], json["sinceMs"], json["ups"]],
    ...[json["desiredMinTxUs"], json["requiredMinRxUs"], json["txUs"], json["rxUs"]],
    ...[remote["discriminator"], remote["diagnostic"], remote["minRxUs"]],
    ...[remote["desiredMinTxUs"], remote["multiplier"]],
    ...[sequence["number"], sequence["sinceMs"], sequence["stepUs"]],
  ];
  const areStates = isBfdState(state) && state !== "admin-down" && isBfdState(remote["state"]);
  const areFlags = typeof isPolling === "boolean" && typeof remote["isDemand"] === "boolean";
  return areStates && areFlags && numbers.every(Number.isFinite);
}

function isBfdChange(json: unknown): boolean {
  if (!isObject(json)) return false;
  const { from, to, reason, isAdmin } = json;
  const areStates = isBfdState(from) && isBfdState(to);
  return areStates && typeof reason === "string" && typeof isAdmin === "boolean";
}

function isBfdState(json: unknown): boolean {
  return (BFD_STATES as readonly unknown[]).includes(json);
}

function isMemberNews(json: unknown): json is MemberNews {
  if (!isObject(json)) return false;
  const { what, peer, address, identifier } = json;
  if (what !== "peer") return ["begin", "routes", "complete", "gone"].includes(what as string);
  return typeof address === "string" && [peer, identifier].every(Number.isSafeInteger);
}

function isOrder(json: unknown): json is Order {
  if (!isObject(json)) return false;
  const { direction, text } = json;
  switch (json["do"]) {
    case "refresh":
      return direction === "in" || direction === "out";
    case "reset":
    case "disable":
      return text === null || typeof text === "string";
    case "enable":
    case "release":
      return true;
    case "quarantine":
      return isQuarantine(json);
    default:
      return false;
  }
}

function isQuarantine({ cause, count, file, seconds }: Fields): boolean {
  const isTime = seconds === undefined || (Number.isFinite(seconds) && (seconds as number) > 0);
  const isCount = Number.isSafeInteger(count) && (count as number) >= 1;
  return (
    typeof cause === "string" && isCount && isTime && (file === null || typeof file === "string")
  );
}

function isQuestion(json: unknown): json is Question {
  if (!isObject(json)) return false;
  const { direction, family, key, text, neighbor } = json;
  const isDirection = direction === "import" || direction === "export";
  const areTexts = typeof text === "string" && typeof neighbor === "string";
  return isDirection && (family === 1 || family === 2) && areTexts && isKey(key);
}

function isKey(json: unknown): boolean {
  if (!isObject(json)) return false;
  const { words, bits } = json;
  const areWords = Array.isArray(words) && words.length === 4 && words.every(Number.isSafeInteger);
  return areWords && Number.isSafeInteger(bits) && (bits as number) >= 0 && (bits as number) <= 128;
}

/** Whether JSON is an object with names, and no list. */
export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
