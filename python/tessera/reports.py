# SPDX-License-Identifier: Apache-2.0
"""What is known of executables, compiles and batches as one page, shown inline in a notebook."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Sequence
from typing import Any

from tessera import _core
from tessera.documents import RecompileEvent
from tessera.types import Limits, Path

__all__ = ["Events", "Report", "report"]


class Report:
    """A page for a browser, and its data. In a notebook it is shown where it is the last value."""

    def __init__(self, page: str, data: dict[str, Any]) -> None:
        self.page = page
        #: As ``docs/schemas/report.json`` says.
        self.data = data

    def save(self, path: Path) -> None:
        """Writes the page, which needs no network and no other file."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.page)

    def _repr_html_(self) -> str:
        page = html.escape(self.page, quote=True)
        return (
            f'<iframe srcdoc="{page}" width="100%" height="900" sandbox="allow-scripts"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<tessera.Report of {self.data['title']}>"


class Events(list[RecompileEvent]):
    """Recompile events, oldest first: a list that a notebook shows as a report."""

    def _repr_html_(self) -> str:
        return report(events=self)._repr_html_()


def lines_of_events(events: Path | Sequence[RecompileEvent]) -> tuple[str, list[str]]:
    """Where they are from, and each as the line of JSON that a file has of it."""
    if isinstance(events, (str, bytes, os.PathLike)):
        return os.fsdecode(events), [record for record, _ in _core.read_events(events)]
    return "events", [json.dumps(event) for event in events]


def report(
    *executables: Path | _core.Executable,
    events: Path | Sequence[RecompileEvent] | None = None,
    record: Path | None = None,
    limits: Limits | None = None,
    require_signature: Path | None = None,
) -> Report:
    """What ``tessera report`` writes of these: at most two executables, the second held against the
    first; ``events``, a file of a session's or what ``recompiles`` gives; ``record``, a file of an
    online run. ``limits`` and ``require_signature`` as ``load``.

    Raises ``UsageError`` where there is nothing to report on, and what reading a file raises."""
    logs = [] if events is None else [lines_of_events(events)]
    page, data = _core.report(list(executables), logs, record, limits, require_signature)
    return Report(page, json.loads(data))
