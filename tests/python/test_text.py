# SPDX-License-Identifier: Apache-2.0
"""Text pipelines without the packages of others: folders, pooling, labels, the cache, and the words
for a package that is missing."""

import argparse
import math
import os
import re
import subprocess
import sys
import unittest

import numpy as np

import tessera
import tiny
from tessera.lines import piece_of, read_rows
from tessera.text import command
from tessera.text.cache import Cache, digest, fingerprint
from tessera.text.folder import Module, read_folder
from tessera.text.labels import classify_job, rerank_job, stored_function, usual_function
from tessera.text.pooling import Steps
from text_folder import InFolder, write


class Folders(InFolder):
    def test_the_task_is_that_of_the_architecture(self):
        for name, more, task in (
            ("BertModel", {}, "embed"),
            ("BertForMaskedLM", {}, "embed"),
            ("RobertaForTokenClassification", {}, "ner"),
            ("DistilBertForQuestionAnswering", {}, "answer"),
            ("BertForSequenceClassification", {}, "classify"),
            ("BertForSequenceClassification", {"id2label": {"0": "a"}}, "rerank"),
            (
                "BertForSequenceClassification",
                {"id2label": {"0": "a"}, "problem_type": "regression"},
                "classify",
            ),
        ):
            with self.subTest(name, **more):
                self.assertEqual(read_folder(self.model(architectures=[name], **more)).task, task)
        for odd in (5, {"a": 1}, [], "BertForMaskedLM"):
            self.assertEqual(read_folder(self.model(architectures=odd)).task, "embed")
        self.assertEqual(read_folder(self.folder, task="ner").task, "ner")
        write(self.folder, "modules.json", [])
        self.assertEqual(read_folder(self.folder).task, "embed")
        with self.assertRaisesRegex(tessera.UsageError, "must be one of embed, classify"):
            read_folder(self.folder, task="sing")

    def test_the_longest_text_is_the_least_that_is_allowed(self):
        self.assertEqual(read_folder(self.model()).longest, 512)
        self.assertEqual(read_folder(self.model(max_position_embeddings=300)).longest, 300)
        shifted = self.model(model_type="xlm-roberta", max_position_embeddings=514, pad_token_id=1)
        self.assertEqual(read_folder(shifted).longest, 512)
        write(self.folder, "tokenizer_config.json", {"model_max_length": 1e30})
        self.assertEqual(read_folder(self.folder).longest, 512)
        write(self.folder, "tokenizer_config.json", {"model_max_length": 384})
        write(self.folder, "sentence_bert_config.json", {"max_seq_length": 256})
        self.assertEqual(read_folder(self.folder).longest, 256)

    def test_modules_in_their_order_and_an_encoder_in_a_folder_of_its_own(self):
        write(self.folder, "0_Transformer/config.json", {"model_type": "bert"})
        write(self.folder, "0_Transformer/tokenizer.json", {})
        write(self.folder, "0_Transformer/model.onnx", "")
        write(self.folder, "1_Pooling/config.json", {"pooling_mode_cls_token": True})
        rows = [("2", "Normalize"), ("1", "Pooling"), ("0", "Transformer")]
        write(
            self.folder,
            "modules.json",
            [
                {"idx": i, "path": f"{i}_{k}", "type": f"sentence_transformers.models.{k}"}
                for i, k in rows
            ],
        )
        read = read_folder(self.folder)
        self.assertEqual([module.kind for module in read.modules], ["Pooling", "Normalize"])
        self.assertEqual(read.onnx, os.path.join(self.folder, "0_Transformer", "model.onnx"))
        self.assertEqual(Steps(read.modules).modes, ["cls"])
        chosen = read_folder(self.folder, pooling="max+mean")
        self.assertEqual(Steps(chosen.modules).modes, ["max", "mean"])

    def test_special_tokens_of_either_file(self):
        write(self.model(), "special_tokens_map.json", {"cls_token": "<s>", "unk_token": "<u>"})
        write(self.folder, "tokenizer_config.json", {"cls_token": {"content": "[CLS]"}, "a": 1})
        special = read_folder(self.folder).special
        self.assertEqual(special, {"cls_token": "[CLS]", "unk_token": "<u>"})

    def test_what_is_wrong_is_named(self):
        with self.assertRaisesRegex(tessera.Error, "is not a folder"):
            read_folder(os.path.join(self.folder, "none"))
        with self.assertRaisesRegex(FileNotFoundError, "has no config.json"):
            read_folder(self.folder)
        write(self.folder, "config.json", {"model_type": "bert"})
        with self.assertRaisesRegex(tessera.Error, "has no tokenizer.json, must have it"):
            read_folder(self.folder)
        self.model()
        with self.assertRaisesRegex(tessera.Error, "has no other.onnx"):
            read_folder(self.folder, onnx_file="other.onnx")
        for content, words in (
            ("{", "must be JSON"),
            ("[" * 100_000, "must be JSON"),
            ([{"idx": "a"}], "must be a list of"),
            ([{"idx": 0, "type": "a.Transformer", "path": "../x"}], "leaves the folder"),
        ):
            write(self.folder, "modules.json", content)
            with self.assertRaisesRegex(tessera.Error, words):
                read_folder(self.folder)


