"""The count of what passed, failed and was skipped, and how it is shown."""

import re
import sys
import time
import xml.etree.ElementTree as ElementTree

# How a test says why it skips: GTEST_SKIP's two lines, or one line of a script's.
_REASONS = (re.compile(r": Skipped\n(.+?)(?:\n\n|\n\[|\Z)", re.DOTALL), re.compile(r"^(?:SKIP|skipped): (.+)$", re.MULTILINE))
_RESULT = re.compile(r"^\s*(\d+)/(\d+) Test\s+#\d+: (.+?) \.*(?:\s*Passed|\*\*\*(\S+))")
_PROGRESS_SECONDS = 15


class Report:
    def __init__(self):
        self.started = time.monotonic()
        self.passed = 0
        self.failed = []   # (name, what is known)
        self.skipped = []  # (name, reason)

    def elapsed(self):
        return time.monotonic() - self.started

    def say(self, text):
        minutes, seconds = divmod(int(self.elapsed()), 60)
        print(f"[{minutes:3d}:{seconds:02d}] {text}", flush=True)

    def banner(self, text):
        self.say(f"=== {text}")

    def fail(self, name, why=""):
        self.failed.append((name, why))
        self.say(f"FAILED {name}")

    def skip(self, name, reason):
        self.skipped.append((name, reason))
        self.say(f"skipped {name}: {reason}")

    def finish(self):
        """Prints the summary, the count last; returns the exit code."""
        print()
        by_reason = {}
        for name, reason in self.skipped:
            by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            print(f"skipped: {', '.join(names[:3])}{more}: {reason}")
        for name, why in self.failed:
            print(f"FAILED: {name}" + (f" ({why})" if why else ""))
        self.say("done")
        print(f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped", flush=True)
        return 1 if self.failed else 0

    def take_junit(self, preset, path):
        """Adds the results of one run of ctest, and prints what the failed tests printed; returns how many they are."""
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
        for case in cases:
            name = f"{preset}:{case.get('name')}"
            output = case.findtext("system-out") or ""
            if case.get("status") == "run":
                self.passed += 1
            elif case.get("status") == "disabled" or _is_skip(case):
                self.skipped.append((name, _reason(output)))
            else:
                failure = case.find("failure")
                why = (failure.get("message") or "") if failure is not None else "not run"
                print(f"----- {name}: {why}\n{_tail(output)}\n-----")
                self.fail(name, why)
        return len(cases)


def _is_skip(case):
    skipped = case.find("skipped")
    return skipped is not None and (skipped.get("message") or "").startswith("SKIP_")


def _reason(output):
    for pattern in _REASONS:
        if match := pattern.search(output):
            return " ".join(match[1].split())
    return "it gave no reason"


def _tail(text, limit=120):
    lines = text.rstrip().splitlines()
    cut = [f"... {len(lines) - limit} lines before, in the log"] if len(lines) > limit else []
    return "\n".join(cut + lines[-limit:])


def build_failure(log, limit=80):
    """What ninja printed of each command that failed; of another tool's log, its end."""
    shown, taken = [], False
    for line in log.splitlines():
        if line.startswith("FAILED: "):
            taken = True
        elif re.match(r"\[\d+/\d+\] ", line):
            taken = False
        if taken:
            shown.append(line[:400])
    return "\n".join(shown[:limit]) if shown else _tail(log, limit)


class BuildProgress:
    """Says now and then how far ninja is; keeps what an error printed."""

    def __init__(self, report):
        self._report, self._last = report, time.monotonic()

    def __call__(self, line):
        if (match := re.match(r"\[(\d+)/(\d+)\]", line)) and time.monotonic() - self._last > _PROGRESS_SECONDS:
            self._last = time.monotonic()
            self._report.say(f"built {match[1]} of {match[2]}")


class TestProgress:
    """Says now and then how many tests are done, and each failure at once."""

    def __init__(self, report):
        self._report, self._last = report, time.monotonic()

    def __call__(self, line):
        match = _RESULT.match(line)
        if not match:
            return
        if match[4] and match[4] not in ("Skipped",):
            self._report.say(f"{match[3]}: {match[4]}")
        if time.monotonic() - self._last > _PROGRESS_SECONDS:
            self._last = time.monotonic()
            self._report.say(f"ran {match[1]} of {match[2]} tests")


def echo(line):
    print(line)
    sys.stdout.flush()
