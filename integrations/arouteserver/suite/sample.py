"""That the sample in the repository is what arouteserver writes now."""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PLUGIN_DIR = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
SAMPLE_DIR = os.path.join(PLUGIN_DIR, "sample")


def write_sample(folder):
    """Runs the command as a person would, with the sample's own data."""
    cache = tempfile.mkdtemp(prefix="tsbgp-ars-cache-")
    try:
        words = [
            "--cfg",
            "arouteserver.yml",
            "--cache-dir",
            cache,
            "--rpki-cache",
            "192.0.2.53:3323",
            "-o",
            os.path.join(folder, "ts-bgp.yaml"),
        ]
        environment = {
            **os.environ,
            "PATH": os.path.join(SAMPLE_DIR, "bin") + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        result = subprocess.run(
            [sys.executable, "-B", "-m", "tsbgp_arouteserver", *words],
            cwd=SAMPLE_DIR,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if result.returncode:
            raise AssertionError(result.stdout)
    finally:
        shutil.rmtree(cache)


class Sample(unittest.TestCase):
    def test_is_what_is_written(self):
        with tempfile.TemporaryDirectory() as folder:
            write_sample(folder)
            for part in ("", "lists"):
                new, old = os.path.join(folder, part), os.path.join(SAMPLE_DIR, part)
                names = [name for name in sorted(os.listdir(new)) if name != "lists"]
                if part:
                    self.assertEqual(names, sorted(os.listdir(old)))
                _, different, missing = filecmp.cmpfiles(new, old, names, shallow=False)
                self.assertEqual(different + missing, [])


if __name__ == "__main__":
    # The sample is written anew: python3 suite/sample.py CHECKOUT
    sys.path[:0] = [PLUGIN_DIR, os.path.abspath(sys.argv[1])]
    sys.path.append(os.path.join(PLUGIN_DIR, "suite", "standin"))
    write_sample(SAMPLE_DIR)
