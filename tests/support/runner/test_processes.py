#!/usr/bin/python3
"""The runner's own tests: a command's end, its time limit, and what it leaves behind."""

import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import processes  # noqa: E402


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        processes.adopt_orphans()

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.log = pathlib.Path(self.folder.name) / "logs/command.log"

    def sh(self, script, deadline=None, on_line=None):
        return processes.run(["sh", "-c", script], self.log, deadline, on_line)

    def test_gives_the_exit_code_each_line_and_the_log(self):
        seen = []
        self.assertEqual(self.sh("echo one; echo two >&2; exit 3", on_line=seen.append), 3)
        self.assertEqual(seen, ["one", "two"])
        self.assertEqual(self.log.read_text(), "one\ntwo\n")

    def test_a_process_that_keeps_the_pipe_open_does_not_hold_it_up(self):
        started = time.monotonic()
        self.assertEqual(self.sh("setsid sleep 300 & echo started"), 0)
        self.assertLess(time.monotonic() - started, 60)
        self.assertEqual(self.log.read_text(), "started\n")
        self.assertEqual(processes.leftovers(), ["sleep 300"])
        self.assertEqual(processes.leftovers(), [])

    def test_ends_what_is_over_its_time_with_its_children(self):
        with self.assertRaises(processes.Expired):
            self.sh("sleep 300 & sleep 300", deadline=time.monotonic() + 0.2)
        self.assertEqual(processes.leftovers(), [])


if __name__ == "__main__":
    unittest.main()
