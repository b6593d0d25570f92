/**
 * One member answers for all: it asks itself and each of the others, page by page. Who does not answer is named with
 * what is wrong and since when it is away.
 */

import { isElsewhere, type Neighbor, type Router } from "@ts-bgp/router";
import { ControlError, type ControlHandler, type ControlRequest } from "../control.ts";
import { type AnswerPage, ASKABLE } from "./asking.ts";
import type { FollowedMember } from "./followed-member.ts";
import type { OfMember, SilentMember } from "./shown.ts";

interface Members {
  readonly self: string;
  readonly router: Router;
  /** Of this one. */
  readonly answer: ControlHandler;
  /** The others. */
  readonly members: readonly FollowedMember[];
}

type Answer = ReturnType<ControlHandler>;

/**
 * @param request - `ask` is the command, the rest is for it. A `neighbor` is asked of the member that has its session. Routes
 *   without one are those of this member, which has all, each with the member that the session of its neighbor is with.
 * @returns items `OfMember`, and `SilentMember` for each that has not answered
 */
export function askMembers(all: Members, { ask, ...rest }: ControlRequest): Answer {
  if (typeof ask !== "string" || !ASKABLE.includes(ask)) {
    throw new ControlError(`"ask" must be ${ASKABLE.join(" or ")}`, "bad");
  }
  const request = { ...rest, command: ask };
  const { neighbor } = request as { neighbor?: unknown };
  if (typeof neighbor === "string") return askOne(all, nameOf(all, neighbor), request);
  return ask === "show-routes" ? routes(all, request) : everybody(all, request);
}

/** @returns the member that has a neighbor, which is an address or a description */
function nameOf({ self, router }: Members, wanted: string): string {
  const named = ({ config }: Neighbor) => config.description === wanted;
  const neighbor = router.neighbors.get(wanted) ?? [...router.neighbors.values()].find(named);
  return neighbor?.config.speaker ?? self;
}

async function* askOne(
  { self, answer, members }: Members,
  name: string,
  request: ControlRequest,
): Answer {
  const member = members.find((each) => each.name === name);
  if (member !== undefined) yield* told(member, request);
  else yield* own(self, answer, request);
  return {};
}

async function* everybody({ self, answer, members }: Members, request: ControlRequest): Answer {
  yield* own(self, answer, request);
  for (const member of members) yield* told(member, request);
  return {};
}

async function* routes(
  { self, router, answer, members }: Members,
  request: ControlRequest,
): Answer {
  for await (const item of answer(request, () => "this member")) {
    if (item === null) {
      yield null;
      continue;
    }
    const { neighbor } = item as { neighbor: string };
    const { config } = router.neighbors.get(neighbor) ?? {};
    const member = config !== undefined && isElsewhere(config) ? config.speaker! : self;
    yield { member, item } satisfies OfMember<unknown>;
  }
  for (const member of members) {
    if (member.shown.state === "away") yield silent(member, member.problem);
  }
  return {};
}

async function* own(
  member: string,
  answer: ControlHandler,
  request: ControlRequest,
): AsyncGenerator<OfMember<unknown> | null, void> {
  for await (const item of answer(request, () => "this member")) {
    yield item === null ? null : { member, item };
  }
}

async function* told(
  member: FollowedMember,
  request: ControlRequest,
): AsyncGenerator<OfMember<unknown> | SilentMember, void> {
  let cursor: unknown = null;
  do {
    let page: AnswerPage;
    try {
      page = await member.ask(cursor === null ? request : { ...request, cursor });
    } catch (error) {
      yield silent(member, (error as Error).message);
      return;
    }
    for (const item of page.items) yield { member: member.name, item };
    cursor = page.end["next"] ?? null;
  } while (cursor !== null);
}

function silent({ name, shown }: FollowedMember, problem: string): SilentMember {
  return { member: name, problem, away_since_ms: shown.away_since_ms };
}
