# SPDX-License-Identifier: Apache-2.0
"""A whole text pipeline, with the package tokenizers; text.sh runs the tests that need more."""

import json
import os
import subprocess
import sys
import unittest
from unittest import mock

import tessera
from tessera.text.jobs import Job
from text_folder import InFolder, write

try:
    import tokenizers
except ImportError:
    tokenizers = None


@unittest.skipIf(tokenizers is None, "needs tokenizers (pip install tokenizers)")
class Whole(InFolder):
    """make-model's tiny BERT, which answers questions."""

    def setUp(self):
        super().setUp()
        from test_requests import tokenizer

        tessera.make_model(os.path.join(self.folder, "model.onnx"), "tiny")
        self.model(architectures=["BertForQuestionAnswering"], max_position_embeddings=64)
        tokenizer().save(os.path.join(self.folder, "tokenizer.json"))
        write(self.folder, "tokenizer_config.json", {"cls_token": "[CLS]"})
        self.cache = os.path.join(self.folder, "cache")

    def pipeline(self, **options):
        usual = {"cache_dir": self.cache, "precision": "fp32", "length": 32, "rows": 4}
        return tessera.TextPipeline(self.folder, **{**usual, **options})

    PAIR = ("who wrote it", "llamas live in the high andes")

    def test_every_form_answers_alike_and_is_kept(self):
        found = []
        for form in ("B", "A", "padded"):
            with self.pipeline(form=form) as made:
                self.assertEqual(made.form, form)
                found.append(made.answer([self.PAIR] * 3)[2][0])
        for one in found:
            self.assertEqual(one["answer"], self.PAIR[1][one["start"] : one["end"]])
            self.assertAlmostEqual(one["score"], found[0]["score"], places=6)
        kept = sorted(os.listdir(self.cache))
        self.assertEqual(len(kept), 6)
        times = [os.path.getmtime(os.path.join(self.cache, name)) for name in kept]
        with self.pipeline(form="A") as made:
            self.assertEqual(made.answer([self.PAIR])[0], [found[1]])
        self.assertEqual(sorted(os.listdir(self.cache)), kept)
        again = [os.path.getmtime(os.path.join(self.cache, name)) for name in kept]
        self.assertEqual(sum(a != b for a, b in zip(times, again)), 2)  # read, not written

    def test_a_damaged_executable_is_made_again(self):
        with self.pipeline(form="B") as made:
            expected = made.answer([self.PAIR])
        (name,) = [name for name in os.listdir(self.cache) if name.endswith(".popef")]
        with open(os.path.join(self.cache, name), "r+b") as file:
            file.seek(2000)
            file.write(b"damage")
        with self.pipeline(form="B") as made:
            self.assertEqual(made.answer([self.PAIR]), expected)

    def test_why_a_form_was_left_out_is_kept(self):
        def without_b(model, **options):
            if "insert_attention_mask" in options.get("passes", ()):
                raise tessera.Error("a node: stands against it")
            return tessera.compile(model, **options)

        for _ in range(2):  # then from the cache
            with mock.patch("tessera.text.engine.compile", without_b), self.pipeline() as made:
                self.assertEqual(made.form, "A")
                self.assertEqual(made.form_refusals, {"B": "a node: stands against it"})
        with self.assertRaisesRegex(tessera.Error, "precison"):
            self.pipeline(compile_options={"precison": "fp16"})

    def test_a_question_to_a_model_of_another_task(self):
        with self.pipeline() as made:
            with self.assertRaisesRegex(tessera.UsageError, "to answer, must be one to embed"):
                made.embed("a")
            with self.assertRaises(tessera.Error) as caught:
                made.answer([("it " * 40, "the andes")])
            self.assertEqual(caught.exception.reason, "over_long")
        with self.assertRaisesRegex(tessera.UsageError, r"length: is 65, must be in 2..64"):
            self.pipeline(length=65)

    def test_the_command(self):
        texts = write(self.folder, "t.jsonl", '{"question": "who", "context": "llamas live"}\n' * 2)
        words = [sys.executable, "-m", "tessera", "text", "answer", self.folder]
        usual = ["--length", "32", "--rows", "4", "--cache_dir", self.cache, "--top_k", "2"]
        done = subprocess.run([*words, texts, *usual], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(lines), 2)
        self.assertEqual(lines[0], lines[1])
        self.assertEqual(set(lines[0]["answers"][0]), {"answer", "score", "start", "end"})
        write(self.folder, "t.jsonl", '{"question": "who"}\n')
        done = subprocess.run([*words, texts, *usual], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn('t.jsonl:1: must be {"question": "…", "context": "…"}', done.stderr)

    def test_jobs_count_tokens(self):
        with self.pipeline() as made:
            job = made.answer_job([self.PAIR])
        self.assertIsInstance(job, Job)
        self.assertEqual(job.tokens, 3 + 3 + 6)


if __name__ == "__main__":
    unittest.main()