class Pooled(unittest.TestCase):
    TOKENS = np.array([[1, -2], [3, 0], [5, 8]], np.float32)

    def pooled(self, config, prompt_tokens=0):
        return Steps((Module("Pooling", "", config),)).pooled(self.TOKENS, prompt_tokens).tolist()

    def test_every_way(self):
        for mode, expected in (
            ("cls", [1, -2]),
            ("max", [5, 8]),
            ("mean", [3, 2]),
            ("mean_sqrt_len_tokens", [9 / math.sqrt(3), 6 / math.sqrt(3)]),
            ("weightedmean", [22 / 6, 22 / 6]),
            ("lasttoken", [5, 8]),
        ):
            with self.subTest(mode):
                np.testing.assert_allclose(self.pooled({"pooling_mode": mode}), expected, 1e-6)
        both = {"pooling_mode_max_tokens": True, "pooling_mode_cls_token": True}
        self.assertEqual(self.pooled(both), [1, -2, 5, 8])
        self.assertEqual(self.pooled({}), [3, 2])
        with self.assertRaisesRegex(tessera.UsageError, "pooling: is 'sum', must be of cls, "):
            self.pooled({"pooling_mode": "sum"})

    def test_a_prompt_that_does_not_count(self):
        config = {"pooling_mode": ["mean", "weightedmean"], "include_prompt": False}
        np.testing.assert_allclose(self.pooled(config, 1), [4, 4, 21 / 5, 24 / 5], 1e-6)
        counted = {"pooling_mode": "mean"}
        self.assertEqual(self.pooled(counted, 1), [3, 2])

    def test_only_a_last_normalization_may_be_left_out(self):
        pooling, norm = Module("Pooling", "", {}), Module("Normalize", "", {})
        self.assertTrue(Steps((pooling, norm)).normalizes)
        vector = np.array([3, 4], np.float32)
        self.assertEqual(Steps((pooling, norm)).behind(vector).tolist(), [3, 4])
        twice = Steps((pooling, norm, norm))
        np.testing.assert_allclose(twice.behind(vector), [0.6, 0.8], 1e-6)
        with self.assertRaisesRegex(tessera.Error, "is a module LSTM, must be Transformer"):
            Steps((Module("LSTM", "x", {}),))


