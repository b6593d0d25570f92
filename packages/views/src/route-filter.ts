/** Which of the routes that a query finds are shown: by what is seen of them. */

import type { AttributeTest, ShownRoute } from "./show-routes.ts";

/** All that is not null must hold. */
export interface RouteFilter {
  /** Stands in the AS_PATH. */
  readonly as: number | null;
  /** One of its communities, of whatever kind, by its numbers or its name. */
  readonly community: string | null;
  /** Why it was rejected: a code, or `POLICY/RULE`. */
  readonly reason: string | null;
  /** What origin validation says. */
  readonly rpki: string | null;
}

export function isShown(route: ShownRoute, filter: RouteFilter): boolean {
  const { reason, rpki } = filter;
  return (
    (rpki === null || route.rpki === rpki) &&
    (reason === null || hasReason(route, reason)) &&
    fits(route, filter)
  );
}

/** @returns what of a filter the attributes alone decide; null when that is nothing */
export function attributeTest(filter: RouteFilter): AttributeTest | null {
  const { as, community } = filter;
  return as === null && community === null ? null : (attributes) => fits(attributes, filter);
}

function fits(attributes: Partial<ShownRoute>, { as, community }: RouteFilter): boolean {
  return (
    (as === null || hasAs(attributes, as)) &&
    (community === null || hasCommunity(attributes, community))
  );
}

function hasReason({ reason }: ShownRoute, wanted: string): boolean {
  if (reason === undefined) return false;
  return reason.code === wanted || `${reason.policy ?? ""}/${reason.rule ?? ""}` === wanted;
}

function hasAs({ as_path = "" }: Partial<ShownRoute>, as: number): boolean {
  // Sets have brackets and commas around their numbers.
  return as_path.split(/[^0-9]+/).includes(String(as));
}

function hasCommunity(route: Partial<ShownRoute>, wanted: string): boolean {
  const { communities = [], large_communities = [], extended_communities = [] } = route;
  const all = [...communities, ...large_communities, ...extended_communities];
  return all.some((numbers) => numbers === wanted || route.community_names?.[numbers] === wanted);
}
