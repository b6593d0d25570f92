/**
 * Why a route is used or not, sent or not: asked of the very code that decides.
 */

import { type Explanation, REASON, type RuleTrace } from "@ts-bgp/policy";
import {
  type AttrId,
  advertised,
  exactMatch,
  isBeyondLimit,
  isWithheld,
  keyOf,
  type PathRow,
  type PeerRow,
  type PrefixKey,
  type PrefixRow,
  type Rib,
} from "@ts-bgp/rib";
import { type FamilyState, familyLabel, type Neighbor, type Router } from "@ts-bgp/router";
import {
  type ShownReason,
  type ShownRoute,
  shownPathOf,
  shownReason,
  stalenessOf,
} from "./show-routes.ts";
import { showOrigin } from "./show-rpki.ts";

/** A rule that a route came to. `source` is absent for whoever may not know of files on the host. */
export type ExplainedRule = Omit<RuleTrace, "source"> & Partial<Pick<RuleTrace, "source">>;

/** What is said when nothing is sent, and when there is nothing that could be. */
export const NOT_ADVERTISED = "not advertised";
export const NO_PATH = "there is no accepted path";

/** One step on the way of a route, in the order in which it was taken. */
export interface ExplainedStep {
  step:
    | "checks"
    | "rpki"
    | "policy"
    | "limit"
    | "restart"
    | "decision"
    | "split-horizon"
    | "advertised";
  /** Whether the route came past it. */
  passed: boolean;
  text: string;
  /** Of a policy: each rule with its conditions and what they found. */
  rules?: readonly ExplainedRule[];
  reason?: ShownReason;
}

/** What became of one path. */
export interface ExplainedPath {
  path: ShownRoute;
  steps: ExplainedStep[];
}

export interface Explained {
  prefix: string;
  neighbor: string;
  direction: "import" | "export";
  /** One line: the outcome. */
  verdict: string;
  paths: ExplainedPath[];
}

/** What can be asked. */
export interface Question {
  readonly direction: "import" | "export";
  readonly family: 1 | 2;
  readonly key: PrefixKey;
  /** The prefix as it was asked for. */
  readonly text: string;
  /** Address of a neighbor. */
  readonly neighbor: string;
}

/**
 * Why a prefix of a neighbor is used or not, or is sent to it or not. What decides makes attribute sets on the way,
 * which stay. An active of an older version makes it a call like any other, and its standby has to run it as well; one
 * of this version asks by `explainInSteps`.
 */
export function explainRoute(router: Router, question: Question): Explained {
  const steps = stepsOf(router, question);
  for (;;) {
    const { done, value } = steps.next();
    if (done !== true) continue;
    router.tables.endSlice();
    return value;
  }
}

/**
 * The same in steps of one path, of which each leaves the router as it was: no standby has to know of it. The tables
 * may change between two steps: the paths, their order and what is sent are those of the first one, why that is so is
 * said as it is when the path comes, and a path that is gone by then is left out.
 */
export function* explainInSteps(router: Router, question: Question): Generator<void, Explained> {
  const steps = stepsOf(router, question);
  for (;;) {
    const { done, value } = router.tables.looking(() => steps.next());
    if (done === true) return value;
    yield;
  }
}

function stepsOf(router: Router, question: Question): Generator<void, Explained> {
  const rib = router.tables.rib(question.family);
  return question.direction === "import"
    ? importSteps(router, rib, question)
    : exportSteps(router, rib, question);
}

function baseOf({ text, neighbor, direction }: Question): Omit<Explained, "verdict" | "paths"> {
  return { prefix: text, neighbor, direction };
}

