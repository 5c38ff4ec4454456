# SPDX-License-Identifier: Apache-2.0
"""A sweep as a picture: requests a second over the time of a batch, both on logarithmic axes, with
the points that no other beats joined by a line for each number of tiles."""

from __future__ import annotations

import html
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["picture_of"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 520, 84, 24, 56, 64
_COLOURS = {"none": "#8a8f98", "A": "#c4611a", "B": "#1c6fb0"}
_STYLE = """\
text { font: 13px sans-serif; fill: #222 } .small { font-size: 11px; fill: #555 }
.title { font-size: 16px } .grid { stroke: #ddd } .front { fill: none; stroke: #222 }"""


class _Axis:
    """A logarithmic axis of pixels."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        low, high = min(values), max(values)
        self.low, self.high = math.log10(low / 1.3), math.log10(high * 1.3)
        self.first, self.last = first, last

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.first + share * (self.last - self.first), 1)

    def ticks(self) -> Iterator[float]:
        wide = self.high - self.low > 1.5
        for power in range(math.floor(self.low), math.ceil(self.high) + 1):
            for step in (1,) if wide else (1, 1.5, 2, 3, 5, 7):
                if self.low <= math.log10(step * 10.0**power) <= self.high:
                    yield step * 10.0**power


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def _axes(x: _Axis, y: _Axis) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for value in x.ticks():
        at = x.at(value)
        yield f'<line class="grid" x1="{at}" y1="{_TOP}" x2="{at}" y2="{bottom}"/>'
        yield (
            f'<text class="small" x="{at}" y="{bottom + 16}" text-anchor="middle">'
            f"{_number(value)}</text>"
        )
    for value in y.ticks():
        at = y.at(value)
        yield f'<line class="grid" x1="{_LEFT}" y1="{at}" x2="{right}" y2="{at}"/>'
        yield (
            f'<text class="small" x="{_LEFT - 6}" y="{at + 4}" text-anchor="end">'
            f"{_number(value)}</text>"
        )
    yield (
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 22}" text-anchor="middle">'
        "milliseconds of a batch, modelled</text>"
    )
    yield f'<text x="{_LEFT}" y="{_TOP - 10}">requests a second, modelled</text>'


def _legend() -> Iterator[str]:
    words = {"none": "padded", "A": "form A", "B": "form B"}
    for i, (form, colour) in enumerate(_COLOURS.items()):
        x = _WIDTH - _RIGHT - 240 + 84 * i
        yield f'<circle cx="{x}" cy="{_TOP - 14}" r="5" fill="{colour}"/>'
        yield f'<text x="{x + 10}" y="{_TOP - 10}">{words[form]}</text>'


def _mark(row: Mapping[str, Any], x: _Axis, y: _Axis) -> str:
    name = (
        f"{row['form']} {row['rows']}x{row['row_length']} {row['precision']} {row['target']} "
        f"{row['options']}".strip()
    )
    said = (
        f"{name}: {_number(row['requests_per_second'])} requests/s, {_number(row['batch_ms'])} ms, "
        f"{100 * row['token_fill']:.1f} % tokens, {row['peak_bytes']:,} bytes on a tile"
    )
    best = ' stroke="#000" stroke-width="2.5"' if row["best"] else ""
    faint = "" if row["front"] else ' fill-opacity="0.45"'
    return (
        f'<circle cx="{x.at(row["batch_ms"])}" cy="{y.at(row["requests_per_second"])}" '
        f'r="{8 if row["best"] else 6}" fill="{_COLOURS[row["form"]]}"{faint}{best}>'
        f"<title>{html.escape(said)}</title></circle>"
    )


def _front(runs: Sequence[Mapping[str, Any]], x: _Axis, y: _Axis) -> Iterator[str]:
    """A line for each size of machine: more tiles may not be compared away."""
    for tiles in sorted({row["tiles"] for row in runs}):
        front = sorted(
            (row["batch_ms"], row["requests_per_second"])
            for row in runs
            if row["front"] and row["tiles"] == tiles
        )
        line = " ".join(f"{x.at(ms)},{y.at(rate)}" for ms, rate in front)
        yield f'<polyline class="front" points="{line}"/>'


def picture_of(rows: Sequence[Mapping[str, Any]], model: str) -> str:
    """An SVG of the rows that run; a pointer on a mark shows its row."""
    runs = [row for row in rows if not row["failure"]]
    title = f"{os.path.basename(model)}: {len(runs)} of {len(rows)} points run"
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="24">{html.escape(title)}</text>',
    ]
    if runs:
        x = _Axis([row["batch_ms"] for row in runs], _LEFT, _WIDTH - _RIGHT)
        y = _Axis([row["requests_per_second"] for row in runs], _HEIGHT - _BOTTOM, _TOP)
        parts += _axes(x, y)
        parts += _legend()
        parts += _front(runs, x, y)
        parts += [_mark(row, x, y) for row in sorted(runs, key=lambda row: bool(row["best"]))]
    return "\n".join([*parts, "</svg>", ""])
