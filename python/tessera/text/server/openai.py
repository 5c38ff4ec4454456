# SPDX-License-Identifier: Apache-2.0
"""The paths of OpenAI that its clients use for embeddings."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from tessera.text.server import schemas
from tessera.text.server.bodies import json_route
from tessera.text.server.hub import Hub
from tessera.text.server.refusals import RefusalError
from tessera.text.server.tei import Calls, json_response, must_be_finite, pieces_of

__all__ = ["openai_router"]

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.OpenAIError, "description": what}
    for status, what in (
        (400, "Something is wrong with the call"),
        (404, "No such model"),
        (429, "Too many calls or texts wait"),
        (503, "The server is stopping"),
        (504, "The deadline cannot be met, or was missed"),
    )
}


def openai_router(hub: Hub) -> APIRouter:
    router, calls = APIRouter(responses=_ERRORS, route_class=json_route(hub)), Calls(hub)

    async def embeddings(request: Request, body: schemas.OpenAIRequest) -> Response:
        """A vector of length 1 a text. ``truncate`` is not OpenAI's: what to do with long texts."""
        name, pipeline = hub.named(body.model, ("embed",))
        if pipeline.task != "embed":
            raise RefusalError(400, f"the model '{name}' does not make embeddings", param="model")
        pieces = pieces_of(body.input)
        calls.check_batch(pieces, "input")
        cut = hub.options.auto_truncate if body.truncate is None else body.truncate
        options: dict[str, Any] = {
            "normalize": True,
            "dimensions": body.dimensions,
            "truncate": cut,
        }
        done = await calls.run(
            request, pipeline, lambda: pipeline.embed_job(pieces, **options), pieces
        )
        vectors = must_be_finite(done.result)
        if body.encoding_format == "base64":
            kept = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
        else:
            kept = list(np.ascontiguousarray(vectors))
        content = {
            "object": "list",
            "data": [
                {"object": "embedding", "embedding": one, "index": i} for i, one in enumerate(kept)
            ],
            "model": name,
            "usage": {"prompt_tokens": done.tokens, "total_tokens": done.tokens},
        }
        return json_response(content, done.headers())

    for path in ("/v1/embeddings", "/embeddings"):
        router.add_api_route(
            path, embeddings, methods=["POST"], response_model=schemas.OpenAIResponse
        )

    def told(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": hub.started, "owned_by": "tessera"}

    @router.get("/v1/models", response_model=schemas.OpenAIModels)
    async def models() -> Response:
        """All that is served."""
        return json_response({"object": "list", "data": [told(name) for name in hub.models]})

    names = Path(examples=list(hub.models))

    @router.get("/v1/models/{model}", response_model=schemas.OpenAIModel)
    async def model(model: str = names) -> Response:
        """One of them."""
        name, _ = hub.named(model)
        return json_response(told(name))

    return router
