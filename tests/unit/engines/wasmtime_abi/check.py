#!/usr/bin/env python3
"""Holds client-shim/engines/wasmtime/wasmtime_abi.h against the wheel whose library it declares.

usage: check.py HEADER LAYOUT_PROGRAM LIBRARY

The wheel's _bindings.py and _ffi.py, which declare the whole C API for Python, are looked for beside LIBRARY. Compared are:
that each function is in the library, its number of parameters and the width of each and of the result, the sizes and
offsets of the structs, and the constants. Exit code 77 (skipped) where the two files are not there.
"""
import ctypes
import pathlib
import re
import subprocess
import sys

CALLBACKS = {"wasmtime_finalizer_t", "wasmtime_func_unchecked_callback_t", "wasmtime_epoch_callback_t"}
WIDTHS = {"void": 0, "bool": 1, "uint8_t": 1, "size_t": 8, "uint64_t": 8, "int64_t": 8}


def load_bindings(directory, library):
    """The names that _bindings.py defines, with the library at the place we have it."""
    source = (directory / "_bindings.py").read_text()
    source = source.replace("from ._ffi import dll, wasm_val_t, wasm_ref_t", "")
    names = {
        "dll": ctypes.CDLL(str(library)),
        "wasm_ref_t": type("wasm_ref_t", (ctypes.Structure,), {}),
        "wasm_val_t": type("wasm_val_t", (ctypes.Structure,), {}),
    }
    exec(compile(source, "_bindings.py", "exec"), names)
    return names


def declarations(header):
    """(name, result, [parameter]) of each function that the header declares."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    for result, name, parameters in re.findall(r"^([\w ]+[\w*])\s+(wasm\w+)\(([^()]*)\);", text, flags=re.M):
        listed = [p.strip() for p in parameters.split(",")]
        yield name, result, [] if listed == ["void"] else listed


def declared_width(text):
    """8 for pointers and callbacks, else the width of the integer type that a declaration names."""
    if "*" in text:
        return 8
    words = [word for word in text.split() if word != "const"]
    return 8 if words[0] in CALLBACKS else WIDTHS[words[0]]


def bound_width(kind):
    return 0 if kind is None else ctypes.sizeof(kind)


def check_functions(header, bindings, complain):
    count = 0
    for name, result, parameters in declarations(header):
        count += 1
        function = bindings.get("_" + name)
        if function is None:
            complain(f"{name} is not in the wheel")
            continue
        ours = [declared_width(parameter) for parameter in parameters]
        theirs = [bound_width(kind) for kind in function.argtypes]
        if ours != theirs:
            complain(f"{name} takes {theirs} bytes, the header says {ours}")
        if declared_width(result) != bound_width(function.restype):
            complain(f"{name} gives {bound_width(function.restype)} bytes, the header says {declared_width(result)}")
    return count


def check_layout(lines, bindings, constants, complain):
    for line in lines:
        what, name, *rest = line.split()
        ours = int(rest[-1])
        if what == "constant":
            found = re.search(rf"^{name} = c_uint8\((\d+)\)", constants, flags=re.M)
            theirs = int(found[1]) if found else None
        else:
            struct = bindings.get(name) or bindings.get(name + "_t")
            theirs = ctypes.sizeof(struct) if what == "size" else getattr(struct, rest[0]).offset
        if ours != theirs:
            complain(f"{what} of {' '.join([name] + rest[:-1])} is {theirs}, the header says {ours}")


def main():
    header, layout, library = (pathlib.Path(argument) for argument in sys.argv[1:])
    directory = library.parent
    missing = [name for name in ("_bindings.py", "_ffi.py") if not (directory / name).exists()]
    if missing:
        print(f"skipped: no {' and '.join(missing)} of the wheel in {directory}")
        return 77
    bindings = load_bindings(directory, library)
    complaints = []
    count = check_functions(header, bindings, complaints.append)
    if count < 40:
        complaints.append(f"only {count} functions were found in {header}")
    lines = subprocess.run([layout], check=True, capture_output=True, text=True).stdout.splitlines()
    check_layout(lines, bindings, (directory / "_ffi.py").read_text(), complaints.append)
    for complaint in complaints:
        print(complaint)
    print(f"{count} functions and {len(lines)} facts of layout compared, {len(complaints)} differ")
    return 1 if complaints else 0


sys.exit(main())
