# SPDX-License-Identifier: Apache-2.0
"""A page can be read: nothing is cut without a word, marks and colours tell what they say, also on
narrow screens and on paper. Asked of a real Chromium."""

import json
import re
import sys
import time
import unittest

from browser import BrowserTest, path, report_all, run_online, tessera, write_events

VIEWS = ["verdict", "tiles", "memory", "supersteps", "operations", "placement", "packing",
         "recompiles", "differences", "provenance"]  # fmt: skip
COMPILE = ["compile", "--input_model", "tiny.onnx", "--precision", "fp16",
           "--input_shape", "input_ids=4,64"]  # fmt: skip
SMALL = "c600,tiles=64,bytes_per_tile=40000"
# The superstep under the left and under the right end of the bars.
ENDS = """
const canvas = document.querySelector('#chart-supersteps canvas');
const tip = document.querySelector('#chart-supersteps > .tip');
const box = canvas.getBoundingClientRect();
return [72, 1050].map((x) => {
  canvas.dispatchEvent(new MouseEvent('mousemove', {clientX: box.left + x, clientY: box.top + 90}));
  return Number(tip.textContent.split(' ')[0]);
});
"""


class Look(BrowserTest):
    @classmethod
    def make(cls):
        tessera("make-model", "--preset", "tiny", "-o", "tiny.onnx")
        tessera(*COMPILE, "-o", "padded.popef")
        packed = ["--pack_args", "max_valid_num=10", "segment_max_size=64"]
        tessera(*COMPILE, *packed, "-o", "packed.popef")
        write_events("input_ids=4,64", "input_ids=4,48")
        run_online("--requests", "200", "--avg_seq_len", "30", "--vocab", "100")
        report_all("all.html")
        tessera(*COMPILE, "--target", SMALL, "-o", "oom.popef", code=4)
        tessera("report", "oom.popef", "-o", "oom.html")
        tessera("make-model", "--preset", "mini", "-o", "mini.onnx")
        tessera("compile", "--input_model", "mini.onnx", "--precision", "fp16", "--input_shape",
                "input_ids=1,16", "--target", "test", "-o", "four.popef")  # fmt: skip
        tessera("report", "four.popef", "-o", "four.html")
        small = ["run", "tiny.onnx", "--target", SMALL, "--no_cache", "--random", "input_ids=4,64"]
        tessera(*small, "--events", "failed.jsonl", code=4)
        tessera("report", "failed.jsonl", "-o", "failed.html")

    def narrow(self, width):
        self.driver.devtools("Emulation.setDeviceMetricsOverride", width=width, height=1000,
                             deviceScaleFactor=1, mobile=False)  # fmt: skip
        self.addCleanup(self.driver.devtools, "Emulation.clearDeviceMetricsOverride")

    def test_a_bar_that_is_too_long_is_measured_by_the_tile(self):
        memory = json.loads(tessera("inspect", "oom.popef", "--json"))["memory"]
        self.driver.open("oom.html", "verdict")
        parts = self.run_js(
            "return [...document.querySelectorAll('.share-bar')[1].children].map((o) => o.title)"
        )
        said = sum(float(re.search(r"([\d.]+) %", part)[1]) for part in parts)
        share = 100 * memory["peak_bytes"] / 40000
        self.assertAlmostEqual(said, share, delta=1)
        left = self.run_js("return document.querySelector('.share-limit').style.left")
        self.assertAlmostEqual(float(left.rstrip("%")), 1e4 / share, delta=0.1)
        self.driver.open("all.html", "verdict")
        self.assertIsNone(self.run_js("return document.querySelector('.share-limit')"))

    def test_a_list_that_is_long_says_so_and_shows_all(self):
        shown = (
            "const all = [...document.querySelectorAll(`#${arguments[0]} .table`)];"
            "const long = all.find((one) => one.querySelector('.show-all'));"
            "const caption = long.querySelector('caption').textContent;"
            "const before = long.querySelectorAll('tbody tr').length;"
            "long.querySelector('.show-all').click();"
            "const now = [...document.querySelectorAll(`#${arguments[0]} .table`)]"
            ".find((one) => caption.startsWith(one.querySelector('caption').textContent));"
            "return [caption, before, now.querySelectorAll('tbody tr').length]"
        )
        for view, panel in (("tiles/1", "tile-panel"), ("memory", "memory-panel")):
            self.driver.open("four.html", view)
            caption, before, after = self.run_js(shown, panel)
            self.assertIn(f"The first {before} of {after}.", caption)
            self.assertGreater(after, before)
            self.assertEqual(self.run_js(f"return document.querySelector('#{panel} .show-all')"),
                             None)  # fmt: skip

    def test_names_that_are_cut_end_in_dots(self):
        self.driver.open("all.html", "operations")
        areas = self.run_js(
            "return [...document.querySelectorAll('#chart-operations g')].filter((one) =>"
            " one.querySelector('.on-cell')).map((one) => [one.querySelector('title').textContent,"
            " one.querySelector('.on-cell').textContent])"
        )
        self.assertTrue(any(label.endswith("…") for _, label in areas), areas)
        for title, label in areas:
            name = title[: title.rindex(": ")].rpartition(", ")[0]
            whole = label in ("", name)
            cut = label.endswith("…") and name.startswith(label[:-1])
            self.assertTrue(whole or cut, (name, label))

    def test_the_bars_follow_keys_and_search(self):
        self.driver.open("all.html", "supersteps/0")
        press = (
            "document.querySelector('#chart-supersteps canvas').dispatchEvent("
            "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"
        )
        for _ in range(5):
            self.run_js(press, "+")
        for _ in range(12):
            self.run_js(press, "ArrowRight")
        self.run_js(press, "Enter")
        time.sleep(0.1)
        at = int(self.run_js("return window.location.hash").rpartition("/")[2])
        self.assertEqual(at, 12)
        first, last = self.run_js(ENDS)
        self.assertLess(last - first, 12)
        self.assertTrue(first <= at <= last, (first, at, last))
        self.run_js(
            "const search = document.getElementById('superstep-search');"
            "search.value = arguments[0];"
            "search.dispatchEvent(new Event('input'));"
            "search.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))",
            json.loads(tessera("inspect", "padded.popef", "--json"))["supersteps"][-1]["name"],
        )
        time.sleep(0.1)
        at = int(self.run_js("return window.location.hash").rpartition("/")[2])
        self.assertGreater(at, 12)
        first, last = self.run_js(ENDS)
        self.assertTrue(first <= at <= last, (first, at, last))

    def test_tiles_over_the_limit_are_told_apart(self):
        self.driver.open("oom.html", "tiles")
        said = self.run_js(
            "const canvas = document.querySelector('#chart-tiles canvas');"
            "const tip = document.querySelector('#chart-tiles .tip'); const seen = {};"
            "const box = canvas.getBoundingClientRect(); const pen = canvas.getContext('2d');"
            "const by = canvas.width / box.width;"
            "for (let y = 5; y < box.height; y += 5) for (let x = 5; x < box.width; x += 5) {"
            " canvas.dispatchEvent(new MouseEvent('mousemove',"
            "  {clientX: box.left + x, clientY: box.top + y}));"
            " const value = tip.textContent.match(/: ([\\d,]+)/)[1];"
            " seen[value] = seen[value] || {};"
            " const at = [...pen.getImageData(x * by, y * by, 1, 1).data].join();"
            " seen[value][at] = (seen[value][at] || 0) + 1; } return seen"
        )
        usual = {}
        for value, colours in said.items():
            if int(value.replace(",", "")) > 40000:
                usual[value] = max(colours, key=colours.get)
        self.assertGreater(len(usual), 2)
        self.assertGreater(len(set(usual.values())), len(usual) / 2)
        self.assertIn("over 40,000: ", self.text_of("#chart-tiles .ramp"))

    def test_a_tip_is_of_what_is_shown(self):
        self.driver.open("all.html", "tiles/3")
        canvas = "document.querySelector('#chart-tiles canvas')"
        self.run_js(f"{canvas}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'ArrowRight'}}))")
        self.assertIn(" bytes", self.text_of("#chart-tiles .tip"))
        self.run_js(
            "const choice = document.getElementById('tile-source'); choice.value = 'all-idle';"
            "choice.dispatchEvent(new Event('change'))"
        )
        self.assertNotIn(" bytes", self.text_of("#chart-tiles .tip"))

    def test_axes_and_lines_have_names(self):
        self.driver.open("all.html")
        for view, names in (
            ("tiles", ["tile", "bytes"]),
            ("memory", ["superstep", "bytes"]),
            ("packing", ["time since the start", "requests"]),
            ("recompiles", ["time since the first event", "price"]),
            ("differences", ["change of cycles, slower to the right"]),
        ):
            self.go(view)
            said = self.run_js(
                "return [...document.querySelectorAll(`#chart-${arguments[0]} text.axis`)]"
                ".map((one) => one.textContent)",
                view,
            )
            self.assertEqual(said[: len(names)], names)
        self.go("supersteps")
        self.assertIn("balance", self.text_of("#chart-supersteps .legend"))

    def test_a_failed_compile_is_marked(self):
        self.driver.open("failed.html", "verdict")
        self.assertIn("1 (1 failed) in ", self.text_of("section[data-view=verdict] dl"))
        self.go("recompiles")
        self.assertEqual(len(self.run_js(
            "return [...document.querySelectorAll('#chart-recompiles .failed')]")), 1)  # fmt: skip
        self.assertIn("failed", self.text_of("#chart-recompiles .legend"))
        self.assertIn("Out of memory", self.cells("events", 10)[0])
        with open(path("failed.html"), encoding="utf-8") as file:
            table = file.read().partition('<table id="table-events">')[2].partition("</table>")[0]
        self.assertIn("Out of memory", table)

    def test_a_narrow_screen_scrolls_boxes_and_not_the_page(self):
        self.narrow(700)
        for page in ("all.html", "oom.html"):
            self.driver.open(page)
            for view in VIEWS:
                self.go(view)
                wide = self.run_js("return document.documentElement.scrollWidth")
                self.assertLessEqual(wide, 700, view)

    def test_paper_has_every_column(self):
        self.narrow(718)  # A4 upright, with margins of 10 mm
        self.driver.devtools("Emulation.setEmulatedMedia", media="print")
        self.addCleanup(self.driver.devtools, "Emulation.setEmulatedMedia", media="")
        for page in ("all.html", "oom.html"):
            self.driver.open(page)
            self.run_js("window.dispatchEvent(new Event('beforeprint'))")
            out = self.run_js(
                "return [...document.querySelectorAll('main th, main td, main canvas, main svg,"
                " main pre')].filter((one) => one.getBoundingClientRect().right > 719"
                " || (one.matches('pre, th') && one.scrollWidth > one.clientWidth + 1))"
                ".map((one) => one.tagName + ' ' + one.textContent.slice(0, 40)"
                " + (one.closest('section') || one).dataset.view)"
            )
            self.assertEqual(out, [])


if __name__ == "__main__":
    sys.exit(unittest.main())
