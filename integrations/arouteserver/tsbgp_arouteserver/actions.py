"""Policies for what clients are sent: what the communities of a route ask for, for all clients at once."""

from .checks import FAMILIES
from .terms import change, has_one_of, is_set, patterns, public_patterns, rule

TIMES = (("once", 1), ("twice", 2), ("thrice", 3))


class Actions:
    """The export policies of one client."""

    def __init__(self, site, client):
        self.site = site
        self.general = site.general
        self.communities = site.general["communities"]
        self.options = client["cfg"]

    def policies(self):
        """Returns a list of (name, marks, rules), as `Checks` does."""
        site = self.site
        return [
            site.hook("pre_announce_to_client"),
            ("rejected", [], self.rejected()),
            ("blackholes", self.blackhole_marks(), self.blackholes()),
            site.hook("apply_blackhole_filtering_policy"),
            site.hook("announce_rpki_invalid_to_client") or ("no-invalid", [], self.no_invalid()),
            site.hook("route_can_be_announced_to") or ("announce", [], self.announce()),
            ("prepend", [], self.prepend()),
            ("prepend-own", [], self.prepend_own()),
            ("no-export", [], self.no_export()),
            ("scrub-requests", [], self.scrub_requests()),
            site.hook("scrub_communities_out"),
            ("shutting-down", [], self.shutting_down()),
            site.hook("post_announce_to_client"),
        ]

    def asks(self, name, dyn_val=None):
        """The condition that a route has the community of that name, for this client; or None."""
        return has_one_of(
            patterns(self.communities[name], peer_16=self.site.peer_16, dyn_val=dyn_val)
        )

    def rules_for(self, name, changes=None, then=None, dyn_val=None, text=None):
        asked = self.asks(name, dyn_val)
        text = text or name.replace("_", " ")
        return [] if asked is None else [rule(text, asked, changes, then)]

    def rejected(self):
        return self.rules_for("reject_cause", None, "reject", 0, "rejected when it came")

    def blackhole_marks(self):
        return [] if self.options["blackhole_filtering"]["announce_to_client"] else ["not-sent"]

    def blackholes(self):
        asked, options = self.site.blackholing(), self.general["blackhole_filtering"]
        if asked is None:
            return []
        if not self.options["blackhole_filtering"]["announce_to_client"]:
            return [rule("no blackholes for this client", asked, None, "reject")]
        rules = []
        added = ["blackhole"] + (["no-export"] if options["add_noexport"] else [])
        for version in (4, 6):
            policy = options["policy_ipv%d" % version]
            if not policy or not self.site.has_version(version):
                continue
            changes = {"community": {"add": added}}
            if policy == "rewrite-next-hop":
                changes["next-hop"] = options["rewrite_next_hop_ipv%d" % version]
            condition = {"family": FAMILIES[version], **self.site.blackhole_communities()}
            rules.append(rule("blackhole, IPv%d" % version, condition, changes))
        return rules

    def no_invalid(self):
        if not self.site.lets_invalid_in:
            return []
        return [rule("RPKI invalid", {"extended-community": "ov:invalid"}, None, "reject")]

    def announce(self):
        """The first request that is for the client counts."""
        rules = self.rules_for("do_not_announce_to_peer", None, "reject")
        rules += self.rules_for("announce_to_peer", None, "return")
        for verb, then in (("do_not_announce", "reject"), ("announce", "return")):
            for side in ("higher", "lower"):
                name = "%s_to_peers_with_rtt_%s_than" % (verb, side)
                rules += self.rules_for(name, None, then, self.site.rtt_var(side))
        return rules + self.rules_for("do_not_announce_to_any", None, "reject")

    def prepend(self):
        """The first request counts: for the client, for its RTT with the nearest threshold, for all."""
        rules = self.prepends("prepend_%s_to_peer")
        thresholds = sorted(self.general["rtt_thresholds"] or [])
        for side, ordered in (("higher", reversed(thresholds)), ("lower", thresholds)):
            for limit in ordered:
                name = "prepend_%%s_to_peers_with_rtt_%s_than" % side
                rules += self.prepends(name, limit, self.site.rtt_var(side, limit))
        return rules + self.prepends("prepend_%s_to_any")

    def prepends(self, pattern, limit=None, dyn_val=None):
        rules = []
        for word, count in TIMES:
            name = pattern % word
            text = name.replace("_", " ") + ("" if limit is None else " %d" % limit)
            changes = {"prepend": {"as": "first", "count": count}}
            rules += self.rules_for(name, changes, "return", dyn_val, text)
        return rules

    def prepend_own(self):
        return (
            [rule("own AS in front", None, {"prepend": 1})] if self.options["prepend_rs_as"] else []
        )

    def no_export(self):
        rules = []
        for whom in ("any", "peer"):
            for word in ("export", "advertise"):
                added = {"community": {"add": ["no-" + word]}}
                rules += self.rules_for("add_no%s_to_%s" % (word, whom), added)
        return rules

    def scrub_requests(self):
        gone = [
            public_patterns(community, self.site.aliases)
            for _, community in sorted(self.communities.items())
            if community["type"] in ("inbound", "internal") and is_set(community)
        ]
        changes = change("remove", *gone)
        return [rule("what was meant for the route server", None, changes)] if changes else []

    def shutting_down(self):
        if not self.site.shuts_down:
            return []
        added = {"community": {"add": ["graceful-shutdown"]}}
        return [rule("the route server shuts down", None, added)]
