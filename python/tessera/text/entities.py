# SPDX-License-Identifier: Apache-2.0
"""Labels of tokens, and of the words and names that they make up, with the characters of each in
its text. Results are those of the pipeline ``token-classification`` of transformers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tessera.errors import UsageError
from tessera.text.jobs import Answer, Array, Job, logits, softmax
from tessera.text.tokens import Tokens

__all__ = ["STRATEGIES", "entities_job"]

#: none: a label a token; simple: neighbours of one label are one entity; first, average, max: a
#: word has one label, of its first token, of the mean of its tokens, of its most certain token.
STRATEGIES = ("none", "simple", "first", "average", "max")

Entity = dict[str, Any]


class _Token(NamedTuple):
    word: str
    scores: Array
    start: int
    end: int
    number: int
    continues: bool  # the word of the token before


def _tokens(
    text: str, encoding: Any, scores: Array, tokens: Tokens, unknown: str | None
) -> list[_Token]:
    """All but the special ones. A tokenizer that marks the parts of words says itself which token
    continues one: its spelling differs from the text. Of others, a token that no space precedes."""
    marks_parts = bool(getattr(tokens.plain.model, "continuing_subword_prefix", None))
    made = []
    for i, (start, end) in enumerate(encoding.offsets):
        if encoding.special_tokens_mask[i]:
            continue
        word, own = encoding.tokens[i], text[start:end]
        if word == unknown:
            made.append(_Token(own, scores[i], start, end, i, False))
            continue
        if marks_parts:
            continues = len(word) != len(own)
        else:
            continues = start > 0 and " " not in text[start - 1 : start + 1]
        made.append(_Token(word, scores[i], start, end, i, continues))
    return made


def _alone(token: _Token, names: dict[int, str]) -> Entity:
    best = int(token.scores.argmax())
    return {
        "entity": names.get(best, f"LABEL_{best}"),
        "score": token.scores[best],
        "index": token.number,
        "word": token.word,
        "start": token.start,
        "end": token.end,
    }


def _word(parts: list[_Token], strategy: str, names: dict[int, str], tokens: Tokens) -> Entity:
    if strategy == "average":
        scores = np.mean([part.scores for part in parts], axis=0)
    elif strategy == "max":
        scores = max(parts, key=lambda part: float(part.scores.max())).scores
    else:
        scores = parts[0].scores
    best = int(scores.argmax())
    return {
        "entity": names.get(best, f"LABEL_{best}"),
        "score": scores[best],
        "word": tokens.words([part.word for part in parts]),
        "start": parts[0].start,
        "end": parts[-1].end,
    }


def _words(
    found: list[_Token], strategy: str, names: dict[int, str], tokens: Tokens
) -> list[Entity]:
    groups: list[list[_Token]] = []
    for token in found:
        if groups and token.continues:
            groups[-1].append(token)
        else:
            groups.append([token])
    return [_word(group, strategy, names, tokens) for group in groups]


def _tag(name: str) -> tuple[bool, str]:
    """Whether a new entity begins, and of what: of ``B-PER`` it does, of ``I-PER`` and ``PER`` it
    does not."""
    begins = name.startswith("B-")
    return begins, name[2:] if begins or name.startswith("I-") else name


def _grouped(parts: list[Entity], tokens: Tokens) -> list[Entity]:
    groups: list[list[Entity]] = []
    for part in parts:
        begins, tag = _tag(part["entity"])
        if groups and not begins and _tag(groups[-1][-1]["entity"])[1] == tag:
            groups[-1].append(part)
        else:
            groups.append([part])
    return [
        {
            "entity_group": group[0]["entity"].partition("-")[2] or group[0]["entity"],
            "score": np.mean([part["score"] for part in group]),
            "word": tokens.words([part["word"] for part in group]),
            "start": group[0]["start"],
            "end": group[-1]["end"],
        }
        for group in groups
    ]


def _without_overlaps(found: list[Entity]) -> list[Entity]:
    """Windows overlap and find entities twice: at one place the longest is kept, then the most
    certain."""
    kept: list[Entity] = []
    for entity in sorted(found, key=lambda entity: int(entity["start"])):
        if not kept or not kept[-1]["start"] <= entity["start"] < kept[-1]["end"]:
            kept.append(entity)
            continue
        rank = [(each["end"] - each["start"], each["score"]) for each in (entity, kept[-1])]
        if rank[0] > rank[1]:
            kept[-1] = entity
    return kept


def entities_job(
    tokens: Tokens,
    names: dict[int, str],
    texts: Sequence[str],
    *,
    unknown: str | None,
    strategy: str,
    ignore: Iterable[str],
    stride: int | None,
    most_windows: int | None,
    truncate: bool,
    side: str,
) -> Job:
    """``unknown``: the token of words that the vocabulary does not have. With ``stride`` a long
    text is read in windows that share this number of tokens; more than ``most_windows`` of all
    texts are refused."""
    if strategy not in STRATEGIES:
        raise UsageError(f"aggregation: is {strategy!r}, must be one of {', '.join(STRATEGIES)}")
    left_out = frozenset(ignore)
    if stride is None:
        encodings = tokens.encode(texts, truncate=truncate, side=side, characters=True)
        windows = [[one] for one in encodings]
    else:
        if strategy == "none":
            raise UsageError("stride: joins entities, must be left out where aggregation is 'none'")
        windows = _windows(tokens, texts, stride, most_windows)

    def of_window(text: str, encoding: Any, answer: Answer) -> list[Entity]:
        found = _tokens(text, encoding, softmax(logits(answer)), tokens, unknown)
        if strategy in ("none", "simple"):
            parts = [_alone(token, names) for token in found]
        else:
            parts = _words(found, strategy, names, tokens)
        made = parts if strategy == "none" else _grouped(parts, tokens)
        key = "entity" if strategy == "none" else "entity_group"
        return [entity for entity in made if entity[key] not in left_out]

    def finish(answers: list[Answer]) -> list[list[Entity]]:
        made, left = [], iter(answers)
        for text, parts in zip(texts, windows):
            found = [entity for part in parts for entity in of_window(text, part, next(left))]
            if len(parts) > 1:
                found = _without_overlaps(found)
            made.append([{**entity, "score": float(entity["score"])} for entity in found])
        return made

    return Job([encoding for parts in windows for encoding in parts], finish)


def _windows(
    tokens: Tokens, texts: Sequence[str], stride: int, most: int | None
) -> list[list[Any]]:
    room = tokens.longest - tokens.plain.num_special_tokens_to_add(False)
    if not 0 <= stride < room:
        raise UsageError(f"stride: is {stride}, must be in 0..{room - 1}")
    cutting = tokens.cutting(tokens.longest, "right", "longest_first", stride)
    given = [tokens.text(text, f"text {i}") for i, text in enumerate(texts)]
    if most is not None:
        tokens.check_windows(given, [room] * len(given), stride, most)
    return [[one, *one.overflowing] for one in cutting.encode_batch(given)]
