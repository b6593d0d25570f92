"""What there is once for all clients, and lists as policies name them."""

import re
from functools import cached_property

from .checks import FAMILIES
from .terms import has_one_of, patterns, prefix_entry, version


class Lists:
    """Named lists of one kind: entries, with comments where there are any."""

    def __init__(self):
        self.entries = {}
        self.notes = {}

    def add(self, name, entries, note=None):
        """Returns the name, or None where there is nothing in the list."""
        if entries and name not in self.entries:
            self.entries[name] = entries
            self.notes[name] = note
        return name if name in self.entries else None


class Site:
    def __init__(self, builder):
        self.builder = builder
        self.general = builder.cfg_general
        self.clients = [
            client
            for client in sorted(builder.cfg_clients.cfg["clients"], key=self.order)
            if self.has_version(version(client["ip"]))
        ]
        self.bogons = builder.cfg_bogons.cfg["bogons"]
        self.never_via_route_servers = builder.never_via_route_servers_asns
        self.shuts_down = builder.perform_graceful_shutdown
        self.aliases = sorted(set(builder.asn3216_map.values()))
        self.prefix_lists, self.as_lists, self.route_lists = Lists(), Lists(), Lists()
        # Standard communities have no room for an AS number of 32 bits.
        wide = any(client["asn"] > 65535 for client in self.clients)
        self.peer_16 = "$as16" if wide else "$peer-as"
        for name, records in (
            ("arin-whois", builder.arin_whois_records),
            ("registrobr-whois", builder.registrobr_whois_records),
        ):
            self.route_lists.add(name, self.whois_routes(records), "whois records")

    @staticmethod
    def order(client):
        number, count = client["id"][2:].split("_")
        return int(number), int(count)

    def has_version(self, ip_version):
        return self.builder.ip_ver in (None, ip_version)

    def hook(self, name):
        """The policy of a site's own file that stands here, or None."""
        used = name in (self.builder.kwargs.get("hooks") or [])
        return ("hook-" + name.replace("_", "-"), [], None) if used else None

    @staticmethod
    def name(kind, text):
        """A name of ts-bgp's, of a text that may have other characters in it."""
        return (kind + re.sub("[^A-Za-z0-9._-]", "-", text))[:100]

    @cached_property
    def has_client_blacklists(self):
        return any(client["cfg"]["filtering"]["black_list_pref"] for client in self.clients)

    def wanted(self, entries):
        return [e for e in entries or [] if self.has_version(version(e["prefix"]))]

    # Lists. Each returns the name of one, or None where it is empty.

    def prefix_list(self, name, entries, note=None):
        found = [(prefix_entry(e), e.get("comment")) for e in self.wanted(entries)]
        return self.prefix_lists.add(name, found, note)

    def as_list(self, name, numbers, note=None):
        # AS 0 is in no path that is accepted (RFC 7607).
        found = sorted({int(number) for number in numbers or []} - {0})
        return self.as_lists.add(name, [(number, None) for number in found], note)

    def route_list(self, name, entries=None, note=None):
        found = [
            ("%s %d" % (prefix_entry(e), int(e["asn"])), e.get("comment")) for e in entries or []
        ]
        return self.route_lists.add(name, found, note)

    def whois_routes(self, records):
        return [
            ("%s %s" % (prefix_entry(entry), asn.replace("AS", "")), None)
            for asn in sorted(records, key=lambda asn: int(asn[2:]))
            for entry in self.wanted(records[asn].prefixes)
        ]

    # Conditions

    def blackholing(self):
        """The condition that a route asks for blackholing; None where nobody may ask."""
        options = self.general["blackhole_filtering"]
        versions = [v for v in (4, 6) if self.has_version(v)]
        those = [v for v in versions if options["policy_ipv%d" % v]]
        if not those:
            return None
        condition = self.blackhole_communities()
        if len(those) == len(versions):
            return condition
        return {"family": FAMILIES[those[0]], **condition}

    def blackhole_communities(self):
        asked = patterns(self.general["communities"]["blackholing"])
        return has_one_of({"community": "blackhole"}, asked)

    def white_list(self, client, with_origin):
        """Entries of a client's list of routes, those that name an origin or those that do not."""
        entries = self.wanted(client["cfg"]["filtering"]["irrdb"]["white_list_route"])
        return [e for e in entries if bool(e.get("asn")) == with_origin]

    @cached_property
    def white_list_conditions(self):
        conditions = []
        for with_origin, condition in (
            (True, {"route": "$white-routes"}),
            (False, {"prefix": "$white-prefixes"}),
        ):
            if any(self.white_list(client, with_origin) for client in self.clients):
                conditions.append(condition)
        return conditions

    @cached_property
    def lets_invalid_in(self):
        """Whether a route that is RPKI invalid may be among those that are accepted."""
        return self.general["filtering"]["rpki_bgp_origin_validation"]["enabled"] and not all(
            client["cfg"]["filtering"]["rpki_bgp_origin_validation"]["reject_invalid"]
            for client in self.clients
        )

    def rtt_var(self, side, limit=None):
        """The value of neighbors that has the thresholds below or above their RTT."""
        name = "$rtt-above" if side == "higher" else "$rtt-below"
        return name if limit is None else "%s-%d" % (name, limit)


