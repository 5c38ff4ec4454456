# SPDX-License-Identifier: Apache-2.0
"""The paths of Text Embeddings Inference, and two of the same kind, /ner and /answer, for tasks
that it does not have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Callable

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import PlainTextResponse, Response

from tessera._core import __version__
from tessera.text.jobs import Job
from tessera.text.pipeline import TextPipeline
from tessera.text.server import schemas
from tessera.text.server.bodies import json_route
from tessera.text.server.hub import LARGE_TEXT, Answered, Hub
from tessera.text.server.refusals import RefusalError
from tessera.text.spans import SpanOptions

__all__ = ["Calls", "json_response", "model_router", "seconds_of"]

#: Tokens of a call to /tokenize or /decode: one takes some 70 bytes of JSON, and more of memory.
_MOST_TOKENS = 1 << 16

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Error, "description": what}
    for status, what in (
        (404, "No such model"),
        (413, "A batch, a text or a body is too large, or empty"),
        (422, "The body or a text is malformed"),
        (424, "The model cannot do this, or failed"),
        (429, "Too many calls or texts wait"),
        (503, "The server is stopping"),
        (504, "The deadline cannot be met, or was missed"),
    )
}


def json_response(content: Any, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, headers=headers, media_type="application/json")


def seconds_of(request: Request) -> float | None:
    """The header X-Request-Timeout: seconds until the answer is worth nothing."""
    given = request.headers.get("x-request-timeout")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86400:
        raise RefusalError(422, f"X-Request-Timeout: is '{given}', must be seconds in 0..86400")
    return seconds


class Calls:
    """The part of every call that the handlers share."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def model(self, request: Request, *tasks: str) -> TextPipeline:
        _, pipeline = self.hub.named(request.path_params.get("name"), tasks)
        if tasks and pipeline.task not in tasks:
            raise RefusalError(
                424, f"the model is one to {pipeline.task}, not to {' or '.join(tasks)}"
            )
        return pipeline

    def check_batch(self, texts: Sequence[Any], what: str) -> None:
        """TEI's rules: some, not too many, and none empty."""
        most = self.hub.options.max_client_batch_size
        if len(texts) > most:
            raise RefusalError(413, f"batch size {len(texts)} > maximum allowed batch size {most}")
        if not texts or any(len(text) == 0 for text in texts):
            raise RefusalError(413, f"`{what}` cannot be empty")

    def cut(self, body: Any) -> dict[str, Any]:
        """How a body wants long texts to be treated."""
        truncate = self.hub.options.auto_truncate if body.truncate is None else body.truncate
        return {"truncate": truncate, "truncation_side": body.truncation_direction.lower()}

    async def run(
        self,
        request: Request,
        pipeline: TextPipeline,
        make: Callable[[], Job],
        texts: Sequence[Any],
        kind: str = "embed",
    ) -> Answered:
        characters = sum(
            sum(map(len, text)) if isinstance(text, tuple) else len(text) for text in texts
        )
        return await self.hub.run(
            pipeline,
            make,
            texts=len(texts),
            characters=characters,
            deadline=seconds_of(request),
            kind=kind,
            held=request.scope["tessera.held"],
        )


def pieces_of(inputs: Any) -> list[Any]:
    """A batch, of one text, one list of tokens, or several of either."""
    if isinstance(inputs, str) or (inputs and isinstance(inputs[0], int)):
        return [inputs]
    return list(inputs)


def must_be_finite(array: Any) -> Any:
    if not np.isfinite(array).all():
        raise RefusalError(424, "the model's answer is not finite; --precision fp32 may mend that")
    return array


def check_scores(found: Sequence[Sequence[dict[str, Any]]]) -> None:
    must_be_finite([each["score"] for one in found for each in one])


def model_router(hub: Hub) -> APIRouter:
    """Every path that asks a model."""
    router, calls = APIRouter(responses=_ERRORS, route_class=json_route(hub)), Calls(hub)
    _add_vectors(router, calls)
    _add_labels(router, calls)
    _add_spans(router, calls)
    _add_tokens(router, calls)
    return router


