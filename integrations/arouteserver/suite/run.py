"""arouteserver's live scenarios with ts-bgp as the route server: `npm run suite:arouteserver -- --checkout DIR`.

As root, on Linux: every process runs in a network namespace of its own.
"""

import argparse
import importlib.util
import json
import os
import shutil
import sys
import time
import unittest

MODULES = ("jinja2", "packaging", "requests", "requests_mock", "yaml")
# That which Debian's packages are for, where another one is in front of it.
DEBIAN = "/usr/bin/python3"
HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(prog="suite:arouteserver", description=__doc__)
    parser.add_argument(
        "--checkout",
        default=os.environ.get("AROUTESERVER"),
        required="AROUTESERVER" not in os.environ,
        help="a checkout of arouteserver; of the environment's AROUTESERVER unless given",
    )
    parser.add_argument("-4", dest="v4", action="store_true", help="the IPv4 scenarios alone")
    parser.add_argument("-6", dest="v6", action="store_true", help="the IPv6 scenarios alone")
    parser.add_argument("-k", dest="only", default="", help="tests whose name has this alone")
    parser.add_argument("-v", dest="verbose", action="store_true", help="say each test's result")
    parser.add_argument("--json", help="a file to write results to")
    parser.add_argument("--keep", action="store_true", help="leave configurations and logs behind")
    parser.add_argument("scenarios", nargs="*", help="all unless some are named")
    return parser.parse_args()


class Result(unittest.TestResult):
    def __init__(self, note):
        super().__init__()
        self.note = note

    def addSuccess(self, test):
        self.note(test, "passed", "")

    def addFailure(self, test, err):
        self.note(test, "failed", str(err[1]))

    def addError(self, test, err):
        self.note(test, "failed", "%s: %s" % (err[0].__name__, err[1]))

    def addSkip(self, test, reason):
        self.note(test, "skipped", reason)


class Report:
    def __init__(self, options):
        self.options = options
        self.rows = []

    def count(self, word, rows=None):
        return sum(row["result"] == word for row in (self.rows if rows is None else rows))

    def run(self, name, test_class):
        began, rows = time.time(), []

        def note(test, result, why):
            method = getattr(test, "_testMethodName", str(test))
            rows.append(
                {
                    "scenario": name,
                    "class": test_class.__name__,
                    "test": method,
                    "result": result,
                    "why": why,
                }
            )
            if result == "failed" or self.options.verbose:
                print(
                    "    %s %s\n        %s"
                    % (result, method, why.strip().replace("\n", "\n        "))
                )

        always = ("test_010_setup", "test_020_sessions_up")
        tests = [
            test
            for test in unittest.defaultTestLoader.loadTestsFromTestCase(test_class)
            if self.options.only in test.id() or test._testMethodName in always
        ]
        unittest.TestSuite(tests).run(Result(note))
        self.rows += rows
        print(
            "%-20s %-48s %3d passed, %d failed, %d skipped, %.0f s"
            % (
                name,
                test_class.__name__,
                self.count("passed", rows),
                self.count("failed", rows),
                self.count("skipped", rows),
                time.time() - began,
            ),
            flush=True,
        )


def main():
    options = arguments()
    checkout = os.path.abspath(options.checkout)
    if not os.path.isdir(os.path.join(checkout, "pierky", "arouteserver")):
        sys.exit("%s is no checkout of arouteserver" % checkout)
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    sys.dont_write_bytecode = True
    sys.path[:0] = [HERE, os.path.dirname(HERE), checkout]
    lacking = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if (
        lacking
        and os.path.exists(DEBIAN)
        and os.path.realpath(sys.executable) != os.path.realpath(DEBIAN)
    ):
        os.execv(DEBIAN, [DEBIAN, "-B"] + sys.argv)
    if lacking:
        sys.exit(
            "%s lacks %s; see README.md for the packages" % (sys.executable, ", ".join(lacking))
        )
    if importlib.util.find_spec("aggregate6") is None:
        sys.path.append(os.path.join(HERE, "standin"))
    os.chdir(checkout)
    # What these import is on the path only now.
    import places
    import sample
    import scenarios

    unknown = [name for name in options.scenarios if name not in scenarios.NAMES]
    if unknown:
        sys.exit("no scenario %s; there are %s" % (", ".join(unknown), ", ".join(scenarios.NAMES)))
    versions = [v for v, wanted in ((4, options.v4), (6, options.v6)) if wanted] or [4, 6]
    report, began = Report(options), time.time()
    places.clear()
    try:
        if not options.scenarios:
            report.run("sample", sample.Sample)
        for name in options.scenarios or scenarios.NAMES:
            for test_class in scenarios.classes(checkout, name, versions):
                report.run(name, test_class)
    finally:
        places.clear()
        if options.keep:
            print("configurations and logs are in %s" % places.RUN_DIR)
        else:
            shutil.rmtree(places.RUN_DIR, ignore_errors=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report.rows, file, indent=1)
    print("%.0f minutes" % ((time.time() - began) / 60))
    skipped = report.count("skipped")
    print(
        "%d passed, %d failed%s"
        % (
            report.count("passed"),
            report.count("failed"),
            ", %d skipped" % skipped if skipped else "",
        )
    )
    return 1 if report.count("failed") or not report.rows else 0


sys.exit(main())
