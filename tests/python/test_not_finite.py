# SPDX-License-Identifier: Apache-2.0
"""Infinities that half precision made: every call that gives answers warns of them."""

import os
import unittest
import warnings

import numpy as np

import tessera
import tiny

MODEL = os.path.join(tiny.SOURCE, "tests", "data", "cases", "overflow_in_fp16", "model.onnx")
FINE, LOST = {"input_ids": np.array([1, 2, 3, 4])}, {"input_ids": np.array([5, 9, 6, 9])}
BATCH = {"input_ids": np.stack([FINE["input_ids"], LOST["input_ids"]])}
WORDS = "output 'y': 4 of {} numbers are not finite"


def executable(precision="fp16"):
    name = tiny.path(f"overflow-{precision}.popef")
    tessera.compile(MODEL, name, input_shape={"input_ids": (2, 4)}, precision=precision)
    return name


class NotFinite(unittest.TestCase):
    def warned(self, call, words):
        with self.assertWarnsRegex(tessera.NotFiniteWarning, words) as caught:
            answer = call()
        self.assertEqual(caught.filename, __file__)
        return answer

    def test_it_is_a_runtime_warning(self):
        self.assertTrue(issubclass(tessera.NotFiniteWarning, RuntimeWarning))

    def test_whole_batches(self):
        with tessera.ModelRunner(executable(), threads=1) as runner:
            answer = self.warned(lambda: runner.run(BATCH), WORDS.format(16))
            self.assertEqual(int(np.sum(~np.isfinite(answer["y"]))), 4)
            future = runner.submit(BATCH)
            self.warned(future.result, WORDS.format(16))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                future.result()  # said once

    def test_single_requests(self):
        with tessera.ModelRunner(executable(), threads=1) as runner:
            self.warned(lambda: runner.run_requests([FINE, LOST]), "request 1: " + WORDS.format(8))
        with tessera.PackRunner(executable(), threads=1, timeout=0.001) as runner:
            fine, lost = runner.submit(FINE), runner.submit(LOST)
            self.warned(lost.result, WORDS.format(8))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                fine.result()
            self.assertEqual(runner.metrics()["not_finite"], 1)

    def test_sessions(self):
        with tessera.Session(
            MODEL, precision="fp16", threads=1, on_recompile="pad", warm_up=[{"input_ids": (2, 8)}]
        ) as session:
            self.warned(lambda: session.run(BATCH), WORDS.format(16))
        with tessera.Session(MODEL, precision="fp16", threads=1, on_recompile="allow") as session:
            self.warned(lambda: session.run(BATCH), WORDS.format(16))

    def test_nothing_is_said_in_fp32_and_an_error_is_what_the_caller_makes_of_it(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with tessera.ModelRunner(executable("fp32"), threads=1) as runner:
                runner.run(BATCH)
            with (
                tessera.ModelRunner(executable(), threads=1) as runner,
                self.assertRaises(tessera.NotFiniteWarning),
            ):
                runner.run(BATCH)


if __name__ == "__main__":
    unittest.main()
