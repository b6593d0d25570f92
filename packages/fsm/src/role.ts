import type { OpenMessage } from "@ts-bgp/wire-codec";

/** Roles of RFC 9234; the index is the value on the wire. */
export const ROLES = ["provider", "rs", "rs-client", "customer", "peer"] as const;
/** The side that a speaker has in its relation with a peer. */
export type Role = (typeof ROLES)[number];

/** The role that the other side must have (RFC 9234 section 4.2, table 2). */
const COUNTERPART: Readonly<Record<Role, Role>> = {
  provider: "customer",
  rs: "rs-client",
  "rs-client": "rs",
  customer: "provider",
  peer: "peer",
};

/**
 * Whether the roles that the peer states go with ours (RFC 9234 section 4.2).
 *
 * Several statements must all be the same one. A value that is not assigned goes with no role.
 *
 * @param strict - whether the peer must state its role
 */
export function rolesCorrespond(role: Role, strict: boolean, peer: OpenMessage): boolean {
  let stated = false;
  for (const capability of peer.capabilities) {
    if (capability.name !== "role") continue;
    if (ROLES[capability.role] !== COUNTERPART[role]) return false;
    stated = true;
  }
  return stated || !strict;
}
