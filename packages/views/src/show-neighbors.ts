/** Neighbors, update groups and memory as JSON for `show` and for metrics. */

import { describeDown, type LongLivedStaleTime, STATE_NAMES } from "@ts-bgp/fsm";
import { advertisedCount } from "@ts-bgp/rib";
import {
  countedPrefixes,
  FAMILIES,
  familyLabel,
  isElsewhere,
  type LastDown,
  limitIn,
  type MessageCounts,
  type Neighbor,
  type Quarantine,
  type Router,
} from "@ts-bgp/router";
import {
  capabilityJson,
  type Family,
  type FaultAction,
  formatIpv4,
  notificationName,
  shutdownText,
} from "@ts-bgp/wire-codec";
import { type ShownBfd, shownBfd } from "./show-bfd.ts";

/** Route counts of one family of a neighbor. */
export interface ShownFamily {
  family: string;
  received: number;
  accepted: number;
  rejected: number;
  advertised: number;
  /** Everything was sent to the neighbor since the session came up. */
  synced: boolean;
  end_of_rib_received: boolean;
  /**
   * Among the routes are those of a session that has ended, until the neighbor has sent all again,
   * and not longer than this (RFC 4724); milliseconds since 1970, null when there are none.
   */
  stale_until_ms: number | null;
  /** How these are kept: while it restarts, or longer, as a last resort (RFC 9494). */
  stale: "restart" | "long-lived" | null;
  /** It is sent nothing before this speaker's own restart is over, see `show status`. */
  held: boolean;
  /** Number of its update group, see `show groups`; null without a session. */
  group: number | null;
  /** `count` is that of the prefixes which the limit is about: several paths of one are one. */
  max_prefix: { limit: number; action: string; count: number } | null;
  /** The same of the limit on prefixes that are accepted beside it, and of that on routes which are sent. */
  max_prefix_accepted: { limit: number; action: string; count: number } | null;
  max_prefix_out: { limit: number; action: string; count: number } | null;
}

/** How a session or connection ended. */
export interface ShownDown {
  /** In words. */
  reason: string;
  at_ms: number;
  /** The NOTIFICATION that ended it, null when there was none. */
  notification: {
    direction: "sent" | "received";
    code: number;
    subcode: number;
    name: string;
    /** Shutdown communication (RFC 9003). */
    text: string | null;
  } | null;
}

/** Messages by type. */
export interface ShownMessages {
  open: number;
  update: number;
  notification: number;
  keepalive: number;
  route_refresh: number;
}

/** A neighbor whose message has ended the program. */
export interface ShownQuarantine {
  address: string;
  as: number;
  /** What has happened, for people: "SIGABRT". */
  cause: string;
  /** How often. */
  count: number;
  since_ms: number;
  until_ms: number;
  /** Whether it is held down still; later it is only remembered. */
  held: boolean;
  /** Has the message, for `tsbgp decode`; null when it could not be kept. */
  file: string | null;
}

export interface ShownNeighbor {
  address: string;
  as: number;
  description: string;
  group: string;
  /** Prefix of a dynamic neighbor; null for one of the configuration. */
  dynamic: string | null;
  /** The member of the cluster that has the session; null for this speaker. */
  speaker: string | null;
  state: string;
  /** Administratively down, by the configuration or an operator. */
  disabled: boolean;
  /** Milliseconds since 1970 of the start of the session, null when it is not established. */
  since_ms: number | null;
  /** How the last session ended; before the first one, how the last connection did. */
  last_down: ShownDown | null;
  /**
   * How the last connection since then ended that came to no session, null when there was none.
   * Connections that were refused do not count, as all are for a while after a fault.
   */
  last_failure: ShownDown | null;
  /** Null where the configuration has none for it. */
  bfd: ShownBfd | null;
  /** Null when no message of it has ended the program of late, or it was released. */
  quarantine: ShownQuarantine | null;
  established_count: number;
  families: ShownFamily[];
  messages: { received: ShownMessages; sent: ShownMessages };
  /** UPDATE messages with faults (RFC 7606). */
  update_faults: number;
  /** The same by the action that the heaviest fault of the message asked for. */
  update_faults_by_action: Readonly<Record<FaultAction, number>>;
}