class Values:
    """What a client has of its own: options of the neighbor, and values for policies."""

    def __init__(self, site, client):
        self.site = site
        self.client = client
        self.options = client["cfg"]
        self.filtering = client["cfg"]["filtering"]

    def vars(self):
        site, client, asn = self.site, self.client, self.client["asn"]
        found = {
            "as16": asn if asn <= 65535 else site.builder.asn3216_map.get(asn) or [],
            "min-length": [],
            "max-length": [],
            **self.irr_lists(),
            "blacklist": self.own_list("blacklist", self.filtering["black_list_pref"]),
            "white-prefixes": self.own_list("white-prefixes", site.white_list(client, False)),
            "white-routes": site.route_list(
                "white-routes-" + client["id"], site.white_list(client, True)
            )
            or [],
            "next-hops": self.next_hops(),
        }
        for v, family, bits in ((4, "0.0.0.0/0", 32), (6, "::/0", 128)):
            if site.has_version(v):
                limits = self.filtering["ipv%d_pref_len" % v]
                found["min-length"].append("%s ge %d le %d" % (family, limits["min"], bits))
                found["max-length"].append("%s le %d" % (family, limits["max"]))
        found.update(self.rtt())
        return found

    def own_list(self, kind, entries):
        return self.site.prefix_list("%s-%s" % (kind, self.client["id"]), entries) or []

    def next_hops(self):
        listed = self.filtering["next_hop"].get("authorized_addresses_list") or []
        return sorted(str(address) for address in listed)

    def irr_lists(self):
        site, origins, prefixes = self.site, [], []
        known = site.builder.irrdb_info
        bundles = [known[each] for each in self.filtering["irrdb"].get("as_set_bundle_ids") or []]
        for bundle in sorted(bundles, key=lambda bundle: bundle.name):
            name = site.name("", bundle.name)
            origins.append(site.as_list(name, bundle.asns, bundle.descr))
            prefixes.append(site.prefix_list(name, bundle.prefixes, bundle.descr))
        return {
            "origins": sorted(name for name in origins if name),
            "prefixes": sorted(name for name in prefixes if name),
        }

    def rtt_value(self):
        """In whole milliseconds, at most a minute; 0 where it is not known."""
        rtt = self.client.get("rtt")
        return min(60000, max(1, int(round(rtt)))) if rtt else 0

    def rtt(self):
        found, rtt = {}, self.rtt_value()
        for side in ("higher", "lower"):
            var = self.site.rtt_var(side)[1:]
            limits = [
                limit
                for limit in self.site.general["rtt_thresholds"] or []
                if rtt and (rtt > limit) == (side == "higher")
            ]
            found[var] = limits
            for limit in self.site.general["rtt_thresholds"] or []:
                found["%s-%d" % (var, limit)] = limit if limit in limits else []
        return found

    def neighbor_options(self):
        """Every option that may differ, so that what is common can stand in the group."""
        options, roles = self.options, self.filtering["roles"]
        gtsm, hops = options["gtsm"], options["multihop"] or 0
        both = options["rfc8950"] and version(self.client["ip"]) == 6
        return {
            "passive": options["passive"],
            "ttl-security": (hops or 1) if gtsm else 0,
            "multihop": 0 if gtsm else hops,
            "add-path": {"send": "all" if options["add_path"] else 0},
            "extended-next-hop": both,
            "role": (roles.get("local_role") or "rs") if roles["enabled"] else "none",
            "strict-role": bool(roles["enabled"] and roles["strict_mode"]),
        }

    def max_prefix(self):
        """Returns the limits of the client's families, and what is done about more."""
        limit = self.filtering["max_prefix"]
        families = [v for v in self.versions() if limit["action"] and limit["limit_ipv%d" % v]]
        if not families:
            return {}, {}
        how = {
            "action": "warn" if limit["action"] == "warning" else limit["action"],
            "count": "received" if limit["count_rejected_routes"] else "accepted",
        }
        if limit["action"] == "restart":
            how["restart-after"] = 60 * limit["restart_after"]
        return {FAMILIES[v]: limit["limit_ipv%d" % v] for v in families}, how

    def versions(self):
        own = version(self.client["ip"])
        return (4, 6) if own == 6 and self.options["rfc8950"] else (own,)
