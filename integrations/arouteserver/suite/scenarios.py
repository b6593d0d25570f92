"""Which scenarios there are, and what a site's own files say in them.

What a scenario of arouteserver has for BIRD in its local files is here in the words of ts-bgp.
"""

import importlib
import os
import unittest

from clients import Bird, ExaBgp
from pierky.arouteserver.tests.live_tests.base import LiveScenario
from places import RUN_DIR
from route_server import ROAS_FILE, RTR_PORT, RtrCache, TsBgp, eventually, write_roas
from tsbgp_arouteserver import TsBgpConfigBuilder

# In the order that they are run in; the longest is the first.
NAMES = (
    "global",
    "tag_reject_policy",
    "tag_as_set",
    "max_prefix",
    "communities",
    "path_hiding",
    "rpki",
    "rpki_bov_comms",
    "rfc8950",
    "roles",
    "gshut",
    "rpki_rtr_example",
    "bird_hooks_example",
    "default",
    "rich_example",
)
MODULES = (
    ("test_bird2_4", 4),
    ("test_bird2_6", 6),
    ("test_bird2", 6),
    ("test_bird2_rfc8950", 6),
    ("test_bird2_empty_assets_4", 4),
    ("test_bird2_empty_assets_6", 6),
)

# What scenarios have in their footer: a collector of routes that are tagged as rejected.
COLLECTOR = """
neighbors:
  - address: %s
    as: 65534
    route-server-client: true
    connect-retry: 1
    add-path: { send: all }
    export: rejected-alone
policies:
  rejected-alone:
    - { if: { community: "65520:0" }, then: accept }
"""
COLLECTOR_ADDRESSES = {4: "192.0.2.99", 6: "2001:db8:1:1::999"}

RPKI_HOOKS = """
policies:
  hook-announce-rpki-invalid-to-client:
    - { if: { peer: [ 192.0.2.11, "2001:db8:1:1::11" ] }, then: return }
    - { if: { extended-community: "ov:invalid" }, then: reject }
  hook-post-announce-to-client:
    - { if: { extended-community: "ov:valid" }, set: { community: { add: [ "64512:1" ] } } }
    - { if: { extended-community: "ov:not-found" }, set: { community: { add: [ "64512:3" ] } } }
    - { if: { extended-community: "ov:invalid" }, set: { community: { add: [ "64512:2" ] } } }
"""

# A policy for each hook that lets everything pass.
EMPTY_HOOKS = "policies:\n" + "".join(
    "  hook-%s: [ { then: next } ]\n" % name.replace("_", "-") for name in TsBgpConfigBuilder.HOOKS
)

CLIENT_OPTIONS = "hold-time: 240\n"

SITE = """
control: { socket: %(folder)s/rs/control }
log: { file: %(folder)s/rs/tsbgp.log, level: info }
%(include)s
"""


def included(name, version):
    if name in ("global", "tag_reject_policy"):
        return COLLECTOR % COLLECTOR_ADDRESSES[version]
    return {"rpki": RPKI_HOOKS, "bird_hooks_example": EMPTY_HOOKS}.get(name)


