"""Clients of the route server: BIRD 2 and ExaBGP of this machine in place of those in containers."""

import os
import re
import time

from pierky.arouteserver.tests.live_tests.bird import BIRDInstance
from pierky.arouteserver.tests.live_tests.exabgp import ExaBGPInstance
from pierky.arouteserver.tests.live_tests.instances import InstanceError, InstanceNotRunning
from places import Place, command

# Statements of a BGP session in BIRD 1 that belong to its channel in BIRD 2.
CHANNEL = (
    "import",
    "export",
    "next hop",
    "missing lladdr",
    "add paths",
    "secondary",
    "receive limit",
)


def blocks(text):
    """Yields what stands before a semicolon, with None, or before braces, with what is in them."""
    at = start = 0
    while at < len(text):
        char = text[at]
        if char == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif char == '"':
            at = text.find('"', at + 1) + 1
        elif char == ";":
            yield without_comments(text[start : at + 1]), None
            at = start = at + 1
        elif char == "{":
            end = closing(text, at)
            yield without_comments(text[start:at]), text[at + 1 : end]
            at = start = end + 1
        else:
            at += 1


def closing(text, at):
    depth = 0
    while True:
        char = text[at]
        if char == "#":
            at = text.find("\n", at)
        elif char == '"':
            at = text.find('"', at + 1)
        depth += {"{": 1, "}": -1}.get(char, 0)
        if depth == 0:
            return at
        at += 1


def without_comments(text):
    return re.sub(r"(?m)#.*$", "", text).strip()


class Translation:
    """A client's configuration for BIRD 1.6 as one for BIRD 2, with the same announcements.

    In 1.6 the own AS is in the path, and the next hop is the own address, before the filter of an
    export runs; in 2 both happen after it. So the session is one of a route server, which adds
    nothing, and the filter does it.
    """

    def __init__(self, address):
        self.address = address
        self.channel = "ipv6" if ":" in address else "ipv4"
        self.filters = {}

    def of(self, text):
        return "\n".join(self.statement(head, body) for head, body in blocks(text)) + "\n"

    def statement(self, head, body):
        if body is None:
            return "" if head.startswith("log") or head == ";" else head
        if head.startswith("protocol static"):
            return "%s { %s; %s }" % (head, self.channel, body)
        if head.startswith("filter "):
            self.filters[head.split()[1]] = body
        if head.startswith("protocol bgp"):
            return self.session(head, body)
        return "%s {%s}" % (head, body)

    def session(self, head, body):
        channel, rest, imports, exports, own_as, first = (
            [],
            [],
            "import all;",
            "export none;",
            None,
            "",
        )
        for statement, _ in blocks(body):
            local = re.match(r"local(?: \S+)? as (\w+)", statement)
            own_as = local.group(1) if local else own_as
            if statement.startswith("export"):
                exports = statement
            elif statement.startswith("import ") and not statement.startswith("import limit"):
                imports = statement
            elif statement.startswith("next hop self"):
                first = " bgp_next_hop = %s;" % self.address
            else:
                (channel if statement.startswith(CHANNEL) else rest).append(statement)
        first = "bgp_path.prepend(%s);%s" % (own_as, first)
        words = exports.rstrip(";").split()
        if words[1] == "filter":
            exports = "export filter {\n%s\n%s};" % (first, self.filters[words[2]])
        elif words[1] == "all":
            exports = "export filter { %s accept; };" % first
        return "%s {\n%s\nrs client;\n%s {\n%s\n%s\n%s\n};\n}" % (
            head,
            "\n".join(rest),
            self.channel,
            imports,
            exports,
            "\n".join(channel),
        )


class Bird(Place, BIRDInstance):
    TAG = "bird2"
    TARGET_VERSION = "2.0.11"

    def start(self):
        path = self.mount_files()["/etc/bird/bird.conf"]
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not re.search(r"ipv[46]\s*\{|ipv[46]\s+table", text):
            text = Translation(self.ip).of(text)
        text = re.sub(r"(?m)^\s*log .*$", "", text).replace("/etc/bird/", self.folder + "/")
        with open(path, "w", encoding="utf-8") as file:
            file.write('log "%s/bird.log" all;\n%s' % (self.folder, text))
        command("bird", "-p", "-c", path)
        self.net_up()
        control = os.path.join(self.folder, "control")
        self.spawn(
            ["bird", "-f", "-c", path, "-s", control, "-P", os.path.join(self.folder, "pid")]
        )
        for _ in range(600):
            if os.path.exists(control):
                return
            time.sleep(0.05)
        raise InstanceError("%s does not start: %s" % (self.name, self.output()))

    def _birdcl(self, cmd):
        if not self.is_running():
            raise InstanceNotRunning(self.name)
        only = "-r" if cmd.startswith("show") else "-v"
        return command(
            "birdc", only, "-s", os.path.join(self.folder, "control"), *cmd.split(), check=False
        )

    def run_cmd(self, args):
        if args != "cat /var/log/bird.log":
            return ""
        with open(os.path.join(self.folder, "bird.log"), encoding="utf-8") as file:
            return file.read()


class ExaBgp(Place, ExaBGPInstance):
    TAG = "exabgp"

    def start(self):
        path = self.mount_files()["/etc/exabgp/exabgp.conf"]
        self.net_up()
        options = {
            "exabgp_daemon_user": "root",
            "exabgp_daemon_drop": "false",
            "exabgp_api_cli": "false",
            "exabgp_tcp_bind": "",
            "exabgp_log_destination": os.path.join(self.folder, "exabgp.log"),
        }
        self.spawn(["exabgp", path], options)
