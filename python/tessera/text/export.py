# SPDX-License-Identifier: Apache-2.0
"""An ONNX model of a folder that holds weights alone, written by PyTorch where that is installed
with transformers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import tempfile
from typing import Any

from tessera.errors import Error
from tessera.text.cache import Cache, digest
from tessera.text.folder import Folder

__all__ = ["exported"]

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_CLASSES = {
    "embed": "AutoModel",
    "classify": "AutoModelForSequenceClassification",
    "rerank": "AutoModelForSequenceClassification",
    "ner": "AutoModelForTokenClassification",
    "answer": "AutoModelForQuestionAnswering",
}
_OUTPUTS = {
    "embed": ("last_hidden_state",),
    "classify": ("logits",),
    "rerank": ("logits",),
    "ner": ("logits",),
    "answer": ("start_logits", "end_logits"),
}


def exported(folder: Folder, cache: Cache) -> str:
    """The path of the model, in the cache."""
    weights = [name for name in _WEIGHTS if os.path.isfile(os.path.join(folder.encoder, name))]
    if not weights:
        raise Error(
            f"{folder.path}: has no model.onnx, no onnx/model.onnx and no weights, must have one "
            "of them"
        )
    missing = [name for name in ("torch", "transformers") if not importlib.util.find_spec(name)]
    if missing:
        raise Error(
            f"{folder.path}: has no model.onnx or onnx/model.onnx, and {' and '.join(missing)}, "
            "which would export it, is not there: pip install torch transformers onnxscript, or "
            "export it elsewhere (optimum-cli export onnx)"
        )
    facts = []
    for name in (*weights, "config.json"):
        status = os.stat(os.path.join(folder.encoder, name))
        facts.append((name, status.st_size, status.st_mtime_ns))
    # Not by importing them: they take seconds, and what is kept needs neither.
    versions = [importlib.metadata.version(name) for name in ("torch", "transformers")]
    where = os.path.realpath(folder.encoder)
    name = digest("export", where, folder.task, facts, versions) + ".onnx"
    if not cache.has(name):
        with tempfile.TemporaryDirectory(prefix="tessera-text-") as own:
            path = os.path.join(own, "model.onnx")
            _export(folder, path)
            with open(path, "rb") as file:
                cache.write(name, file.read())
    return cache.path(name)


def _takes(folder: Folder, model: Any) -> list[str]:
    """Its inputs: types only where the model has more than one."""
    import inspect

    names = ["input_ids", "attention_mask"]
    has_types = "token_type_ids" in inspect.signature(model.forward).parameters
    if has_types and folder.config.get("type_vocab_size", 0) > 1:
        names.append("token_type_ids")
    return names


def _export(folder: Folder, path: str) -> None:
    import torch
    import transformers

    kind = getattr(transformers, _CLASSES[folder.task])
    try:
        model = kind.from_pretrained(folder.encoder, local_files_only=True).eval().float()
    except (OSError, ValueError) as error:
        raise Error(f"{folder.path}: transformers cannot load it: {error}") from None
    takes, gives = _takes(folder, model), _OUTPUTS[folder.task]

    class ByName(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *arrays: Any) -> Any:
            answer = self.model(**dict(zip(takes, arrays)), return_dict=True)
            return tuple(answer[name] for name in gives)

    ids = torch.randint(5, 50, (3, 16), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    example = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    arrays = tuple(example[name] for name in takes)
    axes = {0: "batch", 1: "sequence"}
    common = {"input_names": takes, "output_names": list(gives)}
    new = importlib.util.find_spec("onnxscript") is not None
    with torch.no_grad():
        if new:
            free = dict.fromkeys(axes, torch.export.Dim.DYNAMIC)
            torch.onnx.export(
                ByName().eval(),
                arrays,
                path,
                dynamo=True,
                opset_version=18,
                dynamic_shapes=(tuple(dict(free) for _ in arrays),),
                external_data=False,
                verbose=False,
                **common,
            )
        else:
            torch.onnx.export(
                ByName().eval(),
                arrays,
                path,
                dynamo=False,
                opset_version=17,
                dynamic_axes={name: dict(axes) for name in takes},
                **common,
            )