class Labels(InFolder):
    LOGITS = ({"logits": np.array([0, 2, 1], np.float32)},)

    def test_softmax_sigmoid_and_numbers(self):
        folder = read_folder(self.model(id2label={"0": "a", "1": "b", "2": "c"}))
        powers = np.exp([0, 2, 1])

        def run(**options):
            return classify_job(folder, [None], **options).finish(list(self.LOGITS))[0]

        made = run(top_k=None, function=None)
        self.assertEqual([each["label"] for each in made], ["b", "c", "a"])
        np.testing.assert_allclose([e["score"] for e in made], (powers / powers.sum())[[1, 2, 0]])
        self.assertEqual(run(top_k=1, function="none"), [{"label": "b", "score": 2.0}])
        self.assertAlmostEqual(run(top_k=1, function="sigmoid")[0]["score"], 1 / (1 + math.exp(-2)))
        with self.assertRaisesRegex(tessera.UsageError, "function: is 'relu', must be one of"):
            run(top_k=1, function="relu")
        with self.assertRaisesRegex(tessera.UsageError, "top_k: is 0"):
            run(top_k=0, function=None)

    def test_what_config_says(self):
        self.assertEqual(usual_function({"problem_type": "regression"}, 3), "none")
        self.assertEqual(
            usual_function({"problem_type": "multi_label_classification"}, 3), "sigmoid"
        )
        self.assertEqual((usual_function({}, 1), usual_function({}, 2)), ("sigmoid", "softmax"))
        identity = "torch.nn.modules.linear.Identity"
        self.assertEqual(
            stored_function({"sbert_ce_default_activation_function": identity}), "none"
        )
        self.assertEqual(stored_function({}), "sigmoid")
        with self.assertRaisesRegex(tessera.Error, "must be Sigmoid or Identity"):
            stored_function({"sentence_transformers": {"activation_fn": "a.Softmax"}})

    def test_ranks_are_in_order_and_one_a_pair(self):
        folder = read_folder(self.model(id2label={"0": "a"}))
        job = rerank_job(folder, [None] * 3, top_k=2, function="none")
        answers = [{"logits": np.array([value], np.float32)} for value in (1, 3, 2)]
        self.assertEqual(
            job.finish(answers), [{"index": 1, "score": 3.0}, {"index": 2, "score": 2.0}]
        )
        with self.assertRaisesRegex(tessera.Error, "gives 3 scores a pair, must give one"):
            job.finish(list(self.LOGITS))


class Kept(InFolder):
    def test_others_may_not_write_into_it(self):
        os.chmod(self.folder, 0o770)
        with self.assertRaisesRegex(tessera.BadFileError, "others can write to it"):
            Cache(self.folder)

    def test_the_least_recently_used_goes(self):
        cache = Cache(self.folder)
        for i, name in enumerate("abc"):
            os.utime(cache.write(name, b"1234"), ns=(i, i))
        self.assertTrue(cache.has("a"))  # and is used by that
        cache.make_room((), limit=8)
        self.assertEqual(sorted(os.listdir(self.folder)), ["a", "c"])
        self.assertFalse(cache.has("b"))

    def test_none_is_a_folder_that_goes(self):
        cache = Cache("")
        folder = cache.folder
        self.assertFalse(cache.kept)
        cache.close()
        self.assertFalse(os.path.exists(folder))

    def test_another_model_has_another_name(self):
        path = write(self.folder, "model.onnx", "one")
        first = fingerprint(path)
        write(self.folder, "model.onnx_data", "weights")
        second = fingerprint(path)
        write(self.folder, "model.onnx", "two")
        self.assertEqual(len({digest(each) for each in (first, second, fingerprint(path))}), 3)


class Flags(unittest.TestCase):
    def test_the_program_and_python_have_the_same(self):
        made = argparse.ArgumentParser()
        command.add_to(made.add_subparsers())
        text = made._subparsers._group_actions[0].choices["text"]
        inner = text._subparsers._group_actions[0].choices
        ours = {
            word: action.default
            for verb in inner.values()
            for action in verb._actions
            for word in action.option_strings
            if word.startswith("--") and word != "--help"
        }
        theirs = tiny.command_line("text", "--help").stdout
        pattern = r"^  (?:-\w \[ )?(--[a-z_]+)(?: \])?(?: arg)?(?: \(=(.*?)\))?"
        known = dict(re.findall(pattern, theirs, re.MULTILINE))
        known.pop("--words", None)
        known.pop("--help", None)
        self.assertEqual(set(known), set(ours))
        for word, default in known.items():
            if default:
                self.assertEqual(str(ours[word]), default, word)


