# SPDX-License-Identifier: Apache-2.0
"""The errors that are raised, in the command line's words: ``where: what is, what must be``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tessera._core import Executable

__all__ = [
    "BadFileError",
    "DtypeError",
    "Error",
    "HostMemoryError",
    "InputError",
    "MissingFileError",
    "NotFiniteWarning",
    "OutOfMemoryError",
    "RefusedError",
    "UsageError",
]


class Error(Exception):
    """Anything that has no class of its own: an op that is not supported, a disk that is full.
    ``exit_code`` is what the command line would exit with; ``reason`` tells
    refusals of a ``PackRunner`` apart: ``"over_long"``, ``"queue_full"``, ``"deadline"`` …"""

    exit_code = 1
    reason: str = ""


class MissingFileError(Error, FileNotFoundError):
    """A file that is not there."""


class InputError(Error, ValueError):
    """An array or a request that an executable does not take: its name, shape, length or a value.
    ``reason`` says which."""


class DtypeError(Error, TypeError):
    """An array of a dtype that an executable does not take."""


class UsageError(Error, ValueError):
    """The caller's words are off: an unknown option, a value out of range, a dimension that nothing
    fixes."""

    exit_code = 2


class RefusedError(Error):
    """A policy or a limit said no: a recompile that may not happen, a deadline, a full queue, a
    file that asks for more than ``limits`` allow (``reason`` is then ``"limit"``)."""

    exit_code = 3


class OutOfMemoryError(Error, MemoryError):
    """A tile's memory does not hold its part of the program. ``executable`` is what was compiled
    all the same, for ``tessera.inspect``, or None."""

    exit_code = 4
    executable: Executable | None = None


class HostMemoryError(Error, MemoryError):
    """This process cannot have the memory that a compile, a load or a run needs."""


class BadFileError(Error):
    """A file that is damaged, untrusted or of another version."""

    exit_code = 5


class NotFiniteWarning(RuntimeWarning):
    """Answers of an executable in half precision hold infinities or NaN: where float32 has finite
    numbers, a value has passed 65504. Says how many numbers of which output, of whole batches and
    of single requests; ``warnings.simplefilter("error", tessera.NotFiniteWarning)`` makes it an
    exception."""
