# SPDX-License-Identifier: Apache-2.0
"""From a vector a token to a vector a text: the modules that sentence-transformers stores behind
the encoder, on NumPy arrays of one text."""

from __future__ import annotations

import math
import os
from typing import Any, Callable

import numpy as np

from tessera.errors import Error, UsageError
from tessera.extras import needed
from tessera.text.folder import Module
from tessera.text.jobs import Array

__all__ = ["Steps", "unit"]

#: In the order in which sentence-transformers concatenates them where several are true.
_OLD_NAMES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def _weighted_mean(tokens: Array, first: int) -> Array:
    weights = np.arange(1, len(tokens) + 1, dtype=np.float32)[first:, None]
    return np.asarray((tokens[first:] * weights).sum(axis=0) / max(float(weights.sum()), 1e-9))


#: The ways of pooling the tokens from ``first`` on. The tokens before it are a prompt that does not
#: count.
_MODES: dict[str, Callable[[Array, int], Any]] = {
    "cls": lambda tokens, first: tokens[first],
    "max": lambda tokens, first: tokens[first:].max(axis=0),
    "mean": lambda tokens, first: tokens[first:].mean(axis=0),
    "mean_sqrt_len_tokens": lambda tokens, first: (
        tokens[first:].sum(axis=0) / np.float32(math.sqrt(len(tokens) - first))
    ),
    "weightedmean": _weighted_mean,
    "lasttoken": lambda tokens, first: tokens[-1],
}
_MODES["mean_sqrt_len"] = _MODES["mean_sqrt_len_tokens"]


def _erf(values: Array) -> Any:
    return np.vectorize(math.erf, otypes=[np.float32])(values)


_ACTIVATIONS: dict[str, Callable[[Array], Any]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "GELU": lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2,
    "SiLU": lambda x: x / (1 + np.exp(-x)),
}


def _weights(module: Module) -> dict[str, Array]:
    path = os.path.join(module.path, "model.safetensors")
    if os.path.isfile(path):
        numpy_files = needed("safetensors.numpy", "text", path)
        try:
            return {k: np.asarray(v, np.float32) for k, v in numpy_files.load_file(path).items()}
        except Exception as error:  # noqa: BLE001  (it raises a class of its own)
            raise Error(f"{path}: must be a file of safetensors: {error}") from None
    path = os.path.join(module.path, "pytorch_model.bin")
    if not os.path.isfile(path):
        raise Error(f"{module.path}: has no model.safetensors, must have the weights")
    try:
        import torch
    except ImportError:
        raise Error(
            f"{path}: is read by PyTorch, which is not there: pip install torch, or save the model "
            "again as safetensors"
        ) from None
    read = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.float().numpy() for name, tensor in read.items()}


def _dense(module: Module) -> Callable[[Array], Array]:
    config, weights = module.config, _weights(module)
    name = str(config.get("activation_function") or "Identity").rpartition(".")[2]
    activation = _ACTIVATIONS.get(name)
    if activation is None:
        raise Error(
            f"{module.path}: has the activation {name}, must be one of {', '.join(_ACTIVATIONS)}"
        )
    for key in ("module_input_name", "module_output_name"):
        if config.get(key, "sentence_embedding") not in (None, "sentence_embedding"):
            raise Error(f"{module.path}: {key} is {config[key]}, must be sentence_embedding")
    matrix = weights.get("linear.weight")
    if matrix is None:
        raise Error(f"{module.path}: has no linear.weight, must have it")
    bias = weights.get("linear.bias", np.float32(0))
    kept: Callable[[Array], Any] = activation  # a local is not narrowed inside the function
    return lambda vector: np.asarray(kept(matrix @ vector + bias), np.float32)


def _layer_norm(module: Module) -> Callable[[Array], Array]:
    weights = _weights(module)
    scale, shift = weights["norm.weight"], weights["norm.bias"]

    def norm(vector: Array) -> Array:
        centred = vector - vector.mean()
        return np.asarray(centred / np.sqrt(centred.var() + 1e-5) * scale + shift, np.float32)

    return norm


def _modes(config: dict[str, Any]) -> list[str]:
    given = config.get("pooling_mode")
    if given is None:
        given = [mode for key, mode in _OLD_NAMES.items() if config.get(key)] or ["mean"]
    modes = [given] if isinstance(given, str) else list(given)
    for mode in modes:
        if mode not in _MODES:
            raise UsageError(f"pooling: is {mode!r}, must be of {', '.join(sorted(_MODES))}")
    return modes


class Steps:
    """The modules of a folder; without any, the mean of the tokens."""

    def __init__(self, modules: tuple[Module, ...]) -> None:
        self.modes = ["mean"]
        self.counts_prompt = True
        self.normalizes = False  # whether the last step makes vectors of length 1
        self._behind: list[Callable[[Array], Array]] = []
        normalizes_at = 0
        for module in modules:
            self.normalizes = module.kind == "Normalize" or (
                self.normalizes and module.kind == "Dropout"
            )
            if module.kind == "Pooling":
                self.modes = _modes(module.config)
                self.counts_prompt = module.config.get("include_prompt", True) is not False
            elif module.kind == "Dense":
                self._behind.append(_dense(module))
            elif module.kind == "LayerNorm":
                self._behind.append(_layer_norm(module))
            elif module.kind == "Normalize":
                normalizes_at = len(self._behind)
                self._behind.append(unit)
            elif module.kind != "Dropout":
                raise Error(
                    f"{module.path}: is a module {module.kind}, must be Transformer, Pooling, "
                    "Dense, LayerNorm, Normalize or Dropout"
                )
        if self.normalizes:
            del self._behind[normalizes_at]  # the caller may want it left out

    def pooled(self, tokens: Array, prompt_tokens: int = 0) -> Array:
        """One vector of the tokens' vectors of a text, whose first ``prompt_tokens`` are its
        prompt's."""
        first = 0 if self.counts_prompt else min(prompt_tokens, len(tokens) - 1)
        tokens = tokens.astype(np.float32, copy=False)
        return np.concatenate([_MODES[mode](tokens, first) for mode in self.modes])

    def behind(self, vector: Array) -> Array:
        """The steps behind pooling, but for a last normalization."""
        for step in self._behind:
            vector = step(vector)
        return vector
