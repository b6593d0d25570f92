"""The target: from what arouteserver knows to a configuration of ts-bgp, with lists beside it."""

import json
import os
import re
from collections import Counter

import yaml
from pierky.arouteserver.builder import ConfigBuilder
from pierky.arouteserver.errors import BuilderError
from pierky.arouteserver.ipaddresses import IPAddress

from .actions import Actions
from .checks import FAMILIES, Checks
from .files import ListFiles
from .options import unknown_options
from .site import Site, Values

TEMPLATES_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
TEMPLATE_NAME = "main.j2"


class TsBgpConfigBuilder(ConfigBuilder):
    """A ConfigBuilder of arouteserver for ts-bgp.

    Beside the arguments of ConfigBuilder:

        rpki_caches (list): RTR caches, as "ADDRESS:PORT".
        rpki_start_limit (int): seconds that routes wait for ROAs after a start.
        hooks (list): names of HOOKS: policies `hook-NAME` of the site that are called.
        lists_dir (str): where lists are written; "lists" beside the output file unless given.
    """

    LOCAL_FILES_IDS = ["site", "client"]
    LOCAL_FILES_BASE_DIR = "/etc/ts-bgp"
    AVAILABLE_VERSION = ["0.3"]
    DEFAULT_VERSION = "0.3"
    IGNORABLE_ISSUES = ConfigBuilder.IGNORABLE_ISSUES + [
        "custom_options",
        "link_local_clients",
        "unknown_options",
    ]
    HOOKS = [
        "pre_receive_from_client",
        "scrub_communities_in",
        "post_receive_from_client",
        "pre_announce_to_client",
        "apply_blackhole_filtering_policy",
        "announce_rpki_invalid_to_client",
        "route_can_be_announced_to",
        "scrub_communities_out",
        "post_announce_to_client",
    ]

    def __init__(self, template_dir=None, template_name=None, **kwargs):
        super().__init__(
            template_dir=template_dir or TEMPLATES_DIR,
            template_name=template_name or TEMPLATE_NAME,
            **kwargs
        )

    def validate_bgpspeaker_specific_configuration(self):
        """Names what has no words in ts-bgp's configuration."""
        clients = self.cfg_clients.cfg["clients"]
        right = True
        custom = [c["ip"] for c in clients if c["cfg"]["custom_options"]]
        if custom:
            right &= self.process_compatibility_issue(
                "custom_options",
                "custom_options are lines for BIRD or OpenBGPD, and are left out; they are there "
                "for " + ", ".join(custom),
            )
        local = [c["ip"] for c in clients if IPAddress(c["ip"]).obj.is_link_local]
        if local:
            right &= self.process_compatibility_issue(
                "link_local_clients",
                "clients.yml does not say on which interface clients with link-local addresses "
                "are, so they are left out: " + ", ".join(local),
            )
            self.cfg_clients.cfg["clients"] = [c for c in clients if c["ip"] not in local]
        others = unknown_options(self.cfg_general.cfg["cfg"], clients)
        if others:
            right &= self.process_compatibility_issue(
                "unknown_options",
                "There are options that this target does not know, and leaves out: "
                + ", ".join(others),
            )
        self.check_arguments()
        return right

    def check_arguments(self):
        hooks = self.kwargs.get("hooks") or []
        unknown = [name for name in hooks if name not in self.HOOKS]
        if unknown:
            raise BuilderError("there are no hooks " + ", ".join(unknown))
        if hooks and "site" not in (self.local_files or []):
            raise BuilderError(
                "the policies of hooks stand in the local file 'site', which is not used"
            )
        if self.cfg_general["rpki_roas"]["source"] == "rtr" and self.cfg_general.rpki_roas_needed:
            if not self.kwargs.get("rpki_caches"):
                raise BuilderError("rpki_roas.source is 'rtr': name the caches with --rpki-cache")

    def render_template(self, output_file=None):
        folder = shown = self.kwargs.get("lists_dir")
        if folder is None and output_file is not None and os.path.isfile(output_file.name):
            shown = "lists"
            folder = os.path.join(os.path.dirname(os.path.abspath(output_file.name)), shown)
        self.files = ListFiles(folder, shown)
        return super().render_template(output_file)

    def enrich_j2_environment(self, env):
        env.filters["block"] = block
        env.globals["tsbgp"] = self.configuration()

    def configuration(self):
        """Returns what the template writes."""
        site = Site(self)
        imports = PolicyNames([Checks(site, client).policies() for client in site.clients])
        exports = PolicyNames([Actions(site, client).policies() for client in site.clients])
        policies = {**imports.rules, "accept": [{"then": "accept"}], **exports.rules}
        values = [Values(site, client) for client in site.clients]
        asked = set(re.findall(r"\$([a-z][a-z0-9-]*)", json.dumps(policies)))
        kept = [{n: v for n, v in each.vars().items() if n in asked} for each in values]
        shared_vars, own_vars = common(
            kept, lambda name, value: name not in OWN_VARS or value == []
        )
        shared_limits, own_limits = common([each.max_prefix()[1] for each in values])
        options = [
            {
                **each.neighbor_options(),
                "import": imports.chains[k] + ["accept"],
                "export": exports.chains[k] + ["accept"],
            }
            for k, each in enumerate(values)
        ]
        shared, own = common(options)
        group = {**self.group(), **{n: v for n, v in shared.items() if v != DEFAULTS.get(n)}}
        own = [
            {n: v for n, v in each.items() if n in shared or v != DEFAULTS.get(n)} for each in own
        ]
        group.update(self.client_options())
        if shared_limits:
            group["max-prefix"] = shared_limits
        if shared_vars:
            group["vars"] = shared_vars
        neighbors = []
        for k, each in enumerate(values):
            limits = {**each.max_prefix()[0], **own_limits[k]}
            mine = {
                **self.who(each),
                **own[k],
                **({"max-prefix": limits} if limits else {}),
                **({"vars": own_vars[k]} if own_vars[k] else {}),
            }
            neighbors.append((site.clients[k], mine))
        return {
            "group": group,
            "neighbors": neighbors,
            "policies": policies,
            "rpki": self.rpki(),
            "lists": self.files.written(site),
            "site": self.local_text("site"),
        }

    def group(self):
        general = self.cfg_general
        return {
            "route-server-client": True,
            # Policies ask for these, with reasons.
            "enforce-first-as": False,
            "as-set": "accept",
            "path-hiding": "mitigate" if general["path_hiding"] else "off",
            "honor-well-known-communities": general["rfc1997_wellknown_communities"]["policy"]
            == "rfc1997",
        }

    @staticmethod
    def who(values):
        client = values.client
        found = {"address": client["ip"], "as": client["asn"], "group": "clients"}
        if client.get("description"):
            found["description"] = client["description"][:200]
        if client.get("password"):
            found["password"] = client["password"]
        if len(values.versions()) > 1:
            found["families"] = [FAMILIES[v] for v in values.versions()]
        return found

    def rpki(self):
        """Returns the section, or None."""
        if not self.cfg_general.rpki_roas_needed:
            return None
        section = {}
        for text in self.kwargs.get("rpki_caches") or []:
            address, _, port = text.rpartition(":")
            section.setdefault("caches", []).append(
                {"address": address.strip("[]"), "port": int(port)}
            )
        if not section:
            roas = [roa for roas in self.rpki_roas.values() for roa in roas]
            section["files"] = [self.files.write_roas(roas)]
        limit = self.kwargs.get("rpki_start_limit")
        if limit is not None:
            section["start-limit"] = limit
        return section

    def local_text(self, name):
        """What stands in a file of the site's own; nothing where it is not used."""
        if name not in (self.local_files or []):
            return ""
        path = os.path.join(self.local_files_dir or self.LOCAL_FILES_BASE_DIR, name + ".local")
        try:
            with open(path, encoding="utf-8") as file:
                return file.read()
        except OSError as error:
            raise BuilderError("the local file '%s' cannot be read: %s" % (name, error)) from error

    def client_options(self):
        """Options of the neighbor that all clients have, by the site's own file."""
        found = yaml.safe_load(self.local_text("client")) or {}
        if not isinstance(found, dict):
            raise BuilderError(
                "the local file 'client' has other things than options of a neighbor"
            )
        return found


