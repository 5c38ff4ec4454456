# SPDX-License-Identifier: Apache-2.0
"""`tessera text serve` against callers who send what is not asked for, too much of it, too slowly,
or nothing: each gets an error, at a bounded cost, and others are answered as before. Run by
text.sh.

Costs are the server's own processor time and memory, so that other work on the host is not in
them."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import threading
import time
import unittest

import httpx

import text_served
from text_served import TASKS, Server, path

BODY = 1_990_000  # bytes of the largest bodies: a little below the limit
PAGES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


def setUpModule():
    if not os.path.isdir(path("answer")):
        text_served.folders()


def tearDownModule():
    with open(path("log")) as file:
        log = file.read()
    assert "Traceback" not in log, log
    assert "Invalid" not in log and "upgrade" not in log, log  # callers write no lines


def many(item, of=BODY):
    return "[" + ",".join([item] * (of // (len(item) + 1))) + "]"


def head(length, where="/embed", more=""):
    return (
        f"POST {where} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode()


def received(opened, seconds=30):
    """All that comes until the server closes."""
    opened.settimeout(seconds)
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := opened.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)


class Hostile(unittest.TestCase):
    WORDS = ()

    @classmethod
    def setUpClass(cls):
        models = [f"{task}={path(task)}" for task in TASKS]
        cls.server = Server("--model", *models, *cls.WORDS)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def tearDown(self):
        answer = self.server.post("/embed", {"inputs": "the boat"})
        self.assertEqual(answer.status_code, 200, answer.text)

    def connect(self):
        opened = socket.create_connection(("127.0.0.1", self.server.port))
        self.addCleanup(opened.close)
        return opened

    def used(self):
        """Seconds of processor time, and MiB that the server holds or has held."""
        with open(f"/proc/{self.server.process.pid}/stat") as file:
            words = file.read().rpartition(")")[2].split()
        with open(f"/proc/{self.server.process.pid}/status") as file:
            most = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        return (int(words[11]) + int(words[12])) / TICKS, most / 1024

    def refused(self, where, content, status=None, seconds=8, mebibytes=600):
        """The error of a call that takes at most this."""
        if isinstance(content, str):
            content = content.encode("utf-8", "surrogatepass")
        before, most = self.used()
        kind = {"Content-Type": "application/json"}
        answer = self.server.client.post(where, content=content, headers=kind)
        after, now = self.used()
        self.assertLess(after - before, seconds)
        self.assertLess(now - most, mebibytes)
        told = answer.json()["error"]
        if status is None:
            self.assertIn(answer.status_code, (400, 404, 413, 422), answer.text[:500])
        else:
            self.assertEqual(answer.status_code, status, answer.text[:500])
        told = told["message"] if isinstance(told, dict) else told
        self.assertLess(len(told), 1100)
        return told


class Bodies(Hostile):
    def test_a_million_items_are_refused_at_the_first_that_is_wrong(self):
        for item in ("1.5", "{}", "[]", "[1]", "[1.5]", "null", "true", '{"question":1}'):
            for where, name in (
                ("/embed", "inputs"),
                ("/v1/embeddings", "input"),
                ("/models/classify/predict", "inputs"),
                ("/models/ner/ner", "inputs"),
                ("/models/answer/answer", "inputs"),
                ("/decode", "ids"),
                ("/tokenize", "inputs"),
                ("/", "inputs"),
            ):
                with self.subTest(item, where=where):
                    self.refused(where, f'{{"{name}":{many(item)}}}')
        for body in (f'"query":"a","texts":{many("1")}', f'"query":{many("1")},"texts":["a"]'):
            self.refused("/models/rerank/rerank", f"{{{body}}}", 422)
        self.refused("/models/ner/ner", f'{{"inputs":"a","ignore_labels":{many("1")}}}', 422)

    def test_a_million_tiny_texts_are_too_many(self):
        self.assertIn(
            "batch size 497500",
            self.refused("/embed", f'{{"inputs":{many(chr(34) + "a" + chr(34))}}}', 413),
        )
        self.assertIn(
            "batch size",
            self.refused("/models/ner/ner", f'{{"inputs":{many(chr(34) + "a" + chr(34))}}}', 413),
        )

    def test_a_million_tokens(self):
        self.assertIn("tokens", self.refused("/embed", f'{{"inputs":{many("5")}}}', 413))
        self.assertIn("at most 65536", self.refused("/decode", f'{{"ids":{many("5")}}}', 413))
        words = json.dumps({"inputs": "a " * (BODY // 2)})
        self.assertIn("at most 65536", self.refused("/tokenize", words, 413))

    def test_windows_of_a_long_text_are_bounded(self):
        long = "a " * (BODY // 2)
        body = json.dumps({"inputs": long, "stride": 61})
        self.assertIn("must be in at most 1024", self.refused("/models/ner/ner", body, 413))
        asked = {"question": "a", "context": long}
        body = json.dumps({"inputs": asked, "doc_stride": 59})
        self.assertIn("must be in at most 1024", self.refused("/models/answer/answer", body, 413))

    def test_what_is_cut_off_holds_no_memory(self):
        body = json.dumps({"inputs": "a " * (BODY // 2), "truncate": True})
        _, most = self.used()
        with concurrent.futures.ThreadPoolExecutor(6) as threads:
            kind = {"Content-Type": "application/json"}
            post = self.server.client.post
            asked = [threads.submit(post, "/embed", content=body, headers=kind) for _ in range(6)]
            self.assertEqual({one.result().status_code for one in asked}, {200})
        self.assertLess(self.used()[1] - most, 900)

    def test_json_that_is_nested_deeply(self):
        for deep in ("[" * BODY, "[" * 900_000 + "]" * 900_000, '{"a":' * 300_000):
            self.assertIn("depth limit", self.refused("/embed", f'{{"inputs":{deep}}}', 422))
        self.refused("/embed", '{"inputs":"a","b":' + "[" * 900 + "]" * 900 + "}", 413)

    def test_bytes_that_are_no_text_and_numbers_that_are_none(self):
        for content in (
            b'{"inputs":"\xff\xfe"}',
            b'{"inputs":"\xed\xa0\x80"}',
            b'{"inputs":"\\ud800"}',
            b'{"inputs":"a","\\udfff":1}',
            b'{"inputs":"a","prompt_name":"\\ud800"}',
            '{"inputs":"a"}'.encode("utf-16"),
            b'{"inputs":"a","dimensions":NaN}',
            b'{"inputs":"a","dimensions":1e999}',
            b'{"inputs":"a","dimensions":' + b"9" * BODY + b"}",
        ):
            for where in ("/embed", "/models/embed/embed", "/"):
                told = self.refused(where, content, 422)
                self.assertIn("is not JSON in UTF-8", told)
        told = self.refused("/v1/embeddings", b'{"input":"a","model":"\\ud800"}', 400)
        self.assertIn("is not JSON in UTF-8", told)

    def test_long_names_are_not_sent_back(self):
        long = "m" * BODY
        told = self.refused("/v1/embeddings", json.dumps({"input": "a", "model": long}), 404)
        self.assertIn("is not served; served: embed", told)
        self.refused("/embed", json.dumps({"inputs": "a", "prompt_name": long}), 413)
        self.refused("/models/" + "m" * 9000 + "/embed", b'{"inputs":"a"}', 404)
        self.refused("/models/%ff%00%ed%a0%80/embed", b'{"inputs":"a"}', 404)

    def test_every_field_of_every_type(self):
        bodies = {
            "/embed": ("inputs", "truncate", "truncation_direction", "normalize", "prompt_name"),
            "/embed_all": ("inputs", "prompt_name"),
            "/v1/embeddings": ("input", "model", "encoding_format", "dimensions", "user"),
            "/similarity": ("inputs", "parameters"),
            "/models/classify/predict": ("inputs", "raw_scores"),
            "/models/rerank/rerank": ("query", "texts", "return_text"),
            "/models/ner/ner": ("inputs", "aggregation_strategy", "ignore_labels", "stride"),
            "/models/answer/answer": ("inputs", "top_k", "doc_stride", "max_seq_len"),
            "/tokenize": ("inputs", "add_special_tokens"),
            "/decode": ("ids", "skip_special_tokens"),
            "/": ("inputs", "parameters"),
        }
        odd = (None, True, -1, 2**63, 1e300, "", "a", "\0", [], {}, [[]], [None], {"a": 1}, [[[1]]])
        for where, fields in bodies.items():
            usual = {"inputs": "a", "input": "a", "query": "a", "texts": ["a"], "ids": [5]}
            for field in fields:
                for value in odd:
                    answer = self.server.post(where, {**usual, field: value})
                    with self.subTest(where, field=field, value=value):
                        self.assertLess(answer.status_code, 500, answer.text)


class Slow(Hostile):
    WORDS = (
        *("--head_seconds", "1", "--body_seconds", "1", "--write_seconds", "2"),
        *("--max_connections", "300", "--max_concurrent_requests", "40"),
        *("--max_client_batch_size", "256", "--max_memory_bytes", "30000000"),
    )

    def test_a_head_that_comes_slowly(self):
        opened = self.connect()
        start = time.monotonic()
        with contextlib.suppress(OSError):
            for letter in b"POST /embed HTTP/1.1\r\nHost: a":
                opened.send(bytes([letter]))
                time.sleep(0.2)
        self.assertIn(b"408 Request Timeout", received(opened))
        self.assertLess(time.monotonic() - start, 15)

    def test_a_second_head_that_comes_slowly(self):
        opened = self.connect()
        opened.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        opened.sendall(b"GET /heal")
        told = received(opened)
        self.assertIn(b"200 OK", told)
        self.assertIn(b"408 Request Timeout", told)

    def test_half_a_body(self):
        for method in (b"POST", b"GET"):
            opened = self.connect()
            opened.sendall(
                method + head(100, "/health" if method == b"GET" else "/embed")[4:] + b"{"
            )
            self.assertIn(b"took too long to come", received(opened))

    def test_a_body_without_end(self):
        for method in (b"POST", b"GET"):
            opened = self.connect()
            more = b" /embed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            opened.sendall(method + more)
            _, most = self.used()
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 400 << 20:
                    sent += opened.send(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
            self.assertIn(b" 413 ", received(opened))
            self.assertLess(self.used()[1] - most, 100)

    def test_a_claim_of_a_gigabyte_is_refused_before_it_comes(self):
        opened = self.connect()
        opened.sendall(head(1 << 30) + b" " * 100_000)
        self.assertIn(b" 413 ", received(opened))

    def test_a_head_without_end(self):
        opened = self.connect()
        with contextlib.suppress(OSError):
            opened.sendall(b"GET /health HTTP/1.1\r\n")
            for i in range(100_000):
                opened.sendall(b"X-%d: 1\r\n" % i)
        self.assertIn(b"400 Bad Request", received(opened))

    def test_what_is_not_http(self):
        for garbage in (
            b"\x16\x03\x01\x02\x00",
            b"PRI * HTTP/2.0\r\n\r\n",
            b"\r\n" * 50,
            bytes(999),
        ):
            opened = self.connect()
            opened.sendall(garbage + b"\r\n\r\n")
            self.assertIn(received(opened)[9:10], b"4")
        opened = self.connect()
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        opened.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n")
        self.assertIn(b"200 OK", opened.recv(100))

    def test_answers_that_nobody_takes(self):
        body = json.dumps({"inputs": ["the boat " * 20] * 256, "truncate": True}).encode()
        opened = [self.connect() for _ in range(60)]
        for one in opened:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(head(len(body), "/embed_all") + body)
        _, most = self.used()
        self.assertLess(most, 2000)
        end = time.monotonic() + 60
        while self.server.post("/embed", {"inputs": "a"}).status_code != 200:
            self.assertLess(time.monotonic(), end)  # they are cut off, and their memory is free
            time.sleep(0.5)

    def test_more_connections_than_there_may_be(self):
        first = [self.connect() for _ in range(150)]
        ask = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
        for one in first:
            one.sendall(ask)
        self.assertTrue(all(b" 200 " in one.recv(1000) for one in first))
        more = [self.connect() for _ in range(1850)]
        told = b""
        for one in more[200:250]:
            with contextlib.suppress(OSError):
                one.sendall(ask)
                told += received(one)
        self.assertTrue(b" 503 " in told and b"too many connections" in told)
        for one in first:
            one.sendall(ask)
        self.assertTrue(all(b" 200 " in one.recv(1000) for one in first))
        for one in more:
            one.close()
        time.sleep(0.5)


class Stop(unittest.TestCase):
    def test_sigterm_under_load_answers_or_refuses_every_call(self):
        server = Server("--model", path("embed"), "--drain_seconds", "5")
        half = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for one in half:
            one.sendall(head(100)[:40])
        found, stop = [], threading.Event()

        def call():
            with httpx.Client(base_url=server.url, timeout=60) as client:
                while not stop.is_set():
                    try:
                        found.append(client.post("/embed", json={"inputs": "a boat"}).status_code)
                    except httpx.ConnectError:
                        return
                    except httpx.TransportError as error:
                        found.append(str(error).lower())
                        return

        threads = [threading.Thread(target=call) for _ in range(16)]
        for one in threads:
            one.start()
        while 200 not in found:
            time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(60), 0)
        stop.set()
        for one in threads:
            one.join()
        for one in half:
            one.close()
        self.assertGreater(found.count(200), 0, found)
        # A kept connection may close while the next call is on its way.
        left = [one for one in found if one not in (200, 503)]
        self.assertTrue(all("disconnected" in one or "reset" in one for one in left), left)
        server.client.close()
        server.process.stdout.close()


if __name__ == "__main__":
    unittest.main()
