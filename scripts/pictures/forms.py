# SPDX-License-Identifier: Apache-2.0
"""Forms A and B as coloured rows: where each request of one list stands."""

from .source import LENGTHS, ROW_LENGTH, ROWS
from .svg import Picture

CELL, GAP = 26, 5
COLOURS = ("blue", "orange", "green", "pink", "violet", "yellow", "sky")
PANELS = (
    ("none", "Padded", "a request a row"),
    ("A", "Form A: unpack and repack", "end to end, across rows"),
    ("B", "Form B: attention mask", "never across a row"),
)


def draw_batch(picture, x, y, batch, longest):
    for row in range(longest):
        for column in range(ROW_LENGTH):
            picture.rect(x + column * CELL, y + row * CELL, CELL - 2, CELL - 2, "panel")
    for request, start, length in batch:
        for cell in range(start, start + length):
            row, column = divmod(cell, ROW_LENGTH)
            joined = cell + 1 < start + length and column + 1 < ROW_LENGTH
            left, top = x + column * CELL, y + row * CELL
            picture.rect(
                *(left, top, CELL if joined else CELL - 2, CELL - 2),
                COLOURS[request % len(COLOURS)],
            )
        for row in range(start // ROW_LENGTH, (start + length - 1) // ROW_LENGTH + 1):
            first = max(start, row * ROW_LENGTH)
            left, top = x + first % ROW_LENGTH * CELL, y + row * CELL
            picture.rect(left + 3, top + 4, 17, 16, "page", radius=3)
            picture.text(left + 11.5, top + 16, str(request + 1), "ink", "middle", "small bold")


def draw(tessera):
    plans = {form: tessera.plan(form) for form, _, _ in PANELS}
    wide = ROW_LENGTH * CELL
    picture = Picture(
        860,
        500,
        f"{len(LENGTHS)} requests in rows of {ROW_LENGTH} tokens: padded, form A and form B",
        f"Three panels of coloured rows for requests of {', '.join(map(str, LENGTHS))} tokens. "
        + " ".join(
            f"{title}: {len(plans[form]['batches'])} "
            f"{'batch' if len(plans[form]['batches']) == 1 else 'batches'}, "
            f"{100 * plans[form]['fill']:.0f} % of the tokens used."
            for form, title, _ in PANELS
        ),
        f"A batch has {ROWS} rows. Each colour is a request, its number stands where a row of it "
        "begins;\nempty cells hold no request, and are computed nevertheless.",
    )
    for i, (form, title, how) in enumerate(PANELS):
        x, y = 40 + i * (wide + 66), 112
        plan = plans[form]
        count = len(plan["batches"])
        picture.text(x, y, title, kind="bold")
        picture.text(x, y + 18, how, "muted")
        y += 34
        for batch in plan["batches"]:
            draw_batch(picture, x, y, batch, ROWS)
            y += ROWS * CELL + GAP
        words = f"{count} {'batch' if count == 1 else 'batches'}, {100 * plan['fill']:.0f} % used"
        picture.text(x, y + 14, words)
    return picture.svg()
