#!/usr/bin/python3
"""clang-tidy over every file of a build, skipping those whose inputs have not changed since they were clean.

  tidy.py BUILD_DIR CACHE_DIR [JOBS]

The key of a file is a hash of clang-tidy's version, .clang-tidy, the compile command, the file and every file of the
project or generated from it that the last build of its object read (ninja's own record). Where the project lies is not in
it, so clones can share CACHE_DIR, which holds an empty file per key that was clean; a key that nobody asked for in two
weeks is dropped.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tree  # noqa: E402

_FINDING = re.compile(r"^\S.*:\d+:\d+: (error|warning): ")
KEEP_SECONDS = 14 * 24 * 3600


def recorded_inputs(build):
    """Object file -> files read when it was built."""
    answer = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=True)
    inputs, current = {}, []
    for line in answer.stdout.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif ": #deps" in line:
            current = inputs.setdefault(line.split(": #deps")[0], [])
    return inputs


class Keys:
    """Keys of translation units; every file is hashed once."""

    def __init__(self, build):
        self._build = build
        self._inputs = recorded_inputs(build)
        self._hashes = {}
        version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
        self._common = version + (tree.ROOT / ".clang-tidy").read_bytes()

    def of(self, entry):
        """The key of a compile command, or None where the build has no record of its inputs."""
        read = self._inputs.get(entry["output"])
        if read is None:
            return None
        command = entry["command"].replace(str(self._build), "BUILD").replace(str(tree.ROOT), "ROOT")
        key = hashlib.sha256(self._common + command.encode())
        paths = {pathlib.Path(os.path.normpath(self._build / name)) for name in (entry["file"], *read)}
        for path in sorted(paths):
            if path.is_relative_to(self._build):
                key.update(f"BUILD/{path.relative_to(self._build)}".encode() + self._hash(path))
            elif path.is_relative_to(tree.ROOT):
                key.update(f"ROOT/{path.relative_to(tree.ROOT)}".encode() + self._hash(path))
        return key.hexdigest()

    def _hash(self, path):
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest()
        return self._hashes[path]


def own_commands(build):
    """The compile commands of the project's own files, one per file, each with its object file as `output`."""
    entries = json.loads((build / "compile_commands.json").read_text())
    wanted, found = set(tree.sources()), {}
    for entry in entries:
        command = shlex.split(entry["command"])
        entry["output"] = command[command.index("-o") + 1]
        if pathlib.Path(entry["file"]) in wanted:
            found.setdefault(entry["file"], entry)
    return list(found.values())


def tidy(build, file):
    """clang-tidy's findings in a file, as text; empty when it is clean.

    clang 14 does not understand all of the C++20 that g++ 12 compiles (libstdc++'s ranges, for one). What it calls an
    error is therefore no finding; its checks still see the rest of the file.
    """
    answer = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), file], capture_output=True, text=True)
    findings, taken = [], False
    for line in answer.stdout.splitlines():
        if _FINDING.match(line):
            taken = not line.endswith("[clang-diagnostic-error]")
        if taken:
            findings.append(line)
    if answer.returncode < 0 or (answer.returncode != 0 and not answer.stdout):
        findings.append(answer.stderr.strip() or f"clang-tidy ended by signal {-answer.returncode} on {file}")
    return "\n".join(findings)


def main():
    build, cache = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()
    cache.mkdir(parents=True, exist_ok=True)
    keys, changed, unchanged = Keys(build), [], 0
    for entry in own_commands(build):
        key = keys.of(entry)
        if key and (cache / key).exists():
            (cache / key).touch()
            unchanged += 1
        else:
            changed.append((entry["file"], key))
    print(f"clang-tidy: {len(changed)} files to check, {unchanged} unchanged since they were clean", flush=True)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(tidy, build, file): (file, key) for file, key in changed}
        for done, future in enumerate(concurrent.futures.as_completed(pending), 1):
            file, key = pending[future]
            findings = future.result()
            if findings:
                failed += 1
                print(findings, flush=True)
            elif key:
                (cache / key).touch()
            if done % 10 == 0 or done == len(changed):
                print(f"clang-tidy: {done}/{len(changed)}, {failed} with findings", flush=True)

    for path in cache.iterdir():
        if path.stat().st_mtime < time.time() - KEEP_SECONDS:
            path.unlink()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
