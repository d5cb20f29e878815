#!/usr/bin/python3
"""Holds the documents against the tree.

  - A link to a place in the tree names a file that exists, and a heading of it where it has a fragment.
  - A path in `backquotes` that begins with a folder of the root exists ("*" stands for anything).
  - A document that a source file mentions exists.
  - Every identifier of the semantics table in docs/guest-api.md stands there once, and in the name of a GoogleTest case:
    FAULT-1 as FAULT_1. A comment that mentions it holds nothing down.
  - What README.md tells the reader to run in a block marked `sh` exists: a path's file, which may be executed.
"""

import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tree  # noqa: E402

FOLDERS = ("client-shim", "daemon", "deploy", "docs", "policy", "proto", "tests")
GUEST_API = "docs/guest-api.md"

_FENCE = re.compile(r"^(```|~~~)(\w*)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_ROW = re.compile(r"^\| *([A-Z]+-[0-9]+) *\|")
_CASE = re.compile(r"\bTEST(?:_[FP])?\(\s*\w+\s*,\s*(\w+)\s*\)")
_PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]+")
_MENTION = re.compile(r"\bdocs/[\w./-]+\.md\b")


def lines_of(text):
    """(number, line, language) of each line; language is None outside a fenced block, "" in one that names none."""
    language = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence:
            language = fence[2] if language is None else None
        else:
            yield number, line, language


def anchors(text):
    """The fragments that a document's headings answer to, as forges make them."""
    found = set()
    for _, line, language in lines_of(text):
        if language is None and line.startswith("#"):
            heading = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip()).lower()
            found.add(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-"))
    return found


def is_there(root, pattern):
    return any(root.glob(pattern)) if "*" in pattern else (root / pattern).exists()


def check_links(path, text, root):
    """Findings of one document: (line, message)."""
    findings = []
    for number, line, language in lines_of(text):
        if language is not None:
            continue
        for target in _LINK.findall(_CODE.sub("", line)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, fragment = target.partition("#")
            file = (path.parent / name) if name else path
            if not file.exists() or not file.resolve().is_relative_to(root):
                findings.append((number, f"links to {target}, which is not in the tree"))
            elif fragment and file.suffix == ".md" and fragment not in anchors(file.read_text(encoding="utf-8")):
                findings.append((number, f"links to {target}, but there is no such heading"))
        for code in _CODE.findall(line):
            if _PATH.fullmatch(code) and not is_there(root, code):
                findings.append((number, f"names {code}, which is not in the tree"))
    return findings


def check_commands(text, root):
    findings = []
    for number, line, language in lines_of(text):
        if language != "sh":
            continue
        for word in line.split():
            if _PATH.fullmatch(word) and not is_there(root, word):
                findings.append((number, f"tells to use {word}, which is not in the tree"))
        for command in re.split(r"&&|\|\||[;|]", line):
            first = (command.split() or [""])[0]
            if _PATH.fullmatch(first) and (root / first).exists() and not os.access(root / first, os.X_OK):
                findings.append((number, f"tells to run {first}, which is not executable"))
    return findings


def check_semantics(text, tests):
    """`tests` are the texts of all test files."""
    findings, seen = [], set()
    cases = "\n".join(name for text in tests for name in _CASE.findall(text))
    named = set(re.findall(r"(?<![A-Z])([A-Z]+_[0-9]+)(?![0-9])", cases))
    for number, line, language in lines_of(text):
        row = _ROW.match(line) if language is None else None
        if not row:
            continue
        if row[1] in seen:
            findings.append((number, f"{row[1]} stands here twice"))
        elif row[1].replace("-", "_") not in named:
            findings.append((number, f"no test case is named {row[1].replace('-', '_')}"))
        seen.add(row[1])
    if not seen:
        findings.append((1, "has no semantics table"))
    return findings


def check_mentions(text, root):
    findings = []
    for number, line in enumerate(text.splitlines(), 1):
        for name in _MENTION.findall(line):
            if not (root / name).exists():
                findings.append((number, f"mentions {name}, which does not exist"))
    return findings


def texts(root, folder):
    """Every text file below a folder but this folder's checkers: path -> text."""
    found = {}
    for path in sorted((root / folder).rglob("*")):
        if path.is_file() and path.parent != root / "tests/support/lint" and "__pycache__" not in path.parts:
            try:
                found[path] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a module or a corpus
    return found


def check(root=tree.ROOT):
    """Findings of the whole tree: (path, line, message)."""
    documents = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    findings = []
    for path in sorted(documents):
        text = path.read_text(encoding="utf-8")
        found = check_links(path, text, root)
        if path == root / "README.md":
            found += check_commands(text, root)
        findings += [(path, *finding) for finding in found]
    for folder in FOLDERS:
        for path, text in texts(root, folder).items():
            if path.suffix != ".md":
                findings += [(path, *finding) for finding in check_mentions(text, root)]
    guest_api = root / GUEST_API
    findings += [(guest_api, *finding) for finding in
                 check_semantics(guest_api.read_text(encoding="utf-8"), texts(root, "tests").values())]
    return len(documents), findings


def main():
    count, findings = check()
    for path, line, message in findings:
        print(f"{path.relative_to(tree.ROOT)}:{line}: {message}")
    print(f"docs: {count} documents, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
