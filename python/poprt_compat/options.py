# SPDX-License-Identifier: Apache-2.0
"""Tessera's compile options, with PopRT's names of them."""

from typing import NamedTuple

from tessera import _core


class Row(NamedTuple):
    """A row of the compiler's table of options."""

    name: str
    kind: str  #: "truth", "whole", "real", "word", "names", "shapes", "fields" or "target"
    usual: str  #: the default as text
    converter: str  #: the keyword of PopRT's Converter, "" if it has none
    compiler: str  #: the name in PopRT's CompilerOptions, "" if it has none
    help: str
    choices: tuple[str, ...]  #: all words that it takes, of an option of a few words


ROWS: tuple[Row, ...] = tuple(Row(*row) for row in _core.compile_option_rows())
