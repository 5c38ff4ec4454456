# SPDX-License-Identifier: Apache-2.0
"""The results of a comparison by column: an error, or {"refused": why} or {"failed": why}."""

ALLOWED = {"padded": 1e-4, "fp16": 0.03, "A": 1e-4, "B": 1e-4}
COLUMNS = tuple(ALLOWED)


def is_wrong(column, value):
    if isinstance(value, dict):
        return "failed" in value
    return not value <= ALLOWED[column]
