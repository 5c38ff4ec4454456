# SPDX-License-Identifier: Apache-2.0
"""A session's decision for a batch of some shape, with the events that real runs left behind."""

from .source import SHAPE
from .svg import Picture

OTHER = "input_ids=4,48"


def event_of(events, which=-1):
    """(kind, cause) of the last event that says what was done for a batch."""
    told = [event for event in events if event["kind"] != "closed"]
    return told[which]["kind"], told[which]["cause"]


def scenarios(tessera):
    """Runs that take each way out; the order matters, because the cache folder fills."""
    on = lambda policy: ("--on_recompile", policy)  # noqa: E731
    two = ("--random", SHAPE, OTHER)
    first = tessera.events("--random", SHAPE)
    return {
        "first": event_of(first, 0),
        "disk": event_of(tessera.events("--random", SHAPE)),
        "pad": event_of(tessera.events(*on("pad"), *two)),
        "fail": event_of(tessera.events(*on("fail"), *two, codes=(3,))),
        "limit": event_of(tessera.events("--recompile_limit", "0", *two, codes=(3,))),
        "recompile": event_of(tessera.events(*two)),
    }


class Chart:
    """Questions as rounded boxes down the left, what is done as boxes on the right."""

    def __init__(self, picture):
        self.picture = picture

    def question(self, x, y, width, words, note=""):
        self.picture.rect(x, y, width, 46, "panel", line="blue", radius=23)
        self.picture.text(x + width / 2, y + (20 if note else 28), words, "ink", "middle", "bold")
        if note:
            self.picture.text(x + width / 2, y + 36, note, "muted", "middle", "small")

    def outcome(self, x, y, width, colour, words, event, note=""):
        self.picture.rect(x, y, width, 46, "panel", line=colour, radius=6)
        self.picture.rect(x, y, 6, 46, colour, radius=3)
        self.picture.text(x + 18, y + 20, words, kind="bold")
        if event:
            kind, cause = event
            text = f"{kind}, cause {cause}" + (f", {note}" if note else "")
            self.picture.text(x + 18, y + 37, text, "muted", kind="mono small")
        elif note:
            self.picture.text(x + 18, y + 37, note, "muted", kind="small")

    def way(self, x1, y1, x2, y2, words, down=False):
        self.picture.line(x1, y1, x2, y2, "muted", "line", end=True)
        if down:
            self.picture.text(x1 + 8, (y1 + y2) / 2 + 4, words, "muted", kind="small")
        else:
            self.picture.text(x1 + 8, y1 - 6, words, "muted", kind="small")


def draw(tessera):
    seen = scenarios(tessera)
    picture = Picture(
        860,
        560,
        "What a session does with a batch of some shape",
        "A chart of questions. An executable in memory runs; one on disk is loaded; the first "
        "compile of a model is always made. After that the policy decides: pad to a larger "
        "executable, refuse, or compile, unless the limit of recompiles is reached.",
        "The grey words are the event's kind and cause, as a run that went this way logged them.",
    )
    chart = Chart(picture)
    x, width, out, wide = 40, 300, 470, 354
    ys = [84, 162, 240, 336, 452]
    chart.question(x, ys[0], width, "Is its executable in memory?", "the key has six ingredients")
    chart.question(x, ys[1], width, "Is it in the cache folder?", "--cache_dir")
    chart.question(x, ys[2], width, "Is it the model's first compile?", "or a warm-up")
    chart.question(x, ys[3], width, "What does the policy say?", "--on_recompile")
    chart.question(x, ys[4], width, "Is the limit reached?", "--recompile_limit")
    middle = x + width / 2
    for upper, lower in zip(ys[:3], ys[1:]):
        chart.way(middle, upper + 46, middle, lower, "no", down=True)
    chart.way(
        middle, ys[3] + 46, middle, ys[4], "allow, warn; pad where none is as large", down=True
    )
    for y in ys[:3]:
        chart.way(x + width, y + 23, out, y + 23, "yes")
    served = "no event of its own: the closing event counts its batches"
    chart.outcome(out, ys[0], wide, "green", "run it", None, served)
    chart.outcome(out, ys[1], wide, "green", "load it, run it", seen["disk"])
    chart.outcome(out, ys[2], wide, "orange", "compile it, keep it, run it", seen["first"])
    padded, refused = "pad to the smallest that is as large", "refuse, exit code 3"
    forks = [
        (ys[3], ys[3] - 22, "pad", "green", padded, seen["pad"]),
        (ys[3], ys[3] + 36, "fail", "pink", refused, seen["fail"]),
        (ys[4], ys[4] - 14, "yes", "pink", refused, seen["limit"]),
        (ys[4], ys[4] + 44, "no", "orange", "compile it, keep it, run it", seen["recompile"]),
    ]
    for start, y, words, colour, done, event in forks:
        turn = x + width + 40
        picture.path(f"M{x + width} {start + 23}H{turn}V{y + 23}H{out}", "muted", "line", end=True)
        picture.text(turn + 12, y + 17, words, "muted", kind="small")
        chart.outcome(out, y, wide, colour, done, event)
    return picture.svg()
