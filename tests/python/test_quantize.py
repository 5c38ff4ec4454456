# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import unittest

import numpy as np

import tessera
import tiny


class Quantize(unittest.TestCase):
    def test_says_what_the_command_line_says_and_writes_the_same(self):
        report = tessera.quantize(tiny.model(), tiny.path("by_python.onnx"), threads=1)
        words = ("quantize", tiny.model(), "-o", tiny.path("by_verb.onnx"), "--threads", "1")
        printed = json.loads(tiny.command_line(*words, "--json").stdout)
        for name in ("outputs", "matmuls", "samples", "warnings"):
            self.assertEqual(report[name], printed[name])
        by_python, by_verb = (
            pathlib.Path(tiny.path(name)).read_bytes()
            for name in ("by_python.onnx", "by_verb.onnx")
        )
        self.assertEqual(by_python, by_verb)

    def test_calibration_is_requests_or_rows_of_any_whole_numbers(self):
        request = {"input_ids": np.arange(2, 9), "token_type_ids": np.zeros(7, np.int32)}
        rows = {"input_ids": [[2, 3, 4], [5, 6, 7]], "attention_mask": [[1, 1, 1], [1, 1, 0]]}
        path = tiny.path("static.onnx")
        report = tessera.quantize(
            tiny.model(), path, scales="static", calibration=[request, rows], max_error=0.5
        )
        self.assertEqual(report["warnings"], [])
        self.assertEqual(report["samples"], "2 samples, in 2 batches of 2x7")
        self.assertLessEqual(report["worst_error"], 0.5)
        made = tessera.compile(path, input_shape=tiny.SHAPE)
        with tessera.ModelRunner(made) as runner:
            self.assertEqual(set(runner.run(tiny.batch())), {"start_logits", "end_logits"})

    def test_a_model_may_be_in_memory_and_matmuls_left_out(self):
        with open(tiny.model(), "rb") as file:
            content = file.read()
        report = tessera.quantize(content, tiny.path("memory.onnx"))
        first = report["matmuls"][0]["node"]
        report = tessera.quantize(
            content, tiny.path("memory.onnx"), skip_op_names=[first], input_shape=None
        )
        self.assertEqual(report["matmuls"][0]["why_not"], "asked for")
        self.assertEqual(report["quantized"], len(report["matmuls"]) - 1)

    def test_wrong_arguments_are_errors_and_nothing_is_written(self):
        path = tiny.path("none.onnx")
        for words, pattern in (
            ({"scales": "row"}, "must be token, tensor or static"),
            ({"max_error": 0.1, "skip_most_sensitive": 1}, "at most one of them"),
            ({"skip_op_names": ["nobody"]}, "there is no matmul by a weight 'nobody'"),
        ):
            with self.assertRaisesRegex(tessera.UsageError, pattern):
                tessera.quantize(tiny.model(), path, **words)
        with self.assertRaisesRegex(tessera.Error, "sample '0': has no 'input_ids'"):
            tessera.quantize(tiny.model(), path, calibration=[{}])
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main()
