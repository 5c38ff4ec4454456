# SPDX-License-Identifier: Apache-2.0
"""`tessera serve` as KServe's client sees it. A process of its own: its messages and Triton's have
the same names."""

import asyncio
import unittest

import kserve
import numpy as np
from kserve.inference_client import InferenceRESTClient, RESTConfig
from served import IDS, MASK, Served


class Kserve(Served):
    def test_rest_and_grpc(self):
        async def run():
            client = InferenceRESTClient(RESTConfig(protocol="v2"))
            url = f"http://{self.http}"
            self.assertTrue(await client.is_server_live(url))
            self.assertTrue(await client.is_server_ready(url))
            self.assertTrue(await client.is_model_ready(url, "bert"))
            inputs = []
            for name, array in (("input_ids", IDS), ("attention_mask", MASK)):
                inputs.append(kserve.InferInput(name, list(array.shape), "INT64"))
                inputs[-1].set_data_from_numpy(array, binary_data=False)
            request = kserve.InferRequest("bert", inputs)
            rest = await client.infer(url, request, model_name="bert")
            over_grpc = await kserve.InferenceGRPCClient(self.grpc).infer(request)
            np.testing.assert_array_equal(
                rest.outputs[0].as_numpy(), over_grpc.outputs[0].as_numpy()
            )
            self.assertEqual(list(rest.outputs[0].shape), [2, 4])

        asyncio.run(run())


if __name__ == "__main__":
    unittest.main()
