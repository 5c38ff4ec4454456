# SPDX-License-Identifier: Apache-2.0
"""The packing chapter's steps by its commands."""

import csv
import os
import re
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import tessera
import tiny
from poprt_shell import AS_POPRT, ITERATIONS, LENGTH, MOST, PRESET, ROWS, VOCABULARY, poprt


class Chapter(unittest.TestCase):
    """Convert padded and packed with the flags that the chapter prints, then run its example."""

    def convert(self, folder, model):
        shape = f"{ROWS},{LENGTH}"
        common = [
            "--input_model",
            model,
            "--precision",
            "fp16",
            "--input_shape",
            f"input_ids={shape}",
            f"attention_mask={shape}",
            f"token_type_ids={shape}",
            f"position_ids={shape}",
        ]
        return [
            poprt(*common, "--output_model", "padded.onnx", cwd=folder),
            poprt(
                *common,
                "--output_model",
                "packed.onnx",
                "--pack_args",
                f"max_valid_num={MOST}",
                f"segment_max_size={LENGTH}",
                "head_pattern=s:0->MatMul:1->Add:2->Split:3->Squeeze:4->e:5",
                "Split:3->Squeeze:6->e:7",
                "dynamic_groups=[[input_ids,]]",
                cwd=folder,
            ),
            poprt(
                *common,
                "--output_model",
                "masked.onnx",
                "--passes",
                "insert_attention_mask",
                cwd=folder,
            ),
        ]

    def example(self, folder):
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "error",
                os.path.join(tiny.SOURCE, "tests/python/packed_bert.py"),
                "--model_without_packing",
                "padded.onnx",
                "--model_with_packing_unpack_repack",
                "packed.onnx",
                "--model_with_packing_attention_mask",
                "masked.onnx",
                "--batch_size",
                str(ROWS),
                "--max_seq_len",
                str(LENGTH),
                "--max_valid_num",
                str(MOST),
                "--avg_seq_len",
                str(LENGTH // 2),
                "--iterations",
                str(ITERATIONS),
                "--emb_size",
                str(VOCABULARY),
                "--dump_results",
            ],
            env=AS_POPRT,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        if PRESET != "tiny":
            print(done.stdout)
        runs = re.findall(
            r"^\[(.*?)\] Throughput: (\S+) samples/s, Latency ?: (\S+) ms",
            done.stdout,
            re.MULTILINE,
        )
        self.assertEqual(len(runs), 6, done.stdout)
        # One for each of the script's lines, in their order.
        told = re.findall(
            r"^    modelled IPU: (\S+) samples/s, \S+ ms \((\d+) samples in (\d+) batches\)$",
            done.stderr,
            re.MULTILINE,
        )
        self.assertEqual([count for _, count, _ in told], [str(ROWS * ITERATIONS)] * 6, done.stderr)
        self.assertEqual(told[0][2], str(ITERATIONS))
        self.assertLess(int(told[1][2]), ITERATIONS)
        errors = [float(e) for e in re.findall(r"average mae: (\S+)", done.stdout)]
        self.assertEqual(len(errors), 12)
        self.assertLess(max(errors), 2e-3)  # of fp16, and of the float16 arrays it keeps
        with open(os.path.join(folder, "original_padded.csv")) as file:
            rows = list(csv.reader(file))
        self.assertEqual(len(rows), ROWS * ITERATIONS)
        self.assertTrue(os.path.exists(os.path.join(folder, "pack_online_packed.csv")))

    def test_without_the_first_step(self):
        with tempfile.TemporaryDirectory() as folder:
            tiny.command_line("make-model", "--preset", PRESET, "-o", f"{folder}/model.onnx")
            told = self.convert(folder, "model.onnx")
            self.assertIn("the shape of position_ids has no effect", told[0].stderr)
            self.assertEqual(told[1].stderr.count("pack_args head_pattern has no effect"), 1)
            self.assertIn("pack_args dynamic_groups has no effect", told[1].stderr)
            self.example(folder)

    def test_after_the_first_step(self):
        """With position_ids made an input, as add_position_ids leaves it."""
        with tempfile.TemporaryDirectory() as folder:
            tiny.command_line("make-model", "--preset", PRESET, "-o", f"{folder}/model.onnx")
            tessera.convert(
                f"{folder}/model.onnx",
                f"{folder}/positions.onnx",
                passes="extract_position_ids",
                input_shape={"input_ids": (ROWS, LENGTH)},
            )
            self.assertIn(
                "position_ids", [i.name for i in tessera.model_inputs(f"{folder}/positions.onnx")]
            )
            told = self.convert(folder, "positions.onnx")
            self.assertNotIn("position_ids", told[0].stderr)
            feed = {
                name: np.ones((ROWS, LENGTH), np.int32)
                for name in ("input_ids", "attention_mask", "token_type_ids")
            }
            positions = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
            from poprt.backend import get_session

            given = (
                get_session(f"{folder}/padded.onnx", 1, "poprt")
                .load()
                .run(["start_logits"], {**feed, "position_ids": positions})
            )
            with tessera.ModelRunner(
                tessera.compile(
                    f"{folder}/model.onnx",
                    precision="fp16",
                    input_shape={"input_ids": (ROWS, LENGTH)},
                )
            ) as runner:
                np.testing.assert_allclose(given[0], runner.run(feed)["start_logits"], atol=2e-3)
            for name in ("packed", "masked"):
                self.assertIsNotNone(tessera.compile(f"{folder}/{name}.onnx").packing)


if __name__ == "__main__":
    unittest.main()