def _add_vectors(router: APIRouter, calls: Calls) -> None:
    @router.post("/embed", response_model=list[list[float]])
    async def embed(request: Request, body: schemas.EmbedRequest) -> Response:
        """A vector a text."""
        pipeline, pieces = calls.model(request, "embed"), pieces_of(body.inputs)
        calls.check_batch(pieces, "inputs")
        options: dict[str, Any] = {"normalize": body.normalize, "dimensions": body.dimensions}
        options.update(calls.cut(body), prompt_name=body.prompt_name)
        done = await calls.run(
            request, pipeline, lambda: pipeline.embed_job(pieces, **options), pieces
        )
        return json_response(must_be_finite(done.result), done.headers())

    @router.post("/embed_all", response_model=list[list[list[float]]])
    async def embed_all(request: Request, body: schemas.EmbedAllRequest) -> Response:
        """A vector a token of each text, before pooling."""
        pipeline, pieces = calls.model(request, "embed"), pieces_of(body.inputs)
        calls.check_batch(pieces, "inputs")
        options: dict[str, Any] = {**calls.cut(body), "prompt_name": body.prompt_name}
        done = await calls.run(
            request, pipeline, lambda: pipeline.embed_tokens_job(pieces, **options), pieces
        )

        def content() -> bytes:  # a text at a time, as orjson lets no other thread run
            found = (np.ascontiguousarray(must_be_finite(array)) for array in done.result)
            return b"[%b]" % b",".join(
                orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY) for array in found
            )

        body = await calls.hub.on_thread(content)
        return Response(body, headers=done.headers(), media_type="application/json")

    @router.post("/similarity", response_model=list[float])
    async def similarity(request: Request, body: schemas.SimilarityRequest) -> Response:
        """The cosine of each sentence with the source sentence."""
        pipeline = calls.model(request, "embed")
        pieces = [body.inputs.source_sentence, *body.inputs.sentences]
        calls.check_batch(pieces[1:], "sentences")
        calls.check_batch(pieces[:1], "source_sentence")
        parameters = body.parameters or schemas.SimilarityParameters()
        options: dict[str, Any] = {**calls.cut(parameters), "prompt_name": parameters.prompt_name}
        done = await calls.run(
            request, pipeline, lambda: pipeline.embed_job(pieces, normalize=True, **options), pieces
        )
        vectors = must_be_finite(done.result)
        return json_response(vectors[1:] @ vectors[0], done.headers())


def _add_labels(router: APIRouter, calls: Calls) -> None:
    @router.post("/predict", response_model=schemas.Predictions)
    async def predict(request: Request, body: schemas.PredictRequest) -> Response:
        """All labels of a text, of a pair of texts, or of each in a batch; best first."""
        pipeline = calls.model(request, "classify", "rerank")
        given: Any = body.inputs
        batch = isinstance(given, list) and isinstance(given[0], list)
        listed: list[Any] = given if batch else [given if isinstance(given, list) else [given]]
        pieces: list[Any] = [one[0] if len(one) == 1 else tuple(one) for one in listed]
        calls.check_batch(["".join(one) for one in listed], "inputs")
        # TEI has sigmoid and softmax by the number of labels alone.
        function = "none" if body.raw_scores else None
        if function is None and pipeline.folder.config.get("problem_type") == "regression":
            function = "sigmoid" if len(pipeline.folder.labels) == 1 else "softmax"
        options: dict[str, Any] = {**calls.cut(body), "function": function, "top_k": None}
        done = await calls.run(
            request, pipeline, lambda: pipeline.classify_job(pieces, **options), pieces, "predict"
        )
        check_scores(done.result)
        return json_response(done.result if batch else done.result[0], done.headers())

    @router.post("/rerank", response_model=list[schemas.Rank])
    async def rerank(request: Request, body: schemas.RerankRequest) -> Response:
        """How well each text fits the query; best first."""
        pipeline = calls.model(request, "rerank")
        calls.check_batch(body.texts, "texts")
        calls.check_batch([body.query], "query")
        function = "none" if body.raw_scores else "sigmoid"
        options: dict[str, Any] = {**calls.cut(body), "function": function}
        pairs = [(body.query, text) for text in body.texts]
        done = await calls.run(
            request,
            pipeline,
            lambda: pipeline.rerank_job(body.query, body.texts, **options),
            pairs,
            "predict",
        )
        check_scores([done.result])
        if body.return_text:
            for each in done.result:
                each["text"] = body.texts[each["index"]]
        return json_response(done.result, done.headers())


def _add_spans(router: APIRouter, calls: Calls) -> None:
    @router.post("/ner", response_model=list[list[schemas.Entity]])
    async def ner(request: Request, body: schemas.NerRequest) -> Response:
        """The entities of each text, with their characters."""
        pipeline, texts = calls.model(request, "ner"), pieces_of(body.inputs)
        calls.check_batch(texts, "inputs")
        options: dict[str, Any] = {**calls.cut(body), "aggregation": body.aggregation_strategy}
        options.update(stride=body.stride, most_windows=calls.hub.options.max_windows)
        if body.ignore_labels is not None:
            options["ignore"] = body.ignore_labels
        done = await calls.run(
            request, pipeline, lambda: pipeline.ner_job(texts, **options), texts, "predict"
        )
        check_scores(done.result)
        return json_response(done.result, done.headers())

    @router.post("/answer", response_model=list[list[schemas.Span]])
    async def answer(request: Request, body: schemas.AnswerRequest) -> Response:
        """The likeliest spans of each question's context."""
        pipeline = calls.model(request, "answer")
        asked = body.inputs if isinstance(body.inputs, list) else [body.inputs]
        pairs = [(each.question, each.context) for each in asked]
        calls.check_batch(pairs, "inputs")
        options = SpanOptions(
            top_k=body.top_k,
            stride=body.doc_stride,
            max_answer_tokens=body.max_answer_len,
            may_be_impossible=body.handle_impossible_answer,
            whole_words=body.align_to_words,
            window=body.max_seq_len,
            most_windows=calls.hub.options.max_windows,
        )
        done = await calls.run(
            request, pipeline, lambda: pipeline.answer_job(pairs, options), pairs, "predict"
        )
        check_scores(done.result)
        return json_response(done.result, done.headers())


