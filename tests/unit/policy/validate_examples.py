#!/usr/bin/python3
"""Validates policy/examples against the committed JSON Schema, and files that the loader refuses, which the schema must too.

  validate_examples.py SOURCE_DIR

Exit status 77: skipped, a Python module is missing.
"""

import json
import pathlib
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

GOOD = {
    "version": 1,
    "tenant": "t",
    "peers": [{"user": "wasmhost"}],
    "protocols": {"web": {"transport": "tcp", "connect": {"allow": ["a.example:443"]}}},
}
BAD = {
    "unknown key": {"tenat": "t"},
    "wrong version": {"version": 2},
    "version as text": {"version": "1"},
    "tenant's letters": {"tenant": "Acme"},
    "no peers": {"peers": []},
    "an empty peer": {"peers": [{}]},
    "user below zero": {"peers": [{"user": -1}]},
    "mode": {"mode": "off"},
    "no protocols": {"protocols": {}},
    "protocol's name": {"protocols": {"We b": {"transport": "tcp"}}},
    "no transport": {"protocols": {"web": {"connect": {"allow": ["a.example"]}}}},
    "later transport": {"protocols": {"web": {"transport": "quic"}}},
    "later key": {"limits": {"idle_timeout": "10m"}},
    "tls without a role": {"protocols": {"web": {"transport": "tcp", "tls": {}}}},
    "role": {"protocols": {"web": {"transport": "tcp", "tls": {"role": "both"}}}},
    "a path that is not absolute": {"protocols": {"web": {"transport": "tcp", "tls": {"role": "client", "ca": "a.pem"}}}},
    "version of TLS as a number": {
        "protocols": {"web": {"transport": "tcp", "tls": {"role": "client", "min_version": 1.2}}}
    },
    "verification switched off": {"protocols": {"web": {"transport": "tcp", "tls": {"role": "client", "verify": False}}}},
    "a certificate without key": {
        "protocols": {"web": {"transport": "tcp", "tls": {"role": "server", "certificates": [{"certificate": "/a"}]}}}
    },
    "proxy without a URL": {"protocols": {"web": {"transport": "tcp", "proxy": {"resolve": "here"}}}},
    "who resolves": {"protocols": {"web": {"transport": "tcp", "proxy": {"url": "http://a", "resolve": "there"}}}},
    "empty allow": {"protocols": {"web": {"transport": "tcp", "connect": {"allow": []}}}},
    "deny alone": {"protocols": {"web": {"transport": "tcp", "connect": {"deny": ["a.example"]}}}},
    "a rule twice": {"protocols": {"web": {"transport": "tcp", "connect": {"allow": ["a.example", "a.example"]}}}},
    "unknown right": {"protocols": {"web": {"transport": "tcp", "rights": ["fly"]}}},
    "limit of zero": {"limits": {"handles": 0}},
    "size without unit": {"limits": {"buffers": "65536"}},
    "tenant's limit per session": {"limits": {"per_session": {"sessions": 1}}},
    "test without expect": {"tests": [{"connect": "web a.example:443"}]},
    "test of two operations": {"tests": [{"connect": "web a:1", "open": "web 0.0.0.0:1", "expect": "allow"}]},
}


def main():
    root = pathlib.Path(sys.argv[1])
    schema = json.loads((root / "policy/schema/tenant.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    failures = 0
    for example in sorted((root / "policy/examples").glob("*.yaml")):
        for error in validator.iter_errors(yaml.safe_load(example.read_text())):
            failures += 1
            print(f"{example}: {error.json_path}: {error.message}")
    if not validator.is_valid(GOOD):
        failures += 1
        print("the good policy is not valid")
    for name, change in BAD.items():
        if validator.is_valid({**GOOD, **change}):
            failures += 1
            print(f"valid, and should not be: {name}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