/** Why the routes of a neighbor for a prefix are used or not. */
function* importSteps(router: Router, rib: Rib, question: Question): Generator<void, Explained> {
  const { family, key } = question;
  // One that was removed since it was asked for has no row.
  const peer = router.neighbors.get(question.neighbor)?.row ?? 0;
  const paths: ExplainedPath[] = [];
  for (const one of pathsOf(rib, key, peer)) {
    const neighbor = router.neighbors.get(question.neighbor);
    const path = pathNamed(rib, key, one);
    if (neighbor?.row === peer && path !== 0) paths.push(explainPath(router, rib, neighbor, path));
    yield;
  }
  const base = baseOf(question);
  if (paths.length === 0) {
    const neighbor = router.neighbors.get(question.neighbor);
    return { ...base, verdict: noSession(neighbor, family) ?? "not received", paths };
  }
  const best = paths.find(({ path }) => path.status === "best");
  const accepted = paths.find(({ path }) => path.status === "accepted");
  const verdict =
    best !== undefined
      ? "accepted, and the best path"
      : accepted !== undefined
        ? "accepted, but another path is preferred"
        : `rejected: ${paths[0]!.path.reason?.text}`;
  return { ...base, verdict, paths };
}

/** Why a prefix is advertised to a neighbor or not: with each candidate that is sent there is less room for the next. */
function* exportSteps(router: Router, rib: Rib, question: Question): Generator<void, Explained> {
  const { family, key } = question;
  const base = baseOf(question);
  const stateOf = () => router.neighbors.get(question.neighbor)?.session?.family(family);
  const lacking = () => noSession(router.neighbors.get(question.neighbor), family);
  const begun = stateOf();
  if (begun === undefined) return { ...base, verdict: lacking()!, paths: [] };
  const candidates = candidatesOf(rib, key);
  if (candidates.length === 0) return { ...base, verdict: NO_PATH, paths: [] };
  const { member } = begun;
  const row = exactMatch(rib.prefixes, key);
  const sent = isHeldBack(router, member) ? [] : advertised(member.group, row, member);
  const place: ExportPlace = { rank: 0, hasOne: false, sent: new Set(sent.map(([id]) => id)) };
  const paths: ExplainedPath[] = [];
  for (const one of candidates) {
    const state = stateOf();
    if (state === undefined) return { ...base, verdict: lacking()!, paths: [] };
    const neighbor = router.neighbors.get(question.neighbor)!;
    const path = pathNamed(rib, key, one);
    if (path !== 0) paths.push(explainCandidate(router, rib, neighbor, state, path, place));
    place.rank++;
    yield;
  }
  const verdict =
    sent.length === 0 ? NOT_ADVERTISED : `advertised (${sent.length} path${plural(sent.length)})`;
  return { ...base, verdict, paths };
}

function isHeldBack({ tables }: Router, member: FamilyState["member"]): boolean {
  return tables.groups.held.includes(member);
}

/** What a path of a prefix is known by while rows change. */
type PathName = readonly [peer: PeerRow, pathId: number];

/** @returns 0 for one that is gone */
function pathNamed(rib: Rib, key: PrefixKey, [peer, pathId]: PathName): PathRow {
  const row = exactMatch(rib.prefixes, key);
  return row === 0 ? 0 : rib.find(row, peer, pathId);
}

function pathsOf({ prefixes, paths }: Rib, key: PrefixKey, peer: PeerRow): PathName[] {
  const found: PathName[] = [];
  const row = exactMatch(prefixes, key);
  const head = row === 0 ? 0 : prefixes.head[row]!;
  for (let path = head; path !== 0; path = paths.next[path]!) {
    if (paths.peer[path] === peer) found.push([peer, paths.pathId[path]!]);
  }
  return found;
}

/** @returns what may be sent, in order of preference: all of them are ranked at once, in the first step */
function candidatesOf({ prefixes, paths, decision }: Rib, key: PrefixKey): PathName[] {
  const row = exactMatch(prefixes, key);
  const count = row === 0 ? 0 : decision.collect(prefixes.head[row]!);
  return Array.from({ length: count }, (_, rank) => {
    const path = decision.preferred(rank);
    return [paths.peer[path]!, paths.pathId[path]!];
  });
}

