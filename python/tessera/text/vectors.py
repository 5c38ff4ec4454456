# SPDX-License-Identifier: Apache-2.0
"""Vectors of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tessera import _core
from tessera.errors import Error, UsageError
from tessera.text.folder import Folder
from tessera.text.jobs import Answer, Array, Job
from tessera.text.pooling import Steps, unit

__all__ = ["Embedder"]

#: Outputs that exporters give a vector a token, and a vector a text, by name.
_TOKENS = ("token_embeddings", "last_hidden_state")
#: Bytes of a number as float32, and as JSON.
_NUMBER_BYTES = 4 + 12
_TEXTS = ("sentence_embedding", "text_embeds", "embeddings")


class Embedder:
    """The kind of a model's output, and the steps from it to a vector."""

    def __init__(self, folder: Folder, executable: _core.Executable) -> None:
        self.steps = Steps(folder.modules)
        names = [tensor.name for tensor in executable.outputs]
        packing = executable.packing
        one_a_text = dict(packing.per_request) if packing is not None else {}
        self.output = next((name for name in _TOKENS if name in names), None)
        self.of_tokens = self.output is not None
        shapes = [tensor.shape for tensor in executable.outputs if tensor.shape]
        self.width = max((shape[-1] for shape in shapes), default=1)
        if self.output is None:
            self.output = next((name for name in _TEXTS if name in names), None)
        if self.output is None:
            if len(names) != 1:
                raise Error(
                    f"{folder.path}: has the outputs {', '.join(names)}, must have one of "
                    f"{', '.join(_TOKENS + _TEXTS)}, or one in all"
                )
            self.output = names[0]
            self.of_tokens = not one_a_text.get(self.output, len(executable.outputs[0].shape) == 2)

    def job(
        self,
        encodings: Sequence[Any],
        *,
        prompt_tokens: int = 0,
        normalize: bool | None = None,
        dimensions: int | None = None,
    ) -> Job:
        """``normalize``: None for what the folder says. ``dimensions``: how many numbers of
        a vector to give, the first; of length 1 again where vectors are normalized."""
        if dimensions is not None and dimensions < 1:
            raise UsageError(f"dimensions: is {dimensions}, must be at least 1")
        to_unit = self.steps.normalizes if normalize is None else normalize

        def finish(answers: list[Answer]) -> Array:
            made = np.stack([self._vector(answer, prompt_tokens) for answer in answers])
            if dimensions is not None:
                if dimensions > made.shape[1]:
                    raise UsageError(
                        f"dimensions: is {dimensions}, must be at most the model's {made.shape[1]}"
                    )
                made = made[:, :dimensions]
            return unit(made) if to_unit else np.ascontiguousarray(made, np.float32)

        return Job(encodings, finish)

    def _vector(self, answer: Answer, prompt_tokens: int) -> Array:
        assert self.output is not None
        array = np.asarray(answer[self.output], np.float32)
        if not self.of_tokens:
            return array.reshape(-1)
        return self.steps.behind(self.steps.pooled(array, prompt_tokens))

    def tokens_job(self, encodings: Sequence[Any]) -> Job:
        """The encoder's own vectors, one a token."""
        if not self.of_tokens:
            raise Error(
                f"the model: gives one vector a text ({self.output}), must give one a token"
            )
        assert self.output is not None
        name = self.output
        numbers = sum(map(len, encodings)) * self.width
        return Job(
            encodings,
            lambda answers: [np.asarray(a[name], np.float32) for a in answers],
            answer_bytes=numbers * _NUMBER_BYTES,
        )
