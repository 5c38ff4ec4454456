# SPDX-License-Identifier: Apache-2.0
"""`tessera serve` as Triton's clients see it, over HTTP and gRPC, and Prometheus' parser."""

import asyncio
import unittest
import urllib.request

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
from prometheus_client.parser import text_string_to_metric_families
from served import IDS, MASK, Served
from tritonclient.utils import InferenceServerException


class Client(Served):
    def infer(self, client, kind, binary=None, **options):
        inputs, with_data = [], {} if binary is None else {"binary_data": binary}
        for name, array in (("input_ids", IDS), ("attention_mask", MASK)):
            inputs.append(kind.InferInput(name, array.shape, "INT64"))
            inputs[-1].set_data_from_numpy(array, **with_data)
        outputs = [kind.InferRequestedOutput("start_logits", **with_data)]
        result = client.infer("bert", inputs, outputs=outputs, **options)
        logits = result.as_numpy("start_logits")
        self.assertEqual(logits.shape, IDS.shape)
        self.assertTrue((logits[MASK == 0] == 0).all())
        self.assertTrue((logits[MASK == 1] != 0).all())
        return logits


class Triton(Client):
    def test_http_with_and_without_binary_tensors(self):
        with tritonclient.http.InferenceServerClient(self.http) as client:
            self.assertTrue(client.is_server_live())
            self.assertTrue(client.is_server_ready())
            self.assertTrue(client.is_model_ready("bert"))
            self.assertEqual(client.get_model_metadata("bert")["inputs"][0]["name"], "input_ids")
            binary = self.infer(client, tritonclient.http, True, request_id="a", priority=1)
            text = self.infer(client, tritonclient.http, False, timeout=20_000_000)
            np.testing.assert_array_equal(binary, text)
            stats = client.get_inference_statistics("bert")["model_stats"][0]
            self.assertGreaterEqual(stats["inference_count"], 4)
            self.assertEqual(client.get_model_repository_index()[0]["state"], "READY")
            with self.assertRaisesRegex(InferenceServerException, "not served"):
                client.get_model_metadata("none")
            with self.assertRaisesRegex(InferenceServerException, "allow_model_control"):
                client.unload_model("bert")

    def test_grpc(self):
        with tritonclient.grpc.InferenceServerClient(self.grpc) as client:
            self.assertTrue(client.is_server_ready() and client.is_model_ready("bert", "1"))
            self.assertEqual(client.get_server_metadata().name, "tessera")
            self.assertEqual(client.get_model_metadata("bert").inputs[0].datatype, "INT64")
            over_grpc = self.infer(client, tritonclient.grpc, request_id="b", priority=2)
            with tritonclient.http.InferenceServerClient(self.http) as other:
                over_http = self.infer(other, tritonclient.http, True)
            np.testing.assert_array_equal(over_grpc, over_http)
            stats = client.get_inference_statistics("bert")
            self.assertGreaterEqual(stats.model_stats[0].inference_count, 2)
            self.assertEqual(client.get_model_repository_index().models[0].state, "READY")
            with self.assertRaisesRegex(InferenceServerException, "StatusCode.NOT_FOUND"):
                client.get_model_metadata("none")

    def test_grpc_async(self):
        async def run():
            async with tritonclient.grpc.aio.InferenceServerClient(self.grpc) as client:
                item = tritonclient.grpc.InferInput("input_ids", IDS.shape, "INT64")
                item.set_data_from_numpy(IDS + 1)
                calls = [client.infer("bert", [item]) for _ in range(50)]
                return [call.as_numpy("start_logits") for call in await asyncio.gather(*calls)]

        answers = asyncio.run(run())
        for answer in answers:
            np.testing.assert_array_equal(answer, answers[0])

    def test_a_grpc_stream_is_refused(self):
        errors = []
        with tritonclient.grpc.InferenceServerClient(self.grpc) as client:
            item = tritonclient.grpc.InferInput("input_ids", IDS.shape, "INT64")
            item.set_data_from_numpy(IDS + 1)
            client.start_stream(callback=lambda result, error: errors.append(error))
            try:
                client.async_stream_infer("bert", [item])
            except InferenceServerException as error:
                errors.append(error)
            client.stop_stream()
        self.assertIn("streaming is not there", str(errors[0]))


class Prometheus(Client):
    def test_metrics_are_read_by_its_parser(self):
        with tritonclient.http.InferenceServerClient(self.http) as client:
            self.infer(client, tritonclient.http, True)
        with urllib.request.urlopen(f"http://{self.http}/metrics") as page:
            text = page.read().decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        success = families["nv_inference_request_success"].samples[0]
        self.assertEqual((success.labels["model"], success.value), ("bert", 1))
        self.assertEqual(families["tessera_batch_token_occupancy"].type, "histogram")
        self.assertEqual(len(families["tessera_batches"].samples), 6)


if __name__ == "__main__":
    unittest.main()
