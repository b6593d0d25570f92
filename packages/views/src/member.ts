/** What a member of an exchange may know of an explanation: nothing of the routes of others that it is not sent. */

import type { Explained, ExplainedPath } from "./explain.ts";

/** @param explained - of one of its own sessions */
export function explainedToMember(explained: Explained): Explained {
  const { direction, paths } = explained;
  if (direction === "export") return { ...explained, paths: paths.filter(isSent) };
  return { ...explained, paths: paths.map(withoutWinner) };
}

function isSent({ steps }: ExplainedPath): boolean {
  const last = steps.at(-1);
  return last?.step === "advertised" && last.passed;
}

/** Whose path is preferred is not said, and what makes it so is. */
function withoutWinner({ path, steps }: ExplainedPath): ExplainedPath {
  return {
    path,
    steps: steps.map((each) =>
      each.step === "decision" && !each.passed
        ? { ...each, text: each.text.replace(/^the path of \S+ is/, "another path is") }
        : each,
    ),
  };
}
