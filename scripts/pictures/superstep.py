# SPDX-License-Identifier: Apache-2.0
"""Two supersteps over tiles: who waits for whom between two barriers."""

from .svg import Picture, thousands, ticks

STEPS = ("layer_norm", "add")  # of the tiny model: neighbours, the second one q, k and v
PARTS = (  # of a superstep, in time: field, colour, word
    ("syncCycles", "grey", "sync"),
    ("rearrangeCycles", "yellow", "rearrange"),
    ("exchangeCycles", "orange", "exchange"),
    ("computeSetCycles", "blue", "compute"),
)
ROW, LEFT, TOP, WIDE = 15, 84, 150, 752


def steps_of(tessera):
    """[(name, codelet, ipu)] of STEPS, with what each tile does."""
    for name in STEPS:
        profile = tessera.profile("--superstep", name)
        step = next(s for s in profile["execution"]["steps"] if s["program"]["name"] == name)
        yield name, step["program"]["codelet"], step["ipus"][0]


def draw_step(picture, ipu, tiles, start, scale):
    """Gives the cycle at which it ends."""
    for field, colour, _ in PARTS:
        by_tile = ipu.get(field + "ByTile")
        x = LEFT + start * scale
        for tile in range(tiles):
            y = TOP + tile * ROW
            picture.rect(x, y + 1, ipu[field] * scale, ROW - 2, "rule")
            cycles = by_tile[tile] if by_tile else ipu[field]
            if cycles:
                picture.rect(x, y + 1, cycles * scale, ROW - 2, colour)
        start += ipu[field]
    return start


def draw(tessera):
    steps = list(steps_of(tessera))
    tiles = len(steps[0][2]["computeSetCyclesByTile"])
    total = sum(ipu["cycles"] for _, _, ipu in steps)
    bottom = TOP + tiles * ROW
    said = " and ".join(f"'{name}' ({codelet})" for name, codelet, _ in steps)
    picture = Picture(
        860,
        bottom + 62,
        f"Two supersteps on {tiles} tiles",
        f"A row for each of {tiles} tiles, cycles from left to right, for the supersteps {said}. "
        f"In each, all tiles synchronise, rearrange, exchange and compute; every part lasts until "
        f"its slowest tile is done, and the others wait.",
        "All tiles sync, rearrange what lies in another order, exchange data and compute. Each "
        "part\nlasts as long as its slowest tile needs; a tile that is done waits.",
    )
    scale = WIDE / total
    x = picture.key(LEFT, 102, [(colour, word) for _, colour, word in PARTS])
    picture.key(x, 102, [("rule", "wait")])
    start = 0
    for name, codelet, ipu in steps:
        left = LEFT + start * scale
        words = f"{name} ({codelet}): {thousands(ipu['cycles'])} cycles"
        picture.text(left + 6, TOP - 12, words, kind="small bold")
        start = draw_step(picture, ipu, tiles, start, scale)
        picture.line(left, TOP - 24, left, bottom + 5, "ink", "line dash")
    picture.line(LEFT + WIDE, TOP - 24, LEFT + WIDE, bottom + 5, "ink", "line dash")
    for tile in [*range(0, tiles - 1, 5), tiles - 1]:
        picture.text(LEFT - 8, TOP + tile * ROW + 12, f"tile {tile}", "muted", "end", "small")
    for at in ticks(total, 9):
        x = LEFT + at * scale
        picture.line(x, bottom, x, bottom + 5)
        picture.text(x, bottom + 20, thousands(at), "muted", "middle", "small")
    picture.text(LEFT + WIDE, bottom + 44, "cycles; a dashed line is a barrier", "muted", "end")
    return picture.svg()
