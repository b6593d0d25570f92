/**
 * What a member of an exchange may know: of its own routes all but what others have, of those of others what it is
 * sent; and nothing of the files of whoever operates the speaker.
 */

import {
  type Explained,
  type ExplainedPath,
  type ExplainedStep,
  NO_PATH,
  NOT_ADVERTISED,
} from "./explain.ts";
import type { ShownReason, ShownRoute } from "./show-routes.ts";

/** @param explained - of one of its own sessions */
export function explainedToMember(explained: Explained): Explained {
  const { direction, paths, verdict } = explained;
  if (direction === "export") {
    // Whether there is a path that it is not sent is not said.
    const told = verdict === NO_PATH ? NOT_ADVERTISED : verdict;
    return { ...explained, verdict: told, paths: paths.filter(isSent).map(asSent) };
  }
  const reason = paths[0]?.path.reason;
  return {
    ...explained,
    verdict: reason === undefined ? verdict : withoutPlace(verdict, reason),
    paths: paths.map(({ path, steps }) => ({ path: routeToMember(path), steps: steps.map(ofOwn) })),
  };
}

/** @param route - its own, or one that it is sent */
export function routeToMember(route: ShownRoute): ShownRoute {
  const { reason } = route;
  return reason === undefined ? route : { ...route, reason: reasonToMember(reason) };
}

function isSent({ steps }: ExplainedPath): boolean {
  const last = steps.at(-1);
  return last?.step === "advertised" && last.passed;
}

/** Without what its neighbor has sent, and policy takes away: rules say what they have found. */
function asSent({ path, steps }: ExplainedPath): ExplainedPath {
  const { prefix, neighbor, neighbor_as, as_path, next_hop } = path;
  return {
    path: {
      ...{ prefix, neighbor, neighbor_as, status: "advertised" },
      ...(as_path === undefined ? {} : { as_path }),
      ...(next_hop === undefined ? {} : { next_hop }),
    },
    steps: steps.map(({ step, passed, text }) => ({
      ...{ step, passed },
      text: step === "checks" ? text.replace(/: .*/, "") : text,
    })),
  };
}

/** Which step of the decision is not passed is said, and neither by whose path nor what that one has. */
function ofOwn(own: ExplainedStep): ExplainedStep {
  const { step, passed, text, rules, reason } = own;
  if (step === "decision" && !passed) {
    const told = text.replace(/^the path of \S+ is/, "another path is").replace(/ \(.*\)$/, "");
    return { ...own, text: told };
  }
  return {
    ...own,
    ...(rules === undefined ? {} : { rules: rules.map(({ source: _, ...rule }) => rule) }),
    ...(reason === undefined
      ? {}
      : { reason: reasonToMember(reason), text: withoutPlace(text, reason) }),
  };
}

function reasonToMember(reason: ShownReason): ShownReason {
  const { source: _, ...told } = reason;
  return { ...told, text: withoutPlace(reason.text, reason) };
}

/** @returns a text that names a reason, without the place of its rule */
function withoutPlace(text: string, { source }: ShownReason): string {
  return source === undefined ? text : text.replace(` (${source})`, "");
}
