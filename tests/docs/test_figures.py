# SPDX-License-Identifier: Apache-2.0
"""docs/validation.md and docs/pictures/figures.json say what bench_figures prints."""

import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ["TESSERA_SOURCE_DIR"]
BENCH = os.environ["TESSERA_BENCH_FIGURES"]


def printed(*flags):
    return subprocess.run([BENCH, *flags], check=True, capture_output=True, text=True).stdout


class Figures(unittest.TestCase):
    def test_the_page_has_the_table_as_it_is_printed(self):
        with open(os.path.join(SOURCE, "docs", "validation.md"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn("```\n" + printed() + "```\n", page)

    def test_the_picture_has_the_figures_as_they_are_printed(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as figures:
            figures.write(printed("--json"))
            figures.flush()
            script = os.path.join(SOURCE, "scripts", "draw_pictures")
            flags = ["--check", "--figures", figures.name, "--tessera", os.environ["TESSERA"]]
            done = subprocess.run(
                [sys.executable, script, *flags], check=False, capture_output=True, text=True
            )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