# What a neighbor has that neither says nor inherits an option.
DEFAULTS = {
    "passive": False,
    "ttl-security": 0,
    "multihop": 0,
    "add-path": {"send": 0},
    "extended-next-hop": False,
    "role": "none",
    "strict-role": False,
}


# Values that are a client's own even where two have the same.
OWN_VARS = ("as16", "origins", "prefixes")


class PolicyNames:
    """Policies of all clients, each once: the most common one of its kind has the plain name.

    Attributes:
        rules: by name, in the order of the lists; without those of hooks, which the site has.
        chains: the names, for each client.
    """

    def __init__(self, clients):
        counts, marks_of = {}, {}
        for each in clients:
            for name, marks, rules in filter(None, each):
                content = json.dumps(rules)
                counts.setdefault(name, Counter())[content] += 1
                marks_of.setdefault((name, content), marks)
        self.rules, self.chains = {}, []
        for each in clients:
            chain = []
            for name, marks, rules in filter(None, each):
                if rules == []:
                    continue
                content = json.dumps(rules)
                usual = counts[name].most_common(1)[0][0]
                if content != usual:
                    other = [mark for mark in marks if mark not in marks_of[name, usual]]
                    name = self.free("-".join([name] + other), rules)
                chain.append(name)
                if rules is not None:
                    self.rules[name] = rules
            self.chains.append(chain)
        # In the order of lists, whichever client was the first to have one.
        order = [name for each in clients for name, _, _ in filter(None, each)]
        self.rules = dict(sorted(self.rules.items(), key=lambda item: place(order, item[0])))

    def free(self, name, rules):
        found, count = name, 2
        while self.rules.get(found, rules) != rules:
            found, count = "%s-%d" % (name, count), count + 1
        return found


