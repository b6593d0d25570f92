/**
 * A new configuration for a running router: only the difference acts. Sessions stay whose own
 * options did not change, and no route is sent again that is not another one.
 */

import {
  type Compared,
  type Config,
  type ConfigDiff,
  diffConfig,
  type NeighborChange,
  sharing,
} from "@ts-bgp/config";
import { addReasons } from "@ts-bgp/policy";
import { CEASE } from "@ts-bgp/wire-codec";
import { withDynamic } from "./dynamic-neighbors.ts";
import { removeNeighbor } from "./forget.ts";
import { changeKernel } from "./kernel-routes.ts";
import { memberOf } from "./member-state.ts";
import type { Neighbor } from "./neighbor.ts";
import { isElsewhere } from "./neighbor-directory.ts";
import { regroup } from "./regroup.ts";
import { changeStaticRoutes } from "./static-routes.ts";
import type { Tables } from "./tables.ts";

/** What a new configuration acts on. */
interface Configured {
  readonly tables: Tables;
  readonly neighbors: Map<string, Neighbor>;
  addNeighbor(config: Neighbor["config"]): Neighbor;
  revalidate(hasWork: boolean): void;
}

/**
 * Puts a checked configuration into force.
 *
 * @param compared - see `Router.configure`; what comes of it is the same with it and without
 * @returns what it changed
 */
export function applyConfig(
  router: Configured,
  given: Config,
  compared: Compared | null,
): ConfigDiff {
  const { tables } = router;
  const { config: old, isLongLived: wasLongLived } = tables;
  const known = compared?.old === old && compared.next === given ? compared : null;
  const next = known?.next ?? sharing(old, given);
  const before = withDynamic(old, router.neighbors, false);
  const after = withDynamic(next, router.neighbors, true);
  const isAllListed = before === old && after === next;
  const diff = (isAllListed ? known?.diff : undefined) ?? diffConfig(before, after);
  addReasons(next, tables.reasons, old.policies);
  const changed = new Set(diff.policies);
  tables.use(next, tables.policies.with(next, changed), isAllListed && hasSameAddresses(diff));
  if (diff.global.includes("rpki")) router.revalidate(tables.origins.configure(next.rpki));
  const { global } = diff;
  if (global.includes("staticRoutes") || global.includes("router")) {
    changeStaticRoutes(tables, old.staticRoutes);
  }
  changeKernel(tables, old, changed);
  tables.groups.refilter(tables.policies, changed);

  for (const address of diff.removed) removeNeighbor(router, address);
  // Of routes of the kernel the own address towards each neighbor is the next hop.
  const isOtherForAll = global.includes("router") || (old.kernel == null) !== (next.kernel == null);
  const isSameForAll = !isOtherForAll && wasLongLived === tables.isLongLived;
  const changes = new Map(diff.changed.map((change) => [change.address, change]));
  for (const config of after.neighbors) {
    const neighbor = router.neighbors.get(config.address);
    const change = changes.get(config.address) ?? NO_CHANGE;
    if (neighbor !== undefined && !isAnotherPeer(change)) {
      const isSame = isSameForAll && change === NO_CHANGE;
      if (!isSame || !staysAsItIs(neighbor, config)) changeNeighbor(neighbor, config, change);
      continue;
    }
    if (neighbor !== undefined) removeNeighbor(router, config.address);
    router.addNeighbor(config).start();
    if (isElsewhere(config)) memberOf(tables, config.speaker!).wantsCopy = true;
  }
  const { added, removed, changed: others } = diff;
  tables.outputs.log("configured", "info", null, "configuration applied", {
    added: added.length,
    removed: removed.length,
    changed: others.length,
    reset: others.filter(({ reset }) => reset).length,
  });
  return diff;
}

function hasSameAddresses({ added, removed, changed }: ConfigDiff): boolean {
  if (added.length + removed.length > 0) return false;
  return !changed.some(({ options }) => options.includes("as"));
}

/**
 * Most neighbors do: with a thousand of them a look at each session takes longer than all else.
 *
 * @param config - the same, though it may stand elsewhere in the file
 * @returns whether nothing of the neighbor depends on what has changed
 */
function staysAsItIs(neighbor: Neighbor, config: Neighbor["config"]): boolean {
  const { tables, facts, import: decides } = neighbor;
  if (!areEqual(facts.sameAsAddresses, tables.addressesOf(config.as))) return false;
  const vars = JSON.stringify(tables.varsOf(config.as) ?? undefined);
  if (JSON.stringify(facts.sameAsVars) !== vars) return false;
  if (decides !== null && !decides.isUpToDate) return false;
  // Its group may be kept for those alone that have not moved yet, and it is to move as well.
  for (const { member, next } of neighbor.session?.families ?? []) {
    if (!tables.groups.isOpen(next ?? member.entry)) return false;
  }
  neighbor.config = config;
  return true;
}

type Change = Omit<NeighborChange, "address">;

const NO_CHANGE: Change = { options: [], reset: false, import: false, export: false };
/** Options that say how the session comes about, and nothing about a session that is there. */
const CONNECT_OPTIONS = new Set<string>(["passive", "port", "connectRetry"]);

/**
 * With other AS numbers the tables know it as someone else, and routes of a session are not those that another
 * member of a cluster tells of.
 */
function isAnotherPeer({ options }: Change): boolean {
  return ["as", "localAs", "speaker"].some((name) => options.includes(name as never));
}

function changeNeighbor(neighbor: Neighbor, config: Neighbor["config"], change: Change): void {
  const before = neighbor.facts.sameAsAddresses;
  const { enabled: wasEnabled, keepRejected: keptRejected } = neighbor.config;
  neighbor.reconfigure(config);
  if (isElsewhere(config)) return;
  const { session, import: decides } = neighbor;
  const connects = session === null && change.options.some((name) => CONNECT_OPTIONS.has(name));
  if (wasEnabled !== config.enabled) {
    if (config.enabled) neighbor.start();
    else neighbor.stop(CEASE.ADMINISTRATIVE_SHUTDOWN, null, null);
  } else if (change.reset) {
    neighbor.stop(CEASE.OTHER_CONFIGURATION_CHANGE, null, 0);
  } else {
    if (connects) neighbor.connectAnew();
    if (decides === null) return;
    const otherAddresses = !areEqual(before, neighbor.facts.sameAsAddresses);
    const changed = (option: Change["options"][number]) => change.options.includes(option);
    const otherLimits = changed("maxPrefix") || changed("maxPrefixAccepted");
    // What was not kept cannot be judged again.
    const lacksRoutes = !keptRejected || (otherLimits && decides.isBlocked);
    decides.reconfigure(otherLimits);
    if (change.import || otherAddresses) {
      neighbor.rejudge();
      if (lacksRoutes) session?.requestRefresh();
    }
    if (changed("pathAttribute")) session?.readAnew();
    for (const state of session?.families ?? []) regroup(session!, state);
    if (changed("maxPrefixOut")) session?.checkSent();
  }
}

function areEqual(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a === b || (a.length === b.length && a.every((octets, i) => hasOctets(octets, b[i]!)));
}

function hasOctets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}