export interface ShownNeighborDetail extends ShownNeighbor {
  local_as: number;
  local_address: string | null;
  identifier: string | null;
  hold_time: number | null;
  keepalive_time: number | null;
  capabilities: {
    four_octet_as: boolean;
    route_refresh: boolean;
    enhanced_route_refresh: boolean;
    extended_message: boolean;
    extended_next_hop: string[];
    add_path_receive: string[];
    add_path_send: string[];
    local_role: string | null;
    peer_role: string | null;
    /** Everything the peer offered, as `decode` has it in OPEN. */
    peer: unknown[];
  } | null;
  graceful_restart: {
    /** Whether routes are kept while the neighbor restarts. */
    mode: "full" | "helper" | "off";
    /** Seconds for which the neighbor asked, null without a session that agreed on it. */
    restart_time: number | null;
    /** Seconds for which routes are kept at most, whatever it asks for. */
    restart_time_max: number;
    /** Seconds for which it is asked to keep ours; null when it is not. */
    own_restart_time: number | null;
    /** Both sides keep routes when a NOTIFICATION comes (RFC 8538); null without a session. */
    notification: boolean | null;
    /** Of a session that agreed on the long-lived one: seconds that the neighbor asks for, by family. */
    long_lived_stale_time: Readonly<Record<string, number>> | null;
  };
  /** Capabilities without which there is no session. */
  required_capabilities: readonly string[];
  /** Types of attributes that are not looked at in messages of the neighbor. */
  path_attribute: { discard: readonly number[]; treat_as_withdraw: readonly number[] };
  import: readonly string[];
  export: readonly string[];
  route_server_client: boolean;
  route_reflector_client: boolean;
  octets: { received: number; sent: number; queued: number } | null;
}

export function showNeighbors(router: Router): ShownNeighbor[] {
  return [...router.neighbors.values()].map(showNeighbor);
}

/** @returns those whose messages have ended the program, of late and not released */
export function showQuarantine(router: Router): ShownQuarantine[] {
  return [...router.neighbors.values()].flatMap((neighbor) =>
    neighbor.quarantine === null ? [] : [shownQuarantine(neighbor, neighbor.quarantine)],
  );
}

export function showNeighbor(neighbor: Neighbor): ShownNeighbor {
  const { config, session, lastDown, lastFailure, quarantine } = neighbor;
  const down = lastDown ?? lastFailure;
  return {
    address: config.address,
    as: config.as,
    description: config.description,
    group: config.group,
    dynamic: config.dynamic?.prefix ?? null,
    speaker: config.speaker ?? null,
    state: STATE_NAMES[neighbor.fsmState],
    disabled: neighbor.disabled || !config.enabled,
    since_ms: session === null ? null : Math.round(session.sinceMs),
    last_down: down === null ? null : shownDown(down),
    last_failure: lastFailure === null ? null : shownDown(lastFailure),
    bfd: shownBfd(neighbor),
    quarantine: quarantine === null ? null : shownQuarantine(neighbor, quarantine),
    established_count: neighbor.establishedCount,
    families: FAMILIES.filter(
      (family) =>
        session?.family(family) !== undefined ||
        neighbor.stale.keptUntil(family) !== null ||
        (isElsewhere(config) && hasRoutes(neighbor, family)),
    ).map((family) => shownFamily(neighbor, family)),
    messages: { received: shownMessages(neighbor.received), sent: sentMessages(neighbor) },
    update_faults: sum(neighbor.faults),
    update_faults_by_action: { ...neighbor.faults },
  };
}

function hasRoutes({ tables, row }: Neighbor, family: Family): boolean {
  return tables.rib(family).paths.received[row]! > 0;
}

