# SPDX-License-Identifier: Apache-2.0
"""`tessera text serve` and clients that others wrote: openai, huggingface_hub, httpx, Prometheus'
parser, and schemathesis on its description. Run by text.sh, in a virtual environment with them."""

import base64
import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

import numpy as np

import tessera
import text_models
import text_served
from text_served import TASKS, Server, folders, path

SENTENCES = text_models.TEXT.splitlines()
LONG = " ".join(SENTENCES)


def setUpModule():
    global server, pipelines
    folders()
    server = Server("--model", *(f"{task}={path(task)}" for task in TASKS))
    pipelines = {
        task: tessera.TextPipeline(path(task), cache_dir=path("cache"), precision="fp32", rows=4)
        for task in TASKS
    }


def tearDownModule():
    code = server.stop()
    for pipeline in pipelines.values():
        pipeline.close()
    with open(path("log")) as file:
        log = file.read()
    assert code == 0, code
    assert "Traceback" not in log, log


def near(case, ours, expected):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(expected), atol=1e-6)


class OpenAI(unittest.TestCase):
    def setUp(self):
        import openai

        self.client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        self.addCleanup(self.client.close)

    def test_embeddings(self):
        expected = pipelines["embed"].embed(SENTENCES)
        for form in ({}, {"encoding_format": "float"}):  # base64 is what the client asks for itself
            made = self.client.embeddings.create(model="embed", input=SENTENCES, **form)
            near(self, [each.embedding for each in made.data], expected)
            self.assertEqual([each.index for each in made.data], list(range(len(SENTENCES))))
            tokens = sum(map(len, pipelines["embed"].tokens.encode(SENTENCES)))
            self.assertEqual((made.usage.prompt_tokens, made.usage.total_tokens), (tokens, tokens))
            self.assertEqual((made.model, made.object), ("embed", "list"))
        one = self.client.embeddings.create(model="embed", input=SENTENCES[0])
        near(self, one.data[0].embedding, expected[0])

    def test_tokens_in_place_of_texts(self):
        pipeline = pipelines["embed"]
        ids = [list(one.ids) for one in pipeline.tokens.encode(SENTENCES[:2])]
        expected = pipeline.embed(SENTENCES[:2])
        made = self.client.embeddings.create(model="embed", input=ids)
        near(self, [each.embedding for each in made.data], expected)
        made = self.client.embeddings.create(model="embed", input=ids[1])
        near(self, made.data[0].embedding, expected[1])

    def test_dimensions(self):
        made = self.client.embeddings.create(model="embed", input=SENTENCES[0], dimensions=8)
        whole = pipelines["embed"].embed(SENTENCES[0])[0, :8]
        near(self, made.data[0].embedding, whole / np.linalg.norm(whole))

    def test_models(self):
        self.assertEqual([model.id for model in self.client.models.list()], list(TASKS))
        self.assertEqual(self.client.models.retrieve("ner").owned_by, "tessera")

    def test_errors_are_the_clients_own(self):
        import openai

        create = self.client.embeddings.create
        with self.assertRaises(openai.NotFoundError) as caught:
            create(model="other", input="a")
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaisesRegex(openai.BadRequestError, "must have at most 64") as caught:
            create(model="embed", input=LONG)
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        cut = create(model="embed", input=LONG, extra_body={"truncate": True})
        self.assertEqual(cut.usage.total_tokens, 64)
        wrong = [
            {"model": "ner", "input": "a"},
            {"model": "embed", "input": ""},
            {"model": "embed", "input": [10**6]},
            {"model": "embed", "input": "a", "dimensions": 10**6},
            {"model": "embed", "input": ["a"] * 33},
        ]
        for words in wrong:
            with self.subTest(words), self.assertRaises(openai.BadRequestError):
                create(**words)

    def test_base64_is_little_endian_float32(self):
        body = {"model": "embed", "input": "boat", "encoding_format": "base64"}
        made = server.post("/v1/embeddings", body).json()["data"][0]["embedding"]
        read = np.frombuffer(base64.b64decode(made), "<f4")
        near(self, read, pipelines["embed"].embed("boat")[0])


