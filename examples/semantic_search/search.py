#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Semantic search over your own files: passages that mean what you ask, nearest first.

  search.py "how do I cancel an order" ~/notes manual.md

Passages and the question are embedded by all-MiniLM-L6-v2, many in each batch (packing form A), on
the simulated IPU. The model is exported and compiled once, into --cache. With --model and
--tokenizer it is another one: any encoder as ONNX that gives a vector a text, or a vector a token,
whose mean is then taken. README.md beside this file says what to install."""

import argparse
import os
import sys
import time

import numpy as np

import tessera
from tessera import requests

PASSAGE = 120  # words, at most
ENDINGS = (".txt", ".md", ".rst", ".py")
FORMS = {
    "A": lambda words: {
        "pack_args": {"max_valid_num": 4 * words.rows, "segment_max_size": words.length}
    },
    "B": lambda words: {"passes": "insert_attention_mask"},
    "none": lambda words: {},
}


def files_in(paths, endings):
    for path in paths:
        if os.path.isfile(path):
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (
                os.path.join(folder, name) for name in sorted(names) if name.endswith(endings)
            )


def passages_of(path):
    """(line number, text): paragraphs, in parts of PASSAGE words."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    words, first = [], 1
    for number, line in enumerate([*lines, ""], 1):
        words += line.split()
        if words and (not line.strip() or len(words) >= PASSAGE):
            yield first, " ".join(words)
            words = []
        if not words:
            first = number + 1


def executable_of(words):
    """Compiled for these sizes, and kept in the cache folder."""
    if words.model is None:
        import minilm

        words.model = minilm.export(words.cache)
        words.tokenizer = os.path.join(words.cache, "tokenizer.json")
    stem = os.path.splitext(os.path.basename(words.model))[0]
    name = f"{stem}-{words.rows}x{words.length}-{words.precision}-{words.form}.popef"
    path = os.path.join(words.cache, name)
    if os.path.exists(path) and os.path.getmtime(path) >= os.path.getmtime(words.model):
        return tessera.load(path)
    os.makedirs(words.cache, exist_ok=True)
    print(f"compiling {path}", file=sys.stderr)
    shapes = {"input_ids": (words.rows, words.length)}
    options = FORMS[words.form](words)
    return tessera.compile(
        words.model, path, input_shape=shapes, precision=words.precision, **options
    )


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def embed(executable, texts, tokenizer):
    """A unit vector a text, and what it took."""
    asked = requests.of_texts(executable, texts, tokenizer)
    lengths = [len(request["input_ids"]) for request in asked]
    with tessera.ModelRunner(executable) as runner:
        start = time.perf_counter()
        answers = runner.run_requests(asked)
        seconds = time.perf_counter() - start
    name = executable.outputs[0].name
    # [hidden] of a text, or [tokens, hidden]; without packing one of a text is [1, hidden].
    vectors = [np.asarray(answer[name], np.float32) for answer in answers]
    vectors = np.stack([v if v.ndim == 1 else v.mean(axis=0) for v in vectors])
    return unit(vectors), lengths, seconds


def tell(executable, lengths, seconds):
    rows, row_length = executable.inputs[0].shape
    alone = -(-len(lengths) // rows)
    batches = len(tessera.pack(lengths, executable)) if executable.packing else alone
    fill = sum(lengths) / (batches * rows * row_length)
    modelled = batches * executable.cycles["seconds_per_batch"]
    print(
        f"{len(lengths)} texts in {batches} batches, {fill:.0%} of their tokens used; one a row "
        f"they would take {alone}; {seconds:.2f} s on this host, modelled IPU "
        f"{modelled * 1e3:.2f} ms",
        file=sys.stderr,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("question")
    add("paths", nargs="+", help="files, and folders of files")
    add("--top", type=int, default=5, help="passages to print (5)")
    add("--endings", nargs="+", default=ENDINGS, help="of files in folders: " + " ".join(ENDINGS))
    add("--model", help="an ONNX model; without it all-MiniLM-L6-v2")
    add("--tokenizer", help="of --model: its tokenizer.json")
    add("--precision", choices=["fp16", "fp32"], default="fp16")
    add("--form", choices=list(FORMS), default="A", help="of packing; none: one text a row")
    add("--rows", type=int, default=8, help="of a batch (8)")
    add("--length", type=int, default=256, help="tokens of a row, and of a text at most (256)")
    add("--cache", default=os.path.expanduser("~/.cache/tessera-semantic-search"))
    words = parser.parse_args()
    if (words.model is None) != (words.tokenizer is None):
        parser.error("--model and --tokenizer must be given together")

    found = [
        (path, line, text)
        for path in files_in(words.paths, tuple(words.endings))
        for line, text in passages_of(path)
    ]
    if not found:
        parser.error("no passage in " + ", ".join(words.paths))
    executable = executable_of(words)
    texts = [words.question, *(text for _, _, text in found)]
    vectors, lengths, seconds = embed(executable, texts, words.tokenizer)
    tell(executable, lengths, seconds)
    scores = vectors[1:] @ vectors[0]
    for i in np.argsort(-scores, kind="stable")[: words.top]:
        path, line, text = found[i]
        print(f"{scores[i]:.3f}  {path}:{line}  {text[:90]}")


if __name__ == "__main__":
    try:
        main()
    except tessera.Error as error:
        sys.exit(f"search.py: {error}")
