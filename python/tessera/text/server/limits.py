# SPDX-License-Identifier: Apache-2.0
"""The limits before every call: how large its body may be, how long it may take to come, how many
calls there may be at a time, and how many bytes of them. A caller that goes away takes its call
back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, MutableMapping
from typing import Any, Callable

from tessera.text.server.hub import Held, Hub
from tessera.text.server.refusals import RefusalError, error_response

__all__ = ["Limits"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


#: Bytes of an answer that are handed to the connection at a time. The next follow when the caller
#: has taken them, so that until then the call and its memory are counted.
_CHUNK = 1 << 18
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


class _GoneError(Exception):
    """The caller has closed its connection."""


class Limits:
    """An ASGI application around another."""

    def __init__(self, app: Any, hub: Hub) -> None:
        self._app, self._hub = app, hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hub, path, held = self._hub, scope["path"], Held(self._hub)
        scope["tessera.held"] = held
        try:
            if scope["method"] in _WITHOUT_BODY:
                await self._body(scope, receive, held)
                await self._app(scope, receive, _in_chunks(send))
                return
            if hub.draining:
                raise RefusalError(503, "the server is stopping")
            if hub.calls >= hub.options.max_concurrent_requests:
                raise RefusalError(429, "Model is overloaded: too many calls at a time")
            hub.calls += 1
            try:
                body = await self._body(scope, receive, held)
                await self._call(scope, body, receive, _in_chunks(send))
            finally:
                hub.calls -= 1
        except RefusalError as refusal:
            hub.metrics.failed(refusal.kind.lower())
            response = error_response(path, refusal)
            response.headers["Connection"] = "close"  # the rest of the body is not read
            await response(scope, receive, send)
        except _GoneError:
            hub.metrics.failed("cancelled")
        finally:
            held.release()

    async def _body(self, scope: Scope, receive: Receive, held: Held) -> bytes:
        most = self._hub.options.max_body_bytes
        too_large = RefusalError(
            413, f"the body has more than {most} bytes, must have at most {most}"
        )
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > most:
                raise too_large
        parts, size = [], 0
        end = asyncio.get_running_loop().time() + self._hub.options.body_seconds
        while True:
            left = end - asyncio.get_running_loop().time()
            try:
                message = await asyncio.wait_for(receive(), max(left, 0.001))
            except asyncio.TimeoutError:
                raise RefusalError(408, "the body took too long to come") from None
            if message["type"] == "http.disconnect":
                raise _GoneError
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                raise too_large
            held.take(len(part))
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _call(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        given = False
        answered = asyncio.Event()

        async def receive_again() -> Message:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            await answered.wait()
            return {"type": "http.disconnect"}

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        call = asyncio.ensure_future(self._app(scope, receive_again, send))
        gone = asyncio.ensure_future(watch())
        try:
            await asyncio.wait({call, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                call.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await call
                raise _GoneError
            call.result()
        finally:
            answered.set()
            gone.cancel()
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone


def _in_chunks(send: Send) -> Send:
    """Hands a large answer on in chunks."""

    async def send_chunks(message: Message) -> None:
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or len(body) <= _CHUNK:
            await send(message)
            return
        view = memoryview(body)
        for at in range(0, len(view), _CHUNK):
            last = at + _CHUNK >= len(view)
            more = message.get("more_body", False) or not last
            await send({**message, "body": bytes(view[at : at + _CHUNK]), "more_body": more})

    return send_chunks
