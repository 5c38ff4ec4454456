# SPDX-License-Identifier: Apache-2.0
"""The C++ that README.md prints is readme_example.cpp, and does what it says."""

import os
import re
import subprocess
import tempfile
import unittest

SOURCE = os.environ["TESSERA_SOURCE_DIR"]


def text_of(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return file.read()


class Readme(unittest.TestCase):
    def test_the_page_prints_the_source_that_is_compiled(self):
        blocks = re.findall(r"^```cpp\n(.*?)^```$", text_of("README.md"), re.DOTALL | re.MULTILINE)
        self.assertEqual(len(blocks), 1)
        source = text_of("tests", "docs", "readme_example.cpp")
        self.assertEqual(blocks[0], source[source.index("#include") :])

    def test_it_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            make = [os.environ["TESSERA"], "make-model", "--preset", "mini", "-o", "bert.onnx"]
            subprocess.run(make, cwd=folder, check=True, capture_output=True)
            done = subprocess.run(
                os.environ["TESSERA_README_EXAMPLE"],
                cwd=folder,
                check=False,
                capture_output=True,
                text=True,
            )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "4096 logits\n", ""))


if __name__ == "__main__":
    unittest.main()
