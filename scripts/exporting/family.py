# SPDX-License-Identifier: Apache-2.0
"""A family of models: a class of Transformers, small enough to export in seconds, with a head or a
pooling as people export them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import normalize

TEXT = ("input_ids", "attention_mask")
TYPED = (*TEXT, "token_type_ids")
VOCABULARY, WIDTH, LAYERS, HEADS, INNER, PLACES = 128, 32, 2, 4, 48, 64


@dataclass(frozen=True)
class Family:
    config: str  # a class of Transformers
    model: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    pick: Callable[..., Any]  # the outputs, of what the model returned and of the inputs by name
    sizes: dict[str, Any] = field(default_factory=dict)
    signal: tuple[int, ...] = ()  # sizes behind the batch, of an input that is not tokens


def first(count):
    return lambda made, given: tuple(made[i] for i in range(count))


def named(*names):
    return lambda made, given: tuple(getattr(made, name) for name in names)


def mean_pooled(made, given):
    weights = given["attention_mask"][..., None].to(made[0].dtype)
    mean = (made[0] * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
    return (normalize(mean, dim=1),)


def first_pooled(made, given):
    return (normalize(made[0][:, 0], dim=1),)


def last_pooled(made, given):
    rows = torch.arange(made[0].shape[0], device=made[0].device)
    return (normalize(made[0][rows, given["attention_mask"].sum(dim=1) - 1], dim=1),)


HIDDEN = (("last_hidden_state",), first(1))
POOLED = (("last_hidden_state", "pooler_output"), first(2))
LOGITS = (("logits",), named("logits"))
SPANS = (("start_logits", "end_logits"), named("start_logits", "end_logits"))
MEAN = (("sentence_embedding",), mean_pooled)
FIRST = (("sentence_embedding",), first_pooled)
LAST = (("sentence_embedding",), last_pooled)

HEAD_CLASSES = {
    "hidden": ("Model", HIDDEN),
    "default": ("Model", POOLED),
    "meanpool": ("Model", MEAN),
    "clspool": ("Model", FIRST),
    "lastpool": ("Model", LAST),
    "qa": ("ForQuestionAnswering", SPANS),
    "tokcls": ("ForTokenClassification", LOGITS),
    "seqcls": ("ForSequenceClassification", LOGITS),
    "mlm": ("ForMaskedLM", LOGITS),
    "disc": ("ForPreTraining", LOGITS),
    "cls": ("ForImageClassification", LOGITS),
}


def usual(**more):
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": PLACES,
        **more,
    }


FAMILIES: dict[str, Family] = {}


def add(name, stem, heads, takes, sizes, signal=(), model=None):
    """A family for each head, named NAME_HEAD; `stem` is what the classes' names begin with."""
    for head in heads.split():
        suffix, (gives, pick) = HEAD_CLASSES[head]
        FAMILIES[f"{name}_{head}"] = Family(
            f"{stem}Config", model or stem + suffix, takes, gives, pick, sizes, signal
        )


SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
