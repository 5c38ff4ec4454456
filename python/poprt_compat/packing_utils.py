# SPDX-License-Identifier: Apache-2.0
"""packing_utils: one batch at a time from a list of requests, in their order.

As PopRT's examples use it, written from its documented behaviour (docs/poprt.md). Two things
differ: a request that fits no batch is an error here, not a batch without an end; and so is a
request whose mask holds a zero or whose arrays differ in length, which would be packed into a
neighbour."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import tessera

__all__ = ["DataSpec", "DataTransfer", "pack_data"]


class DataSpec(NamedTuple):
    """Where a request went: its index, the row and column where it ends, and its length."""

    id: int
    row: int
    col: int
    l: int  # noqa: E741  (PopRT's name)


class DataTransfer(NamedTuple):
    """One batch: ``count`` is the index of the first request that is not in it."""

    count: int  # type: ignore[assignment]  # PopRT's name, which hides the tuple's method
    specs: list[DataSpec]
    data: dict[str, np.ndarray[Any, Any]]
    unpack_info: np.ndarray[Any, Any]
    last: bool = False


def _check(request: Any, index: int, longest: int) -> int:
    def refuse(what: str) -> None:
        raise tessera.UsageError(f"request {index}: {what}")

    length = int(request.input_len)
    if length < 1:
        refuse(f"has {length} tokens, must have at least 1")
    if length > longest:
        refuse(f"has {length} tokens, must have at most {longest}")
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        array = np.asarray(getattr(request, name))
        if array.shape != (length,):
            refuse(f"{name} is of shape {list(array.shape)}, must be [{length}]")
    holes = np.flatnonzero(np.asarray(request.attention_mask) != 1)
    if holes.size:
        refuse(f"attention_mask is not 1 at [{holes[0]}], must be 1 everywhere: strip the padding")
    return length


def pack_data(
    data: Sequence[Any],
    idx: int,
    batch_size: int,
    seq_len: int,
    max_valid_num: int,
    segment_num: int = 1,
    across_rows: bool = True,
    zero_delimiter_num: int = 0,
) -> DataTransfer:
    """Packs ``data[idx:]`` into one batch, until a request does not fit.

    Each request has ``input_len``, ``input_ids``, ``attention_mask`` and ``token_type_ids``, all of
    that length. ``across_rows``: end to end, numbered in the batch (form A); if not, none across a
    row, numbered in its row (form B), ``zero_delimiter_num`` zeros between those of a row.

    ``data`` of the result: input_ids, attention_mask, token_type_ids, position_ids, int32
    [batch_size, seq_len]. ``unpack_info``, int32 [max_valid_num, segment_num]: the lengths; with
    delimiters each with the zeros that follow it, so that every used row adds up to ``seq_len``."""
    if segment_num != 1:
        raise tessera.UsageError(f"segment_num: {segment_num}, must be 1")
    if batch_size < 1 or seq_len < 1 or max_valid_num < 1:
        raise tessera.UsageError("batch_size, seq_len and max_valid_num: must be positive")
    if across_rows and zero_delimiter_num:
        raise tessera.UsageError("zero_delimiter_num: must be 0 where requests cross rows")
    packed = {
        name: np.zeros(batch_size * seq_len, np.int32)
        for name in ("input_ids", "attention_mask", "token_type_ids", "position_ids")
    }
    unpack_info = np.zeros((max_valid_num, segment_num), np.int32)
    specs: list[DataSpec] = []
    starts: list[int] = []
    end = 0  # of the last request, in the flattened batch
    in_row = 0  # requests of the row that is being filled

    while idx < len(data) and len(specs) < max_valid_num:
        length = _check(data[idx], idx, batch_size * seq_len if across_rows else seq_len)
        start = end
        if not across_rows:
            column = end % seq_len
            row_is_full = column == 0 or column + zero_delimiter_num + length > seq_len
            if row_is_full:
                start, in_row = -(-end // seq_len) * seq_len, 0
            else:
                start = end + zero_delimiter_num
        if start + length > batch_size * seq_len:
            break
        end, in_row = start + length, in_row + 1
        here = slice(start, end)
        packed["input_ids"][here] = data[idx].input_ids
        packed["token_type_ids"][here] = data[idx].token_type_ids
        packed["position_ids"][here] = np.arange(length)
        packed["attention_mask"][here] = len(specs) + 1 if across_rows else in_row
        unpack_info[len(specs), 0] = length
        starts.append(start)
        # The place after its last token; a row that it fills ends at column seq_len.
        specs.append(DataSpec(idx, (end - 1) // seq_len, (end - 1) % seq_len + 1, length))
        idx += 1

    if zero_delimiter_num:
        for i, start in enumerate(starts):
            row_end = (start // seq_len + 1) * seq_len
            following = starts[i + 1] if i + 1 < len(starts) else row_end
            unpack_info[i, 0] = min(following, row_end) - start
    shape = (batch_size, seq_len)
    return DataTransfer(idx, specs, {n: a.reshape(shape) for n, a in packed.items()}, unpack_info)