def _add_tokens(router: APIRouter, calls: Calls) -> None:
    @router.post("/tokenize", response_model=list[list[schemas.SimpleToken]])
    async def tokenize(request: Request, body: schemas.TokenizeRequest) -> Response:
        """The tokens of each text, whole."""
        pipeline, texts = calls.model(request), pieces_of(body.inputs)
        calls.check_batch(texts, "inputs")

        def content() -> bytes:
            made = pipeline.tokenized(
                texts, body.add_special_tokens, body.prompt_name, _MOST_TOKENS
            )
            written: bytes = orjson.dumps(made)
            return written

        large = sum(map(len, texts)) > LARGE_TEXT
        made = await calls.hub.on_thread(content, large=large)
        return Response(made, media_type="application/json")

    @router.post("/decode", response_model=list[str])
    async def decode(request: Request, body: schemas.DecodeRequest) -> Response:
        """The text of tokens."""
        pipeline, listed = calls.model(request), pieces_of(body.ids)
        calls.check_batch(listed, "ids")
        if sum(map(len, listed)) > _MOST_TOKENS:
            raise RefusalError(
                413, f"ids: has {sum(map(len, listed))} tokens, must have at most {_MOST_TOKENS}"
            )
        plain = pipeline.tokens.plain
        made = await calls.hub.on_thread(
            lambda: [plain.decode(ids, body.skip_special_tokens) for ids in listed]
        )
        return json_response(made)

    @router.get("/info", response_model=schemas.Info)
    async def info(request: Request) -> Response:
        """The model that is served, and its limits."""
        name, pipeline = calls.hub.named(request.path_params.get("name"))
        return json_response(info_of(name, pipeline, calls.hub))


def info_of(name: str, pipeline: TextPipeline, hub: Hub) -> dict[str, Any]:
    labels = {str(i): label for i, label in pipeline.folder.labels.items()}
    named = {"id2label": labels, "label2id": {label: int(i) for i, label in labels.items()}}
    kinds: dict[str, dict[str, Any]] = {
        "embed": {"embedding": {"pooling": pipeline.pooling}} if pipeline.task == "embed" else {},
        "classify": {"classifier": named},
        "rerank": {"reranker": named},
        "ner": {"token_classifier": named},
        "answer": {"question_answering": {}},
    }
    executable = pipeline.engine.executable
    rows, length = next(t.shape for t in executable.inputs if t.name == "input_ids")
    packing, options = executable.packing, hub.options
    return {
        "model_id": name,
        "model_sha": None,
        "model_dtype": "float16" if pipeline.precision == "fp16" else "float32",
        "model_type": kinds[pipeline.task],
        "max_concurrent_requests": options.max_concurrent_requests,
        "max_input_length": pipeline.longest,
        "max_batch_tokens": rows * length,
        "max_batch_requests": rows if packing is None else packing.max_valid_num or None,
        "max_client_batch_size": options.max_client_batch_size,
        "auto_truncate": options.auto_truncate,
        "tokenization_workers": options.tokenization_workers,
        "version": __version__,
        "sha": None,
        "docker_label": None,
    }


def server_router(hub: Hub) -> APIRouter:
    """The paths of the server as a whole."""
    router = APIRouter()
    stopping = {503: {"model": schemas.Error, "description": "The server is stopping"}}

    async def health() -> Response:
        """200 while calls are taken."""
        if hub.draining:
            raise RefusalError(503, "the server is stopping")
        return Response(status_code=200)

    for path in ("/health", "/ping", "/"):
        router.add_api_route(
            path, health, methods=["GET"], response_class=Response, responses=stopping
        )

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Prometheus' text."""
        text = await hub.on_thread(hub.metrics_text)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def named_dependency(hub: Hub) -> Any:
    """Documents the name of a path below /models/NAME."""
    names = Path(examples=list(hub.models))

    async def named(name: str = names) -> str:
        return name

    return Depends(named)