/** @returns why nothing of the family is exchanged with the neighbor, null when it is */
function noSession(neighbor: Neighbor | undefined, family: 1 | 2): string | null {
  const session = neighbor?.session ?? null;
  if (session === null) return "no session is established";
  return session.family(family) === undefined ? `${familyLabel(family)} was not negotiated` : null;
}

function explainPath(router: Router, rib: Rib, neighbor: Neighbor, path: PathRow): ExplainedPath {
  const { paths, prefixes } = rib;
  const { emptySet } = router.tables;
  const row = paths.prefix[path]!;
  const attrIn = paths.attrIn[path]!;
  const stored = paths.reason[path]!;
  const shown = shownPathOf(router, rib, row, path, attrIn);
  const steps: ExplainedStep[] = [];
  const { import: decides } = neighbor;
  // What cannot be asked again: a message that could not be read, a route that is on its way out.
  if (attrIn === emptySet || decides === null) {
    if (stored !== 0) steps.push(failedBy("checks", shown.reason!));
  } else {
    const outcome = decides.importer.explain(attrIn, rib.family, keyOf(prefixes, row));
    if (outcome === stored) steps.push(failedBy("checks", shown.reason!));
    else if (typeof outcome === "number") steps.push(failed(router, "checks", outcome));
    else {
      steps.push({
        step: "checks",
        passed: true,
        text: "AS_PATH, NEXT_HOP and prefix are in order",
      });
      const origin = originStep(router, rib, row, attrIn, neighbor);
      if (origin !== null) steps.push(origin);
      steps.push(policyStep(router, outcome));
      // Policy has nothing against it: then the number of the peer's prefixes has.
      if (outcome.verdict.accept && stored !== 0) steps.push(failed(router, "limit", stored));
    }
  }
  const stale = staleStep(router, rib, path, neighbor);
  if (stale !== null) steps.push(stale);
  if (paths.attr[path] !== 0) steps.push(decisionStep(router, rib, row, path));
  return { path: shown, steps };
}

/** How far the candidates of a prefix are explained. */
interface ExportPlace {
  /** Of the next one, by preference. */
  rank: number;
  /** One of them is sent. */
  hasOne: boolean;
  /** Path identifiers that are. */
  readonly sent: ReadonlySet<number>;
}

function explainCandidate(
  router: Router,
  rib: Rib,
  neighbor: Neighbor,
  { member }: FamilyState,
  path: PathRow,
  place: ExportPlace,
): ExplainedPath {
  const { settings } = member.entry;
  const row = rib.paths.prefix[path]!;
  const shown = shownPathOf(router, rib, row, path, rib.paths.attr[path]!);
  const steps = candidateSteps(router, rib, row, neighbor, member, path);
  if (!steps.at(-1)!.passed) return { path: shown, steps };
  if (isHeldBack(router, member)) {
    const text =
      "nothing is sent yet after our restart: neighbors have not sent all that they have";
    steps.push({ step: "restart", passed: false, text });
    return { path: shown, steps };
  }
  const { rank, hasOne, sent } = place;
  const isNext = !hasOne && (rank === 0 || settings.mitigatesPathHiding) && sent.size > 0;
  const isSent = settings.form.addPath ? sent.has(rib.paths.sentPathId[path]!) : isNext;
  place.hasOne ||= isSent;
  const text = "sent to this neighbor, or on its way";
  if (isSent) steps.push({ step: "advertised", passed: true, text });
  else steps.push(failed(router, "advertised", REASON["not-best"]));
  return { path: shown, steps };
}

const BEYOND_LIMIT: ShownReason = {
  code: "max-prefix-out",
  text: "as many routes are sent as the neighbor may be sent (max-prefix-out)",
};