function shownDown({ reason, atMs }: LastDown): ShownDown {
  const shown = { reason: describeDown(reason), at_ms: Math.round(atMs), notification: null };
  if (reason.kind !== "notification-sent" && reason.kind !== "notification-received") return shown;
  const { code, subcode } = reason;
  return {
    ...shown,
    notification: {
      direction: reason.kind === "notification-sent" ? "sent" : "received",
      code,
      subcode,
      name: notificationName(code, subcode),
      text: shutdownText(reason),
    },
  };
}

export function showNeighborDetail(neighbor: Neighbor): ShownNeighborDetail {
  const { config, session } = neighbor;
  const negotiated = session?.negotiated;
  const connection = session?.connection;
  const names = (families: number) =>
    neighbor
      .session!.families.filter(({ family }) => (families & family) !== 0)
      .map(({ family }) => familyLabel(family));
  return {
    ...showNeighbor(neighbor),
    local_as: config.localAs,
    local_address: connection?.localAddress ?? config.localAddress,
    identifier: negotiated === undefined ? null : formatIpv4(negotiated.peerIdentifier),
    hold_time: negotiated?.holdTimeSeconds ?? null,
    keepalive_time: negotiated?.keepaliveSeconds ?? null,
    capabilities:
      negotiated === undefined
        ? null
        : {
            four_octet_as: negotiated.fourOctetAs,
            route_refresh: negotiated.routeRefresh,
            enhanced_route_refresh: negotiated.enhancedRouteRefresh,
            extended_message: negotiated.extendedMessage,
            extended_next_hop: names(negotiated.extendedNextHop),
            add_path_receive: names(negotiated.addPathReceive),
            add_path_send: names(negotiated.addPathSend),
            local_role: negotiated.localRole,
            peer_role: negotiated.peerRole,
            peer: negotiated.peerCapabilities.map(capabilityJson),
          },
    graceful_restart: {
      mode: config.gracefulRestart.mode,
      restart_time: negotiated?.gracefulRestart?.restartTimeSeconds ?? null,
      restart_time_max: config.gracefulRestart.restartTimeMax,
      own_restart_time: config.gracefulRestart.mode === "full" ? config.ownRestart.time : null,
      notification: negotiated?.gracefulRestart?.notification ?? null,
      long_lived_stale_time: staleTimes(negotiated?.longLivedGracefulRestart ?? null),
    },
    required_capabilities: config.requireCapabilities,
    path_attribute: {
      discard: config.pathAttribute.discard,
      treat_as_withdraw: config.pathAttribute.treatAsWithdraw,
    },
    import: config.import,
    export: config.export,
    route_server_client: config.routeServerClient,
    route_reflector_client: config.routeReflectorClient,
    octets:
      connection === undefined
        ? null
        : {
            received: connection.octetsReceived,
            sent: connection.octetsSent,
            queued: connection.backlogOctets,
          },
  };
}

function staleTimes(
  times: readonly LongLivedStaleTime[] | null,
): Readonly<Record<string, number>> | null {
  if (times === null) return null;
  const entries = times.map(({ family, staleTimeSeconds }) => {
    return [familyLabel(family as Family), staleTimeSeconds] as const;
  });
  return Object.fromEntries(entries);
}

function shownMessages({ routeRefresh, ...counts }: MessageCounts): ShownMessages {
  return { ...counts, route_refresh: routeRefresh };
}

function sentMessages(neighbor: Neighbor): ShownMessages {
  const sent = shownMessages(neighbor.sent);
  for (const { member } of neighbor.session?.families ?? []) sent.update += member.messages;
  return sent;
}

