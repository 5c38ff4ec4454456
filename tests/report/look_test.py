# SPDX-License-Identifier: Apache-2.0
"""A page can be read: nothing is cut without a word, marks and colours tell what they say, also on
narrow screens and on paper. Asked of a real Chromium."""

import json
import re
import sys
import unittest

from browser import BrowserTest, report_all, run_online, tessera, write_events

COMPILE = ["compile", "--input_model", "tiny.onnx", "--precision", "fp16",
           "--input_shape", "input_ids=4,64"]  # fmt: skip
SMALL = "c600,tiles=64,bytes_per_tile=40000"


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
