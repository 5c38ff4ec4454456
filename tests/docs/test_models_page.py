# SPDX-License-Identifier: Apache-2.0
"""docs/models.md is what scripts/exports writes, and reads back."""

import os
import sys
import unittest

ROOT = os.environ["TESSERA_SOURCE_DIR"]
sys.path.insert(0, os.path.join(ROOT, "scripts"))

from exporting.page import page, read  # noqa: E402

RESULTS = {
    "dynamo-18-eager": {
        "bert": {"padded": 2e-06, "fp16": 0.04, "A": {"refused": "a|b <c> *d*"}, "B": 1e-06},
        "ours": {"padded": 1e-06, "fp16": 1e-3, "A": 1e-06, "B": 1e-06, "evaluated": "no kernel"},
        "swin": {
            "padded": {"failed": "ended with -11"},
            "fp16": 1e-3,
            "A": {"refused": "its inputs are not tokens"},
            "B": {"refused": "its inputs are not tokens"},
        },
        "t5": {"left_out": "says nothing"},
    }
}


class ModelsPage(unittest.TestCase):
    def test_what_is_written_is_read(self):
        self.assertEqual(read(page(RESULTS)), RESULTS)

    def test_nobody_changed_the_page(self):
        with open(os.path.join(ROOT, "docs", "models.md"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(page(read(text)), text)


if __name__ == "__main__":
    unittest.main()
