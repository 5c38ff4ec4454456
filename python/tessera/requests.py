# SPDX-License-Identifier: Apache-2.0
"""Requests for an executable: of text, of given lengths, or at random; batches and folders of them.

    from tessera import requests

    texts = ["a text", ("a question", "its context")]
    asked = requests.of_texts("packed.popef", texts, "tokenizer.json")
    with tessera.ModelRunner("packed.popef") as runner:
        answers = runner.run_requests(asked)

A request is a dict of arrays by token, one for each input, as ``PackRunner.submit`` takes it. Text
needs the package ``tokenizers``; nothing else here does."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Union

import numpy as np

from tessera import _core
from tessera.compiler import file_names, held_executable
from tessera.errors import Error, UsageError
from tessera.packing import pack
from tessera.types import Path, Tensor

__all__ = ["at_random", "batches", "of_lengths", "of_texts", "write"]

Request = dict[str, np.ndarray[Any, Any]]
#: A text, or two that the tokenizer joins (a question and its context).
Text = Union[str, tuple[str, str]]


class _Wanted(NamedTuple):
    """The inputs that an executable asks of a request."""

    executable: _core.Executable
    tokens: dict[str, Tensor]  # by input
    ids: str
    mask: str
    longest: int

    def array(self, name: str, values: Any) -> np.ndarray[Any, Any]:
        wide = self.tokens[name].model_dtype == "int64"
        return np.asarray(values, np.int64 if wide else np.int32)


def _wanted(executable: Path | _core.Executable) -> _Wanted:
    held = held_executable(executable, None, None)
    inputs = {tensor.name: tensor for tensor in held.inputs}
    packing = held.packing
    if packing is not None:
        tokens = {name: inputs[name] for name in packing.token_inputs}
        return _Wanted(
            held, tokens, packing.ids_input, packing.mask_input, packing.segment_max_size
        )
    if "input_ids" not in inputs or len(inputs["input_ids"].shape) != 2:
        raise Error(
            f"{held.model_name}: has no input_ids [rows,row_length], must have one to take requests"
        )
    shape = inputs["input_ids"].shape
    made_here = ("attention_mask", "position_ids")
    tokens = {n: t for n, t in inputs.items() if t.shape == shape and n not in made_here}
    mask = "attention_mask" if "attention_mask" in inputs else ""
    return _Wanted(held, tokens, "input_ids", mask, shape[1])


def of_lengths(
    executable: Path | _core.Executable, lengths: Iterable[int], *, seed: int = 2023
) -> list[Request]:
    """A request of each length, with ids of the executable's vocabulary."""
    return _drawn(_wanted(executable), list(lengths), np.random.RandomState(seed))


def at_random(
    executable: Path | _core.Executable,
    count: int = 64,
    *,
    average: float | None = None,
    longest: int | None = None,
    seed: int = 2023,
) -> list[Request]:
    """Lengths of a normal distribution whose mean and deviation are ``average`` (half of
    ``longest``), cut to 1 .. ``longest`` (the longest that the executable takes): the requests that
    ``tessera requests`` writes with the same numbers."""
    wanted = _wanted(executable)
    most = wanted.longest if longest is None else longest
    mean = (most + 1) // 2 if average is None else average
    random = np.random.RandomState(seed)
    lengths = np.clip(random.normal(mean, mean, count), 1, most).astype(np.int64)
    return _drawn(wanted, lengths.tolist(), random)


def _drawn(wanted: _Wanted, lengths: Sequence[int], random: np.random.RandomState) -> list[Request]:
    _check(wanted, lengths)
    packing = wanted.executable.packing
    padding_id = -1 if packing is None else packing.padding_id
    vocabulary = wanted.tokens[wanted.ids].index_limit or 30522
    requests = []
    for length in lengths:
        ids = random.randint(0, vocabulary, length)
        ids[ids == padding_id] += 1
        types = random.randint(0, 2, length)
        request = {}
        for name, tensor in wanted.tokens.items():
            values = ids if name == wanted.ids else types
            request[name] = wanted.array(name, values % (tensor.index_limit or 2**31 - 1))
        requests.append(request)
    return requests


def _check(wanted: _Wanted, lengths: Iterable[int]) -> None:
    for i, length in enumerate(lengths):
        if not 1 <= length <= wanted.longest:
            raise UsageError(f"length {i}: is {length}, must be in 1..{wanted.longest}")


