# SPDX-License-Identifier: Apache-2.0
"""Executables, compiles, batches and measurements on one page, shown inline in a notebook."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tessera import _core
from tessera.documents import Bench, PackComparison, PackTuning, RecompileEvent
from tessera.types import Limits, Path

if TYPE_CHECKING:
    from tessera.packing import PackPlan

__all__ = ["BenchFigures", "Events", "PolicyFigures", "Report", "ShapeFigures", "report"]


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
        sandbox = "allow-scripts allow-downloads"  # a table is downloaded as CSV
        return f'<iframe srcdoc="{page}" width="100%" height="900" sandbox="{sandbox}"></iframe>'

    def __repr__(self) -> str:
        return f"<tessera.Report of {self.data['title']}>"


class Events(list[RecompileEvent]):
    """Recompile events, oldest first: a list that a notebook shows as a report."""

    def _repr_html_(self) -> str:
        return report(events=self)._repr_html_()


class BenchFigures(dict[str, Any]):
    """A result of ``bench``: a dictionary that a notebook shows as a report."""

    def _repr_html_(self) -> str:
        return report(bench=self)._repr_html_()


class PolicyFigures(dict[str, Any]):
    """The figures of ``pack.compare``, likewise."""

    def _repr_html_(self) -> str:
        return report(policies=self)._repr_html_()


class ShapeFigures(dict[str, Any]):
    """The figures of ``pack.tune``, likewise."""

    def _repr_html_(self) -> str:
        return report(shapes=self)._repr_html_()


def lines_of_events(events: Path | Sequence[RecompileEvent]) -> tuple[str, list[str]]:
    """Where they are from, and each as the line of JSON that a file has of it."""
    if isinstance(events, (str, bytes, os.PathLike)):
        return os.fsdecode(events), [record for record, _ in _core.read_events(events)]
    return "events", [json.dumps(event) for event in events]


def _is_path(value: object) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


def _figures(argument: str, figures: Any) -> tuple[str, str, str]:
    if not _is_path(figures):
        return argument, argument, json.dumps(figures)
    with open(figures, encoding="utf-8") as file:
        return argument, os.fsdecode(figures), file.read()


def report(
    *executables: Path | _core.Executable,
    events: Path | Sequence[RecompileEvent] | None = None,
    record: Path | None = None,
    plan: Path | PackPlan | None = None,
    bench: Path | Bench | BenchFigures | None = None,
    policies: Path | PackComparison | PolicyFigures | None = None,
    shapes: Path | PackTuning | ShapeFigures | None = None,
    limits: Limits | None = None,
    require_signature: Path | None = None,
) -> Report:
    """The page that ``tessera report`` writes of these: at most two executables, the second held
    against the first; ``events``, a file of a session's or what ``recompiles`` gives; ``record``, a
    file of an online run; ``plan``, what ``pack`` gives or a file of ``tessera pack -o``; what
    ``bench`` (``bench``), ``pack.compare`` (``policies``) and ``pack.tune`` (``shapes``) give, or a
    file of the same JSON. ``limits`` and ``require_signature`` as ``load``.

    Raises ``UsageError`` where there is nothing to report on, ``BadFileError`` where a document is
    not as its schema says, and what reading a file raises."""
    logs = [] if events is None else [lines_of_events(events)]
    given = {"bench": bench, "policies": policies, "shapes": shapes}
    figures = [_figures(name, one) for name, one in given.items() if one is not None]
    planned: Any = plan
    if plan is not None and not isinstance(plan, (str, bytes, os.PathLike)):
        planned = (plan.packing, plan.policy, [batch.placements for batch in plan])
    page, data = _core.report(
        list(executables), logs, record, planned, figures, limits, require_signature
    )
    return Report(page, json.loads(data))
