# SPDX-License-Identifier: Apache-2.0
"""Documents held to docs/schemas."""

import json
import os

import tiny


def schema_of(document):
    for name in os.listdir(os.path.join(tiny.SOURCE, "docs", "schemas")):
        with open(os.path.join(tiny.SOURCE, "docs", "schemas", name), encoding="utf-8") as file:
            schema = json.load(file)
        if schema.pop("$id", None) == document["schema"]:
            return schema
    raise AssertionError(f"{document['schema']}: has no schema")


def validate(case, document):
    """Skips the rest of `case` where jsonschema is not installed."""
    try:
        import jsonschema
    except ImportError:
        case.skipTest("left out: needs python3-jsonschema")
    jsonschema.Draft202012Validator(schema_of(document)).validate(document)
