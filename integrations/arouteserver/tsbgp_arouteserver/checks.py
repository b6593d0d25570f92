"""Policies for what clients send: arouteserver's checks, in its order, for all clients at once.

What differs from client to client is a value of the neighbor (`$prefixes`, `$origins`, ...). Where
a switch differs, clients have another policy of the same kind in their list.
"""

from .terms import any_of, change, patterns, rule

# By arouteserver's numbers: what ts-bgp calls these reasons, and the rules that have them.
REASONS = {
    1: ("as-path-too-long", "AS path too long"),
    2: ("bogon-prefix", "bogon prefix"),
    3: ("blacklist", "prefix on the blacklist"),
    5: ("next-hop", "next hop"),
    6: ("first-as", "first AS is not the client's"),
    7: ("bogon-as", "AS that is not in use"),
    8: ("transit-free", "behind a transit-free AS"),
    9: ("irr-origin", "origin is not in the AS-SET"),
    10: ("not-global-unicast", "not global unicast"),
    11: ("client-blacklist", "prefix on the client's blacklist"),
    12: ("irr-prefix", "prefix is not in the AS-SET"),
    14: ("rpki-invalid", "RPKI invalid"),
    15: ("never-via-route-servers", "AS that is never behind route servers"),
}
# Of 13, there are two.
SHORT = ("prefix-too-short", "prefix too short")
LONG = ("prefix-too-long", "prefix too long")
FAMILIES = {4: "ipv4-unicast", 6: "ipv6-unicast"}
ORIGIN = {"as-path": {"origin": "$origins"}}
PREFIX = {"prefix": "$prefixes"}


