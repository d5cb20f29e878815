#!/usr/bin/python3
"""The stages of tests/run; tests/run itself says how they are chosen."""

import argparse
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import processes  # noqa: E402
from report import BuildProgress, Report, TestProgress, build_failure, echo  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
LINT = ROOT / "tests/support/lint"
RUNNER = ROOT / "tests/support/runner"
# What holds for every clone of this user.
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "wasi-netd"
ONLY_WITH_ALL = "^(long|bench)$"


class Suite:
    def __init__(self, options):
        self.options = options
        self.report = Report()
        self.built = {}     # preset -> whether its build succeeded
        self.seconds = {}   # stage -> how long it took
        # Short, because a Unix socket's path has 107 bytes; of our own, so that nothing a test forgets stays behind.
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="wasi-netd-test-"))
        self.scratch.chmod(0o755)
        # Debian's own tools first, whatever else this machine has; servers stand in sbin.
        path = f"/usr/bin:/bin:/usr/sbin:/sbin:{os.environ.get('PATH', '')}"
        self.environment = dict(os.environ, PATH=path, TMPDIR=str(self.scratch), CLICOLOR_FORCE="0")
        self.deadline = time.monotonic() + options.budget * 60 if options.budget else None

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _run(self, command, log, on_line=None):
        return processes.run(command, log, self.deadline, on_line, cwd=ROOT, env=self.environment)

    def _timed(self, stage, function):
        """Runs a stage; what ran out of time is skipped, and processes that stay are a failure."""
        self.report.banner(stage)
        started = time.monotonic()
        try:
            return function()
        except processes.Expired:
            self.report.skip(stage, f"the {self.options.budget:g} minutes were over")
            return False
        finally:
            self.seconds[stage] = time.monotonic() - started
            for command in processes.leftovers():
                self.report.fail(f"{stage}: left running", command)

    def _fits(self, stage, estimate):
        """Whether a stage that takes about `estimate` seconds can end before the deadline."""
        if self.deadline is None or time.monotonic() + estimate < self.deadline:
            return True
        self.report.skip(stage, f"about {estimate / 60:.0f} minutes do not fit what is left of {self.options.budget:g}")
        return False

    # ---- checks of the source ----

    def check(self, name, command):
        log = ROOT / f"build/dev/logs/{name}.log"
        if self._timed(name, lambda: self._run(command, log, echo)) == 0:
            self.report.passed += 1
        else:
            self.report.fail(name, f"see {log.relative_to(ROOT)}")

    def lint(self):
        self.check("checkers-self-test", [sys.executable, str(LINT / "test_lint.py")])
        self.check("runner-self-test", [sys.executable, "-m", "unittest", "discover", "-s", str(RUNNER)])
        self.check("format", [sys.executable, str(LINT / "format.py")])
        self.check("layers", [sys.executable, str(LINT / "layers.py")])
        self.check("co_await", [sys.executable, str(LINT / "co_await.py")])
        self.check("docs", [sys.executable, str(LINT / "docs.py")])

    def tidy(self):
        if self.build("dev"):
            self.check("clang-tidy", [sys.executable, str(LINT / "tidy.py"), str(ROOT / "build/dev"),
                                      str(CACHE / "tidy"), str(self.options.jobs)])

    # ---- build and test ----

    def build(self, preset):
        if preset not in self.built:
            self.built[preset] = bool(self._timed(f"build {preset}", lambda: self._build(preset)))
        return self.built[preset]

    def _build(self, preset):
        logs = ROOT / f"build/{preset}/logs"
        for step, command, progress in (
                ("configure", ["cmake", "--preset", preset], None),
                ("build", ["cmake", "--build", f"build/{preset}", "-j", str(self.options.jobs)],
                 BuildProgress(self.report))):
            log = logs / f"{step}.log"
            if self._run(command, log, progress) != 0:
                print(build_failure(log.read_text(errors="replace")))
                self.report.fail(f"{step} {preset}", f"see {log.relative_to(ROOT)}")
                return False
        return True

    def test(self, preset, part, selection):
        """Runs ctest on a preset with a selection of its own arguments; one that holds no test is a failure."""
        if not self.build(preset):
            return
        logs = ROOT / f"build/{preset}/logs"
        junit = logs / f"{part}.xml"
        junit.unlink(missing_ok=True)
        # Output of tests that passed is of no use, but a skip's reason is in there.
        command = ["ctest", "--preset", preset, "-j", str(self.options.jobs), "--no-tests=ignore",
                   "--test-output-size-passed", "20000", "--test-output-size-failed", "200000",
                   "--output-junit", str(junit), *selection]
        self._timed(f"test {preset} ({part})", lambda: self._run(command, logs / f"{part}.log", TestProgress(self.report)))
        if not junit.exists():
            self.report.fail(f"ctest {preset} ({part})", f"see {logs.relative_to(ROOT)}/{part}.log")
        elif self.report.take_junit(preset, junit) == 0:
            self.report.fail(f"test {preset} ({part})", "no test has that label and name")

    # ---- what to run ----

    def chosen_part(self):
        """Only what --label, -R and --preset name."""
        labels = [label for label in self.options.label if label != "lint"]
        if "lint" in self.options.label:
            self.lint()
            self.tidy()
        if not labels and "lint" in self.options.label and not self.options.regex:
            return
        selection = (["-L", f"^({'|'.join(labels)})$"] if labels else []) + \
            (["-R", self.options.regex] if self.options.regex else [])
        self.test(self.options.preset or "dev", "chosen", selection)

    def core(self):
        self.lint()
        self.build("dev")
        self.tidy()
        self.test("dev", "core", ["-LE", ONLY_WITH_ALL])

    def beyond_core(self):
        """Estimates are from what `dev` took; a cold build under a sanitizer takes about twice as long."""
        building = self.seconds.get("build dev", 0)
        testing = self.seconds.get("test dev (core)", 0)
        if self._fits("tsan", building / 2 + testing / 2):
            self.test("tsan", "all", ["-LE", ONLY_WITH_ALL])
        if self._fits("asan", building * 2 + testing * 3):
            self.test("asan", "core", ["-LE", ONLY_WITH_ALL])
        if self._fits("long tests", 300):
            self.test("dev", "long", ["-L", "^long$"])
        if self._fits("benchmarks", 60):
            self.test("dev", "bench", ["-L", "^bench$"])
        if self._fits("long tests under asan", 600) and self.built.get("asan"):
            self.test("asan", "long", ["-L", "^long$"])
        if self._fits("quickstart", building):
            self.check("quickstart", [str(ROOT / "deploy/quickstart")])

    def run(self):
        if self.options.label or self.options.regex or self.options.preset:
            self.chosen_part()
            return
        self.core()
        if self.options.all:
            self.beyond_core()


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description="see the head of tests/run")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("-R", "--regex")
    parser.add_argument("--preset", choices=["dev", "asan", "tsan"])
    parser.add_argument("--budget", type=float)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    suite = Suite(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes.adopt_orphans()
    try:
        suite.run()
        return suite.report.finish()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        processes.leftovers()
        suite.close()


if __name__ == "__main__":
    sys.exit(main())
