# SPDX-License-Identifier: Apache-2.0
"""A request through four threads: callers submit, one thread packs, one runs, one delivers."""

from .svg import Picture, number, ticks

LANES = (
    ("callers", "submit(request)"),
    ("packer", "closes a batch"),
    ("runner", "runs the batch"),
    ("deliverer", "hands out answers"),
)
COLOURS = ("blue", "green", "violet", "pink", "orange", "sky", "yellow")


def batches_of(record):
    """[{closed, reason, requests, begins, ends}]: a batch begins when the one before has ended."""
    batches, ended = [], 0
    for event in record:
        if event.get("e") == "poll" and event.get("requests"):
            batches.append(
                {"closed": event["t"], "reason": event["reason"], "requests": event["requests"]}
            )
        elif event.get("e") == "done":
            batch = next(b for b in batches if "ends" not in b)
            batch["begins"], batch["ends"] = max(batch["closed"], ended), event["t"]
            ended = event["t"]
    return batches


def draw(tessera):
    record = tessera.record()
    submitted = {e["id"]: e for e in record if e.get("e") == "submit"}
    batches = batches_of(record)
    in_batch = {r: i for i, batch in enumerate(batches) for r in batch["requests"]}
    shown = max(
        batches[1]["requests"], key=lambda r: (batches[1]["closed"] - submitted[r]["t"], -r)
    )
    mine = batches[in_batch[shown]]
    left, top, wide, lane = 150, 112, 680, 74
    last = max(batch["ends"] for batch in batches) * 1.03
    scale = wide / last
    waited = (mine["ends"] - submitted[shown]["t"]) / 1e6
    picture = Picture(
        860,
        top + 4 * lane + 66,
        "A request through the four threads of a PackRunner",
        "Four lanes over time. Callers submit requests one by one; the packer closes a batch; the "
        "runner carries batches out one after the other; the deliverer hands every caller its own "
        f"answer. Request {shown} is followed from its submission to its answer, "
        f"{number(waited)} ms later.",
        "Colours are batches. The line follows one request: it waits, its batch is closed, "
        "runs,\nand its answer is cut out. Recorded by tessera bench --online --virtual.",
    )
    for i, (name, what) in enumerate(LANES):
        y = top + i * lane
        picture.rect(left, y, wide, lane - 8, "panel", radius=4)
        picture.text(24, y + 30, name, kind="bold")
        picture.text(24, y + 48, what, "muted", kind="small")

    def at(nanoseconds):
        return left + nanoseconds * scale

    for request, event in submitted.items():
        height = 6 + event["length"] * 0.7
        y = top + lane - 14
        colour = COLOURS[in_batch[request] % len(COLOURS)]
        hint = f"request {request}: {event['length']} tokens"
        picture.rect(at(event["t"]) - 1.5, y - height, 3, height, colour, hint=hint)
    for i, batch in enumerate(batches):
        colour = COLOURS[i % len(COLOURS)]
        y = top + lane + lane / 2 - 4
        picture.circle(at(batch["closed"]), y, 6, colour)
        words = f"{len(batch['requests'])}, {batch['reason']}"
        picture.text(at(batch["closed"]) + 8, y - 10, words, kind="small")
        x, width = at(batch["begins"]), (batch["ends"] - batch["begins"]) * scale
        picture.rect(x + 1, top + 2 * lane + 12, width - 2, lane - 32, colour, radius=3)
        for k in range(len(batch["requests"])):
            y = top + 3 * lane + 10 + k % 8 * 6
            picture.circle(at(batch["ends"]) + 5 + k // 8 * 6, y, 2.2, colour)
    ys = [top + lane - 14, top + lane + lane / 2 - 4, top + 2 * lane + lane / 2 - 4]
    start, closed = at(submitted[shown]["t"]), at(mine["closed"])
    begins, ends = at(mine["begins"]), at(mine["ends"])
    down = 3 * lane + top + lane / 2 - 4
    picture.path(
        f"M{number(start)} {number(ys[0] - 12)}V{number(ys[1])}H{number(closed)}"
        f"H{number(begins + 4)}V{number(ys[2])}H{number(ends)}V{number(down - 20)}",
        ink="ink",
        end=True,
    )
    picture.text(start - 8, ys[1] - 8, f"request {shown}", "ink", "end", "small bold")
    bottom = top + 4 * lane
    for tick in ticks(last / 1e6, 8):
        x = left + tick * 1e6 * scale
        picture.line(x, bottom - 6, x, bottom)
        picture.text(x, bottom + 14, number(tick), "muted", "middle", "small")
    picture.text(left + wide, bottom + 36, "virtual time, ms", "muted", "end")
    heights = "bar: a request, as high as its tokens; dot: how many, and why the batch was closed"
    picture.text(left, bottom + 36, heights, "muted")
    return picture.svg()