class Checks:
    """The import policies of one client."""

    def __init__(self, site, client):
        """
        Args:
            site: the Site, which has what there is once for all clients.
        """
        self.site = site
        self.general = site.general
        self.communities = site.general["communities"]
        self.options = client["cfg"]
        self.filtering = client["cfg"]["filtering"]

    def policies(self):
        """Returns a list of (name, marks, rules); a policy without rules is left out.

        Clients whose rules differ have policies of different names: marks say in what.
        """
        site, tagged = self.site, self.how_rejected()
        return [
            site.hook("pre_receive_from_client"),
            ("scrub", [], self.scrub()),
            site.hook("scrub_communities_in"),
            *self.custom_communities(),
            (
                "next-hop",
                [self.filtering["next_hop"]["policy"].replace("_", "-")] + tagged,
                self.next_hop(),
            ),
            ("as-path", self.as_path_marks() + tagged, self.as_path()),
            ("prefixes", tagged, self.prefixes()),
            ("irr", self.irr_marks() + tagged, self.irr()),
            ("blackhole-requests", [], self.blackhole_requests()),
            ("rpki", self.rpki_marks() + tagged, self.rpki()),
            ("lengths", tagged, self.lengths()),
            ("shutdown", [self.shutdown_mark()], self.shutdown()),
            site.hook("post_receive_from_client"),
        ]

    # How a route is rejected

    def how_rejected(self):
        policy = self.filtering["reject_policy"]["policy"]
        return [] if policy == "reject" else [policy.replace("_", "-")]

    def reject(self, cause, condition, of_two=None):
        """The rule for one of arouteserver's reasons, by its number."""
        reason, text = of_two or REASONS[cause]
        name = "%d %s" % (cause, text)
        policy = self.filtering["reject_policy"]["policy"]
        if policy == "reject":
            return rule(name, condition, None, "reject", reason=reason)
        # Whoever looks at these routes knows them by their preference as well.
        changes = {"local-pref": 1, **self.tags(cause)}
        if policy == "tag":
            return rule(name, condition, changes, "accept")
        return rule(name, condition, changes, "reject", reason=reason)

    def tags(self, cause):
        """Zero is for all that is rejected; export policies look for it."""
        comms = self.communities
        added = [patterns(comms["reject_cause"], dyn_val=value) for value in (0, cause)]
        added.append(patterns(comms.get("reject_cause_map_%d" % cause)))
        who = comms["rejected_route_announced_by"]
        by = patterns(who, dyn_val="$peer-as")
        by.update(patterns({"std": who["std"]}, dyn_val=self.site.peer_16))
        return change("add", *added, by)

    # One policy each

    def scrub(self):
        general = self.general
        gone = [
            patterns(community, dyn_val="*")
            for _, community in sorted(self.communities.items())
            if community["type"] in ("outbound", "internal")
        ]
        gone += [
            patterns(community) for _, community in sorted(general["custom_communities"].items())
        ]
        changes = change("remove", *gone)
        return [rule("only the route server says this", None, changes)] if changes else []

    def custom_communities(self):
        custom = self.general["custom_communities"]
        for name in sorted(self.options["attach_custom_communities"] or []):
            added = change("add", patterns(custom[name]))
            yield self.site.name("mark-", name), [], [rule(name, None, added)] if added else []

    def next_hop(self):
        policy = self.filtering["next_hop"]["policy"]
        allowed = {"strict": "peer-address", "same-as": "same-as"}.get(policy, "$next-hops")
        return [self.reject(5, {"not": {"next-hop": allowed}})]

    def as_path_marks(self):
        most = self.filtering["max_as_path_len"]
        marks = [] if most == self.general["filtering"]["max_as_path_len"] else ["max-%d" % most]
        return marks + ([] if self.filtering["reject_invalid_as_in_as_path"] else ["any-as"])

    def as_path(self):
        filtering = self.general["filtering"]
        most = self.filtering["max_as_path_len"]
        rules = [
            self.reject(1, {"as-path": {"length": {"min": most + 1}}}),
            self.reject(6, {"not": {"as-path": {"first": "$peer-as"}}}),
        ]
        if self.filtering["reject_invalid_as_in_as_path"]:
            rules.append(self.reject(7, {"as-path": {"contains": "@bogon-as"}}))
        transit_free = filtering["transit_free"]
        if transit_free["action"] and transit_free["asns"]:
            behind = {
                "as-path": {"behind-first": self.site.as_list("transit-free", transit_free["asns"])}
            }
            if transit_free["action"] == "reject":
                rules.append(self.reject(8, behind))
            else:
                rules.append(rule("8 " + REASONS[8][1], behind, log=True))
        never = self.site.never_via_route_servers
        if never:
            names = self.site.as_list("never-via-route-servers", never)
            rules.append(self.reject(15, {"as-path": {"contains": names}}))
        return rules

    def prefixes(self):
        site, rules = self.site, []
        if site.has_version(6):
            outside = {"family": FAMILIES[6], "not": {"prefix": "2000::/3 le 128"}}
            rules.append(self.reject(10, outside))
        blacklist = site.prefix_list(
            "blacklist", self.general["filtering"]["global_black_list_pref"]
        )
        if blacklist:
            rules.append(self.reject(3, {"prefix": blacklist}))
        if site.has_client_blacklists:
            rules.append(self.reject(11, {"prefix": "$blacklist"}))
        bogons = site.prefix_list("bogons", site.bogons)
        if bogons:
            rules.append(self.reject(2, {"prefix": bogons}))
        return rules

    def irr_marks(self):
        irr = self.filtering["irrdb"]
        if irr["enforce_origin_in_as_set"] and irr["enforce_prefix_in_as_set"]:
            return []
        if irr["enforce_origin_in_as_set"]:
            return ["origin-alone"]
        return ["prefix-alone"] if irr["enforce_prefix_in_as_set"] else ["not-enforced"]

    def irr(self):
        irr, tag = self.filtering["irrdb"], self.general["filtering"]["irrdb"]["tag_as_set"]
        enforced = irr["enforce_origin_in_as_set"], irr["enforce_prefix_in_as_set"]
        if not (tag or any(enforced)):
            return []
        rules = []
        for found, text, name in (
            ({"not": ORIGIN}, "origin is not in the AS-SET", "origin_not_present_in_as_set"),
            (ORIGIN, "origin is in the AS-SET", "origin_present_in_as_set"),
            ({"not": PREFIX}, "prefix is not in the AS-SET", "prefix_not_present_in_as_set"),
            (PREFIX, "prefix is in the AS-SET", "prefix_present_in_as_set"),
        ):
            marks = self.irr_tag(name)
            if marks:
                rules.append(rule(text, found, marks))
        rules += self.other_ways()
        if enforced[0]:
            rules.append(self.reject(9, {"not": ORIGIN}))
        if enforced[1]:
            rules.append(self.reject(12, {"not": PREFIX}))
        return rules if any("set" in each or each.get("then") == "reject" for each in rules) else []

    def irr_tag(self, name):
        if not self.general["filtering"]["irrdb"]["tag_as_set"]:
            return {}
        return change("add", patterns(self.communities[name]))

    def other_ways(self):
        """Routes that other data than that of AS-SETs allows: no more of the policy is for them."""
        irr, site = self.general["filtering"]["irrdb"], self.site
        ways = []
        if irr["use_rpki_roas_as_route_objects"]["enabled"]:
            ways.append(("ROA", "prefix_validated_via_rpki_roas", {**ORIGIN, "rpki": "valid"}))
        if site.route_list("arin-whois"):
            allowed = {**ORIGIN, "route": "arin-whois"}
            ways.append(("ARIN", "prefix_validated_via_arin_whois_db_dump", allowed))
        if site.route_list("registrobr-whois"):
            allowed = {**ORIGIN, "route": "registrobr-whois"}
            ways.append(("Registro.br", "prefix_validated_via_registrobr_whois_db_dump", allowed))
        rules = []
        if len(ways) == 1:
            [(text, name, condition)] = ways
            rules.append(rule("allowed by " + text, condition, self.irr_tag(name), "return"))
        elif ways:
            for text, name, condition in ways:
                if self.irr_tag(name):
                    rules.append(rule("known to " + text, condition, self.irr_tag(name)))
            rules.append(
                rule("allowed by one of these", any_of([way[2] for way in ways]), None, "return")
            )
        listed = any_of(site.white_list_conditions)
        if listed:
            marks = self.irr_tag("route_validated_via_white_list")
            rules.append(rule("on the white list", listed, marks, "return"))
        return rules

    def blackhole_requests(self):
        asked = self.site.blackholing()
        if asked is None:
            return []
        marks = self.communities["rpki_bgp_origin_validation_not_performed"]
        return [rule("blackhole request", asked, change("add", patterns(marks)), "accept")]

    def validates(self):
        return self.general["filtering"]["rpki_bgp_origin_validation"]["enabled"]

    def rpki_marks(self):
        rejects = self.filtering["rpki_bgp_origin_validation"]["reject_invalid"]
        return [] if rejects else ["marks-alone"]

    def rpki(self):
        comms, rules = self.communities, []
        if not self.validates():
            marks = change("add", patterns(comms["rpki_bgp_origin_validation_not_performed"]))
            return [rule("RPKI not looked at", None, marks)] if marks else []
        for state, name in (("valid", "valid"), ("not-found", "unknown"), ("invalid", "invalid")):
            own = patterns(comms["rpki_bgp_origin_validation_" + name])
            marks = change("add", {"extended-community": "ov:" + state}, own)
            rules.append(rule("RPKI " + state, {"rpki": state}, marks))
        if self.filtering["rpki_bgp_origin_validation"]["reject_invalid"]:
            rules.append(self.reject(14, {"rpki": "invalid"}))
        return rules

    def lengths(self):
        return [
            self.reject(13, {"not": {"prefix": "$min-length"}}, SHORT),
            self.reject(13, {"not": {"prefix": "$max-length"}}, LONG),
        ]

    def shutdown_mark(self):
        return "honored" if self.options["graceful_shutdown"]["enabled"] else "not-for-all"

    def shutdown(self):
        shutdown = self.general["graceful_shutdown"]
        if not shutdown["enabled"]:
            return []
        if not self.options["graceful_shutdown"]["enabled"]:
            gone = {"community": {"remove": ["graceful-shutdown"]}}
            return [rule("graceful shutdown is not for this client", None, gone)]
        pref = {"local-pref": shutdown["local_pref"]}
        return [rule("graceful shutdown", {"community": "graceful-shutdown"}, pref)]
