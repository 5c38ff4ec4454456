# SPDX-License-Identifier: Apache-2.0
"""Callers of every kind, for locust (scripts/bench_load). A call whose status is not the one that
it is due is a failure."""

import json
import random
import struct

from locust import FastHttpUser, constant, task

MODEL = "/v2/models/bert"


def body_of(ids, datatype="INT64", shape=None, **parameters):
    tensor = {"name": "input_ids", "datatype": datatype, "shape": shape or [1, len(ids)]}
    return {"inputs": [{**tensor, "data": ids}], "parameters": parameters}


def drawn(longest=32):
    return [random.randrange(1, 100) for _ in range(random.randint(1, longest))]


class Caller(FastHttpUser):
    wait_time = constant(0)

    def ask(self, name, path, due, **request):
        with self.client.post(path, name=name, catch_response=True, **request) as answer:
            if answer.status_code in due:
                answer.success()
            else:
                answer.failure(f"{answer.status_code}, due: {due}")
            return answer

    @task(20)
    def good(self):
        ids = drawn()
        answer = self.ask("good", f"{MODEL}/infer", (200,), json=body_of(ids))
        if answer.status_code == 200:
            shapes = [each["shape"][:2] for each in answer.json()["outputs"]]
            assert all(shape == [1, len(ids)] for shape in shapes), shapes

    @task(10)
    def binary(self):
        ids = drawn()
        bytes_of = struct.pack(f"<{len(ids)}q", *ids)
        tensor = {"name": "input_ids", "datatype": "INT64", "shape": [1, len(ids)]}
        asked = {**tensor, "parameters": {"binary_data_size": len(bytes_of)}}
        head = json.dumps({"inputs": [asked]}).encode()
        length = {"Inference-Header-Content-Length": str(len(head))}
        self.ask("binary", f"{MODEL}/infer", (200,), data=head + bytes_of, headers=length)

    @task(5)
    def several(self):
        ids = drawn(8)
        body = body_of(ids * 4, shape=[4, len(ids)])
        self.ask("several", f"{MODEL}/infer", (200,), json=body)

    @task(5)
    def deadline(self):
        microseconds = random.choice((1, 100, 1000, 10_000))
        body = body_of(drawn(), timeout=microseconds)
        self.ask("deadline", f"{MODEL}/infer", (200, 504), json=body)

    @task(1)
    def over_long(self):
        self.ask("over long", f"{MODEL}/infer", (400,), json=body_of([5] * 33))

    @task(1)
    def wrong_datatype(self):
        self.ask("wrong datatype", f"{MODEL}/infer", (400,), json=body_of([5], "FP32"))

    @task(1)
    def wrong_shape(self):
        self.ask("wrong shape", f"{MODEL}/infer", (400,), json=body_of([5], shape=[1, 1 << 40]))

    @task(1)
    def out_of_range(self):
        self.ask("out of range", f"{MODEL}/infer", (400,), json=body_of([10**6]))

    @task(1)
    def unknown_model(self):
        self.ask("unknown model", "/v2/models/none/infer", (404,), json=body_of([5]))

    @task(1)
    def garbage(self):
        self.ask("garbage", f"{MODEL}/infer", (400,), data=random.randbytes(200))

    @task(2)
    def pages(self):
        for path in ("/v2", MODEL, f"{MODEL}/stats", "/v2/health/ready", "/metrics"):
            self.client.get(path, name="pages")
