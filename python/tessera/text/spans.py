# SPDX-License-Identifier: Apache-2.0
"""Answers to questions, as spans of a context. A long context is read in windows that overlap.
Results are those of the pipeline ``question-answering`` of transformers (before version 5, which
has none)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tessera.errors import UsageError
from tessera.text.jobs import Answer, Array, Job, logits, softmax
from tessera.text.tokens import Tokens, refused

__all__ = ["USUAL_SPANS", "SpanOptions", "answer_job"]

Found = dict[str, Any]


class SpanOptions(NamedTuple):
    top_k: int = 1
    stride: int | None = None  #: tokens that windows share; None: 128, or half of a window
    max_answer_tokens: int = 15
    may_be_impossible: bool = False  #: then "" is an answer too
    whole_words: bool = True
    window: int | None = None  #: tokens of question and context; None: at most 384
    most_windows: int | None = None  #: of all contexts together; more are refused


USUAL_SPANS = SpanOptions()


class _Window(NamedTuple):
    encoding: Any
    allowed: Array  # tokens in which an answer may begin or end


def _window(encoding: Any, first_token: int | None) -> _Window:
    """The context's tokens; and the first of all, where models put that there is no answer."""
    allowed = np.array([part == 1 for part in encoding.sequence_ids])
    if first_token is not None:
        allowed |= np.array(encoding.ids) == first_token
    return _Window(encoding, allowed)


def _likely(values: Array, allowed: Array) -> Array:
    return softmax(np.where(allowed, values, np.float32(-10000)))


def _spans(start: Array, end: Array, most: int, count: int) -> list[tuple[int, int, float]]:
    """The ``count`` likeliest (first token, last token, score) of at most ``most`` tokens."""
    scores = np.tril(np.triu(np.outer(start, end)), most - 1)
    flat = scores.reshape(-1)
    if count == 1:
        best = np.array([flat.argmax()])
    elif len(flat) < count:
        best = np.argsort(-flat)
    else:
        best = np.argpartition(-flat, count)[:count] if count < len(flat) else np.arange(len(flat))
        best = best[np.argsort(-flat[best])]
    firsts, lasts = np.unravel_index(best, scores.shape)
    return [(int(a), int(b), float(scores[a, b])) for a, b in zip(firsts, lasts)]


def _characters(encoding: Any, first: int, last: int, whole_words: bool) -> tuple[int, int]:
    if whole_words:
        words = encoding.token_to_word(first), encoding.token_to_word(last)
        if None not in words:
            spans = [encoding.word_to_chars(word, 1) for word in words]
            if None not in spans:
                return spans[0][0], spans[1][1]
    return encoding.offsets[first][0], encoding.offsets[last][1]


def _best(
    context: str, windows: list[_Window], answers: list[Answer], options: SpanOptions
) -> list[Found]:
    found: dict[str, Found] = {}
    impossible = 1000000.0
    # Some are dropped where they are widened to whole words and are equal then.
    count = options.top_k * 2 + 10 if options.whole_words else options.top_k
    for (encoding, allowed), answer in zip(windows, answers):
        start = _likely(logits(answer, "start_logits").reshape(-1), allowed)
        end = _likely(logits(answer, "end_logits").reshape(-1), allowed)
        if options.may_be_impossible:
            impossible = min(impossible, float(start[0] * end[0]))
        start[0] = end[0] = 0
        for first, last, score in _spans(start, end, options.max_answer_tokens, count):
            if not (allowed[first] and allowed[last]):
                continue
            a, b = _characters(encoding, first, last, options.whole_words)
            text = context[a:b]
            same = found.get(text.lower())
            if same is not None:
                same["score"] += score
            else:
                found[text.lower()] = {"score": score, "start": a, "end": b, "answer": text}
    made = list(found.values())
    if options.may_be_impossible:
        made.append({"score": impossible, "start": 0, "end": 0, "answer": ""})
    return sorted(made, key=lambda each: -float(each["score"]))[: options.top_k]


def answer_job(
    tokens: Tokens,
    first_token: int | None,
    pairs: Sequence[tuple[str, str]],
    options: SpanOptions,
) -> Job:
    window = min(options.window or 384, tokens.longest)
    stride = min(window // 2, 128) if options.stride is None else options.stride
    for name in ("top_k", "max_answer_tokens"):
        if getattr(options, name) < 1:
            raise UsageError(f"{name}: is {getattr(options, name)}, must be at least 1")
    asked = []
    for i, (question, context) in enumerate(pairs):
        if not question or not context.strip():
            what = "question" if not question else "context"
            raise refused(f"{what} {i}: is empty, must be a text", "empty")
        asked.append((tokens.text(question, f"question {i}"), tokens.text(context, f"context {i}")))
    if stride < 0:
        raise UsageError(f"stride: is {stride}, must be at least 0")
    # A window of the context must go on where the one before ends.
    special = tokens.plain.num_special_tokens_to_add(True)
    alone = tokens.plain.encode_batch([question for question, _ in asked], add_special_tokens=False)
    for i, one in enumerate(alone):
        room = window - special - len(one)
        if room <= stride:
            raise refused(
                f"question {i}: has {len(one)} tokens, which leaves {max(room, 0)} of {window} for "
                f"the context, must leave more than the stride, {stride}",
                "over_long",
            )
    if options.most_windows is not None:
        rooms = [window - special - len(one) for one in alone]
        contexts = [context for _, context in asked]
        tokens.check_windows(contexts, rooms, stride, options.most_windows)
    cutting = tokens.cutting(window, "right", "only_second", stride)
    windows = [
        [_window(one, first_token) for one in (whole, *whole.overflowing)]
        for whole in cutting.encode_batch(asked)
    ]

    def finish(answers: list[Answer]) -> list[list[Found]]:
        made, at = [], 0
        for (_, context), parts in zip(pairs, windows):
            made.append(_best(context, parts, answers[at : at + len(parts)], options))
            at += len(parts)
        return made

    return Job([one.encoding for parts in windows for one in parts], finish)