def load_tokenizer(tokenizer: Any) -> Any:
    """A ``tokenizers.Tokenizer``: of the path of its ``tokenizer.json``, of itself, or the one
    inside a fast tokenizer of ``transformers``. The caller's own is not changed."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise Error(
            "tokenizer: the package tokenizers is not there, must be: pip install tokenizers"
        ) from None
    if isinstance(tokenizer, (str, os.PathLike)):
        if not os.path.exists(tokenizer):
            raise Error(f"{os.fspath(tokenizer)}: is not there, must be a tokenizer.json")
        try:
            return Tokenizer.from_file(os.fspath(tokenizer))
        except Exception as error:  # noqa: BLE001  (it raises nothing narrower)
            raise Error(f"{os.fspath(tokenizer)}: must be a tokenizer.json: {error}") from None
    tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(tokenizer, Tokenizer):
        raise UsageError(
            f"tokenizer: is a {type(tokenizer).__name__}, must be a path of a tokenizer.json, a "
            "tokenizers.Tokenizer or a fast tokenizer of transformers"
        )
    return Tokenizer.from_str(tokenizer.to_str())


def of_texts(
    executable: Path | _core.Executable, texts: Iterable[Text], tokenizer: Any
) -> list[Request]:
    """A request of each text (a ``str``, or a pair of them), not padded. A text that is longer than
    the executable takes is cut there.

    ``tokenizer``: the path of a ``tokenizer.json``, a ``tokenizers.Tokenizer``, or a fast tokenizer
    of ``transformers``."""
    wanted = _wanted(executable)
    read = load_tokenizer(tokenizer)
    read.no_padding()
    read.enable_truncation(wanted.longest)
    requests: list[Request] = []
    for encoding in read.encode_batch(list(texts)):
        if not encoding.ids:
            raise Error(f"text {len(requests)}: has no tokens, must have at least one")
        request = {}
        for name in wanted.tokens:
            if name == wanted.ids:
                request[name] = wanted.array(name, encoding.ids)
            elif name == "token_type_ids":
                request[name] = wanted.array(name, encoding.type_ids)
        limit = wanted.tokens[wanted.ids].index_limit
        if limit and max(encoding.ids) >= limit:
            raise Error(
                f"text {len(requests)}: has id {max(encoding.ids)}, must be below {limit}: the "
                "tokenizer is not this model's"
            )
        requests.append(request)
    return requests


def batches(
    executable: Path | _core.Executable, requests: Sequence[Request]
) -> list[dict[str, np.ndarray[Any, Any]]]:
    """The inputs of ``ModelRunner.run`` for all of these requests: packed as the executable takes
    them, or padded, one a row."""
    wanted = _wanted(executable)
    lengths = [len(request[wanted.ids]) for request in requests]
    _check(wanted, lengths)
    if wanted.executable.packing is not None:
        return [batch.inputs(requests) for batch in pack(lengths, wanted.executable)]
    rows, row_length = wanted.tokens[wanted.ids].shape
    made = []
    for first in range(0, len(requests), rows):
        batch = {name: wanted.array(name, np.zeros((rows, row_length))) for name in wanted.tokens}
        mask = np.zeros((rows, row_length), np.int32)
        for row, request in enumerate(requests[first : first + rows]):
            for name, tokens in request.items():
                batch[name][row, : len(tokens)] = tokens
            mask[row, : len(request[wanted.ids])] = 1
        if wanted.mask:
            batch[wanted.mask] = mask
        if any(tensor.name == "position_ids" for tensor in wanted.executable.inputs):
            batch["position_ids"] = np.tile(np.arange(row_length, dtype=np.int32), (rows, 1))
        made.append(batch)
    return made


def write(requests: Sequence[Request], folder: Path) -> None:
    """A folder in ``folder`` per request, one ``NAME.npy`` per array, as ``tessera run --requests``
    reads them; a batch is written by giving it alone. ``folder`` must be new or empty."""
    os.makedirs(folder, exist_ok=True)
    if os.listdir(folder):
        raise Error(f"{os.fsdecode(folder)}: holds files already, must be a new or empty folder")
    digits = len(str(max(len(requests) - 1, 0)))
    for i, request in enumerate(requests):
        own = os.path.join(os.fsdecode(folder), f"{i:0{digits}}")
        write_arrays(request, own)


def write_arrays(arrays: Request, folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    names = file_names(list(arrays))
    for name, array in arrays.items():
        np.save(os.path.join(folder, names[name]), array)
