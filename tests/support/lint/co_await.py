#!/usr/bin/python3
"""Fails on a co_await (or co_yield) that shares its full expression with a brace, a capturing lambda or ?:.

g++ 12 destroys such temporaries twice, at plain -O2 and without a warning. The cure is a name on the line before.

A statement reaches from the end of the one before to its ';', or to the '{' that opens its block; the body of a lambda
is a block with statements of its own. A statement's header (if, for, while, switch) counts as a statement.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tree  # noqa: E402

_BEFORE_BLOCK = {")", ";", "{", "}", ":", "else", "do", "try", "const", "noexcept", "override", "final", "mutable"}
_SCOPES = {"namespace", "class", "struct", "union", "enum", "extern", "concept"}
_AWAITS = {"co_await", "co_yield"}
_KEYWORDS_BEFORE_EXPRESSION = {"return", "co_return", "co_await", "co_yield", "throw", "case", "else", "do"}


class _Statement:
    """One statement's own tokens, without those in the bodies of its lambdas and in blocks it opens."""

    def __init__(self):
        self.words = []
        self.await_line = 0
        self.faults = []

    def add(self, token):
        self.words.append(token.text)
        if token.text in _AWAITS and not self.await_line:
            self.await_line = token.line
        if token.text == "?":
            self.faults.append("a conditional expression (?:)")

    def finding(self):
        if not self.await_line or not self.faults:
            return []
        return [(self.await_line, f"{self.faults[0]} in a statement with co_await: name it on the line before")]


def _is_word(text):
    return text[0].isalnum() or text[0] == "_"


def _opens_lambda(words):
    """Whether a '[' after these words begins a lambda, not a subscript or a structured binding."""
    if not words:
        return True
    before = words[-1]
    if before in _KEYWORDS_BEFORE_EXPRESSION:
        return True
    if before in ("&", "&&") and len(words) > 1 and words[-2] == "auto":
        return False
    return not (_is_word(before) or before in (")", "]", '"', "["))


def _opens_block(words):
    """Whether a '{' outside all parentheses after these words opens a block, not a braced initialiser."""
    if not words or words[-1] in _BEFORE_BLOCK or words[-1] == "]":
        return True
    if any(word in _SCOPES for word in words) and "=" not in words:
        return True
    # A trailing return type: ") -> type {".
    return "->" in words and _closes_before_arrow(words)


def _closes_before_arrow(words):
    arrow = len(words) - 1 - words[::-1].index("->")
    rest_is_a_type = all(_is_word(w) or w in ("::", "<", ">", ",", "&", "&&", "*") for w in words[arrow + 1:])
    return rest_is_a_type and arrow > 0 and words[arrow - 1] in (")", "noexcept", "const", "mutable")


class _Parser:
    def __init__(self, tokens):
        self.tokens = tokens
        self.at = 0
        self.findings = []

    def block(self):
        """Reads statements up to the '}' that ends this block, or to the end of the text."""
        statement = _Statement()
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text == "}":
                break
            if token.text == ";":
                self.at += 1
                self.findings += statement.finding()
                statement = _Statement()
            elif token.text == "{" and _opens_block(statement.words):
                self.findings += statement.finding()
                statement = _Statement()
                self._body()
            else:
                self._group(statement)
        self.findings += statement.finding()

    def _body(self):
        self.at += 1
        self.block()
        self.at += 1

    def _group(self, statement):
        """Reads one token of the statement or, from a bracket, all to its counterpart."""
        token = self.tokens[self.at]
        if token.text == "[" and _opens_lambda(statement.words):
            if self._peek(1) != "[":
                self._lambda(statement)
                return
        if token.text == "{":
            statement.faults.append("a braced initialiser ({...})")
        statement.add(token)
        self.at += 1
        closing = {"(": ")", "[": "]", "{": "}"}.get(token.text)
        if closing is None:
            return
        while self.at < len(self.tokens) and self.tokens[self.at].text != closing:
            self._group(statement)
        if self.at < len(self.tokens):
            statement.add(self.tokens[self.at])
            self.at += 1

    def _lambda(self, statement):
        """Reads a lambda: its capture list, its head and, as a block of its own, its body."""
        if self._peek(1) != "]":
            statement.faults.append("a capturing lambda")
        header = _Statement()  # captures and parameters are not part of the full expression's braces
        depth = 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text == "{" and depth == 0:
                self._body()
                break
            if token.text in ("(", "[", "{"):
                depth += 1
            elif token.text in (")", "]", "}"):
                depth -= 1
            if depth < 0 or (token.text == ";" and depth == 0):
                break
            header.add(token)
            self.at += 1
        statement.words += ["[", "]", ")"]
        if header.await_line:
            statement.await_line = statement.await_line or header.await_line

    def _peek(self, distance):
        index = self.at + distance
        return self.tokens[index].text if index < len(self.tokens) else ""


def check(_path, text):
    """Findings of one file: (line, message)."""
    if not any(word in text for word in _AWAITS):
        return []
    parser = _Parser(tree.tokens(text))
    while parser.at < len(parser.tokens):
        parser.block()
        parser.at += 1  # past a stray '}'
    return parser.findings


if __name__ == "__main__":
    sys.exit(tree.main(check, "co_await"))
