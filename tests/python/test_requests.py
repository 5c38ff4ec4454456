# SPDX-License-Identifier: Apache-2.0
"""Requests of text, of lengths and at random, from Python and from `python3 -m tessera`."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import tessera
import tiny
from tessera import requests

try:
    import tokenizers
except ImportError:
    tokenizers = None

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"llamas live in the high andes who wrote it".split()]


def tokenizer():
    """Whole words, the marks of BERT around them, and padding and truncation that are in the way of
    packing, as tokenizer.json of trained models has them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    made.enable_padding(length=48)
    made.enable_truncation(5)
    return made


class Drawn(unittest.TestCase):
    def test_they_are_those_of_the_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            drawn = f"{folder}/drawn"
            tiny.command_line("requests", tiny.popef(packing="A"), "--random", "12", "-o", drawn)
            made = requests.at_random(tiny.popef(packing="A"), 12)
            self.assertEqual(sorted(os.listdir(drawn)), [f"{i:02}" for i in range(12)])
            for i, request in enumerate(made):
                self.assertEqual(sorted(request), ["input_ids", "token_type_ids"])
                for name, array in request.items():
                    written = np.load(f"{drawn}/{i:02}/{name}.npy")
                    self.assertEqual(written.dtype, array.dtype)
                    np.testing.assert_array_equal(written, array)

    def test_folders_are_run_as_they_are_written(self):
        made = requests.of_lengths(tiny.popef(packing="A"), [5, 32, 1])
        self.assertEqual([len(r["input_ids"]) for r in made], [5, 32, 1])
        with tempfile.TemporaryDirectory() as folder:
            requests.write(made, f"{folder}/asked")
            done = tiny.command_line(
                "run", tiny.popef(packing="A"), "--requests", f"{folder}/asked"
            )
            self.assertIn("answered 3 of 3 requests", done.stdout)
            with self.assertRaisesRegex(tessera.Error, "must be a new or empty folder"):
                requests.write(made, f"{folder}/asked")

    def test_batches_run_padded_and_packed(self):
        for packing in (None, "A", "B"):
            executable = tessera.load(tiny.popef(packing=packing))
            made = requests.of_lengths(executable, [5, 32, 1, 7, 30])
            batches = requests.batches(executable, made)
            self.assertEqual(len(batches), 1 if packing else 2)
            with tessera.ModelRunner(executable) as runner:
                for batch in batches:
                    runner.run(batch)

    def test_lengths_out_of_range_are_refused(self):
        for lengths in ([5, 33], [5, 0]):
            with self.assertRaisesRegex(tessera.UsageError, r"length 1: is .*, must be in 1..32"):
                requests.of_lengths(tiny.popef(packing="A"), lengths)


class WithoutTokenizers(unittest.TestCase):
    def test_its_absence_says_what_to_do(self):
        code = (
            "import sys; sys.modules['tokenizers'] = None\n"
            "from tessera import requests\n"
            "requests.of_texts(sys.argv[1], ['a'], 'tokenizer.json')"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tiny.popef(packing="A")], capture_output=True, text=True
        )
        self.assertIn("must be: pip install tokenizers", done.stderr)

    def test_help_says_where_text_is_tokenized(self):
        words = [sys.executable, "-m", "tessera", "requests", "--help"]
        done = subprocess.run(words, capture_output=True, text=True)
        self.assertIn("Text is tokenized here", " ".join(done.stdout.split()))
        self.assertIn("python3 -m tessera", tiny.command_line("requests", "--help").stdout)


@unittest.skipIf(tokenizers is None, "needs tokenizers (pip install tokenizers)")
class OfText(unittest.TestCase):
    TEXTS = ("llamas live in the andes", ("who wrote it", "llamas"), "it " * 90)

    def test_a_text_has_its_tokens_alone(self):
        own = tokenizer()
        made = requests.of_texts(tiny.popef(packing="A"), self.TEXTS, own)
        self.assertEqual(made[0]["input_ids"].tolist(), [2, 4, 5, 6, 7, 9, 3])
        self.assertEqual(made[1]["token_type_ids"].tolist(), [0, 0, 0, 0, 0, 1, 1])
        self.assertEqual(len(made[2]["input_ids"]), tiny.LENGTH)  # cut, not refused
        self.assertEqual(made[0]["input_ids"].dtype, np.int64)  # as the model declares it
        self.assertEqual(len(own.encode("it").ids), 48)  # the caller's is as it was

    def test_the_command_writes_what_run_reads(self):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer().save(f"{folder}/tokenizer.json")
            with open(f"{folder}/texts.jsonl", "w") as file:
                for text in self.TEXTS:
                    first, pair = (text, None) if isinstance(text, str) else text
                    print(json.dumps({"text": first, "text_pair": pair}), file=file)
            done = self.command(folder, "texts.jsonl", "-o", "asked")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout, "asked: 3 requests, 46 tokens\n")
            run = tiny.command_line("run", tiny.popef(packing="A"), "--requests", f"{folder}/asked")
            self.assertIn("answered 3 of 3 requests", run.stdout)

            with open(f"{folder}/texts.txt", "w") as file:
                file.write("llamas live\n\nwho wrote it\n")
            done = self.command(folder, "texts.txt", "-o", "lines", "--batch")
            self.assertEqual(done.stdout, "lines: 2 requests in 1 batches, 9 tokens\n")
            tiny.command_line("run", tiny.popef(packing="A"), "--inputs", f"{folder}/lines/0")

    def test_what_is_wrong_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer().save(f"{folder}/tokenizer.json")
            for text, message in (
                ('{"txt": "a"}\n', 't.jsonl:1: must be {"text"'),
                ('{"text": "a"}\n{"text": 5}\n', "t.jsonl:2: must be"),
                ("\n", "holds no text"),
            ):
                with open(f"{folder}/t.jsonl", "w") as file:
                    file.write(text)
                done = self.command(folder, "t.jsonl", "-o", "never")
                self.assertEqual(done.returncode, 1)
                self.assertIn(message, done.stderr)
            done = self.command(folder, "missing.txt", "-o", "never")
            self.assertIn("missing.txt", done.stderr)
            self.assertFalse(os.path.exists(f"{folder}/never"))
        with self.assertRaisesRegex(tessera.Error, "must be a tokenizer.json"):
            requests.of_texts(tiny.popef(packing="A"), ["a"], "nowhere.json")
        with self.assertRaisesRegex(tessera.UsageError, "tokenizer: is a int"):
            requests.of_texts(tiny.popef(packing="A"), ["a"], 5)

    def test_a_foreign_tokenizer_is_refused(self):
        from tokenizers import Tokenizer, models

        other = Tokenizer(models.WordLevel({"a": 100, "b": 0}, unk_token="b"))
        with self.assertRaisesRegex(tessera.Error, "has id 100, must be below 100"):
            requests.of_texts(tiny.popef(packing="A"), ["a"], other)

    def command(self, folder, *words):
        executable = tiny.popef(packing="A")
        words = [sys.executable, "-m", "tessera", "requests", executable, *words]
        words += ["--tokenizer", "tokenizer.json"]
        return subprocess.run(words, cwd=folder, capture_output=True, text=True)


if __name__ == "__main__":
    unittest.main()
