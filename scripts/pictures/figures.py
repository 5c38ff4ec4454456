# SPDX-License-Identifier: Apache-2.0
"""Modelled throughput against what was measured on a C600 and published."""

import math

from .svg import Picture, number

SETS = (  # by the row's first word: colour and words
    (("1", "2", "3"), "blue", "BERT-base, sequence 128"),
    (("6", "7", "8", "9", "10", "13"), "green", "BERT-base, sequence 256"),
    (("11", "12"), "orange", "packing example"),
    (("4", "5"), "violet", "BERT-large"),
    (("20", "21", "22", "23"), "pink", "RoFormerV2, BERT 384, ALBERT, ViT"),
)
LEAST, MOST = 250, 60000


def draw(figures):
    rows = figures["rows"]
    left, top, size = 92, 96, 430
    span = math.log(MOST / LEAST)

    def place(rate):
        return size * math.log(rate / LEAST) / span

    seen = [row for row in rows if row["in_view"]]
    unseen = figures["not_in_view"]
    picture = Picture(
        860,
        top + size + 66,
        "Modelled against published throughput on a C600",
        f"A scatter of {len(rows)} configurations, both axes logarithmic in samples per second. "
        f"Nearly all lie within a tenth of the diagonal; the farthest is row "
        f"{figures['all']['worst_row']}.",
        "Each mark is a published configuration. On the diagonal the model agrees; the band is "
        "10 % around it.",
    )
    picture.rect(left, top, size, size, "panel")
    bottom = top + size
    low, high = place(LEAST * 1.1), place(LEAST * 1.1)
    picture.area(
        f"M{left} {number(bottom - low)}L{number(left + size - high)} {top}H{left + size}"
        f"V{number(top + high)}L{number(left + low)} {bottom}H{left}z",
        "rule",
    )
    for rate in (300, 1000, 3000, 10000, 30000):
        at = place(rate)
        picture.line(left + at, top, left + at, bottom, "page")
        picture.line(left, bottom - at, left + size, bottom - at, "page")
        picture.text(left + at, bottom + 18, f"{rate:,}", "muted", "middle", "small")
        picture.text(left - 8, bottom - at + 4, f"{rate:,}", "muted", "end", "small")
    picture.line(left, bottom, left + size, top, "muted", "thin")
    picture.text(left + size / 2, bottom + 42, "published, samples/s", "muted", "middle")
    picture.text(30, top + size / 2, "modelled, samples/s", "muted", "middle", turn=-90)
    for row in rows:
        published = row["published_samples_per_second"]
        modelled = row["modelled_samples_per_second"]
        colour = next(ink for firsts, ink, _ in SETS if row["row"].split()[0] in firsts)
        x, y = left + place(published), bottom - place(modelled)
        hint = f"{row['row']}: {row['configuration']}: {row['ratio']:.3f} of the published"
        if row["in_view"]:
            picture.circle(x, y, 4, "page", hint, line=colour)
        else:
            picture.circle(x, y, 4.5, colour, hint)
        if abs(math.log(row["ratio"])) > math.log(1.15):
            side, shift = ("end", -9) if row["ratio"] > 1 else ("start", 9)
            picture.text(x + shift, y + 4, f"row {row['row']}", "ink", side, "small")
    x, y = left + size + 36, top + 16
    for _, colour, words in SETS:
        picture.circle(x + 5, y - 4, 5, colour)
        picture.text(x + 18, y, words)
        y += 24
    y += 10
    picture.circle(x + 5, y - 4, 4, "page", line="ink")
    picture.text(x + 18, y, f"hollow: in view ({len(seen)} rows)")
    for words in ("while a constant of the model", "was chosen; filled: not in view"):
        y += 17
        picture.text(x + 18, y, words, "muted")
    y += 40
    for name, summary in (("All rows", figures["all"]), ("Not in view", unseen)):
        picture.text(x, y, f"{name}: {summary['rows']}", kind="bold")
        y += 18
        picture.text(x, y, f"median deviation {100 * summary['median_deviation']:.1f} %")
        y += 18
        worst = f"worst {100 * summary['worst_deviation']:.0f} % (row {summary['worst_row']})"
        picture.text(x, y, worst)
        y += 32
    return picture.svg()
