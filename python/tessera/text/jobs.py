# SPDX-License-Identifier: Apache-2.0
"""A call as data: the requests that it makes of its texts, and what makes its result of their
answers. The library waits for the answers in a thread, the server in its event loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from tessera.errors import Error

__all__ = ["Answer", "Job", "logits", "softmax"]

Array = np.ndarray[Any, Any]
Request = dict[str, Array]
Answer = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Job:
    encodings: Sequence[Any]  #: a request each
    finish: Callable[[list[Answer]], Any]
    answer_bytes: int = 0  #: of the result and its JSON, where that is more than a few a token

    @property
    def tokens(self) -> int:
        return sum(len(encoding) for encoding in self.encodings)


def softmax(values: Array) -> Array:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))


def logits(answer: Answer, name: str = "logits") -> Array:
    """An output by its name, or the only one."""
    if name in answer:
        return np.asarray(answer[name], np.float32)
    if len(answer) == 1 and name == "logits":
        return np.asarray(next(iter(answer.values())), np.float32)
    raise Error(f"the model: has the outputs {', '.join(answer)}, must have {name}")
