#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fp8 on a trained model: all-MiniLM-L6-v2 as minilm.py has it, its embeddings in fp8 beside those
of PyTorch in float32, by format and by calibration.

  minilm_fp8.py FOLDER

Every fifth text calibrates, the others are measured. What must hold: a calibrated fp8 is no worse
than the scales of the default, and F143 is within 0.02 of a cosine of 1 in the mean. Prints the
table of docs/fp8.md."""

import argparse
import importlib.util
import os

import numpy as np

import tessera
from tessera import requests

HERE = os.path.dirname(os.path.abspath(__file__))
# The example's module has the name minilm too.
SPEC = importlib.util.spec_from_file_location("minilm_test", os.path.join(HERE, "minilm.py"))
test = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(test)

SHAPE = {"input_ids": (4, 256)}
PACKED = {"pack_args": {"max_valid_num": 16, "segment_max_size": 256}}
LOSSES = ("mse", "mae", "snr", "kld", "cos_dist")
FORMATS = ("F143,F143", "F152,F143", "F143,F152", "F152,F152")


def embedded(path, options, asked):
    executable = tessera.compile(path, **options, **PACKED)
    with tessera.ModelRunner(executable) as runner:
        answers = runner.run_requests(asked, policy="lpfhp")
    ours = np.stack([np.asarray(a["sentence_embedding"]).reshape(-1) for a in answers])
    return ours / np.linalg.norm(ours, axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    folder = parser.parse_args().folder
    path = test.minilm.export(folder)
    file = os.path.join(folder, "tokenizer.json")
    tokenizer = requests.load_tokenizer(file)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sized = tessera.compile(path, input_shape=SHAPE)
    asked = requests.of_texts(sized, test.texts(tokenizer), file)
    calibration, asked = asked[::5], [one for i, one in enumerate(asked) if i % 5]
    expected = test.alone(test.minilm.load(folder), asked)

    def cosines(**options):
        ours = embedded(path, {"input_shape": SHAPE, **options}, asked)
        return (ours * expected).sum(1)

    half = cosines(precision="fp16")
    print(f"fp16: least cosine {half.min():.5f}, mean {half.mean():.5f}, {len(asked)} texts")
    print("| precision | formats | " + " | ".join(("default", *LOSSES)) + " |")
    print("| --- | --- |" + " --- |" * (1 + len(LOSSES)))
    for precision, formats in (
        *(("fp8", formats) for formats in FORMATS),
        ("fp8_weight", "F143,F143"),
        ("fp8_weight", "F143,F152"),
    ):
        options = {"precision": precision, "fp8_params": f"{formats},-1,-1", "input_shape": SHAPE}
        found = {"default": cosines(**options)}
        for loss in LOSSES:
            calibrated = tessera.calibrate_fp8(
                path, calibration, calibration_loss_type=loss, **options
            )
            found[loss] = cosines(**calibrated.options)
        cells = (f"{one.min():.4f}, {one.mean():.4f}" for one in found.values())
        print(f"| {precision} | {formats} | " + " | ".join(cells) + " |", flush=True)
        best = max(one.mean() for name, one in found.items() if name != "default")
        test.must(best >= found["default"].mean() - 1e-3, f"{precision} {formats}: calibration")
        if "F152" not in formats:
            test.must(best >= 0.98, f"{precision} {formats}: best mean cosine is {best:.4f}")


if __name__ == "__main__":
    main()