def place(order, name):
    if name in order:
        return order.index(name)
    fitting = [k for k, base in enumerate(order) if name.startswith(base + "-")]
    return min(fitting, default=len(order))


def common(sections, may_share=lambda key, value: True):
    """Takes out of sections what most of them have alike; what is left of each overrides it."""
    shared = {}
    for key in dict.fromkeys(key for section in sections for key in section):
        texts = Counter(json.dumps(section[key]) for section in sections if key in section)
        text, count = texts.most_common(1)[0]
        if (count > 1 or count == len(sections)) and may_share(key, json.loads(text)):
            shared[key] = json.loads(text)
    left = [
        {key: value for key, value in section.items() if key not in shared or shared[key] != value}
        for section in sections
    ]
    return shared, left


class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    """Says what is there twice twice, without anchors."""

    def ignore_aliases(self, data):
        return True


def flow(value, width=1000000):
    text = yaml.dump(value, Dumper=Dumper, default_flow_style=True, sort_keys=False, width=width)
    text = text.strip()
    return text[:-3].strip() if text.endswith("...") else text


def block(value, indent):
    """What stands behind a key: the value on its line where it fits, and else indented by so much."""
    text = flow(value)
    if len(text) <= 90 - indent:
        return " " + text
    margin = "\n" + " " * indent
    if isinstance(value, dict):
        return "".join(
            "%s%s:%s" % (margin, key, block(each, indent + 2)) for key, each in value.items()
        )
    return margin + flow(value, 90 - indent).replace("\n", margin)
