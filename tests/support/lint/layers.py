#!/usr/bin/python3
"""Fails on an include that points upward in the layering of docs/architecture.md, or that a pure layer must not have.

A layer is the longest listed folder that a file lies in. It may include itself and whatever its row reaches, directly
or through other rows.
"""

import functools
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tree  # noqa: E402

CONTRACT = "proto/wasi_netd"  # errno.def and rights.def: plain text, for every layer
GENERATED = "proto (generated)"
EVERYTHING = None
INCLUDE_ROOTS = (".", "proto", "client-shim", "client-shim/include")

# layer -> the layers right below it
LAYERS = {
    CONTRACT: (),
    GENERATED: (CONTRACT,),
    "policy": (CONTRACT,),
    "daemon/base": ("policy",),
    "daemon/net": ("daemon/base",),
    "daemon/broker": ("daemon/net",),
    "daemon/ring": ("daemon/broker",),
    "daemon/rpc": ("daemon/broker", "daemon/ring", GENERATED),
    "daemon/app": ("daemon/rpc",),
    "daemon/ctl": ("policy", GENERATED),
    "client-shim/include": (CONTRACT,),
    "client-shim/src": ("client-shim/include", GENERATED),
    "client-shim/guest_abi": ("client-shim/src",),
    "client-shim/engines": ("client-shim/guest_abi",),
    "client-shim/engines/wasmtime": ("client-shim/engines",),
    "client-shim/engines/wabt": ("client-shim/engines",),
    "client-shim/host": ("client-shim/engines", "client-shim/engines/wasmtime", "client-shim/engines/wabt"),
    "client-shim/guest": (CONTRACT,),
    "tests": EVERYTHING,
}

GRPC = r"grpc|google/protobuf"
SOCKETS = r"boost/asio|sys/(socket|un|epoll|poll)\.h|netinet/|arpa/inet\.h|netdb\.h|poll\.h|ares\.h"
THREADS = r"thread|mutex|shared_mutex|condition_variable|future|atomic|semaphore|latch|barrier|pthread\.h"
# layer -> what no file in it may include from outside the project, and why
FORBIDDEN = {
    "policy": (rf"{GRPC}|{SOCKETS}|(?:{THREADS})$", "policy is pure: no sockets, no gRPC, no threads"),
    "daemon/base": (GRPC, "only daemon/rpc and daemon/app know gRPC"),
    "daemon/net": (GRPC, "only daemon/rpc and daemon/app know gRPC"),
    "daemon/broker": (GRPC, "only daemon/rpc and daemon/app know gRPC"),
    "daemon/ring": (GRPC, "only daemon/rpc and daemon/app know gRPC"),
    "client-shim/include": (rf"{GRPC}|boost/", "the shim's interface needs no library but the standard one"),
    "client-shim/guest_abi": (rf"{GRPC}|boost/|{SOCKETS}", "the import table works on the shim's C interface"),
    "client-shim/engines": (rf"{GRPC}|boost/|{SOCKETS}", "an engine binding works on the import table"),
    "client-shim/guest": (rf"{GRPC}|boost/", "this is compiled to WebAssembly"),
}

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"(?P<own>[^"]+)"|<(?P<system>[^>]+)>)', re.MULTILINE)


def layer_of(relative):
    """The layer of a path relative to the root, or None."""
    path = relative.as_posix()
    fitting = [layer for layer in LAYERS if path.startswith(layer + "/")]
    return max(fitting, key=len, default=None)


def reachable(layer):
    """The layer, and every layer below it."""
    found, open_ends = set(), [layer]
    while open_ends:
        current = open_ends.pop()
        if current not in found:
            found.add(current)
            open_ends.extend(LAYERS[current] or ())
    return found


def target_layer(path, name, quoted, root):
    """The layer that an include of `name` in the file `path` reaches; None for what is outside the project."""
    if name.endswith(".pb.h"):
        return None if name.startswith("google/") else GENERATED
    for base in ((path.parent,) if quoted else ()) + tuple(root / folder for folder in INCLUDE_ROOTS):
        candidate = (base / name).resolve()
        if candidate.is_file() and candidate.is_relative_to(root):
            return layer_of(candidate.relative_to(root))
    if not quoted:
        return None
    # An include directory that this table does not know: any file of ours with that name.
    suffix = f"/{name}"
    return next((layer_of(found) for found in _own_files(root) if f"/{found.as_posix()}".endswith(suffix)), None)


@functools.cache
def _own_files(root):
    return [path.relative_to(root) for path in tree.sources(root)]


def check(path, text, root=tree.ROOT):
    """Findings of one file: (line, message)."""
    layer = layer_of(path.relative_to(root))
    if layer is None:
        return [(1, "lies in no layer: add its folder to tests/support/lint/layers.py")]
    findings = []
    forbidden, reason = next(
        (FORBIDDEN[key] for key in sorted(FORBIDDEN, key=len, reverse=True) if f"{layer}/".startswith(key + "/")),
        (None, None))
    for match in _INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        name = match["own"] or match["system"]
        target = target_layer(path, name, match["own"] is not None, root)
        if target is None:
            if forbidden and re.match(forbidden, name):
                findings.append((line, f"<{name}> in {layer}: {reason}"))
        elif LAYERS[layer] is not EVERYTHING and target not in reachable(layer):
            findings.append((line, f"{layer} must not include {target} ({name})"))
    return findings


if __name__ == "__main__":
    sys.exit(tree.main(check, "layers"))
