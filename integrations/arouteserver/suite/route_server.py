"""ts-bgp as the route server of a scenario, and a cache of ROAs beside it."""

import json
import os
import re
import shutil
import socket
import subprocess
import time

from pierky.arouteserver.reject_reasons import REJECT_REASONS
from pierky.arouteserver.tests.live_tests.instances import (
    BGPSpeakerInstance,
    InstanceError,
    InstanceNotRunning,
    Route,
)
from places import Place

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
TSBGP = [
    os.path.join(PROJECT, "node_modules", ".bin", "node"),
    os.path.join(PROJECT, "packages", "cli", "src", "main.ts"),
]
STAYRTR = "/usr/bin/stayrtr"
RTR_PORT = 3323
ROAS_FILE = "roas-for-rtr.json"

WELL_KNOWN = {
    "graceful-shutdown": "65535:0",
    "blackhole": "65535:666",
    "no-export": "65535:65281",
    "no-advertise": "65535:65282",
    "no-export-subconfed": "65535:65283",
    "no-peer": "65535:65284",
}
# Origin validation states (RFC 8097), as arouteserver's tests know them.
STATES = {
    "0x4300000000000000": "ovs:valid",
    "0x4300000000000001": "ovs:not-found",
    "0x4300000000000002": "ovs:invalid",
}
# What the speaker itself rejects, by arouteserver's numbers.
OWN_CHECKS = {"first-as-mismatch": 6, "next-hop-not-peer": 5}
# What BIRD's filters log of a route that they reject, and arouteserver's number for it.
SAID = (
    ("prefix is bogon", 2),
    ("global blacklist", 3),
    ("client's blacklist", 11),
    ("prefix len [", 13),
    ("left-most ASN", 6),
    ("invalid ASN", 7),
    ("AS_PATH len", 1),
    ("NEXT_HOP [", 5),
    ("transit-free", 8),
    ("not in allowed as-sets", 9),
    ("r_set", 12),
    ("RPKI, route is INVALID", 14),
    ("never via route-servers", 15),
    ("Global Unicast", 10),
)


def eventually(what, is_so):
    for _ in range(1200):
        if is_so():
            return
        time.sleep(0.05)
    raise InstanceError(what)


