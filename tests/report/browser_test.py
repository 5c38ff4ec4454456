# SPDX-License-Identifier: Apache-2.0
"""Reports in a real Chromium: what a reader sees and clicks, asked of the page itself."""

import html
import json
import sys
import time
import unittest

from browser import FOLDER, BrowserTest, path, report_all, run_online, tessera, write_events

VIEWS = ["verdict", "tiles", "memory", "supersteps", "operations", "placement", "packing",
         "recompiles", "differences", "provenance"]  # fmt: skip


class Reports(BrowserTest):
    @classmethod
    def make(cls):
        tessera("make-model", "--preset", "tiny", "-o", "tiny.onnx")
        compile_it = ["compile", "--input_model", "tiny.onnx", "--precision", "fp16"]
        shape = ["--input_shape", "input_ids=4,64"]
        tessera(*compile_it, *shape, "-o", "padded.popef")
        packed = ["--pack_args", "max_valid_num=10", "segment_max_size=64"]
        tessera(*compile_it, *shape, *packed, "-o", "packed.popef")
        write_events("input_ids=4,64", "input_ids=4,48")
        run_online("--requests", "200", "--avg_seq_len", "30", "--vocab", "100")
        report_all("all.html")
        cls.inspected = json.loads(tessera("inspect", "padded.popef", "--json"))

    def test_every_view_draws_without_an_error_or_a_request(self):
        self.driver.open("all.html")
        for view in VIEWS:
            self.go(view)
            shown = self.run_js(
                "return [...document.querySelectorAll('main > section')]"
                ".filter((one) => !one.hidden).map((one) => one.dataset.view)"
            )
            self.assertEqual(shown, [view])
        for view in ("tiles", "supersteps", "placement", "packing"):
            self.go(view)
            self.assertGreater(
                self.run_js(
                    "return document.querySelector(`#chart-${arguments[0]} canvas`).width", view
                ),
                0,
            )
        self.assert_quiet()
        asked = [url for url in self.driver.requests() if not url.startswith("file://" + FOLDER)]
        self.assertEqual(asked, [])

    def test_a_bench_and_a_plan_are_drawn(self):
        bench = ["bench", "padded.popef", "packed.popef", "--iterations", "2", "--vocab", "100"]
        said = tessera(*bench, "--avg_seq_len", "20", "--json")
        with open(path("bench.json"), "w", encoding="utf-8") as file:
            file.write(said)
        tessera("pack", "--random", "40", "--rows", "4", "-o", "plan.json")
        with open(path("policies.json"), "w", encoding="utf-8") as file:
            file.write(tessera("pack", "--random", "40", "--rows", "4", "--compare", "--json"))
        tessera("report", "bench.json", "plan.json", "policies.json", "-o", "figures.html")
        self.driver.open("figures.html", "plan/1")
        shown = self.run_js("return document.querySelector('#chart-packing h3').textContent")
        self.assertTrue(shown.startswith("Batch 1 of "), shown)
        runs = json.loads(said)["runs"]
        self.assertEqual(self.numbers("bench", 3), [run["batches"] for run in runs])
        dots = (
            "return [...document.querySelectorAll('#chart-packing svg.percentiles title')]"
            ".map((title) => title.textContent)"
        )
        self.assertEqual(len([dot for dot in self.run_js(dots) if "max: " in dot]), 4)
        labels = "return [...document.querySelectorAll('svg.bars')].map((one) => one.ariaLabel)"
        self.assertIn("Requests a second, modelled on the IPU", self.run_js(labels))
        self.assertIn("Batches by policy", self.run_js(labels))
        self.assert_quiet()

    def test_a_click_on_a_tile_shows_that_tile(self):
        self.driver.open("all.html", "tiles")
        self.run_js(
            "const canvas = document.querySelector('#chart-tiles canvas');"
            "const box = canvas.getBoundingClientRect();"
            "canvas.dispatchEvent(new MouseEvent('click',"
            "  {clientX: box.left + 3, clientY: box.top + 3, bubbles: true}))"
        )
        time.sleep(0.1)
        self.assertEqual(self.run_js("return window.location.hash"), "#tiles/0")
        title = self.run_js("return document.querySelector('#tile-panel h3').textContent")
        self.assertTrue(title.startswith("Tile 0 "), title)

    def test_links_lead_to_views_in_a_notebook(self):
        with open(path("all.html"), encoding="utf-8") as file:
            page = html.escape(file.read(), quote=True)
        with open(path("notebook.html"), "w", encoding="utf-8") as file:
            file.write(f'<!DOCTYPE html><iframe srcdoc="{page}" sandbox="allow-scripts"></iframe>')
        self.driver.open("notebook.html")
        frame = {"using": "css selector", "value": "iframe"}
        self.driver.ask("POST", "/frame", {"id": self.driver.ask("POST", "/element", frame)})
        self.run_js("document.querySelector('nav a[href=\"#tiles\"]').click()")
        time.sleep(0.2)
        shown = "return document.querySelector('main > section:not([hidden])').dataset.view"
        self.assertEqual(self.run_js(shown), "tiles")
        self.assertEqual(self.run_js("return window.location.href"), "about:srcdoc#tiles")
        self.assert_quiet()

    def test_a_superstep_leads_to_its_operation_and_back(self):
        self.driver.open("all.html", "supersteps/3")
        step = self.inspected["supersteps"][3]
        panel = "document.getElementById('superstep-panel')"
        self.assertIn(step["name"], self.run_js(f"return {panel}.textContent"))
        self.run_js(f"{panel}.querySelector('a[href^=\"#operations/\"]').click()")
        time.sleep(0.1)
        operation = self.run_js("return document.getElementById('operation-panel').textContent")
        for node in step["origin"]:
            self.assertIn(node, operation)
        back = "document.querySelector('#operation-panel a[href=\"#supersteps/3\"]')"
        self.assertIsNotNone(self.run_js(f"return {back} && {back}.textContent"))

    def test_parts_of_a_variable_add_up_to_it(self):
        self.driver.open("all.html", "variables/0")
        count = len(self.run_js("return [...document.querySelectorAll('#table-variables tbody tr')]"
                                ".map((row) => row.cells[0].textContent)"))  # fmt: skip
        sizes = self.numbers("variables", 3)
        for number in range(0, count, 5):
            self.go(f"variables/{number}")
            total = self.run_js(
                "return Number(document.getElementById('placement-facts').dataset.v)"
            )
            self.assertEqual(total, sizes[number])

    def test_tables_are_sorted_and_filtered(self):
        self.driver.open("all.html", "operations")
        self.run_js("document.querySelectorAll('#table-operations th button')[3].click()")
        cycles = self.numbers("operations", 3)
        self.assertEqual(cycles, sorted(cycles, reverse=True))
        self.run_js("document.querySelectorAll('#table-operations th button')[3].click()")
        self.assertEqual(self.numbers("operations", 3), sorted(cycles))
        left = self.run_js(
            "const filter = document.querySelector('section[data-view=operations] input');"
            "filter.value = 'attention'; filter.dispatchEvent(new Event('input'));"
            "return [...document.querySelectorAll('#table-operations tbody tr')]"
            ".filter((row) => !row.hidden).map((row) => row.textContent)"
        )
        self.assertTrue(left)
        self.assertTrue(all("attention" in row for row in left))

    def test_keys_choose_a_view_and_a_superstep(self):
        self.driver.open("all.html", "supersteps/0")
        press = (
            "arguments[0].split(' ').forEach((key) => (document.querySelector(arguments[1])"
            " || document.body).dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})))"
        )
        self.run_js(press, "ArrowRight ArrowRight Enter", "#chart-supersteps canvas")
        time.sleep(0.1)
        self.assertEqual(self.run_js("return window.location.hash"), "#supersteps/2")
        self.run_js(press, "]", "body")
        time.sleep(0.1)
        self.assertEqual(self.run_js("return window.location.hash"), "#operations")

    def tab_to(self, selector):
        """Presses Tab until this has the focus."""
        for _ in range(60):
            self.driver.press("Tab")
            if self.run_js("return document.activeElement.matches(arguments[0])", selector):
                return
        self.fail(f"Tab never leads to {selector}")

    def test_all_is_reached_with_a_keyboard_alone(self):
        self.driver.open("all.html")
        self.driver.press("Tab", "Enter")  # the menu is skipped
        self.driver.press("]")
        self.tab_to("#chart-tiles canvas")
        tile = self.inspected["memory"]["peak_tile"]
        self.driver.press("ArrowRight", "ArrowRight", "Enter")
        self.assertEqual(self.run_js("return window.location.hash"), f"#tiles/{tile + 2}")
        self.driver.press("]")
        self.tab_to("#chart-memory svg")
        peak = int(self.text_of("#memory-panel h3").split(" superstep ")[1].split(",")[0])
        self.driver.press("ArrowRight", "ArrowRight", "ArrowRight", "Enter")
        self.assertIn(f" superstep {peak + 3}, ", self.text_of("#memory-panel h3"))
        self.driver.press("]")
        self.tab_to("#chart-supersteps canvas")
        self.driver.press("ArrowLeft", "Enter")
        self.assertEqual(self.run_js("return window.location.hash"), f"#supersteps/{peak + 2}")
        self.driver.press("]")
        self.tab_to("#table-operations th:nth-child(4) button")
        self.driver.press("Enter")
        cycles = self.numbers("operations", 3)
        self.assertEqual(cycles, sorted(cycles, reverse=True))
        self.tab_to("#table-operations a")
        self.driver.press("Enter")
        self.assertRegex(self.run_js("return window.location.hash"), r"^#operations/\d+$")
        self.assert_quiet()

    def test_the_menu_can_be_skipped(self):
        self.driver.open("all.html", "supersteps/2")
        self.run_js("document.querySelector('.skip').click()")
        self.assertEqual(self.run_js("return document.activeElement.id"), "views")
        self.assertEqual(self.run_js("return window.location.hash"), "#supersteps/2")

    def test_dark_mode_and_print_show_all(self):
        self.driver.open("all.html")
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        self.driver.devtools("Emulation.setEmulatedMedia", features=dark)
        paper = "return getComputedStyle(document.body).backgroundColor"
        self.assertNotEqual(self.run_js(paper), "rgb(255, 255, 255)")
        self.driver.devtools("Emulation.setEmulatedMedia", features=[])
        self.assertEqual(self.run_js(paper), "rgb(255, 255, 255)")
        hidden = (
            "window.dispatchEvent(new Event('beforeprint'));"
            "const views = [...document.querySelectorAll('main > section')];"
            "return views.filter((one) => one.hidden).length"
        )
        self.assertEqual(self.run_js(hidden), 0)
        self.assert_quiet()

    def test_without_scripts_the_tables_are_there(self):
        self.driver.devtools("Emulation.setScriptExecutionDisabled", value=True)
        try:
            self.driver.open("all.html")
            # Chromium's own view of what is laid out: no script of the page is asked.
            document = self.driver.devtools("DOM.getDocument", depth=0)
            node = self.driver.devtools(
                "DOM.querySelector", nodeId=document["root"]["nodeId"], selector="#table-operations"
            )
            box = self.driver.devtools("DOM.getBoxModel", nodeId=node["nodeId"])
            self.assertGreater(box["model"]["height"], 100)
        finally:
            self.driver.devtools("Emulation.setScriptExecutionDisabled", value=False)

    def test_what_does_not_fit_says_so_and_what_would(self):
        tessera("make-model", "--preset", "mini", "-o", "mini.onnx")
        shape = ["--input_shape", "input_ids=8,256", "--target", "test"]
        tessera("report", "mini.onnx", *shape, "-o", "oom.html")
        self.driver.open("oom.html")
        text = self.run_js(
            "return document.querySelector('section[data-view=verdict]').textContent"
        )
        self.assertIn("does not fit", text)
        self.go("tiles")
        self.assertIn("over 16,777,216", self.run_js("return document.body.textContent"))
        self.assert_quiet()


if __name__ == "__main__":
    sys.exit(unittest.main())
