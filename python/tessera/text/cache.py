# SPDX-License-Identifier: Apache-2.0
"""A folder of this user's for what was made of models: executables, and exports. Nothing is written
into a model's own folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable
from typing import Any

from tessera._core import __version__
from tessera.errors import BadFileError
from tessera.types import Path
from tessera.whole_files import write_whole

__all__ = ["Cache", "digest", "fingerprint"]

LIMIT_BYTES = 16 << 30


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps([__version__, *parts], sort_keys=True).encode()).hexdigest()


def fingerprint(model: str) -> list[Any]:
    """Facts that tell a model from another: the bytes of its file, and the name, size and time of
    those beside it, which may hold its weights."""
    read = hashlib.sha256()
    with open(model, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            read.update(block)
    folder = os.path.dirname(model) or "."
    beside = []
    for name in sorted(os.listdir(folder)):
        found = os.stat(os.path.join(folder, name))
        if stat.S_ISREG(found.st_mode) and not name.endswith((".json", ".txt", ".md")):
            beside.append((name, found.st_size, found.st_mtime_ns))
    return [read.hexdigest(), beside]


def _usual() -> str:
    given = os.environ.get("TESSERA_CACHE_DIR")
    if given:
        return os.path.join(given, "text")
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(root, "tessera", "text")


class Cache:
    """``folder``: None for the usual one, ``$TESSERA_CACHE_DIR/text`` or ``~/.cache/tessera/text``;
    ``""``: none, and then what must be a file lies in a temporary folder."""

    def __init__(self, folder: Path | None) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.kept = folder is None or os.fspath(folder) != ""
        if not self.kept:
            self._temporary = tempfile.TemporaryDirectory(prefix="tessera-text-")
            self.folder = self._temporary.name
            return
        self.folder = _usual() if folder is None else os.fspath(folder)
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        found = os.stat(self.folder)
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise BadFileError(
                f"{self.folder}: others can write to it, must be a folder that only its owner can"
            )

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def has(self, name: str) -> bool:
        """Whether it is there; then it is used now, and goes last when room is needed."""
        with contextlib.suppress(OSError):
            os.utime(self.path(name))
            return True
        return False

    def write(self, name: str, content: bytes) -> str:
        """Writes a file that only this user can read, and makes room for it."""
        write_whole(self.path(name), content, 0o600)
        self.make_room({name})
        return self.path(name)

    def make_room(self, keep: Iterable[str], limit: int = LIMIT_BYTES) -> None:
        """The least recently used go."""
        found = []
        for name in os.listdir(self.folder):
            with contextlib.suppress(OSError):
                status = os.stat(self.path(name))
                found.append((status.st_mtime_ns, status.st_size, name))
        total = sum(size for _, size, _ in found)
        for _, size, name in sorted(found):
            if total <= limit:
                return
            if name in keep:
                continue
            with contextlib.suppress(OSError):
                os.unlink(self.path(name))
                total -= size

    def close(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()