class TsBgp(Place, BGPSpeakerInstance):
    MESSAGE_LOGGING_SUPPORT = True
    TAG = "tsbgp"
    TARGET_VERSION = None

    def start(self):
        files = self.mount_files()
        self.config = next(iter(files.values()))
        self.control = os.path.join(self.folder, "control")
        lists = os.path.join(self.var_dir, "lists")
        if os.path.isdir(lists):
            shutil.copytree(lists, os.path.join(self.folder, "lists"))
        check = self.tsbgp("check", "-c", self.config)
        if check.returncode:
            raise InstanceError("tsbgp check: " + check.stdout)
        self.net_up()
        roas = os.path.join(self.var_dir, ROAS_FILE)
        if os.path.exists(roas):
            shutil.move(roas, self.folder)
            self.spawn(rtr_cache(os.path.join(self.folder, ROAS_FILE)))
            eventually("no RTR cache", lambda: "Server started" in self.output())
        self.spawn(TSBGP + ["run", "-c", self.config])
        eventually("tsbgp does not start", lambda: os.path.exists(self.control))
        if len(self.processes) > 1:
            eventually("no ROAs", self.rtr_is_up)

    def rtr_is_up(self):
        [shown] = self.ask(command="show-rpki")
        return not shown["busy"] and any(source["updated_ms"] for source in shown["sources"])

    @staticmethod
    def tsbgp(*words):
        return subprocess.run(
            TSBGP + list(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def ask(self, **request):
        """Returns what the running speaker answers."""
        if not self.is_running():
            raise InstanceNotRunning(self.name)
        items = []
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(self.control)
            connection.sendall((json.dumps(request) + "\n").encode())
            for line in connection.makefile():
                answer = json.loads(line)
                if "error" in answer:
                    raise InstanceError(str(answer["error"]))
                if "item" not in answer:
                    break
                items.append(answer["item"])
        return items

    def restart(self):
        self.stop()
        self.start()
        return True

    def reload_config(self):
        return self.tsbgp("reload", "-s", self.control).returncode == 0

    def run_cmd(self, args):
        raise NotImplementedError()

    # Sessions

    def get_bgp_session(self, other_inst, force_update=False):
        address = other_inst.ip if isinstance(other_inst, BGPSpeakerInstance) else other_inst
        if force_update or not self.protocols_status:
            self.protocols_status = {
                each["address"]: {"ip": each["address"], "is_up": each["state"] == "Established"}
                for each in self.ask(command="show-neighbors")
            }
        return self.protocols_status.get(address)

    def get_protocol_name_by_ip(self, ip):
        return ip

    # Routes

    def clear_cached_routes(self):
        self.routes = []

    def get_routes(self, prefix, include_filtered=False, only_best=False):
        if not self.routes:
            for neighbor in self.ask(command="show-neighbors"):
                for view in ("accepted", "rejected"):
                    request = {"neighbor": neighbor["address"], "view": view}
                    for shown in self.ask(command="show-routes", **request):
                        self.routes.append(route_of(shown, view == "rejected"))
        return [
            route
            for route in self.routes
            if prefix in (None, route.prefix)
            and (include_filtered or not route.filtered)
            and (route.best or not only_best)
        ]

    # The log. BIRD's filters say something of each route; here the speaker is asked about it.

    def log_lines(self):
        with open(os.path.join(self.folder, "tsbgp.log"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def log_contains(self, s):
        for _ in range(4):
            if self.says(s):
                return True
            if "receive limit" in s or "import limit" in s:
                break
            time.sleep(0.5)
            self.clear_cached_routes()
        return False

    def says(self, text):
        for pattern, answer in (
            (r"REJECTING (\S+)$", self.says_rejected),
            (r"NOT ANNOUNCING (\S+) TO (\S+)$", self.says_not_announced),
            (r"request from (\S+) - ACCEPTING (\S+)$", self.says_accepted),
            (
                r"(?:Protocol|Channel) (\S+) hits route (?:receive|import) limit(?: \((\d+)\), action: (\w+))?",
                self.says_limit,
            ),
            (r"^(\S+): (?:Route leak detected|Invalid route (\S+) withdrawn)", self.says_leak),
        ):
            found = re.search(pattern, text)
            if found:
                return answer(text, *found.groups())
        return any(text in json.dumps(line) for line in self.log_lines())

    def says_rejected(self, text, prefix):
        cause = next(number for said, number in SAID if said in text)
        return any(
            (route.filtered and cause in route.reject_reasons)
            or "65520:%d" % cause in route.std_comms
            for route in self.get_routes(prefix, include_filtered=True)
        )

    def says_not_announced(self, text, prefix, neighbor):
        [answer] = self.ask(command="explain-export", prefix=prefix, neighbor=neighbor)
        word = "blackhole" if "blackhole" in text else "announce"
        return any(
            word in step.get("reason", {}).get("rule", "")
            for path in answer["paths"]
            for step in path["steps"]
        )

    def says_accepted(self, _, neighbor, prefix):
        return any(route.via == neighbor for route in self.get_routes(prefix))

    def says_limit(self, _, neighbor, limit, action):
        action = {"disable": "shutdown"}.get(action, action)
        return any(
            line.get("id") == "max-prefix-reached"
            and line["neighbor"] == neighbor
            and (limit is None or (str(line["limit"]), line["action"]) == (limit, action))
            for line in self.log_lines()
        )

    def says_leak(self, _, neighbor, prefix):
        return any(
            route.via == neighbor and route.filtered and "9234" in route.why
            for route in self.get_routes(prefix, include_filtered=True)
        )

    def log_contains_errors(self, allowed_errors=(), list_errors=False):
        errors = [
            json.dumps(line)
            for line in self.log_lines()
            if line.get("level") in ("error", "fatal")
            and not any(allowed in json.dumps(line) for allowed in allowed_errors)
        ]
        return (bool(errors), "\n".join(errors)) if list_errors else bool(errors)


def route_of(shown, filtered):
    """What `tsbgp show routes --json` has, as arouteserver's tests look at it."""
    path, as_set = shown.get("as_path", ""), None
    if "{" in path:
        as_set = path[path.index("{") + 1 : path.rindex("}")].replace(",", " ").strip()
        path = path[: path.index("{")].strip()
    other = {each["name"]: each["value"] for each in shown.get("other", [])}
    next_hop = shown.get("next_hop") or other.get("MP_REACH_NLRI", {}).get("next_hop")
    if isinstance(next_hop, list):
        next_hop = next_hop[0]
    route = Route(
        shown["prefix"],
        via=shown["neighbor"],
        as_path=path,
        as_set=as_set,
        next_hop=str(next_hop).split()[0],
        localpref=shown.get("local_pref", 100),
        otc=other.get("ONLY_TO_CUSTOMER", other.get("OTC")),
        filtered=filtered,
        best=shown["status"] == "best",
    )
    route.std_comms = [WELL_KNOWN.get(each, each) for each in shown.get("communities", [])]
    route.lrg_comms = list(shown.get("large_communities", []))
    route.ext_comms = route._normalise_rfc8097(
        [STATES.get(each, each) for each in shown.get("extended_communities", [])]
    )
    if filtered:
        cause = re.match(r"\d+", shown["reason"].get("rule", ""))
        number = int(cause.group()) if cause else OWN_CHECKS.get(shown["reason"]["code"])
        route.reject_reasons = [number] if str(number) in REJECT_REASONS else []
        route.why = shown["reason"]["text"]
    return route


def rtr_cache(file):
    return [
        STAYRTR,
        "-bind",
        ":%d" % RTR_PORT,
        "-cache",
        file,
        "-refresh",
        "1",
        "-metrics.addr",
        "",
        "-checktime=false",
    ]


class RtrCache(Place, BGPSpeakerInstance):
    """In place of Routinator, whose local exceptions (RFC 8416) are all that it has."""

    TAG = "stayrtr"

    def start(self):
        [path] = self.mount_files().values()
        with open(path, encoding="utf-8") as file:
            added = json.load(file)["locallyAddedAssertions"]["prefixAssertions"]
        roas = [
            {
                "asn": each["asn"],
                "prefix": each["prefix"],
                "maxLength": each.get("maxPrefixLength") or int(each["prefix"].split("/")[1]),
            }
            for each in added
        ]
        write_roas(os.path.join(self.folder, ROAS_FILE), roas)
        self.net_up()
        self.spawn(rtr_cache(os.path.join(self.folder, ROAS_FILE)))

    def get_routes(self, prefix, include_filtered=False, only_best=False):
        return []


def write_roas(path, roas):
    listed = [
        {**roa, "asn": "AS%d" % int(str(roa["asn"]).replace("AS", "")), "ta": "suite"}
        for roa in roas
    ]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"metadata": {"counts": len(listed)}, "roas": listed}, file)
