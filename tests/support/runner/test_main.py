#!/usr/bin/python3
"""The stages' own tests, with a real ctest on a tree of two tests."""

import argparse
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import main  # noqa: E402

PRESETS = {
    "version": 6,
    "configurePresets": [{"name": "dev", "generator": "Ninja", "binaryDir": "${sourceDir}/build/dev"}],
    "testPresets": [{"name": "dev", "configurePreset": "dev"}],
}
TESTS = """
add_test(good true)
set_tests_properties(good PROPERTIES LABELS unit)
add_test(bad false)
set_tests_properties(bad PROPERTIES LABELS "e2e;long")
"""


class Stage(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        (root / "build/dev").mkdir(parents=True)
        (root / "CMakePresets.json").write_text(json.dumps(PRESETS))
        (root / "build/dev/CTestTestfile.cmake").write_text(TESTS)
        self.addCleanup(setattr, main, "ROOT", main.ROOT)
        main.ROOT = root
        self.suite = main.Suite(argparse.Namespace(budget=None, jobs=1))
        self.addCleanup(self.suite.close)
        self.suite.built["dev"] = True

    def counts(self, *selection):
        self.suite.test("dev", "part", list(selection))
        return self.suite.report.passed, [name for name, _ in self.suite.report.failed]

    def test_counts_what_passed_and_what_failed(self):
        self.assertEqual(self.counts(), (1, ["dev:bad"]))

    def test_a_selection_by_label_runs_only_its_tests(self):
        self.assertEqual(self.counts("-L", "^unit$"), (1, []))
        self.assertEqual(self.counts("-L", "^long$"), (1, ["dev:bad"]))

    def test_a_selection_without_tests_is_a_failure(self):
        self.assertEqual(self.counts("-L", "^absent$"), (0, ["test dev (part)"]))


if __name__ == "__main__":
    unittest.main()
