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


#: The square of the scatter.
LEFT, TOP, SIZE = 92, 96, 430
BOTTOM = TOP + SIZE


def place(rate):
    """How far along an axis a rate stands."""
    return SIZE * math.log(rate / LEAST) / math.log(MOST / LEAST)


def draw_axes(picture):
    """The square, its band of 10 %, and the rates along both axes."""
    picture.rect(LEFT, TOP, SIZE, SIZE, "panel")
    low, high = place(LEAST * 1.1), place(LEAST * 1.1)
    picture.area(
        f"M{LEFT} {number(BOTTOM - low)}L{number(LEFT + SIZE - high)} {TOP}H{LEFT + SIZE}"
        f"V{number(TOP + high)}L{number(LEFT + low)} {BOTTOM}H{LEFT}z",
        "rule",
    )
    for rate in (300, 1000, 3000, 10000, 30000):
        at = place(rate)
        picture.line(LEFT + at, TOP, LEFT + at, BOTTOM, "page")
        picture.line(LEFT, BOTTOM - at, LEFT + SIZE, BOTTOM - at, "page")
        picture.text(LEFT + at, BOTTOM + 18, f"{rate:,}", "muted", "middle", "small")
        picture.text(LEFT - 8, BOTTOM - at + 4, f"{rate:,}", "muted", "end", "small")
    picture.line(LEFT, BOTTOM, LEFT + SIZE, TOP, "muted", "thin")
    picture.text(LEFT + SIZE / 2, BOTTOM + 42, "published, samples/s", "muted", "middle")
    picture.text(30, TOP + SIZE / 2, "modelled, samples/s", "muted", "middle", turn=-90)


def draw_marks(picture, rows):
    """A mark for each configuration: hollow where it was in view."""
    for row in rows:
        published = row["published_samples_per_second"]
        modelled = row["modelled_samples_per_second"]
        colour = next(ink for firsts, ink, _ in SETS if row["row"].split()[0] in firsts)
        x, y = LEFT + place(published), BOTTOM - place(modelled)
        hint = f"{row['row']}: {row['configuration']}: {row['ratio']:.3f} of the published"
        if row["in_view"]:
            picture.circle(x, y, 4, "page", hint, line=colour)
        else:
            picture.circle(x, y, 4.5, colour, hint)
        if abs(math.log(row["ratio"])) > math.log(1.15):
            side, shift = ("end", -9) if row["ratio"] > 1 else ("start", 9)
            picture.text(x + shift, y + 4, f"row {row['row']}", "ink", side, "small")


def draw_legend(picture, figures):
    """The colours of the sets, and the deviations of all rows and of those not in view."""
    seen = sum(1 for row in figures["rows"] if row["in_view"])
    x, y = LEFT + SIZE + 36, TOP + 16
    for _, colour, words in SETS:
        picture.circle(x + 5, y - 4, 5, colour)
        picture.text(x + 18, y, words)
        y += 24
    y += 10
    picture.circle(x + 5, y - 4, 4, "page", line="ink")
    picture.text(x + 18, y, f"hollow: in view ({seen} rows)")
    for words in ("while a constant of the model", "was chosen; filled: not in view"):
        y += 17
        picture.text(x + 18, y, words, "muted")
    y += 40
    for name, summary in (("All rows", figures["all"]), ("Not in view", figures["not_in_view"])):
        picture.text(x, y, f"{name}: {summary['rows']}", kind="bold")
        y += 18
        picture.text(x, y, f"median deviation {100 * summary['median_deviation']:.1f} %")
        y += 18
        worst = f"worst {100 * summary['worst_deviation']:.0f} % (row {summary['worst_row']})"
        picture.text(x, y, worst)
        y += 32


def draw(figures):
    rows = figures["rows"]
    picture = Picture(
        860,
        TOP + SIZE + 66,
        "Modelled against published throughput on a C600",
        f"A scatter of {len(rows)} configurations, both axes logarithmic in samples per second. "
        f"Nearly all lie within a tenth of the diagonal; the farthest is row "
        f"{figures['all']['worst_row']}.",
        "Each mark is a published configuration. On the diagonal the model agrees; the band is "
        "10 % around it.",
    )
    draw_axes(picture)
    draw_marks(picture, rows)
    draw_legend(picture, figures)
    return picture.svg()
