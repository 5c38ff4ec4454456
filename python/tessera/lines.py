# SPDX-License-Identifier: Apache-2.0
"""The texts that commands read: a text a line, or a JSON object a line (``.jsonl``)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tessera.errors import Error

__all__ = ["Row", "piece_of", "read_rows"]

Row = dict[str, str]


def read_rows(path: str, keys: tuple[str, ...], optional: str | None = None) -> Iterator[Row]:
    """A row for each line that is not empty. A line of JSON must have all of ``keys``, and may have
    the ``optional`` one; a plain line is the value of the only key. ``path`` may be ``-``, standard
    input, whose lines are JSON where there are several keys."""
    plain = len(keys) == 1 and not path.endswith(".jsonl")
    with open(0 if path == "-" else path, encoding="utf-8") as file:
        try:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                if plain:
                    yield {keys[0]: line.rstrip("\r\n")}
                else:
                    yield _row(line, f"{path}:{number}", keys, optional)
        except UnicodeDecodeError as error:
            raise Error(f"{path}: {error}") from None


def _row(line: str, where: str, keys: tuple[str, ...], optional: str | None) -> Row:
    try:
        given = json.loads(line)
        row = {key: given[key] for key in keys}
        if optional is not None and given.get(optional) is not None:
            row[optional] = given[optional]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        row = {"": None}
    if not all(isinstance(value, str) for value in row.values()):
        form = ", ".join(f'"{key}": "…"' for key in keys)
        more = "" if optional is None else f', and may have a "{optional}"'
        raise Error(f"{where}: must be {{{form}}}{more}")
    return row


def piece_of(row: Row) -> str | tuple[str, str]:
    """The text of a row, or its pair of texts."""
    return (row["text"], row["text_pair"]) if "text_pair" in row else row["text"]
