#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers questions about texts: tokenise, pack, run, find the spans.

    question_answering.py MODEL.popef VOCAB.txt QUESTIONS.jsonl

MODEL.popef: any exported BERT for question answering, packed or not. VOCAB.txt: its WordPiece
vocabulary, a piece a line. QUESTIONS.jsonl: {"question": "…", "context": "…"} a line. Prints one
JSON line an answer, in their order."""

import argparse
import json
import sys
import unicodedata

import numpy as np

import tessera

Word = tuple[str, int, int]  # text, begin and end in the source
LONGEST_ANSWER = 30  # tokens


def split_words(text: str) -> list[Word]:
    """At blanks and around punctuation, as BERT's basic tokenizer does."""
    words: list[Word] = []
    begin = None
    for at, letter in enumerate(text + " "):
        alone = unicodedata.category(letter).startswith("P") or letter in "$+<=>^`|~"
        if begin is not None and (letter.isspace() or alone):
            words.append((text[begin:at], begin, at))
            begin = None
        if alone:
            words.append((letter, at, at + 1))
        elif begin is None and not letter.isspace():
            begin = at
    return words


def normalise(word: str) -> str:
    """Lower case, without accents."""
    return "".join(
        c for c in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(c) != "Mn"
    )


class WordPiece:
    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as file:
            self.ids: dict[str, int] = {line.rstrip("\n"): i for i, line in enumerate(file)}
        for special in ("[CLS]", "[SEP]", "[UNK]"):
            if special not in self.ids:
                raise SystemExit(f"{path}: has no {special}, must be a WordPiece vocabulary")

    def pieces(self, word: str) -> list[int]:
        """The longest piece that the vocabulary has, then the rest alike; [UNK] if there is
        none."""
        ids, begin = [], 0
        while begin < len(word):
            end = len(word)
            while end > begin and (("##" if begin else "") + word[begin:end]) not in self.ids:
                end -= 1
            if end == begin:
                return [self.ids["[UNK]"]]
            ids.append(self.ids[("##" if begin else "") + word[begin:end]])
            begin = end
        return ids

    def encode(self, question: str, context: str, longest: int):
        """[CLS] question [SEP] context [SEP], cut at `longest`; and for each token of the context
        where it stands there."""
        ids = [self.ids["[CLS]"]]
        for word, _, _ in split_words(question):
            ids += self.pieces(normalise(word))
        ids = [*ids[: longest // 2], self.ids["[SEP]"]]
        first = len(ids)
        places: list[tuple[int, int]] = []
        for word, begin, end in split_words(context):
            pieces = self.pieces(normalise(word))
            ids += pieces
            places += [(begin, end)] * len(pieces)
        ids = [*ids[: longest - 1], self.ids["[SEP]"]]
        places = places[: len(ids) - 1 - first]
        types = [0] * first + [1] * (len(ids) - first)
        return np.array(ids, np.int32), np.array(types, np.int32), first, places


def best_span(start: np.ndarray, end: np.ndarray, first: int, count: int) -> tuple[int, int, float]:
    """The two context tokens with the largest sum of logits, end not before start."""
    best = (0, 0, -np.inf)
    for i in range(count):
        j = i + int(np.argmax(end[first + i : first + min(i + LONGEST_ANSWER, count)]))
        score = float(start[first + i]) + float(end[first + j])
        if score > best[2]:
            best = (i, j, score)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("vocabulary")
    parser.add_argument("questions")
    args = parser.parse_args()
    tokenizer = WordPiece(args.vocabulary)
    with open(args.questions, encoding="utf-8") as file:
        asked = [json.loads(line) for line in file if line.strip()]

    executable = tessera.load(args.model)
    packing = executable.packing
    longest = packing.segment_max_size if packing else executable.inputs[0].shape[1]
    takes_types = any(t.name == "token_type_ids" for t in executable.inputs)
    encoded = [tokenizer.encode(a["question"], a["context"], longest) for a in asked]

    with tessera.PackRunner(executable) as runner:
        futures = []
        for ids, types, _, _ in encoded:
            request = {"input_ids": ids}
            if takes_types:
                request["token_type_ids"] = types
            futures.append(runner.submit(request))
        runner.flush()
        for one, (_, _, first, places), future in zip(asked, encoded, futures):
            logits = future.result()
            answer, score = "", 0.0
            if places:
                i, j, score = best_span(
                    logits["start_logits"], logits["end_logits"], first, len(places)
                )
                answer = one["context"][places[i][0] : places[j][1]]
            print(
                json.dumps(
                    {"question": one["question"], "answer": answer, "score": round(score, 4)},
                    ensure_ascii=False,
                )
            )
        metrics = runner.metrics()
    print(
        f"{len(asked)} answers in {sum(metrics['batches'].values())} batches, "
        f"{100 * metrics['token_fill']:.0f} % of the row tokens used",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
