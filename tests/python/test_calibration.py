# SPDX-License-Identifier: Apache-2.0
"""Scales of fp8 by data, from Python and in PopRT's words."""

import os
import pathlib
import pickle
import subprocess
import sys
import unittest

import numpy as np

import tessera
import tiny

SHAPE = {"input_ids": (4, 32)}


def requests():
    random = np.random.default_rng(3)
    return [{"input_ids": random.integers(1, 90, length)} for length in (5, 32, 17)]


class Calibrate(unittest.TestCase):
    def test_gives_options_that_compile_as_the_command_line_does(self):
        found = tessera.calibrate_fp8(
            tiny.model(),
            requests(),
            precision="fp8",
            input_shape=SHAPE,
            num_of_layers_keep_fp16=2,
            calibration_loss_type="mse",
            threads=1,
        )
        worst = sorted(found.matmuls, key=lambda one: -one.losses["mse"])
        self.assertEqual(
            sorted(found.options["fp8_skip_op_names"]), sorted(one.name for one in worst[:2])
        )
        self.assertEqual(
            found.options["fp8_op_params"].count("="), len(found.matmuls) - 2, found.options
        )
        made = tessera.compile(tiny.model(), **found.options)
        for i, arrays in enumerate(requests()):
            os.makedirs(tiny.path(f"calibration/{i}"), exist_ok=True)
            for name, array in arrays.items():
                np.save(tiny.path(f"calibration/{i}/{name}.npy"), array)
        by_verb = tiny.path("calibrated.popef")
        said = tiny.command_line(
            *("compile", "-i", tiny.model(), "-o", by_verb, "--precision", "fp8"),
            *("--input_shape", "input_ids=4,32", "--calibration_with_data"),
            *("--data_preprocess", tiny.path("calibration"), "--calibration_loss_type", "mse"),
            *("--num_of_layers_keep_fp16", "2", "--precision_compare"),
        )
        made.save(tiny.path("by_python.popef"))
        by_python, by_verb = (
            pathlib.Path(path).read_bytes() for path in (tiny.path("by_python.popef"), by_verb)
        )
        self.assertEqual(by_python, by_verb)
        for one in found.matmuls:
            self.assertRegex(said.stderr, rf"(?m)^{one.name} +{one.fp8_params} ")
        with tessera.ModelRunner(made) as runner:
            self.assertEqual(set(runner.run(tiny.batch())), {"start_logits", "end_logits"})

    def test_wrong_arguments_are_errors(self):
        for words, error in (
            ({"calibration_loss_type": "gptq"}, "must be one of mse, mae, snr, kld, cos_dist"),
            ({"num_of_layers_keep_fp16": 1000}, "num_of_layers_keep_fp16: is 1000, must be from 0"),
        ):
            with self.assertRaisesRegex(tessera.UsageError, error):
                tessera.calibrate_fp8(tiny.model(), requests(), input_shape=SHAPE, **words)
        with self.assertRaisesRegex(tessera.Error, "there is no sample to calibrate with"):
            tessera.calibrate_fp8(tiny.model(), [], input_shape=SHAPE)
        with self.assertRaisesRegex(tessera.Error, "sample '0': has no 'input_ids'"):
            tessera.calibrate_fp8(tiny.model(), [{}], input_shape=SHAPE)


class Stranger:
    def __reduce__(self):
        return print, ("this ran",)


class PopRT(unittest.TestCase):
    def poprt(self, *words):
        command = [sys.executable, "-m", "poprt_compat.cli", "-i", tiny.model(), *words]
        command += ["--output_dir", tiny.folder(), "--input_shape", "input_ids=4,32"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def calibrated(self, path):
        return self.poprt(
            *("--precision", "fp8", "--calibration_with_data", "--precision_compare"),
            *("--data_preprocess", path, "--output_model", "fp8.onnx"),
        )

    def test_data_is_a_pickle_or_an_archive_of_arrays(self):
        ids = {"input_ids": np.arange(1, 33, dtype=np.int64).reshape(1, 32)}
        with open(tiny.path("data.pickle"), "wb") as file:
            pickle.dump(ids, file)
        np.savez(tiny.path("data.npz"), **ids)
        by_pickle, by_archive = (
            self.calibrated(tiny.path(name)) for name in ("data.pickle", "data.npz")
        )
        self.assertEqual(by_pickle.returncode, 0, by_pickle.stderr)
        self.assertIn("F143,F143,", by_pickle.stderr)
        self.assertEqual(by_pickle.stderr, by_archive.stderr)
        self.assertIsNotNone(tessera.compile(tiny.path("fp8.onnx")))

    def test_a_pickle_runs_nothing(self):
        with open(tiny.path("stranger.pickle"), "wb") as file:
            pickle.dump({"input_ids": Stranger()}, file)
        done = self.calibrated(tiny.path("stranger.pickle"))
        self.assertNotIn("this ran", done.stdout)
        self.assertEqual(done.returncode, 1)
        self.assertIn("builtins.print is not part of an array", done.stderr)

    def test_flags_without_their_fellows(self):
        done = self.poprt("--precision", "fp8", "--calibration_with_data")
        self.assertEqual(done.returncode, 2)
        self.assertIn("must be with --data_preprocess FILE", done.stderr)
        done = self.poprt("--precision", "fp8", "--precision_compare")
        self.assertEqual(done.returncode, 2)
        self.assertIn("must be with --calibration_with_data", done.stderr)


if __name__ == "__main__":
    unittest.main()
