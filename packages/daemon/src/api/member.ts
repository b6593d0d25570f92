/** What a member of an exchange may know: its own sessions and routes, and why they are used or not. */

import type { Neighbor, Router } from "@ts-bgp/router";
import { type Explained, explainedToMember, routeToMember, type ShownRoute } from "@ts-bgp/views";
import { ControlError, type ControlHandler, type ControlRequest } from "../control.ts";

export interface MemberSources {
  readonly ask: ControlHandler;
  router(): Router;
}

/** Commands about one neighbor that a member may give. */
const COMMANDS: ReadonlySet<string> = new Set([
  "show-neighbor",
  "show-routes",
  "explain-import",
  "explain-export",
  "refresh",
]);

/**
 * Answers as `ask` does, and nothing that is not of an AS; what others have is as if it were not there.
 *
 * @param taken - called once it is known that it is about a neighbor of that AS
 * @param by - who asks
 */
export async function* askedByMember(
  { ask, router }: MemberSources,
  request: ControlRequest,
  as: number,
  taken: () => void,
  by: () => string,
): ReturnType<ControlHandler> {
  const { command } = request;
  if (command === "show-neighbors") return yield* ask({ ...request, as }, by);
  if (!COMMANDS.has(command) || request["view"] === "not-advertised") {
    throw new ControlError("this is not for members", "forbidden");
  }
  const { address } = ownNeighbor(router(), request, as).config;
  taken();
  const items = ask({ ...request, neighbor: address }, by);
  try {
    for (;;) {
      const { value, done } = await items.next();
      if (done) return value;
      yield value === null ? null : toMember(command, value);
    }
  } finally {
    // Whoever asked may have given up.
    await items.return({});
  }
}

function toMember(command: string, item: unknown): unknown {
  if (command.startsWith("explain-")) return explainedToMember(item as Explained);
  return command === "show-routes" ? routeToMember(item as ShownRoute) : item;
}

function ownNeighbor(router: Router, { neighbor: name }: ControlRequest, as: number): Neighbor {
  if (name === undefined) throw new ControlError("no neighbor was given", "bad");
  const own = [...router.neighbors.values()].filter(({ config }) => config.as === as);
  const byName = own.filter(({ config }) => config.description === name);
  const found = own.find(({ config }) => config.address === name) ?? byName[0];
  if (found !== undefined && byName.length <= 1) return found;
  throw new ControlError(`AS ${as} has no neighbor ${name}`, "unknown");
}
