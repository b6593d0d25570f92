"""Where processes of a scenario run: network namespaces on a bridge, in place of containers."""

import os
import shutil
import subprocess
import tempfile

from pierky.arouteserver.tests.live_tests.instances import BGPSpeakerInstance, InstanceError

PREFIX = "tsbgp-ars-"
HUB = PREFIX + "hub"
RUN_DIR = tempfile.mkdtemp(prefix="tsbgp-ars-")
LAN_4, LAN_6 = "192.0.2.%s/24", "2001:db8:1:1::%s/64"


def command(*words, check=True):
    result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and result.returncode:
        raise InstanceError("%s: %s" % (" ".join(words), result.stdout))
    return result.stdout


def make_hub():
    if os.path.exists("/run/netns/" + HUB):
        return
    command("ip", "netns", "add", HUB)
    command("ip", "-n", HUB, "link", "set", "lo", "up")
    command("ip", "-n", HUB, "link", "add", "lan", "type", "bridge")
    command("ip", "-n", HUB, "link", "set", "lan", "up")


def clear():
    """Takes away the hub, and what a run before may have left behind."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        if name.startswith(PREFIX):
            command("ip", "netns", "del", name, check=False)


class Place:
    """Mixin of an instance: a namespace with a leg in the LAN, a folder, and processes in it."""

    def __init__(self, *args, **kwargs):
        BGPSpeakerInstance.__init__(self, *args, **kwargs)
        self.namespace = PREFIX + self.name
        self.folder = os.path.join(RUN_DIR, self.name)
        self.processes = []
        self.protocols_status = {}
        self.routes = []
        self.log = None

    def addresses(self):
        """Both families, whichever the scenario names."""
        last = self.ip.rsplit(":", 1)[1] if ":" in self.ip else self.ip.rsplit(".", 1)[1]
        found = [LAN_6 % last]
        return found + ([LAN_4 % last] if last.isdigit() and int(last) < 255 else [])

    def net_up(self):
        make_hub()
        command("ip", "netns", "del", self.namespace, check=False)
        command("ip", "netns", "add", self.namespace)
        no_dad = ["net.ipv6.conf.%s.accept_dad=0" % which for which in ("all", "default")]
        command("ip", "netns", "exec", self.namespace, "sysctl", "-qw", *no_dad)
        leg = "leg-" + self.name
        there = ["type", "veth", "peer", "name", "eth0", "netns", self.namespace]
        command("ip", "-n", HUB, "link", "add", leg, *there)
        command("ip", "-n", HUB, "link", "set", leg, "master", "lan", "up")
        inside = ["ip", "-n", self.namespace]
        command(*inside, "link", "set", "lo", "up")
        command(*inside, "link", "set", "eth0", "up")
        for address in self.addresses():
            dad = ["nodad"] if ":" in address else []
            command(*inside, "addr", "add", address, "dev", "eth0", *dad)

    def net_down(self):
        command("ip", "-n", HUB, "link", "del", "leg-" + self.name, check=False)
        command("ip", "netns", "del", self.namespace, check=False)

    def spawn(self, words, environment=None):
        with open(os.path.join(self.folder, "out"), "ab") as out:
            self.processes.append(
                subprocess.Popen(
                    ["ip", "netns", "exec", self.namespace] + words,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd=self.folder,
                    env={**os.environ, **(environment or {})},
                )
            )

    def output(self):
        with open(os.path.join(self.folder, "out"), encoding="utf-8") as file:
            return file.read()

    def is_running(self):
        return bool(self.processes) and self.processes[-1].poll() is None

    def mount_files(self):
        """Copies what a container would be given. Returns files here by their path there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        found = {}
        for mount in self.get_mounts():
            path = os.path.join(self.folder, os.path.basename(mount["container"]))
            shutil.copy(mount["var_path"], path)
            found[mount["container"]] = path
        return found

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []
        self.net_down()
