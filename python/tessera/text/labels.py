# SPDX-License-Identifier: Apache-2.0
"""Classification of texts, and how well each fits a query (a cross-encoder)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from tessera.errors import Error, UsageError
from tessera.text.folder import Folder
from tessera.text.jobs import Answer, Array, Job, logits, sigmoid, softmax

__all__ = ["FUNCTIONS", "classify_job", "rerank_job"]

#: The functions that make scores of a model's numbers, by name.
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "softmax": softmax,
    "sigmoid": sigmoid,
    "none": lambda values: values,
}


def usual_function(config: dict[str, Any], count: int) -> str:
    """As transformers has it: none in a regression, sigmoid where labels do not exclude each other,
    or there is one, and softmax for the rest."""
    kind = config.get("problem_type")
    if kind == "regression":
        return "none"
    if kind == "multi_label_classification" or count == 1:
        return "sigmoid"
    return "softmax"


def _scores(answer: Answer, function: str | None, config: dict[str, Any]) -> Array:
    values = logits(answer).reshape(-1)
    name = usual_function(config, len(values)) if function is None else function
    return np.asarray(FUNCTIONS[name](values))


def _check(function: str | None) -> None:
    if function is not None and function not in FUNCTIONS:
        raise UsageError(f"function: is {function!r}, must be one of {', '.join(FUNCTIONS)}")


def classify_job(
    folder: Folder, encodings: Sequence[Any], *, top_k: int | None, function: str | None
) -> Job:
    _check(function)
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k: is {top_k}, must be at least 1")
    names = folder.labels

    def finish(answers: list[Answer]) -> list[list[dict[str, Any]]]:
        made = []
        for answer in answers:
            scores = _scores(answer, function, folder.config)
            best = np.argsort(-scores, kind="stable")[:top_k]
            made.append(
                [
                    {"label": names.get(int(i), f"LABEL_{i}"), "score": float(scores[i])}
                    for i in best
                ]
            )
        return made

    return Job(encodings, finish)


def stored_function(config: dict[str, Any]) -> str:
    """The function of a CrossEncoder: the one that it was saved with, else sigmoid."""
    own = config.get("sentence_transformers")
    stored = own.get("activation_fn") if isinstance(own, dict) else None
    stored = stored or config.get("sbert_ce_default_activation_function")
    if stored is None:
        return "sigmoid"
    name = str(stored).rpartition(".")[2]
    known = {"Sigmoid": "sigmoid", "Identity": "none"}
    if name not in known:
        raise Error(f"config.json: the activation is {stored}, must be Sigmoid or Identity")
    return known[name]


def rerank_job(
    folder: Folder, encodings: Sequence[Any], *, top_k: int | None, function: str | None
) -> Job:
    _check(function)
    name = stored_function(folder.config) if function is None else function

    def finish(answers: list[Answer]) -> list[dict[str, Any]]:
        scores = []
        for answer in answers:
            values = logits(answer).reshape(-1)
            if len(values) != 1:
                raise Error(f"{folder.path}: gives {len(values)} scores a pair, must give one")
            scores.append(float(FUNCTIONS[name](values)[0]))
        order = sorted(range(len(scores)), key=lambda i: -scores[i])[:top_k]
        return [{"index": i, "score": scores[i]} for i in order]

    return Job(encodings, finish)
