# SPDX-License-Identifier: Apache-2.0
"""packing_utils.pack_data, as PopRT's users call it."""

import unittest

import numpy as np

import poprt_compat.install  # noqa: F401  (so that packing_utils is found)
import tessera


class Request:
    def __init__(self, length):
        self.input_len = length
        self.input_ids = np.full(length, 9)
        self.token_type_ids = np.ones(length, int)
        self.attention_mask = np.ones(length, int)


def rows(text):
    return [[int(cell) for cell in row.split()] for row in text.split("|")]


class PackData(unittest.TestCase):
    """The published vectors."""

    def pack(self, lengths, batch, **options):
        import packing_utils

        return packing_utils.pack_data([Request(n) for n in lengths], 0, batch, 8, 8, 1, **options)

    def test_end_to_end(self):
        packed = self.pack(range(1, 8), 4)
        self.assertEqual(
            packed.data["attention_mask"].tolist(),
            rows("1 2 2 3 3 3 4 4|4 4 5 5 5 5 5 6|6 6 6 6 6 7 7 7|7 7 7 7 0 0 0 0"),
        )
        self.assertEqual(packed.data["position_ids"][1].tolist(), [2, 3, 0, 1, 2, 3, 4, 0])
        self.assertEqual(packed.unpack_info[:, 0].tolist(), [1, 2, 3, 4, 5, 6, 7, 0])
        self.assertEqual((packed.count, len(packed.specs)), (7, 7))
        self.assertEqual(packed.specs[3], (3, 1, 2, 4))

    def test_within_rows(self):
        packed = self.pack(range(1, 8), 4, across_rows=False)
        self.assertEqual(
            packed.data["attention_mask"].tolist(),
            rows("1 2 2 3 3 3 0 0|1 1 1 1 0 0 0 0|1 1 1 1 1 0 0 0|1 1 1 1 1 1 0 0"),
        )
        self.assertEqual(packed.count, 6)

    def test_with_delimiters(self):
        packed = self.pack([3, 2, 5, 1, 4], 3, across_rows=False, zero_delimiter_num=1)
        self.assertEqual(
            packed.data["attention_mask"].tolist(),
            rows("1 1 1 0 2 2 0 0|1 1 1 1 1 0 2 0|1 1 1 1 0 0 0 0"),
        )
        self.assertEqual(packed.unpack_info[:5, 0].tolist(), [4, 4, 6, 2, 8])

    def test_what_would_spin_or_mix_is_refused(self):
        import packing_utils

        for spoil, words in [
            (lambda r: setattr(r, "input_len", 0), "request 0: has 0 tokens"),
            (lambda r: setattr(r, "input_ids", np.zeros(2)), "request 0: input_ids is of shape"),
            (
                lambda r: setattr(r, "attention_mask", np.array([1, 0, 1])),
                r"request 0: attention_mask is not 1 at \[1\]",
            ),
        ]:
            request = Request(3)
            spoil(request)
            with self.assertRaisesRegex(tessera.UsageError, words):
                packing_utils.pack_data([request], 0, 4, 8, 8)
        with self.assertRaisesRegex(
            tessera.UsageError, "request 0: has 9 tokens, must have at most 8"
        ):
            self.pack([9], 4, across_rows=False)
        with self.assertRaisesRegex(tessera.UsageError, "must have at most 32"):
            self.pack([33], 4)


if __name__ == "__main__":
    unittest.main()
