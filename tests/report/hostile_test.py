# SPDX-License-Identifier: Apache-2.0
"""Names of strangers in a real Chromium: of a file, of a model's graph, inputs and nodes, in events
and in results of a bench. Each is seen as text, none becomes a part of the page."""

import json
import os
import subprocess
import sys
import unittest

from browser import TESSERA, BrowserTest, path, tessera

# A script's end and a new one, an image that runs a script, a line's end, a bell, and marks that
# turn the direction of what follows.
TAIL = "<img src=x onerror=alert(1)>"
SCRIPTS = "</script><script>alert(1)</script>" + TAIL
HOSTILE = SCRIPTS + "\n\a\u202e\u2066"
SEEN = SCRIPTS + "\\n\\x07\\u202e\\u2066"
# The importer refuses control characters, so a model has names without.
IN_MODEL, SEEN_OF_MODEL = SCRIPTS + "\u202e\u2066", SCRIPTS + "\\u202e\\u2066"
UNSEEN = ["\u202e", "\u2066", "\a"]


def varint(number):
    said = bytearray()
    while number > 0x7F:
        said.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(said + bytes([number]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def model_with_names(tail):
    """An ONNX model, y = relu(x) + relu(x), whose names of graph, nodes and values end so."""

    def value(name):
        shape = b"".join(field(1, field(1, size)) for size in (4, 64))
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    def node(inputs, output, kind):
        return (
            b"".join(field(1, name) for name in inputs)
            + field(2, output)
            + field(3, "node " + kind + tail)
            + field(4, kind)
        )

    x, middle, y = "x" + tail, "middle" + tail, "y" + tail
    graph = (
        field(1, node([x], middle, "Relu"))
        + field(1, node([middle, middle], y, "Add"))
        + field(2, "graph" + tail)
        + field(11, value(x))
        + field(12, value(y))
    )
    return field(1, 7) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def with_hostile_texts(document, names):
    """The document with each text under one of these names turned hostile."""
    if isinstance(document, dict):
        return {
            key: value + HOSTILE if key in names and isinstance(value, str)
            else with_hostile_texts(value, names)
            for key, value in document.items()
        }  # fmt: skip
    if isinstance(document, list):
        return [with_hostile_texts(one, names) for one in document]
    return document


def write(name, text):
    with open(path(name), "w", encoding="utf-8") as file:
        file.write(text)


class Hostile(BrowserTest):
    @classmethod
    def make(cls):
        with open(path("strange.onnx"), "wb") as file:
            file.write(model_with_names(IN_MODEL))
        tessera("make-model", "--preset", "tiny", "-o", "tiny.onnx")

    def look_at(self, file, views):
        """Opens each view, and returns all texts of the page."""
        self.driver.open(file)
        for view in views:
            self.go(view)
        self.assertEqual(self.run_js("return document.images.length"), 0)
        self.assertEqual(self.run_js("return document.scripts.length"), 2)
        whole = self.run_js(
            "return [...document.querySelectorAll('body *:not(script)')].map((one) =>"
            "  [one.childElementCount ? '' : one.textContent, ...[...one.attributes].map("
            "    (attribute) => attribute.value)].join(' ')).join(' ')"
        )
        for sign in UNSEEN:
            self.assertNotIn(sign, whole)
        self.assert_quiet()
        asked = [url for url in self.driver.requests() if not url.startswith("file:///")]
        self.assertEqual(asked, [])
        return whole

    def test_in_a_model(self):
        tessera("compile", "--input_model", "strange.onnx", "-o", "strange.popef")
        tessera("report", "strange.popef", "--against", "strange.popef", "-o", "strange.html")
        views = ["verdict", "tiles/0", "memory", "supersteps/0", "operations/0", "variables/0",
                 "packing", "differences", "provenance"]  # fmt: skip
        whole = self.look_at("strange.html", views)
        inspected = json.loads(tessera("inspect", "strange.popef", "--json"))
        names = [anchor["name"] for anchor in inspected["anchors"]]
        self.assertEqual(len([name for name in names if TAIL in name]), 2)
        for name in ("x", "y"):
            self.assertIn(name + SEEN_OF_MODEL, whole)
        self.assertIn(SEEN_OF_MODEL, self.text_of("#table-variables"))
        node = next(step["origin"][0] for step in inspected["supersteps"] if step["origin"])
        self.assertIn(TAIL, node)
        self.go("supersteps/0")
        self.assertIn(TAIL, self.text_of("#superstep-panel"))

    def test_control_characters_in_a_model_are_refused(self):
        with open(path("control.onnx"), "wb") as file:
            file.write(model_with_names(HOSTILE))
        words = [TESSERA, "report", path("control.onnx"), "-o", path("control.html")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("its name must be UTF-8 without control characters", done.stderr)
        for sign in UNSEEN:
            self.assertNotIn(sign, done.stderr)
        self.assertFalse(os.path.exists(path("control.html")))

    def test_in_the_name_of_a_file(self):
        hostile = "x" + HOSTILE.replace("/", "_") + ".onnx"
        with open(path("tiny.onnx"), "rb") as file, open(path(hostile), "wb") as copy:
            copy.write(file.read())
        tessera("report", hostile, "--input_shape", "input_ids=4,64", "-o", "file.html")
        whole = self.look_at("file.html", ["verdict", "provenance"])
        self.assertIn(SEEN.replace("/", "_"), self.text_of("h1"))
        self.assertIn(SEEN.replace("/", "_"), whole)

    def test_in_events(self):
        tessera(
            "run", "tiny.onnx", "--no_cache", "--events", "log.jsonl",
            "--random", "input_ids=4,64", "input_ids=4,48",
        )  # fmt: skip
        with open(path("log.jsonl"), encoding="utf-8") as file:
            events = [json.loads(line) for line in file]
        names = {"name", "call_site", "error", "options", "target"}
        events = [with_hostile_texts(event, names) for event in events]
        for event in events:
            for key in ("shapes", "dtypes"):
                event[key] = {name + HOSTILE: value for name, value in event[key].items()}
            for change in event["diff"]:
                change["input"] += HOSTILE
        write("log.jsonl", "".join(json.dumps(event) + "\n" for event in events))
        tessera("report", "log.jsonl", "-o", "log.html")
        whole = self.look_at("log.html", ["verdict", "recompiles", "events/0", "events/1"])
        self.assertIn("tiny.onnx" + SEEN, whole)
        self.assertIn("input_ids" + SEEN, whole)

    def test_in_results_of_a_bench(self):
        tessera("compile", "--input_model", "tiny.onnx", "--input_shape", "input_ids=4,64",
                "-o", "tiny.popef")  # fmt: skip
        bench = ["bench", "tiny.popef", "--iterations", "2", "--vocab", "100", "--json"]
        figures = json.loads(tessera(*bench, "--avg_seq_len", "20"))
        figures = with_hostile_texts(figures, {"label", "executable"})
        write("bench.json", json.dumps(figures))
        tessera("report", "bench.json", "-o", "bench.html")
        self.assertIn(SEEN, self.look_at("bench.html", ["verdict", "packing"]))

    def test_in_a_model_that_does_not_fit(self):
        small = ["--target", "c600,tiles=1,bytes_per_tile=20000"]
        tessera("report", "strange.onnx", *small, "-o", "oom.html")
        whole = self.look_at("oom.html", ["verdict", "tiles/0", "memory", "supersteps/0"])
        self.assertIn("does not fit", whole)
        self.assertIn(SEEN_OF_MODEL, whole)


if __name__ == "__main__":
    sys.exit(unittest.main())
