/** Limits of a neighbor for `show neighbor`. */

import type { ShownFamily, ShownNeighborDetail } from "@ts-bgp/views";

/** @returns how far a limit is reached, behind a comma; nothing where there is none */
export function limited(of: ShownFamily["max_prefix"], what: string): string {
  if (of === null) return "";
  const { limit, action, count } = of;
  return `, ${count} of at most ${limit} ${what} (${action})`;
}

/** @returns fields that most neighbors do not have */
export function braked({
  required_capabilities,
  path_attribute,
}: ShownNeighborDetail): [string, string][] {
  const { discard, treat_as_withdraw } = path_attribute;
  const parts = [
    ...(discard.length === 0 ? [] : [`${discard.join(", ")} left out`]),
    ...(treat_as_withdraw.length === 0
      ? []
      : [`${treat_as_withdraw.join(", ")} treated as a withdrawal`]),
  ];
  const fields: [string, string][] = [
    ["Required", required_capabilities.join(", ")],
    ["Path attributes", parts.join("; ")],
  ];
  return fields.filter(([, text]) => text !== "");
}