function shownFamily(neighbor: Neighbor, family: Family): ShownFamily {
  const { tables, row, config, session } = neighbor;
  const { paths } = tables.rib(family);
  const { received, accepted } = paths;
  const state = session?.family(family);
  const kept = neighbor.stale.keptUntil(family);
  const isHeld = state !== undefined && tables.groups.held.includes(state.member);
  const { maxPrefix, maxPrefixAccepted, maxPrefixOut } = config;
  const sent =
    state === undefined || isHeld ? 0 : advertisedCount(state.member.group, state.member);
  const limited = (options: typeof maxPrefix | typeof maxPrefixOut, count: number) => {
    const limit = limitIn(options, family);
    return limit === null ? null : { limit, action: options.action, count };
  };
  const counted = (options: typeof maxPrefix) =>
    limited(options, countedPrefixes(options, paths, row));
  return {
    family: familyLabel(family),
    received: received[row]!,
    accepted: accepted[row]!,
    rejected: received[row]! - accepted[row]!,
    advertised: sent,
    synced: state?.endOfRibSent ?? false,
    end_of_rib_received: state?.endOfRibReceived ?? false,
    stale_until_ms: kept === null ? null : Math.round(kept.untilMs),
    stale: kept === null ? null : kept.isLongLived ? "long-lived" : "restart",
    held: isHeld,
    group: state?.member.entry.number ?? null,
    max_prefix: counted(maxPrefix),
    max_prefix_accepted: counted(maxPrefixAccepted),
    max_prefix_out: limited(maxPrefixOut, sent),
  };
}

export interface ShownGroup {
  number: number;
  family: string;
  kind: "route-server" | "external" | "internal" | "reflector-client";
  policies: readonly string[];
  members: number;
  catching_up: number;
  /** Changes of the Loc-RIB that it has not worked off. */
  lag: number;
  add_path: boolean;
  extended_message: boolean;
  four_octet_as: boolean;
  adj_rib_out_octets: number;
}

export function showGroups(router: Router): ShownGroup[] {
  return router.tables.groups.entries.map(({ number, settings, group, filter }) => {
    const { form, internal, reflectorClient } = settings;
    const external = form.prependAs === 0 ? "route-server" : "external";
    const { current, catchingUp, lag } = group.standing;
    return {
      number,
      family: familyLabel(form.family),
      kind: internal ? (reflectorClient ? "reflector-client" : "internal") : external,
      policies: filter.names,
      members: current + catchingUp,
      catching_up: catchingUp,
      lag,
      add_path: form.addPath,
      extended_message: form.octetsMax > 4096,
      four_octet_as: form.fourOctetAs,
      adj_rib_out_octets: group.adjRibOut.octets,
    };
  });
}

/** Sizes of the tables, and the octets that they take. */
export interface ShownTables {
  attribute_sets: { count: number; octets: number };
  families: {
    family: string;
    prefixes: number;
    paths: number;
    prefix_octets: number;
    path_octets: number;
    change_log_octets: number;
    adj_rib_out_octets: number;
  }[];
}

export function showTables(router: Router): ShownTables {
  const { tables } = router;
  const { attrs } = tables;
  return {
    attribute_sets: { count: attrs.size, octets: sum(attrs.memory()) },
    families: FAMILIES.map((family) => {
      const rib = tables.rib(family);
      const groups = tables.groups.entries.filter(({ group }) => group.rib === rib);
      return {
        family: familyLabel(family),
        prefixes: rib.prefixes.size,
        paths: rib.paths.size,
        prefix_octets: sum(rib.prefixes.memory()),
        path_octets: sum(rib.paths.memory()),
        change_log_octets: rib.log.octets,
        adj_rib_out_octets: groups.reduce((all, { group }) => all + group.adjRibOut.octets, 0),
      };
    }),
  };
}

function shownQuarantine(
  { config, tables }: Neighbor,
  { cause, count, sinceMs, untilMs, file }: Quarantine,
): ShownQuarantine {
  return {
    address: config.address,
    as: config.as,
    ...{ cause, count },
    since_ms: Math.round(sinceMs),
    until_ms: Math.round(untilMs),
    held: tables.nowMs < untilMs,
    file,
  };
}

function sum(parts: Readonly<Record<string, number>>): number {
  return Object.values(parts).reduce((all, part) => all + part, 0);
}
