"""The options of arouteserver that are known here: what a later version adds is named, and not lost in silence."""

# Of general.yml and of each client.
BOTH = """
prepend_rs_as passive multihop gtsm add_path rfc8950
filtering.next_hop.policy
filtering.ipv4_pref_len filtering.ipv6_pref_len
filtering.max_as_path_len
filtering.reject_invalid_as_in_as_path
filtering.irrdb.enforce_origin_in_as_set filtering.irrdb.enforce_prefix_in_as_set
filtering.rpki_bgp_origin_validation.enabled filtering.rpki_bgp_origin_validation.reject_invalid
filtering.max_prefix.action filtering.max_prefix.restart_after
filtering.max_prefix.count_rejected_routes
filtering.max_prefix.peering_db.enabled
filtering.max_prefix.peering_db.increment.absolute filtering.max_prefix.peering_db.increment.relative
filtering.roles.enabled filtering.roles.strict_mode
filtering.reject_policy.policy
blackhole_filtering.announce_to_client
graceful_shutdown.enabled
"""

# Of general.yml alone. Communities are looked at by their names.
GENERAL = """
rs_as router_id path_hiding
filtering.global_black_list_pref
filtering.transit_free.action filtering.transit_free.asns
filtering.never_via_route_servers.peering_db filtering.never_via_route_servers.asns
filtering.irrdb.allow_longer_prefixes filtering.irrdb.tag_as_set filtering.irrdb.peering_db
filtering.irrdb.use_rpki_roas_as_route_objects.enabled
filtering.irrdb.use_arin_bulk_whois_data.enabled filtering.irrdb.use_arin_bulk_whois_data.source
filtering.irrdb.use_registrobr_bulk_whois_data.enabled
filtering.irrdb.use_registrobr_bulk_whois_data.source
filtering.max_prefix.general_limit_ipv4 filtering.max_prefix.general_limit_ipv6
rpki_roas.source rpki_roas.ripe_rpki_validator_url rpki_roas.allowed_trust_anchors
rpki_roas.ignore_cache_files_older_than
blackhole_filtering.policy_ipv4 blackhole_filtering.policy_ipv6
blackhole_filtering.rewrite_next_hop_ipv4 blackhole_filtering.rewrite_next_hop_ipv6
blackhole_filtering.add_noexport
graceful_shutdown.local_pref
rfc1997_wellknown_communities.policy
rtt_thresholds communities custom_communities
"""

# Of clients alone. custom_options has an issue of its own.
CLIENT = """
filtering.next_hop.authorized_addresses_list
filtering.black_list_pref
filtering.irrdb.as_sets filtering.irrdb.as_set_bundle_ids
filtering.irrdb.white_list_pref filtering.irrdb.white_list_asn filtering.irrdb.white_list_route
filtering.max_prefix.limit_ipv4 filtering.max_prefix.limit_ipv6
filtering.roles.local_role
attach_custom_communities custom_options
"""

# Requests of clients; others are marks, which are set or taken off by their type.
REQUESTS = """
blackholing
do_not_announce_to_any do_not_announce_to_peer announce_to_peer
do_not_announce_to_peers_with_rtt_lower_than do_not_announce_to_peers_with_rtt_higher_than
announce_to_peers_with_rtt_lower_than announce_to_peers_with_rtt_higher_than
prepend_once_to_any prepend_twice_to_any prepend_thrice_to_any
prepend_once_to_peer prepend_twice_to_peer prepend_thrice_to_peer
prepend_once_to_peers_with_rtt_lower_than prepend_twice_to_peers_with_rtt_lower_than
prepend_thrice_to_peers_with_rtt_lower_than
prepend_once_to_peers_with_rtt_higher_than prepend_twice_to_peers_with_rtt_higher_than
prepend_thrice_to_peers_with_rtt_higher_than
add_noexport_to_any add_noadvertise_to_any add_noexport_to_peer add_noadvertise_to_peer
"""
MARKS = """
origin_present_in_as_set origin_not_present_in_as_set
prefix_present_in_as_set prefix_not_present_in_as_set
prefix_validated_via_rpki_roas prefix_validated_via_arin_whois_db_dump
prefix_validated_via_registrobr_whois_db_dump route_validated_via_white_list
rpki_bgp_origin_validation_valid rpki_bgp_origin_validation_unknown
rpki_bgp_origin_validation_invalid rpki_bgp_origin_validation_not_performed
reject_cause rejected_route_announced_by
"""


def unknown_options(general, clients):
    """Returns what is set and has no place here, by its path in general.yml or clients.yml."""
    found = set(beyond(general, set((BOTH + GENERAL).split())))
    for client in clients:
        found.update(beyond(client["cfg"], set((BOTH + CLIENT).split()), "clients.cfg."))
    names = set((REQUESTS + MARKS).split())
    for name, values in general["communities"].items():
        known = name in names or name.startswith("reject_cause_map_")
        if not known and any(values.get(kind) for kind in ("std", "lrg", "ext")):
            found.add("communities." + name)
    return sorted(found)


def beyond(options, known, root="", path=""):
    for key, value in options.items():
        place = path + key
        if place in known or value in (None, False, [], {}):
            continue
        if isinstance(value, dict):
            yield from beyond(value, known, root, place + ".")
        else:
            yield root + place
