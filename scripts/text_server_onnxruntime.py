# SPDX-License-Identifier: Apache-2.0
"""A server of embeddings on a CPU, written by hand: FastAPI, ONNX Runtime, and batches of the texts
that wait, sorted by length and padded to the longest. `scripts/bench_text` measures
against it."""

import argparse
import asyncio
import os
from typing import Any, Union

import fastapi
import numpy as np
import onnxruntime
import orjson
import pydantic
import tokenizers
import uvicorn


class Body(pydantic.BaseModel):
    input: Union[str, list[str]]
    model: str = ""


class Batches:
    """One thread runs the model; what comes meanwhile waits for it, and a lone text a moment."""

    def __init__(self, folder: str, length: int, batch: int, moment: float, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        path = os.path.join(folder, "onnx", "model.onnx")
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [tensor.name for tensor in self._session.get_inputs()]
        self._tokenizer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(length)
        self._batch, self._moment = batch, moment
        self._waiting: asyncio.Queue[tuple[Any, asyncio.Future[Any]]] = asyncio.Queue()

    async def embed(self, texts: list[str]) -> list[Any]:
        encodings = await asyncio.to_thread(self._tokenizer.encode_batch, texts)
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in encodings]
        for pair in zip(encodings, futures):
            self._waiting.put_nowait(pair)
        return list(await asyncio.gather(*futures))

    async def run(self) -> None:
        while True:
            taken = [await self._waiting.get()]
            await asyncio.sleep(self._moment)
            while not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            taken.sort(key=lambda pair: len(pair[0].ids))
            for first in range(0, len(taken), self._batch):
                part = taken[first : first + self._batch]
                made = await asyncio.to_thread(self._answers, [pair[0] for pair in part])
                for (_, future), vector in zip(part, made):
                    if not future.done():
                        future.set_result(vector)

    def _answers(self, encodings: list[Any]) -> Any:
        shape = (len(encodings), len(encodings[-1].ids))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        given = {name: arrays[name] for name in self._inputs}
        hidden = self._session.run(None, given)[0]
        weights = mask[..., None].astype(np.float32)
        means = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def make_app(batches: Batches) -> fastapi.FastAPI:
    app = fastapi.FastAPI()
    tasks = set()

    @app.get("/health")
    async def health() -> dict[str, bool]:
        if not tasks:
            tasks.add(asyncio.ensure_future(batches.run()))
        return {"ready": True}

    @app.post("/v1/embeddings")
    async def embeddings(body: Body) -> fastapi.Response:
        texts = [body.input] if isinstance(body.input, str) else body.input
        made = await batches.embed(texts)
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(made)]
        content = {"object": "list", "model": body.model, "data": data}
        packed = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        return fastapi.Response(packed, media_type="application/json")

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--moment", type=float, default=0.005, help="seconds a batch waits to fill")
    parser.add_argument("--threads", type=int, default=0, help="of the model; 0: one a core")
    words = parser.parse_args()
    batches = Batches(words.folder, words.length, words.batch, words.moment, words.threads)
    uvicorn.run(make_app(batches), host="127.0.0.1", port=words.port, log_level="warning")


if __name__ == "__main__":
    main()
