"""What the checkers share: the project's own C and C++ files, and C++ text cut into tokens."""

import dataclasses
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDERS = ("policy", "daemon", "client-shim", "tests", "proto")
SUFFIXES = (".h", ".hpp", ".c", ".cc")


def sources(root=ROOT):
    """Every C and C++ file of the project, sorted: those under version control and those about to be."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "--", *FOLDERS],
        capture_output=True, text=True)
    if listed.returncode == 0:
        paths = [root / line for line in listed.stdout.splitlines()]
    else:  # an unpacked archive
        paths = [path for folder in FOLDERS for path in (root / folder).rglob("*")]
    return sorted({path for path in paths if path.suffix in SUFFIXES and path.is_file()})


@dataclasses.dataclass(frozen=True)
class Token:
    text: str
    line: int


# Literals and comments first, so that nothing inside them is taken for code. A quote between digits belongs to a number.
_TOKEN = re.compile(
    r"""
    (?P<skip>   \s+ | //[^\n]* | /\*.*?\*/ | ^[ \t]*\#(?:[^\n\\]|\\.)* )
  | (?P<literal> (?:u8|[uUL])?R"(?P<mark>[^(\s\\]*)\(.*?\)(?P=mark)"
              | (?:u8|[uUL])?"(?:\\.|[^"\\\n])*" | (?:u8|[uUL])?'(?:\\.|[^'\\\n])+' )
  | (?P<number> \.?[0-9](?:[eEpP][+-]|'[0-9a-zA-Z]|[0-9a-zA-Z_.])* )
  | (?P<word>   [A-Za-z_][A-Za-z_0-9]* )
  | (?P<sign>   :: | -> | && | \|\| | << | . )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE)


def tokens(text):
    """The tokens of C++ text without comments and preprocessor lines; a literal's text is its opening quote."""
    found, line = [], 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup if match.lastgroup != "mark" else "literal"
        if kind == "literal":
            found.append(Token('"', line))
        elif kind != "skip":
            found.append(Token(match.group(), line))
        line += match.group().count("\n")
    return found


def main(check, purpose):
    """Runs `check(path, text) -> [(line, message)]` over the files named on the command line, or over the tree."""
    paths = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or sources()
    findings = 0
    for path in paths:
        for line, message in check(path, path.read_text(encoding="utf-8")):
            findings += 1
            shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            print(f"{shown}:{line}: {message}")
    print(f"{purpose}: {len(paths)} files, {findings} findings")
    return 1 if findings else 0
