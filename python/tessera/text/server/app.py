# SPDX-License-Identifier: Apache-2.0
"""The web application: every path, and errors in the form that the path's clients read."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tessera._core import __version__
from tessera.errors import Error
from tessera.text.server.hub import Hub
from tessera.text.server.limits import Limits
from tessera.text.server.openai import openai_router
from tessera.text.server.refusals import RefusalError, error_response, refusal_of
from tessera.text.server.root import root_router
from tessera.text.server.tei import model_router, named_dependency, server_router

__all__ = ["make_app"]


def make_app(hub: Hub) -> FastAPI:
    """The ASGI application. It has no pages of its own that load anything from elsewhere; the
    description of its REST is at /openapi.json."""
    app = FastAPI(title="tessera text", version=__version__, docs_url=None, redoc_url=None)
    app.include_router(server_router(hub))
    app.include_router(openai_router(hub), tags=["OpenAI"])
    models = model_router(hub)
    app.include_router(models, tags=["Text Embeddings Inference"])
    app.include_router(
        models,
        prefix="/models/{name}",
        tags=["By model"],
        dependencies=[named_dependency(hub)],
    )
    app.include_router(root_router(hub, models))
    _add_errors(app)
    app.add_middleware(Limits, hub=hub)
    return app


def _what_is_wrong(error: RequestValidationError) -> str:
    """In a sentence, without what the caller sent."""
    found = error.errors()
    if found[0].get("type") == "json_invalid":
        why, at = found[0]["ctx"]["error"], found[0]["loc"][-1]
        return f"body: is not JSON in UTF-8 at character {at}: {why}"
    where = [str(part) for part in found[0].get("loc", ()) if part != "body"]
    if len(found) > 1 and found[0].get("loc", ())[:2] == found[1].get("loc", ())[:2]:
        # One value, which is of none of the types that it may have.
        return f"{where[0] if where else 'body'}: has none of the forms that /openapi.json gives"
    what = str(found[0].get("msg", "is malformed"))
    return f"{'.'.join(where) or 'body'}: {what[:1].lower()}{what[1:]}"


def _add_errors(app: FastAPI) -> None:
    async def refused(request: Request, refusal: RefusalError) -> Response:
        return error_response(request.url.path, refusal)

    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return error_response(request.url.path, RefusalError(422, _what_is_wrong(error)))

    async def unknown(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, RefusalError):  # of a body's reader
            return error_response(request.url.path, error.__cause__)
        status, what = error.status_code, f"{request.method} {request.url.path}: {error.detail}"
        if status == 400:  # what FastAPI says of bytes that are not text
            status, what = 422, "body: is not JSON in UTF-8"
        response = error_response(request.url.path, RefusalError(status, what))
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        return response

    async def ours(request: Request, error: Error) -> Response:
        return error_response(request.url.path, refusal_of(error))

    async def failed(request: Request, error: Exception) -> Response:
        return error_response(
            request.url.path, RefusalError(500, "the server failed; its log says why")
        )

    handlers: list[tuple[Any, Any]] = [
        (RefusalError, refused),
        (RequestValidationError, malformed),
        (HTTPException, unknown),
        (Error, ours),
        (Exception, failed),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