class Lines(InFolder):
    def rows(self, name, content, *keys):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return list(read_rows(path, keys or ("text",), None if keys else "text_pair"))

    def test_a_line_is_a_text_or_an_object(self):
        self.assertEqual(self.rows("a.txt", b'a\n\n{"b"}\r\n'), [{"text": "a"}, {"text": '{"b"}'}])
        pair = {"text": "a", "text_pair": "b"}
        lines = b'{"text": "a", "text_pair": "b"}\n\n{"text": "c", "text_pair": null, "more": 1}\n'
        made = self.rows("a.jsonl", lines)
        self.assertEqual(made, [pair, {"text": "c"}])
        self.assertEqual([piece_of(row) for row in made], [("a", "b"), "c"])
        self.assertEqual(
            self.rows("b.txt", b'{"x": "1", "y": "2"}', "x", "y"), [{"x": "1", "y": "2"}]
        )

    def test_what_is_wrong_is_named(self):
        deep = b"[" * 100_000
        for content in (b"{", b"[]", b"{}", b'{"text": 1}', b'{"text": "a", "text_pair": 1}', deep):
            words = 'a.jsonl:2: must be {"text": "…"}, and may have a "text_pair"'
            with self.assertRaisesRegex(tessera.Error, re.escape(words)):
                self.rows("a.jsonl", b'{"text": "a"}\n' + content)
        for name in ("a.txt", "a.jsonl"):
            with self.assertRaisesRegex(tessera.Error, f"{name}: 'utf-8' codec"):
                self.rows(name, b"\xff\n")


class WithoutPackages(InFolder):
    def python(self, code, *words):
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(command, capture_output=True, text=True)

    def test_import_tessera_loads_none_of_it(self):
        code = (
            "import sys, tessera\n"
            "print([m for m in sys.modules if m.startswith(('tessera.text', 'tessera.sweep'))"
            " or m in ('tokenizers', 'fastapi')])\n"
            "print(tessera.TextPipeline.__name__, hasattr(tessera, 'TextPipelines'))\n"
            "print(tessera.sweep.__module__, tessera.Sweep.__module__)"
        )
        done = self.python(code)
        self.assertEqual(
            done.stdout, "[]\nTextPipeline False\ntessera.sweeps tessera.sweeps\n", done.stderr
        )

    def test_their_absence_says_what_to_install(self):
        self.model()
        write(self.folder, "model.onnx", "")
        code = (
            "import sys; sys.modules['{}'] = None\n"
            "from tessera.__main__ import main\n"
            "sys.argv[0] = 'tessera'\n"
            "sys.exit(main())"
        )
        texts = write(self.folder, "texts.txt", "a\n")
        words = ("text", "embed", self.folder, texts, "--cache_dir", "")
        done = self.python(code.format("tokenizers"), *words)
        self.assertEqual(done.returncode, 1)
        self.assertIn("pip install 'tessera[text]'", done.stderr)
        for package in ("fastapi", "uvicorn", "orjson"):
            words = ("text", "serve", "--model", self.folder)
            done = self.python(code.format(package), *words)
            self.assertEqual(done.returncode, 1)
            self.assertIn("pip install 'tessera[text]'", done.stderr)

    def test_a_server_without_room_for_a_call_is_refused(self):
        code = "from tessera.__main__ import main; import sys; sys.exit(main())"
        for name in ("max_client_batch_size", "max_connections", "tokenization_workers"):
            words = ("text", "serve", "--model", self.folder, f"--{name}", "0")
            done = self.python(code, *words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"--{name}: is 0, must be at least 1", done.stderr)

    def test_help_names_every_task(self):
        done = self.python(
            "from tessera.__main__ import main; import sys; sys.exit(main())", "text", "--help"
        )
        for word in ("embed", "classify", "rerank", "ner", "answer", "serve"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    unittest.main()
