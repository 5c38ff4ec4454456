# SPDX-License-Identifier: Apache-2.0
"""POST / asks the first model for what it is for, as Hugging Face's inference clients do. A body
may hold what is asked beside ``inputs``, or in ``parameters``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from tessera.text.server import schemas
from tessera.text.server.bodies import json_route
from tessera.text.server.hub import Hub

__all__ = ["root_router"]

_PATHS = {
    "embed": ("/embed", schemas.EmbedRequest),
    "classify": ("/predict", schemas.PredictRequest),
    "rerank": ("/rerank", schemas.RerankRequest),
    "ner": ("/ner", schemas.NerRequest),
    "answer": ("/answer", schemas.AnswerRequest),
}


def root_router(hub: Hub, models: APIRouter) -> APIRouter:
    """``models``: the paths that ask a model."""
    handlers = {route.path: route.endpoint for route in models.routes}
    router = APIRouter(route_class=json_route(hub))

    asked_for = Body()

    @router.post("/", include_in_schema=False)
    async def root(request: Request, body: dict[str, Any] = asked_for) -> Response:
        _, pipeline = hub.named(None)
        path, kind = _PATHS[pipeline.task]
        parameters = body.pop("parameters", None)
        if isinstance(parameters, dict):
            body.update({name: value for name, value in parameters.items() if value is not None})
        inputs = body.get("inputs")
        if pipeline.task == "embed" and isinstance(inputs, dict):
            path, kind = "/similarity", schemas.SimilarityRequest
        try:
            asked = kind.model_validate(body)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None
        answer: Response = await handlers[path](request, asked)
        return answer

    return router
