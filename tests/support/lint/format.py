#!/usr/bin/python3
"""Fails on a file that is not as clang-format leaves it. To put one right: clang-format -i FILE."""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tree  # noqa: E402


def main():
    paths = [pathlib.Path(name) for name in sys.argv[1:]] or tree.sources()
    wrong = 0
    for path in paths:
        answer = subprocess.run(["clang-format", "--dry-run", "-Werror", str(path)], capture_output=True, text=True)
        if answer.returncode != 0:
            wrong += 1
            print(f"{path.relative_to(tree.ROOT) if path.is_relative_to(tree.ROOT) else path}: run clang-format -i on it")
    print(f"format: {len(paths)} files, {wrong} to format")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
