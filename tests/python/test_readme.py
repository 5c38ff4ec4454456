# SPDX-License-Identifier: Apache-2.0
"""The Python that README.md and docs/python.md print, as printed there, in one folder a page."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

import tiny


def blocks(page):
    with open(os.path.join(tiny.SOURCE, page), encoding="utf-8") as file:
        return re.findall(r"^```python\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)


class Pages(unittest.TestCase):
    def run_page(self, page):
        printed = blocks(page)
        self.assertTrue(printed, page)
        with tempfile.TemporaryDirectory() as folder:
            tiny.command_line(
                "make-model", "--preset", "mini", "-o", os.path.join(folder, "bert.onnx")
            )
            for script in printed:
                done = subprocess.run(
                    [sys.executable, "-c", script], cwd=folder, text=True, capture_output=True
                )
                self.assertEqual((done.returncode, done.stderr), (0, ""), script)

    def test_readme(self):
        self.run_page("README.md")

    def test_python(self):
        self.run_page("docs/python.md")


if __name__ == "__main__":
    unittest.main()
