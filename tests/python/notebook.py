# SPDX-License-Identifier: Apache-2.0
"""A notebook that Jupyter's own kernel carries out and nbconvert turns into a page, which is opened
in a real Chromium: the last value of each cell is seen as a report, with charts, links, numbers."""

import csv
import json
import os
import textwrap
import time
import unittest

import nbformat
from browser import BrowserTest, path, tessera
from nbclient import NotebookClient
from nbconvert import HTMLExporter

CELLS = {
    "executable": "tessera.load('padded.popef')",
    "events": """
        shape = (4, 64)
        inputs = {name: np.ones(shape, np.int32)
                  for name in ('input_ids', 'attention_mask', 'token_type_ids')}
        with tessera.Session('tiny.onnx', on_recompile='allow') as session:
            session.run(inputs)
            events = session.recompiles()
        events""",
    "plan": """
        lengths = [3, 9, 16, 5, 5, 31, 2, 60, 44, 12]
        packed = tessera.load('packed.popef')
        tessera.pack(lengths, packed, policy='best_fit')""",
    "bench": "tessera.bench('padded.popef', iterations=2)",
    "policies": "tessera.pack.compare(lengths, packed)",
    "shapes": "tessera.pack.tune(lengths, executables=['padded.popef', 'packed.popef'])",
    "report": "tessera.report('padded.popef', 'packed.popef', events=events)",
}


def cells():
    yield nbformat.v4.new_code_cell("import numpy as np\nimport tessera")
    for name, source in CELLS.items():
        yield nbformat.v4.new_code_cell(
            textwrap.dedent(source).strip(), id=name, metadata={"tags": [name]}
        )


class Notebook(BrowserTest):
    @classmethod
    def make(cls):
        tessera("make-model", "--preset", "tiny", "-o", "tiny.onnx")
        compile_it = ["compile", "--input_model", "tiny.onnx", "--input_shape", "input_ids=4,64"]
        tessera(*compile_it, "-o", "padded.popef")
        packed = ["--pack_args", "max_valid_num=10", "segment_max_size=64"]
        tessera(*compile_it, *packed, "-o", "packed.popef")
        notebook = nbformat.v4.new_notebook(cells=list(cells()))
        where = {"metadata": {"path": path("")}}
        cls.done = NotebookClient(notebook, timeout=300, resources=where).execute()
        # The template without what nbconvert would fetch from the network.
        body, _ = HTMLExporter(template_name="basic").from_notebook_node(cls.done)
        with open(path("notebook.html"), "w", encoding="utf-8") as file:
            file.write(f'<!DOCTYPE html><meta charset="utf-8">{body}')
        cls.inspected = json.loads(tessera("inspect", "padded.popef", "--json"))

    def enter(self, name):
        """The frame that the cell shows; all that follows is asked of it."""
        self.driver.ask("POST", "/frame", {"id": None})
        number = list(CELLS).index(name)
        frames = self.driver.ask("POST", "/elements", {"using": "css selector", "value": "iframe"})
        self.assertEqual(len(frames), len(CELLS))
        self.driver.ask("POST", "/frame", {"id": frames[number]})

    def follow(self, view):
        self.run_js(f"document.querySelector('nav a[href=\"#{view}\"]').click()")
        time.sleep(0.2)

    def shown(self):
        return self.run_js(
            "return document.querySelector('main > section:not([hidden])').dataset.view"
        )

    def views(self):
        return self.run_js("return [...document.querySelectorAll('nav a')].map((a) => a.hash)")

    def test_each_value_has_html_and_text(self):
        for cell in self.done.cells[1:]:
            (output,) = cell.outputs
            self.assertTrue(output.data["text/html"].startswith("<iframe"), cell.id)
            self.assertTrue(output.data["text/plain"], cell.id)

    def test_each_value_is_seen_as_its_views(self):
        self.driver.open("notebook.html")
        time.sleep(1)
        expected = {"executable": "#tiles", "events": "#recompiles", "plan": "#packing",
                    "bench": "#packing", "policies": "#packing", "shapes": "#packing",
                    "report": "#differences"}  # fmt: skip
        for name, view in expected.items():
            with self.subTest(name):
                self.enter(name)
                self.assertIn(view, self.views())
                self.follow(view[1:])
                self.assertEqual(self.shown(), view[1:])
                chart = f"document.querySelector('#chart-{view[1:]}')"
                self.assertGreater(
                    self.run_js(f"return {chart}.querySelectorAll('svg, canvas').length"), 0
                )
                self.assertGreater(self.run_js(f"return {chart}.offsetHeight"), 50)
        self.assert_quiet()
        asked = [
            url for url in self.driver.requests() if url.split(":")[0] not in ("file", "about")
        ]
        self.assertEqual(asked, [])

    def test_numbers_are_those_of_inspect(self):
        self.driver.open("notebook.html")
        time.sleep(1)
        for name in ("executable", "report"):
            self.enter(name)
            self.assertEqual(sum(self.numbers("operations", 3)), self.inspected["cycles"]["total"])
        self.enter("events")
        self.assertEqual(self.cells("events", 1), ["cold compile"])

    def test_a_table_can_be_downloaded(self):
        self.driver.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=path(""))
        self.driver.open("notebook.html")
        time.sleep(1)
        self.enter("executable")
        self.follow("supersteps")
        self.run_js(
            "[...document.querySelectorAll('section:not([hidden]) button')]"
            ".find((one) => one.textContent === 'Download CSV').click()"
        )
        for _ in range(40):
            if os.path.exists(path("table-supersteps.csv")):
                break
            time.sleep(0.1)
        with open(path("table-supersteps.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(
            [int(row["compute"]) for row in rows],
            [step["compute_cycles"] for step in self.inspected["supersteps"]],
        )
        self.assert_quiet()


if __name__ == "__main__":
    unittest.main()
