# SPDX-License-Identifier: Apache-2.0
"""The model of the tests: make-model's tiny BERT, and executables of it, made once a process."""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile

import numpy as np

import tessera

ROWS, LENGTH, VOCABULARY = 4, 32, 100
SHAPE = {"input_ids": (ROWS, LENGTH)}
SOURCE = os.environ["TESSERA_SOURCE_DIR"]


@functools.lru_cache(None)
def folder():
    path = tempfile.mkdtemp(prefix="tessera-python-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def path(name):
    return os.path.join(folder(), name)


def command_line(*words, check=True):
    """Runs the installed `tessera`."""
    return subprocess.run(("tessera", *words), check=check, capture_output=True, text=True)


@functools.lru_cache(None)
def model():
    command_line("make-model", "--preset", "tiny", "-o", path("tiny.onnx"))
    return path("tiny.onnx")


@functools.lru_cache(None)
def popef(precision="fp32", packing=None):
    """`packing`: None, "A" or "B"."""
    name = path(f"{precision}-{packing}.popef")
    options = {"input_shape": SHAPE, "precision": precision}
    if packing == "A":
        options["pack_args"] = {"max_valid_num": 10, "segment_max_size": LENGTH}
    if packing == "B":
        options["passes"] = "insert_attention_mask"
    tessera.compile(model(), name, **options)
    return name


def batch(seed=0, dtype=np.int32):
    """Inputs of the padded executable."""
    random = np.random.default_rng(seed)
    return {
        "input_ids": random.integers(0, VOCABULARY, (ROWS, LENGTH)).astype(dtype),
        "attention_mask": np.ones((ROWS, LENGTH), dtype),
        "token_type_ids": random.integers(0, 2, (ROWS, LENGTH)).astype(dtype),
    }


def empty_outputs(dtype=np.float32):
    return {name: np.zeros((ROWS, LENGTH), dtype) for name in ("start_logits", "end_logits")}