def builder_for(name, version):
    """The target, with the local files of the scenario, and a cache of ROAs where it needs one."""
    folder = os.path.join(RUN_DIR, "site-%s-%d" % (name, version))
    os.makedirs(folder, exist_ok=True)
    text = included(name, version)
    if text:
        with open(os.path.join(folder, "site.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
    with open(os.path.join(folder, "site.local"), "w", encoding="utf-8") as file:
        include = "include: %s/site.yaml" % folder if text else ""
        file.write(SITE % {"folder": RUN_DIR, "include": include})
    options = (
        ("connect-retry: 1\n" + CLIENT_OPTIONS) if name == "rich_example" else "connect-retry: 1\n"
    )
    with open(os.path.join(folder, "client.local"), "w", encoding="utf-8") as file:
        file.write(options)
    cache = "192.0.2.10" if name == "rpki_rtr_example" else "127.0.0.1"

    class Builder(TsBgpConfigBuilder):
        def __init__(
            self, template_dir, template_name, target_version=None, local_files=None, **kwargs
        ):
            super().__init__(
                local_files=["site", "client"],
                local_files_dir=folder,
                rpki_caches=["%s:%d" % (cache, RTR_PORT)],
                rpki_start_limit=1 if name == "rpki_rtr_example" else None,
                **kwargs,
            )

        def render_template(self, output_file=None):
            roas = [
                {"asn": roa["asn"], "prefix": roa["prefix"], "maxLength": roa["max_len"]}
                for roas in self.rpki_roas.values()
                for roa in roas
            ]
            if self.cfg_general.rpki_roas_needed and name != "rpki_rtr_example":
                write_roas(os.path.join(os.path.dirname(output_file.name), ROAS_FILE), roas)
            return super().render_template(output_file)

    return Builder


def classes(checkout, name, versions):
    """Yields the test classes of a scenario, those for BIRD 2, with ts-bgp as the route server."""
    package = "tests.live_tests.scenarios." + name
    base = importlib.import_module(package + ".base")
    for attribute, instance in (("BIRD2Instance", Bird), ("ExaBGPInstance", ExaBgp)):
        if hasattr(base, attribute):
            setattr(base, attribute, instance)
    if name == "global":
        # What BIRD makes of a path that ends with an AS_SET: it has no origin. So does ts-bgp.
        base.BIRDInstance = (base.BIRDInstance, TsBgp)
    if name == "path_hiding":
        # A test that is for whoever considers all paths.
        base.OpenBGPDPortableLatestInstance = TsBgp
    if name == "rpki_rtr_example":
        if 4 in versions:
            yield rtr_scenario(base, importlib.import_module(package + ".data4"))
        return
    for module_name, version in MODULES:
        path = os.path.join(checkout, "tests", "live_tests", "scenarios", name, module_name + ".py")
        if version not in versions or not os.path.exists(path):
            continue
        module = importlib.import_module("%s.%s" % (package, module_name))
        for found in vars(module).values():
            if is_test(found, module):
                yield with_tsbgp(found, name, version)


def is_test(found, module):
    return (
        isinstance(found, type)
        and issubclass(found, unittest.TestCase)
        and found.__module__ == module.__name__
        and found.__dict__.get("__test__")
    )


def with_tsbgp(found, name, version):
    members = {
        "__test__": True,
        "__module__": found.__module__,
        "RS_INSTANCE_CLASS": TsBgp,
        "CLIENT_INSTANCE_CLASS": Bird,
        "CONFIG_BUILDER_CLASS": builder_for(name, version),
        "TARGET_VERSION": None,
        # What is only written for people, into the checkout.
        "dump_routes": classmethod(lambda cls: None),
        "dump_rs_config": classmethod(lambda cls: None),
        "info": classmethod(lambda cls, text: None),
    }
    if name == "max_prefix":
        # An error in this log, and a warning in that of BIRD.
        members["ALLOWED_LOG_ERRORS"] = ["max-prefix-reached"]
    return type(found.__name__, (found,), members)


def rtr_scenario(base, data):
    """The scenario of a validator that is started later; it has steps of its own for each speaker."""
    base.RoutinatorInstance = RtrCache

    class RtrScenario(data.RPKIRTRScenario_Data4, base.RPKIRTRScenario):
        __test__ = True
        SHORT_DESCR = "Live test, ts-bgp, RTR protocol"

        @classmethod
        def _setup_rs_instance(cls):
            config = cls.build_rs_cfg("bird", "main.j2", "rs.conf", 4)
            return cls.RS_INSTANCE_CLASS(
                "rs", cls.DATA["rs_IPAddress"], [(config, "/etc/ts-bgp.yaml")]
            )

        def test_050_check_rtr_up(self):
            """{}: check the RTR session is up"""
            eventually("no ROAs", self.rs.rtr_is_up)

    assert issubclass(RtrScenario, LiveScenario)
    return with_tsbgp(RtrScenario, "rpki_rtr_example", 4)
