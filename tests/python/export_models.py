#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real exports, end to end: transformers.onnx writes tiny models with random weights, Tessera
compiles them padded and packed, and every answer is compared with PyTorch's for that request alone.

Needs torch 1.13, transformers 4.27 and onnx from PyPI. `export_models.py [MODEL …]`: those alone.
Prints a line for each model and task, and exits with 1 if an answer is further off than the
tolerance."""

import itertools
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

import tessera

os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers.onnx import FeaturesManager, export  # noqa: E402

TASKS = ("default", "question-answering", "sequence-classification", "token-classification")
ROWS, LENGTH, MOST = 4, 32, 12  # the hidden size too: a pooler must not be taken for tokens
VOCABULARY = 120
TOLERANCE = 2e-4
SIZES = {"vocab_size": VOCABULARY, "max_position_embeddings": 80}
COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
CONFIGS = {
    "bert": transformers.BertConfig(**SIZES, **COMMON),
    "distilbert": transformers.DistilBertConfig(
        **SIZES, dim=32, n_layers=2, n_heads=4, hidden_dim=64
    ),
    "roberta": transformers.RobertaConfig(**SIZES, **COMMON, type_vocab_size=1),
    "electra": transformers.ElectraConfig(**SIZES, **COMMON, embedding_size=16),
    "albert": transformers.AlbertConfig(**SIZES, **COMMON, embedding_size=16),
}


def tokenizer(folder, with_types):
    """A tokenizer of single words; the exporter wants one for its example inputs."""
    path = os.path.join(folder, "vocab.txt")
    with open(path, "w") as file:
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(100)]
        file.write("\n".join(words) + "\n")
    made = transformers.BertTokenizerFast(path)
    if not with_types:
        made.model_input_names = ["input_ids", "attention_mask"]
    return made


def requests(takes_types):
    random = np.random.default_rng(7)
    for length in random.integers(1, LENGTH + 1, 25):
        request = {"input_ids": random.integers(5, VOCABULARY, length)}
        if takes_types:
            request["token_type_ids"] = random.integers(0, 2, length)
        yield request


def expected(model, request):
    with torch.no_grad():
        inputs = {name: torch.from_numpy(tokens[None]) for name, tokens in request.items()}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        return [tensor[0].numpy() for tensor in model(**inputs).to_tuple()]


def largest_difference(runner, model, asked):
    worst = 0.0
    for answer, request in zip(runner.run_requests(asked), asked):
        # By their order: the exporter gives a pooler's output a number for its name.
        for output, alone in zip(runner.outputs, expected(model, request)):
            array = answer[output.name]
            worst = max(worst, float(np.abs(array - alone.reshape(array.shape)).max()))
    return worst


def check(kind, task, folder):
    torch.manual_seed(0)
    model = FeaturesManager.get_model_class_for_feature(task).from_config(CONFIGS[kind]).eval()
    _, onnx_config = FeaturesManager.check_supported_model_or_raise(model, feature=task)
    path = Path(folder) / f"{kind}-{task}.onnx"
    config = onnx_config(model.config)
    takes_types = "token_type_ids" in config.inputs
    export(tokenizer(folder, takes_types), model, config, config.default_onnx_opset, path)

    asked = list(requests(takes_types))
    shape = {"input_shape": {"input_ids": (ROWS, LENGTH)}}
    told = []
    for name, options in (
        ("padded", {}),
        ("form A", {"pack_args": {"max_valid_num": MOST, "segment_max_size": LENGTH}}),
        ("form B", {"passes": "insert_attention_mask"}),
    ):
        executable = tessera.compile(path, **shape, **options)
        with tessera.ModelRunner(executable) as runner:
            worst = largest_difference(runner, model, asked)
        if worst > TOLERANCE:
            raise AssertionError(
                f"{kind} {task} {name}: off by {worst}, must be at most {TOLERANCE}"
            )
        told.append(f"{name} {worst:.1e}")
    print(f"{kind:<11}{task:<25}{', '.join(told)}", flush=True)


def main():
    print(
        f"torch {torch.__version__}, transformers {transformers.__version__}; "
        "largest difference to PyTorch over 25 requests"
    )
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind, task in itertools.product(sys.argv[1:] or CONFIGS, TASKS):
            try:
                check(kind, task, folder)
            except Exception as error:  # noqa: BLE001  (whatever the exporter raises)
                failed += 1
                print(f"{kind:<11}{task:<25}FAILED: {type(error).__name__}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