class Tei(unittest.TestCase):
    def test_embed(self):
        pipeline = pipelines["embed"]
        answer = server.post("/embed", {"inputs": SENTENCES})
        near(self, answer.json(), pipeline.embed(SENTENCES))
        self.assertGreater(int(answer.headers["x-compute-tokens"]), 50)
        for body, options in (
            ({"normalize": False}, {"normalize": False}),
            ({"prompt_name": "query"}, {"prompt_name": "query"}),
            ({"dimensions": 4}, {"dimensions": 4}),
        ):
            made = server.post("/embed", {"inputs": "the boat", **body}).json()
            near(self, made, pipeline.embed("the boat", **options))
        for side in ("Left", "Right"):
            body = {"inputs": LONG, "truncate": True, "truncation_direction": side}
            made = server.post("/models/embed/embed", body).json()
            near(self, made, pipeline.embed(LONG, truncation_side=side.lower()))

    def test_embed_all_and_similarity(self):
        made = server.post("/embed_all", {"inputs": SENTENCES[:2]}).json()
        for ours, expected in zip(made, pipelines["embed"].embed_tokens(SENTENCES[:2])):
            near(self, ours, expected)
        asked = {"source_sentence": SENTENCES[0], "sentences": SENTENCES[1:]}
        vectors = pipelines["embed"].embed(SENTENCES)
        near(self, server.post("/similarity", {"inputs": asked}).json(), vectors[1:] @ vectors[0])

    def test_rerank(self):
        expected = pipelines["rerank"].rerank("boat", SENTENCES)
        body = {"query": "boat", "texts": SENTENCES, "return_text": True}
        made = server.post("/rerank", body).json()
        self.assertEqual([each["index"] for each in made], [each["index"] for each in expected])
        near(self, [each["score"] for each in made], [each["score"] for each in expected])
        self.assertEqual([each["text"] for each in made], [SENTENCES[e["index"]] for e in made])
        raw = server.post("/rerank", {"query": "boat", "texts": SENTENCES, "raw_scores": True})
        near(self, [1 / (1 + np.exp(-e["score"])) for e in raw.json()], [e["score"] for e in made])
        self.assertNotIn("text", raw.json()[0])

    def test_predict(self):
        where = "/models/classify/predict"
        pairs = [("Who?", SENTENCES[0])]
        single = server.post(where, {"inputs": SENTENCES[0]}).json()
        self.assertEqual([e["label"] for e in single], self.labels(SENTENCES[0]))
        self.assertAlmostEqual(sum(each["score"] for each in single), 1, places=5)
        pair = server.post(where, {"inputs": list(pairs[0])}).json()  # two texts are a pair
        self.assertEqual([each["label"] for each in pair], self.labels(pairs[0]))
        batch = server.post(where, {"inputs": [[SENTENCES[0]], list(pairs[0])]}).json()
        near(self, [e["score"] for e in batch[0]], [e["score"] for e in single])
        near(self, [e["score"] for e in batch[1]], [e["score"] for e in pair])
        raw = server.post(where, {"inputs": SENTENCES[0], "raw_scores": True}).json()
        powers = np.exp([each["score"] for each in raw])
        near(self, powers / powers.sum(), [each["score"] for each in single])
        one = server.post("/models/rerank/predict", {"inputs": ["a", "b"]}).json()
        self.assertEqual([each["label"] for each in one], ["LABEL_0"])

    def labels(self, text):
        return [each["label"] for each in pipelines["classify"].classify([text], top_k=None)[0]]

    def test_ner_and_answer(self):
        made = server.post("/ner", {"inputs": SENTENCES, "aggregation_strategy": "first"}).json()
        expected = pipelines["ner"].ner(SENTENCES, aggregation="first")
        self.assertEqual(
            [[e["word"] for e in one] for one in made],
            [[e["word"] for e in one] for one in expected],
        )
        asked = {"question": "Who paints?", "context": LONG}
        made = server.post("/answer", {"inputs": asked, "top_k": 2, "doc_stride": 10}).json()
        self.assertEqual(len(made[0]), 2)
        span = made[0][0]
        self.assertEqual(LONG[span["start"] : span["end"]], span["answer"])

    def test_tokens_there_and_back(self):
        made = server.post("/tokenize", {"inputs": "the boat"}).json()[0]
        self.assertTrue(made[0]["special"] and made[-1]["special"])
        self.assertEqual("".join(each["text"] for each in made if not each["special"]), "theboat")
        ids = [each["id"] for each in made]
        self.assertEqual(server.post("/decode", {"ids": ids}).json(), ["the boat"])
        bare = server.post("/tokenize", {"inputs": "the boat", "add_special_tokens": False}).json()
        self.assertEqual([each["id"] for each in bare[0]], ids[1:-1])

    def test_info_and_health(self):
        info = server.client.get("/info").json()
        self.assertEqual(info["model_type"], {"embedding": {"pooling": "mean"}})
        self.assertEqual((info["max_input_length"], info["max_client_batch_size"]), (64, 32))
        rank = server.client.get("/models/rerank/info").json()
        self.assertEqual(rank["model_type"]["reranker"]["id2label"], {"0": "LABEL_0"})
        for where in ("/health", "/", "/ping"):
            self.assertEqual(server.client.get(where).status_code, 200)

    def test_errors_have_its_types(self):
        for where, body, status, kind in (
            ("/embed", {"inputs": []}, 422, "Validation"),
            ("/embed", {"inputs": ""}, 413, "Validation"),
            ("/embed", {"inputs": ["a"] * 33}, 413, "Validation"),
            ("/embed", {"inputs": LONG}, 413, "Validation"),
            ("/embed", {"inputs": "a", "prompt_name": "none"}, 413, "Validation"),
            ("/embed", {"inputs": [10**6]}, 422, "Tokenizer"),
            ("/embed", {"inputs": 5}, 422, "Validation"),
            ("/embed", {}, 422, "Validation"),
            ("/models/ner/embed", {"inputs": "a"}, 424, "Backend"),
            ("/models/classify/rerank", {"query": "a", "texts": ["b"]}, 424, "Backend"),
            ("/models/none/embed", {"inputs": "a"}, 404, "Validation"),
            ("/rerank", {"query": "a", "texts": []}, 422, "Validation"),
            ("/nowhere", {}, 404, "Validation"),
        ):
            with self.subTest(where, body=str(body)[:50]):
                answer = server.post(where, body)
                self.assertEqual(answer.status_code, status, answer.text)
                self.assertEqual(answer.json()["error_type"], kind)
        half = server.client.post("/embed", content=b'{"inputs": "\\ud800"}')
        self.assertEqual(half.status_code, 422)
        for body in (b'{"inputs": ', b"\xff", b""):
            broken = server.client.post("/embed", content=body)
            self.assertEqual((broken.status_code, broken.json()["error_type"]), (422, "Validation"))

    def test_a_client_of_hugging_face(self):
        code = (
            "import json, sys\n"
            "from huggingface_hub import InferenceClient\n"
            "client, texts = InferenceClient(model=sys.argv[1]), json.load(sys.stdin)\n"
            "made = client.feature_extraction(texts[0])[0].tolist()\n"
            "print(json.dumps([made, client.sentence_similarity(texts[0], texts[1:])]))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, server.url],
            input=json.dumps(SENTENCES),
            env={**os.environ, "HF_HUB_OFFLINE": "0"},
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        vector, scores = json.loads(done.stdout)
        vectors = pipelines["embed"].embed(SENTENCES)
        near(self, vector, vectors[0])
        near(self, scores, vectors[1:] @ vectors[0])


class Many(unittest.TestCase):
    def test_callers_share_batches_and_none_gets_anothers_answer(self):
        texts = [f"{SENTENCES[i % 6]} {i}"[i % 30 :] for i in range(300)]
        expected = pipelines["embed"].embed(texts)
        with concurrent.futures.ThreadPoolExecutor(16) as threads:
            asked = [threads.submit(server.post, "/embed", {"inputs": text}) for text in texts]
            made = [each.result().json()[0] for each in asked]
        np.testing.assert_allclose(made, expected, atol=1e-5)
        from prometheus_client.parser import text_string_to_metric_families

        told = server.client.get("/metrics").text
        samples = {}
        for family in text_string_to_metric_families(told):
            for sample in family.samples:
                key = (sample.name, *sorted(sample.labels.items()))
                self.assertNotIn(key, samples)
                samples[key] = sample.value
        answered = samples["tessera_answered_total", ("model", "embed")]
        batches = sum(
            value
            for key, value in samples.items()
            if key[0] == "tessera_batches_total" and ("model", "embed") in key
        )
        self.assertGreaterEqual(answered, 300)
        self.assertLess(batches, answered)
        self.assertGreaterEqual(samples["te_request_count", ("method", "single")], 300)


class Limits(unittest.TestCase):
    def test_a_body_is_bounded(self):
        answer = server.post("/embed", {"inputs": "a" * 3_000_000})
        self.assertEqual((answer.status_code, answer.json()["error_type"]), (413, "Validation"))
        parts = (b"x" * 65536 for _ in range(100))  # without a length
        answer = server.client.post("/v1/embeddings", content=parts)
        self.assertEqual(answer.json()["error"]["type"], "invalid_request_error")

    def test_a_deadline(self):
        for seconds in ("1e-9", "0.0001"):
            answer = server.post("/embed", {"inputs": "a"}, headers={"X-Request-Timeout": seconds})
            self.assertEqual(answer.status_code, 504, answer.text)
        answer = server.post("/embed", {"inputs": "a"}, headers={"X-Request-Timeout": "60"})
        self.assertEqual(answer.status_code, 200)
        answer = server.post("/embed", {"inputs": "a"}, headers={"X-Request-Timeout": "soon"})
        self.assertEqual(answer.status_code, 422)

    def test_too_many_calls_are_told_when_to_come_again(self):
        words = ("--model", path("embed"), "--max_concurrent_requests", "2", "--timeout", "0.5")
        small = Server(*words)
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(small.post, "/embed", {"inputs": "a"}) for _ in range(8)]
            made = [each.result() for each in asked]
        kinds = {answer.status_code for answer in made}
        self.assertEqual(kinds, {200, 429})
        refused = next(answer for answer in made if answer.status_code == 429)
        self.assertEqual(refused.json()["error_type"], "Overloaded")
        self.assertEqual(refused.headers["Retry-After"], "1")
        self.assertEqual(small.stop(), 0)

    def test_a_stop_answers_what_was_asked(self):
        small = Server("--model", path("embed"), "--timeout", "2")
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            asked = threads.submit(small.post, "/embed", {"inputs": "a"})
            time.sleep(0.5)
            small.process.send_signal(signal.SIGTERM)
            self.assertEqual(asked.result().status_code, 200)
        self.assertEqual(small.process.wait(60), 0)
        small.stop()

    def test_a_caller_who_goes_takes_its_call_back(self):
        small = Server("--model", f"one={path('embed')}", "--timeout", "1")
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", small.port)) as gone:
                body = b'{"inputs": "a"}'
                head = f"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
                gone.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
                time.sleep(0.2)
        time.sleep(1.5)
        told = small.client.get("/metrics").text
        self.assertIn('tessera_cancelled_total{model="one"} 3', told)
        self.assertIn('te_request_failure{err="cancelled"} 3', told)
        self.assertEqual(small.stop(), 0)


class Described(unittest.TestCase):
    def test_schemathesis_finds_nothing(self):
        checks = "not_a_server_error,status_code_conformance,content_type_conformance"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
        command += ["--checks", f"{checks},response_schema_conformance", "--seed", "1"]
        command += ["--max-examples", os.environ.get("TESSERA_EXAMPLES", "15")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=text_served.ROOT.name)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])


if __name__ == "__main__":
    unittest.main()
