# SPDX-License-Identifier: Apache-2.0
"""The warnings of the commands, on stderr."""

import sys
from collections.abc import Sequence
from typing import Callable, Optional

import tessera

_told: set[str] = set()


def no_meaning(what: str, why: str = "Tessera has no such thing") -> None:
    """Tells once in a process, on stderr."""
    if what not in _told:
        _told.add(what)
        print(f"poprt_compat: warning: {what} has no effect: {why}", file=sys.stderr)


def exit_code(
    name: str, run: Callable[[Sequence[str]], None], words: Optional[Sequence[str]]
) -> int:
    """Runs a command, and tells what went wrong."""
    try:
        run(sys.argv[1:] if words is None else words)
    except tessera.Error as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    return 0
