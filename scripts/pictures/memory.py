# SPDX-License-Identifier: Apache-2.0
"""Memory of the fullest tile over the supersteps, by what it is for."""

from .svg import Picture, number, thousands, ticks

LAYERS = (  # from the bottom: categories of the profile, colour, word
    (("reserved", "stack"), "grey", "reserved, stack"),
    (("vertexCode", "controlCode", "vertexInstanceState"), "violet", "code, vertices"),
    (("internalExchangeCode",), "pink", "exchange code"),
    (("constant",), "green", "constants"),
    (("variable", "gaps"), "blue", "variables, gaps"),
    (("message",), "orange", "receive buffers"),
    (("temporary",), "yellow", "temporaries"),
)


def draw(tessera):
    profile = tessera.profile("--liveness")
    steps = profile["compilation"]["livenessProgramSteps"]
    target = profile["compilation"]["target"]
    columns = [
        (
            step["program"]["name"],
            {k: v["total"] for k, v in step["notAlwaysLiveMemoryForTile"]["category"].items()},
        )
        for step in steps
    ]
    tile = steps[0]["notAlwaysLiveMemoryForTile"]["tile"]
    peak_name, peak = max(
        ((name, sum(use.values())) for name, use in columns), key=lambda pair: pair[1]
    )
    left, top, wide, high = 84, 128, 752, 250
    scale = high / (peak * 1.06)
    width = wide / len(columns)
    share = 100 * peak / target["bytesPerTile"]
    picture = Picture(
        860,
        top + high + 152,
        f"Memory of the fullest tile, superstep by superstep (tile {tile})",
        f"A column for each of {len(columns)} supersteps, stacked by use. What is always live has "
        f"the same height everywhere; variables, receive buffers and temporaries come and go. The "
        f"peak of {thousands(peak)} bytes is in superstep {peak_name}.",
        "The lower layers are always live. Variables, receive buffers and temporaries come and go;"
        f"\nthe peak, {thousands(peak)} bytes in '{peak_name}', is {number(share)} % of the tile.",
    )
    picture.key(left, top - 20, [(colour, word) for _, colour, word in LAYERS[:4]])
    picture.key(left, top - 2, [(colour, word) for _, colour, word in LAYERS[4:]])
    top += 16
    bottom = top + high
    for at in ticks(peak * 1.06 / 1024, 6):
        y = bottom - at * 1024 * scale
        picture.line(left, y, left + wide, y)
        picture.text(left - 8, y + 4, f"{at:g}", "muted", "end", "small")
    picture.text(28, top + high / 2, "KiB on the tile", "muted", "middle", turn=-90)
    for i, (name, use) in enumerate(columns):
        x, y = left + i * width, bottom
        for categories, colour, _ in LAYERS:
            height = sum(use[c] for c in categories) * scale
            if height <= 0:
                continue
            y -= height
            picture.rect(x + 1, y, width - 2, height, colour)
        if sum(use.values()) == peak and name == peak_name:
            picture.text(x + width / 2, y - 6, "peak", "ink", "middle", "small bold")
        short = name if len(name) <= 16 else name[:15] + "…"
        picture.text(x + width / 2 + 3, bottom + 12, short, "muted", "end", "small", turn=-50)
    picture.line(left, bottom, left + wide, bottom, ink="muted")
    picture.text(left + wide, bottom + 118, "supersteps, in their order", "muted", "end")
    return picture.svg()
