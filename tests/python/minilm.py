#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A trained model, end to end: all-MiniLM-L6-v2 with mean pooling and normalisation, exported by
PyTorch, compiled padded and packed, and held to PyTorch's embedding of each text alone.

  minilm.py FOLDER [--forms A B]

200 texts of 200 different lengths, and pairs that mean the same. What must hold: the cosine of
every embedding with PyTorch's; the order of neighbours, wherever PyTorch's scores differ by more
than the arithmetic can tell; each pair's nearest neighbour; and that a packed text has the
embedding that it has in a row of its own, in fp32 to the bit."""

import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

import tessera
from tessera import requests

SOURCE = os.environ["TESSERA_SOURCE_DIR"]
EXAMPLE = os.path.join(SOURCE, "examples", "semantic_search")
sys.path.insert(0, EXAMPLE)

import minilm  # noqa: E402

ROWS, LENGTH, MOST = 8, 256, 32
SHORTEST, COUNT = 3, 200  # tokens, with the two marks around them
FORMS = {
    "none": {},
    "A": {"pack_args": {"max_valid_num": MOST, "segment_max_size": LENGTH}},
    "B": {"passes": "insert_attention_mask"},
}
COSINE = {"fp32": 0.999999, "fp16": 0.9999}
MARGIN = {"fp32": 1e-5, "fp16": 4e-3}  # of scores whose order must be the same
WHO = "the baker|a tired nurse|our neighbour|the old captain|a young clerk|my sister".split("|")
DID = "found|painted|forgot|sold|repaired|described|lost|carried".split("|")
WHAT = "a blue boat|the broken clock|three letters|some warm bread|a map of the coast".split("|")
WHERE = "near the harbour|in winter|before sunrise|without a word|at the market".split("|")
PAIRS = (
    ("The cat sleeps on the sofa.", "A cat is napping on the couch."),
    ("How can I reset my password?", "I forgot my login secret and want a new one."),
    ("The train to the coast was late.", "Our railway trip to the sea was delayed."),
    ("Interest rates rose again this month.", "The central bank made borrowing more expensive."),
    ("She plays the violin in an orchestra.", "Her instrument in the symphony is the fiddle."),
    ("Boil the pasta for nine minutes.", "Cook the spaghetti in hot water for a while."),
)


def texts(tokenizer):
    """One of each length, and the pairs."""
    random = np.random.RandomState(11)

    def sentence():
        return " ".join(part[random.randint(len(part))] for part in (WHO, DID, WHAT, WHERE)) + "."

    made = []
    for length in range(SHORTEST, SHORTEST + COUNT):
        words, encoding = sentence().split(), None
        while encoding is None or len(encoding.ids) < length:
            words += sentence().split()
            encoding = tokenizer.encode(" ".join(words))
        # The characters of its first tokens: the text that has exactly `length` tokens.
        end = encoding.offsets[length - 2][1]
        made.append(" ".join(words)[:end])
    return made + [text for pair in PAIRS for text in pair]


def alone(model, asked):
    with torch.no_grad():
        return np.concatenate(
            [
                model(
                    torch.from_numpy(request["input_ids"][None]),
                    torch.ones((1, len(request["input_ids"])), dtype=torch.int64),
                    torch.from_numpy(request["token_type_ids"][None]),
                ).numpy()
                for request in asked
            ]
        )


def embedded(path, asked, precision, form):
    executable = tessera.compile(
        path, input_shape={"input_ids": (ROWS, LENGTH)}, precision=precision, **FORMS[form]
    )
    with tessera.ModelRunner(executable) as runner:
        answers = runner.run_requests(asked, policy="lpfhp")
    return np.stack([np.asarray(answer["sentence_embedding"]).reshape(-1) for answer in answers])


def must(holds, what):
    if not holds:
        raise AssertionError(what)


def check_neighbours(ours, expected, margin, label):
    got, scores = ours @ ours.T, expected @ expected.T
    count = len(scores)
    for i in range(count):
        others = np.arange(count) != i
        known, mine = scores[i][others], got[i][others]
        further = known[:, None] - known[None, :] > margin
        wrong = further & (mine[:, None] <= mine[None, :])
        must(not wrong.any(), f"{label}: text {i} has its neighbours in another order")
    first = count - 2 * len(PAIRS)
    for i in range(first, count):
        partner = first + (i - first ^ 1)
        row = np.where(np.arange(count) == i, -np.inf, got[i])
        must(int(row.argmax()) == partner, f"{label}: text {i} is not nearest to its pair")


def check_search(folder):
    """The example, on files of two subjects."""
    with tempfile.TemporaryDirectory() as files:
        with open(os.path.join(files, "kitchen.txt"), "w") as file:
            file.write("Heat the oven first.\n\nKnead the dough until it is smooth.\n")
        with open(os.path.join(files, "garden.md"), "w") as file:
            file.write("Roses need pruning in spring.\n\nWater the tomatoes in the evening.\n")
        done = subprocess.run(
            [
                *(sys.executable, f"{EXAMPLE}/search.py", "how to work bread", files),
                *("--top", "2", "--cache", folder),
            ],
            capture_output=True,
            text=True,
        )
    must(done.returncode == 0, done.stderr)
    lines = done.stdout.splitlines()
    must(len(lines) == 2 and "kitchen.txt:3  Knead the dough" in lines[0], done.stdout)
    must("5 texts in 1 batches" in done.stderr, done.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--forms", nargs="+", choices=["A", "B"], default=["A"])
    words = parser.parse_args()
    path = minilm.export(words.folder)
    file = os.path.join(words.folder, "tokenizer.json")
    tokenizer = requests.load_tokenizer(file)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    asked_for = texts(tokenizer)
    sized = tessera.compile(path, input_shape={"input_ids": (ROWS, LENGTH)})
    asked = requests.of_texts(sized, asked_for, file)
    lengths = [len(request["input_ids"]) for request in asked]
    must(lengths[:COUNT] == list(range(SHORTEST, SHORTEST + COUNT)), f"lengths are {lengths}")
    expected = alone(minilm.load(words.folder), asked)

    for precision in ("fp32", "fp16"):
        padded = embedded(path, asked, precision, "none")
        for form in ("none", *words.forms):
            label = f"{precision}, " + ("padded" if form == "none" else f"form {form}")
            ours = padded if form == "none" else embedded(path, asked, precision, form)
            cosine = (ours * expected).sum(1) / np.linalg.norm(ours, axis=1)
            must(cosine.min() >= COSINE[precision], f"{label}: a cosine is {cosine.min():.8f}")
            check_neighbours(ours, expected, MARGIN[precision], label)
            apart = float(np.abs(ours - padded).max())
            if precision == "fp32" and form == "A":
                must(apart == 0, f"{label}: differs from padded by {apart}")
            must(apart <= MARGIN[precision], f"{label}: differs from padded by {apart}")
            print(
                f"{label}: {len(asked)} texts of {min(lengths)} to {max(lengths)} tokens, least "
                f"cosine {cosine.min():.8f}, from padded {apart:.1e}",
                flush=True,
            )
    check_search(words.folder)
    print("search.py: nearest passages found")


if __name__ == "__main__":
    main()
