# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import socket
import string
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import tessera
import tiny

EXAMPLES = os.path.join(tiny.SOURCE, "examples")
sys.path.insert(0, EXAMPLES)

TEXTS = [
    ("Where do llamas live?", "Llamas live in the Andes, high up; they were never in Norway."),
    ("who wrote it", "It was written by Ada Lovelace in 1843."),
    ("what", ""),
]


def write_vocabulary(path):
    """Every letter and digit as a word and as a continuation: all words have pieces."""
    letters = string.ascii_lowercase + string.digits
    pieces = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *letters, *("##" + c for c in letters), ",", "?"]
    assert len(pieces) <= tiny.VOCABULARY
    with open(path, "w") as file:
        file.write("\n".join(pieces) + "\n")


class QuestionAnswering(unittest.TestCase):
    def test_three_commands(self):
        with tempfile.TemporaryDirectory() as folder:
            write_vocabulary(f"{folder}/vocab.txt")
            with open(f"{folder}/asked.jsonl", "w") as file:
                for question, context in TEXTS:
                    print(json.dumps({"question": question, "context": context}), file=file)
            done = subprocess.run(
                [
                    f"{EXAMPLES}/packed_answers.sh",
                    tiny.model(),
                    f"{folder}/asked.jsonl",
                    f"{folder}/vocab.txt",
                ],
                capture_output=True,
                text=True,
                env={
                    **os.environ,
                    "ROWS": "4",
                    "LENGTH": "64",
                    "MOST": "8",
                    "PYTHON": sys.executable,
                },
            )
            self.assertEqual(done.returncode, 0, done.stderr)
        answers = [json.loads(line) for line in done.stdout.split("\n") if line.startswith("{")]
        self.assertEqual([a["question"] for a in answers], [q for q, _ in TEXTS])
        for answer, (_, context) in zip(answers, TEXTS):
            self.assertIn(answer["answer"], context)
        self.assertTrue(answers[0]["answer"])
        self.assertIn("3 answers in 1 batches", done.stderr)

    def test_tokens(self):
        from question_answering import WordPiece, split_words

        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/v", "w") as file:
                file.write("[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\ncafe\n,\n")
            tokenizer = WordPiece(f"{folder}/v")
        self.assertEqual(tokenizer.pieces("unaffable"), [4, 5, 6])
        self.assertEqual(tokenizer.pieces("unknown"), [1])
        ids, types, first, places = tokenizer.encode("un", "Café, unaffable", 64)
        self.assertEqual(ids.tolist(), [2, 4, 3, 7, 8, 4, 5, 6, 3])
        self.assertEqual(types.tolist(), [0, 0, 0, 1, 1, 1, 1, 1, 1])
        self.assertEqual((first, places), (3, [(0, 4), (4, 5), (6, 15), (6, 15), (6, 15)]))
        self.assertEqual([w for w, _, _ in split_words("a-b  c.")], ["a", "-", "b", "c", "."])
        ids, _, _, places = tokenizer.encode("un", "cafe " * 50, 16)
        self.assertEqual((len(ids), len(places)), (16, 12))

    def test_spans_are_the_best_pair_in_order(self):
        from question_answering import best_span

        start = np.array([9, 0, 5, 0, 1, 0.0])
        end = np.array([9, 0, 0, 4, 0, 0.0])
        self.assertEqual(best_span(start, end, 2, 3)[:2], (0, 1))


class Serve(unittest.TestCase):
    def test_answers_errors_and_stops(self):
        server = subprocess.Popen(
            [sys.executable, f"{EXAMPLES}/serve.py", tiny.popef("fp32", "A"), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            port = int(server.stdout.readline().split()[-1])
            lines = [{"id": i, "input_ids": [1 + i] * (i + 1)} for i in range(12)]
            lines.append({"id": "long", "input_ids": [1] * 33})
            lines.append({"id": "none"})
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall("".join(json.dumps(line) + "\n" for line in lines).encode())
                connection.sendall(b"no json\n")
                connection.shutdown(socket.SHUT_WR)
                replies = [json.loads(line) for line in connection.makefile()]
            server.send_signal(signal.SIGINT)
            self.assertEqual(server.wait(60), 0)
            self.assertIn("stopped", server.stdout.read())
        finally:
            server.kill()
            server.stdout.close()
            server.wait()
        by_id = {r["id"]: r for r in replies}
        self.assertEqual(len(replies), 15)
        for i in range(12):
            self.assertEqual(len(by_id[i]["start_logits"]), i + 1)
        self.assertEqual(by_id["long"]["reason"], "over_long")
        self.assertTrue(by_id["none"]["error"])
        self.assertEqual(by_id[None]["reason"], "not_json")


class RecompileAdvice(unittest.TestCase):
    def test_from_a_log(self):
        events = tiny.path("advice.jsonl")
        with tessera.Session(tiny.model(), events=events) as session:
            for length in (8, 9, 10, 31, 32):
                ones = np.ones((1, length), np.int32)
                session.run(dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), ones))
        done = subprocess.run(
            [sys.executable, f"{EXAMPLES}/recompile_advice.py", events, "--buckets", "2"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(
            done.stdout, r"5 compiles took \S+ s; input_ids axis 1 had 5 lengths from 8"
        )
        self.assertIn("with buckets 10, 32: 2 compiles", done.stdout)
        self.assertIn("4.3 % of the tokens would be padding", done.stdout)

    def test_buckets_are_the_best_of_all(self):
        import itertools

        from recompile_advice import choose_buckets

        random = np.random.default_rng(3)
        for _ in range(20):
            lengths = sorted(int(n) for n in random.integers(1, 40, 9))
            for count in (1, 2, 3):
                longest = max(lengths)
                costs = [
                    sum(min(b for b in bounds if b >= n) - n for n in lengths)
                    for bounds in (
                        set(c) | {longest}
                        for c in itertools.combinations(
                            sorted(set(lengths)), min(count, len(set(lengths))) - 1
                        )
                    )
                ]
                self.assertEqual(choose_buckets(lengths, count)[1], min(costs))


if __name__ == "__main__":
    unittest.main()