/** What stands between a path and a neighbor, up to the first thing that stops it. */
function candidateSteps(
  router: Router,
  rib: Rib,
  row: PrefixRow,
  neighbor: Neighbor,
  member: FamilyState["member"],
  path: PathRow,
): ExplainedStep[] {
  const { entry, cls, group } = member;
  const { exporter } = entry;
  const source = rib.paths.peer[path]!;
  if (exporter.sourceClass(source) === cls) {
    const reason = REASON[source === neighbor.row ? "own-route" : "same-as"];
    return [failed(router, "split-horizon", reason)];
  }
  const held = exporter.heldBack(path);
  if (held !== 0) return [failed(router, "checks", held)];
  const withholds = (attr: AttrId) => isWithheld(group, attr, member);
  const { explanation, reason, leftOut } = exporter.explain(path, row, neighbor.facts, withholds);
  const policy = policyStep(router, explanation);
  if (!policy.passed) return [policy];
  if (reason !== 0) return [policy, failed(router, "checks", reason)];
  if (isBeyondLimit(group, row, path, member)) return [policy, failedBy("checks", BEYOND_LIMIT)];
  if (leftOut.length === 0) return [policy];
  const text = `sent without what is not for another AS (RFC 4360): ${leftOut.join(", ")}`;
  return [policy, { step: "checks", passed: true, text }];
}

function policyStep(router: Router, { rules, verdict }: Explanation): ExplainedStep {
  if (verdict.accept) return { step: "policy", passed: true, text: "accepted by policy", rules };
  return { ...failed(router, "policy", verdict.reason), rules };
}

/** What origin validation says, which policy may ask for: nothing is decided here. */
function originStep(
  router: Router,
  rib: Rib,
  row: PrefixRow,
  attr: AttrId,
  { facts }: Neighbor,
): ExplainedStep | null {
  const origin = showOrigin(router, rib, row, attr, facts);
  if (origin === null) return null;
  const { state, as, covering, denied } = origin;
  const roas = covering.length === 0 ? "no ROA covers it" : `covered by ${covering.join(", ")}`;
  const from = as === 0 ? "without an origin AS" : `of origin AS ${as}`;
  const path =
    facts.role === null ? "" : `; its path is ${origin.path} by ASPAs, by role ${facts.role}`;
  const hops = denied.map(([customer, other]) => `AS ${other} is no provider of AS ${customer}`);
  const why = hops.length === 0 ? "" : `: ${hops.join(", ")}`;
  return { step: "rpki", passed: true, text: `${state}: ${from}, ${roas}${path}${why}` };
}

/** Why a route is there that no session stands behind. */
function staleStep(
  router: Router,
  rib: Rib,
  path: PathRow,
  { config }: Neighbor,
): ExplainedStep | null {
  const kept = stalenessOf(router, rib, path, config.address);
  if (kept === null) return null;
  const until = new Date(kept.untilMs).toISOString();
  const how = kept.isLongLived
    ? "as a last resort (RFC 9494), behind all routes that are not: LLGR_STALE was added"
    : "while the neighbor restarts (RFC 4724)";
  return { step: "restart", passed: true, text: `kept until ${until} at most ${how}` };
}

function decisionStep(router: Router, rib: Rib, row: PrefixRow, path: PathRow): ExplainedStep {
  const best = rib.prefixes.best[row]!;
  if (best === path) return { step: "decision", passed: true, text: "this is the best path" };
  const winner = router.tables.directory.factsOf(rib.paths.peer[best]!);
  const step = rib.decision.firstDifference(best, path);
  const text = `the path of ${winner.address} is preferred: ${step}`;
  return { step: "decision", passed: false, text };
}

function failed(router: Router, step: ExplainedStep["step"], number: number): ExplainedStep {
  return failedBy(step, shownReason(router.tables.reasons, number));
}

function failedBy(step: ExplainedStep["step"], reason: ShownReason): ExplainedStep {
  return { step, passed: false, text: reason.text, reason };
}

function plural(count: number): string {
  return count === 1 ? "" : "s";
}
