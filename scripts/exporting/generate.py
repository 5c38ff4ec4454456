# SPDX-License-Identifier: Apache-2.0
"""A family's model with random weights, written by one exporter at one opset.

Needs torch, transformers, onnx and onnxscript; optimum for the exporter of that name. The weights
are large enough that a lost mask, position or bias shows in the answers."""

import importlib
import logging
import os
import re
import shutil
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch  # noqa: E402
import transformers  # noqa: E402

from exporting.families import FAMILIES  # noqa: E402
from exporting.family import VOCABULARY  # noqa: E402

#: EXPORTER-OPSET-ATTENTION; optimum chooses the attention itself.
EXPORTERS = (
    *(f"dynamo-{opset}-{how}" for opset in (18, 20, 23) for how in ("sdpa", "eager")),
    *(f"torchscript-{opset}-{how}" for opset in (14, 17, 18, 20) for how in ("sdpa", "eager")),
    "optimum-14",
    "optimum-18",
)


def class_of(name):
    """`name` is one of Transformers', or a module's."""
    module, _, name = name.rpartition(".")
    return getattr(importlib.import_module(module) if module else transformers, name)


def randomize(model):
    """Matrices of deviation 0.15, biases of 0.1, norms around 1."""
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            drawn = torch.randn(weight.shape, generator=random)
            is_scale = weight.dim() == 1 and re.search(r"norm.*\.weight$", name, re.IGNORECASE)
            if is_scale:
                weight.copy_(1 + 0.1 * drawn)
            else:
                weight.copy_(drawn * (0.15 if weight.dim() > 1 else 0.1))
    return model.eval()


def model_of(family, attention):
    config = class_of(family.config)(**family.sizes)
    kind = class_of(family.model)
    torch.manual_seed(0)
    if attention is None:
        return randomize(kind(config))
    config._attn_implementation = attention
    make = getattr(kind, "_from_config", None)
    if make is None:
        return randomize(kind(config))
    try:
        return randomize(make(config, attn_implementation=attention))
    except ValueError:  # it has one attention, whatever is asked for
        config._attn_implementation = "eager"
        return randomize(make(config, attn_implementation="eager"))


class ByName(torch.nn.Module):
    """Takes a family's inputs in their order, and gives what it picks."""

    def __init__(self, model, family):
        super().__init__()
        self.model, self.family = model, family

    def forward(self, *arrays):
        given = dict(zip(self.family.takes, arrays))
        return self.family.pick(self.model(**given), given)


def example(family):
    """Three rows of different lengths."""
    random = torch.Generator().manual_seed(3)
    if family.signal:
        return (torch.randn((3, *family.signal), generator=random),)
    mask = torch.zeros((3, 16), dtype=torch.int64)
    for row, length in enumerate((16, 6, 11)):
        mask[row, :length] = 1
    made = {
        "attention_mask": mask,
        "input_ids": torch.randint(5, VOCABULARY, mask.shape, generator=random) * mask,
        "token_type_ids": torch.randint(0, 2, mask.shape, generator=random) * mask,
        "bbox": torch.randint(0, 60, (*mask.shape, 4), generator=random).sort(-1).values,
    }
    return tuple(made[name] for name in family.takes)


def export_with_torch(family, exporter, path):
    how, opset, attention = exporter.split("-")
    module, inputs = ByName(model_of(family, attention), family), example(family)
    common = {
        "opset_version": int(opset),
        "input_names": list(family.takes),
        "output_names": list(family.gives),
    }
    axes = {0: "batch"} if family.signal else {0: "batch", 1: "sequence"}
    if how == "torchscript":
        by_name = {name: dict(axes) for name in family.takes}
        torch.onnx.export(module, inputs, path, dynamo=False, dynamic_axes=by_name, **common)
        return
    free = dict.fromkeys(axes, torch.export.Dim.DYNAMIC)
    torch.onnx.export(
        module,
        inputs,
        path,
        dynamo=True,
        dynamic_shapes=(tuple(dict(free) for _ in inputs),),
        external_data=False,
        verbose=False,
        **common,
    )


TASKS = {
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMaskedLM": "fill-mask",
    "ForImageClassification": "image-classification",
}


def export_with_optimum(family, exporter, path):
    from optimum.exporters.onnx import onnx_export_from_model

    if family.gives == ("sentence_embedding",):
        raise SystemExit("optimum exports the model without a pooling of ours")
    endings = (task for end, task in TASKS.items() if family.model.endswith(end))
    folder = path + ".folder"
    onnx_export_from_model(
        model_of(family, None),
        folder,
        task=next(endings, "feature-extraction"),
        opset=int(exporter.split("-")[1]),
        do_validation=False,
    )
    os.replace(os.path.join(folder, "model.onnx"), path)
    shutil.rmtree(folder)


def export(name, exporter, path):
    """The family of this name, to a file that is whole or not there."""
    by_exporter = export_with_optimum if exporter.startswith("optimum") else export_with_torch
    part = path + ".part"
    try:
        by_exporter(FAMILIES[name], exporter, part)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)
