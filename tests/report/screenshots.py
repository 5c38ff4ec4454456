# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures of docs/report.md again: TESSERA=build/release/bin/tessera
python3 tests/report/screenshots.py FOLDER. It compiles and runs a BERT-base, which takes some
minutes of both cores. Pillow, where it is installed, makes the pictures smaller."""

import base64
import os
import sys
import time

from browser import Driver, path, tessera

try:
    from PIL import Image
except ImportError:
    Image = None

WIDTH, HEIGHT = 1280, 820
# Picture, page, address, and pixels that are scrolled down.
PICTURES = [
    ("verdict", "padded", "", 0),
    ("tiles", "padded", "tiles/200", 0),
    ("messages", "padded", "tiles/200", 620),
    ("memory", "padded", "memory", 0),
    ("supersteps", "padded", "supersteps/7", 0),
    ("operations", "padded", "operations/3", 0),
    ("placement", "padded", "placement/7/reads/1", 0),
    ("packing", "padded", "packing/3", 0),
    ("recompiles", "padded", "events/2", 0),
    ("differences", "padded", "differences", 0),
    ("provenance", "padded", "provenance", 0),
    ("dark", "padded", "memory", 0),
    ("packed_verdict", "packed", "", 0),
    ("packed_tiles", "packed", "tiles/200", 0),
    ("packed_memory", "packed", "memory", 0),
    ("packed_supersteps", "packed", "supersteps/9", 0),
    ("packed_operations", "packed", "operations/3", 0),
    ("packed_placement", "packed", "placement/9/reads/1", 0),
    ("packed_example", "packed", "packing", 0),
    ("packed_provenance", "packed", "provenance", 0),
    ("oom_verdict", "oom", "", 0),
    ("oom_tiles", "oom", "tiles", 0),
    ("oom_memory", "oom", "memory", 0),
    ("oom_supersteps", "oom", "supersteps/22", 0),
    ("oom_operations", "oom", "operations/0", 0),
    ("oom_placement", "oom", "placement/22/reads/1", 0),
    ("oom_example", "oom", "packing", 0),
    ("oom_provenance", "oom", "provenance", 0),
    ("ipus_verdict", "ipus", "", 0),
    ("ipus_tiles", "ipus", "tiles/3000", 0),
    ("bench", "bench", "packing", 0),
]


def make_pages():
    tessera("make-model", "--preset", "base", "-o", "bert_base.onnx")
    model = ["compile", "--input_model", "bert_base.onnx"]
    padded = [*model, "--precision", "fp16", "--input_shape", "input_ids=16,256"]
    tessera(*padded, "-o", "padded.popef")
    tessera(
        *padded, "--pack_args", "max_valid_num=40", "segment_max_size=256", "-o", "packed.popef"
    )
    ways = ["--num_ipus", "4", "--sharding", "auto", "--enable_pipelining",
            "--batches_per_step", "16"]  # fmt: skip
    tessera(*padded, *ways, "-o", "ipus.popef")
    tessera(*model, "--input_shape", "input_ids=32,512", "-o", "oom.popef", code=4)
    lengths = (f"input_ids=16,{length}" for length in (256, 224, 192, 128))
    tessera(
        "run", "bert_base.onnx", "--precision", "fp16", "--no_cache", "--events", "events.jsonl",
        "--random", *lengths,
    )  # fmt: skip
    requests = ["--avg_seq_len", "128", "--max_seq_len", "256", "--vocab", "30522"]
    online = ["--online", "--virtual", "--rate", "4000", "--requests", "400"]
    tessera("bench", "packed.popef", *online, *requests, "--record", "run.jsonl")
    tessera("make-model", "--preset", "tiny", "-o", "tiny.onnx")
    tiny = ["compile", "--input_model", "tiny.onnx", "--input_shape", "input_ids=4,64"]
    tessera(*tiny, "-o", "tiny.popef")
    tessera(
        *tiny, "--pack_args", "max_valid_num=10", "segment_max_size=64", "-o", "tiny_packed.popef"
    )
    said = tessera("bench", "tiny.popef", "tiny_packed.popef", "--iterations", "20", "--vocab",
                   "100", "--avg_seq_len", "20", "--json")  # fmt: skip
    with open(path("bench.json"), "w", encoding="utf-8") as file:
        file.write(said)
    known = ["--events", "events.jsonl", "--record", "run.jsonl", "--against", "packed.popef"]
    tessera("report", "padded.popef", *known, "-o", "padded.html")
    for name in ("packed", "oom", "ipus"):
        tessera("report", f"{name}.popef", "-o", f"{name}.html")
    tessera("report", "bench.json", "-o", "bench.html")


def take(driver, name, page, view, down, folder):
    scheme = "dark" if name == "dark" else "light"
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.devtools("Emulation.setEmulatedMedia", features=media)
    driver.open(f"{page}.html", view)
    time.sleep(0.6)
    driver.run("window.scrollTo(0, arguments[0])", down)
    time.sleep(0.2)
    picture = os.path.join(folder, f"{name}.png")
    with open(picture, "wb") as file:
        file.write(base64.b64decode(driver.devtools("Page.captureScreenshot")["data"]))
    if Image is not None:
        with Image.open(picture) as full:
            small = full.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(picture, optimize=True)


def main():
    make_pages()
    driver = Driver()
    try:
        driver.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=WIDTH,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )
        for picture in PICTURES:
            take(driver, *picture, sys.argv[1])
    finally:
        driver.close()


if __name__ == "__main__":
    main()
