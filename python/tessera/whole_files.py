# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile

__all__ = ["TEMPORARY", "write_whole"]

#: How files begin that are not finished.
TEMPORARY = ".tessera-"


def write_whole(path: str, content: bytes, mode: int = 0o644) -> None:
    """Writes beside the file and renames: it has all of the content, or is as it was, whatever ends
    this process and however many write it."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=TEMPORARY, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
