# SPDX-License-Identifier: Apache-2.0
"""JSON of callers, read at a bounded cost whatever it holds. A large body is read on a thread, so
that the event loop answers others meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Callable

import orjson
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from tessera.text.server.hub import Hub
from tessera.text.server.refusals import RefusalError

__all__ = ["json_route"]

#: Bytes of a body from which on a thread reads it.
_LARGE = 1 << 16


def _holds_more(content: Any, most: int) -> bool:
    """Whether JSON holds more than ``most`` lists and objects, with the outermost. Each of them is
    validated on its own, and a body of two million bytes has room for 600,000."""
    level = [content] if isinstance(content, (dict, list)) else []
    while level:
        most -= len(level)
        if most < 0:
            return True
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
    return False


def json_route(hub: Hub) -> type[APIRoute]:
    """The class of routes whose bodies are JSON in UTF-8, nested at most 1,024 deep."""
    most = 2 * hub.options.max_client_batch_size + 64

    def read(body: bytes) -> Any:
        content = orjson.loads(body)
        if _holds_more(content, most):
            raise RefusalError(413, f"the body holds more than {most} lists and objects")
        return content

    class JsonRequest(Request):
        async def json(self) -> Any:
            body = await self.body()
            if len(body) < _LARGE:
                return read(body)
            return await hub.on_thread(lambda: read(body), large=True)

    class JsonRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
            handle = super().get_route_handler()

            async def read_and_handle(request: Request) -> Response:
                return await handle(JsonRequest(request.scope, request.receive))

            return read_and_handle

    return JsonRoute
