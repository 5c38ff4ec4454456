# SPDX-License-Identifier: Apache-2.0
"""A connection that a slow caller cannot hold: uvicorn's, with a time for a request's head and for
taking an answer, and with a refusal in place of an answer where there are too many connections.

uvicorn bounds the time between requests alone. Its ``limit_concurrency`` refuses calls on every
connection once there are too many; here those that were there before are answered."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ConnectionLimits", "connection_class"]

#: Bytes that are read of a connection before others have their turn: a body in chunks of one byte
#: takes some 20 us a chunk.
_READ_BYTES = 1 << 14
_LINGER_SECONDS = 1
_SLOW = b'{"error":"the head took too long to come","error_type":"Validation"}'
_SLOW_HEAD = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_SLOW), _SLOW)
)


@dataclasses.dataclass(frozen=True)
class ConnectionLimits:
    max_connections: int
    idle_seconds: float  #: until the first byte of a connection's first request
    head_seconds: float  #: from the first byte of a request's head to its last
    write_seconds: float  #: for the caller to take an answer
    refuse: Any  #: the ASGI application that answers on a connection past the most


class _Transport:
    """asyncio's, whose close() reads on for a moment where a request is not read to its end.
    Without that the kernel resets the connection, and the caller may lose the answer that says
    why."""

    def __init__(self, inner: Any, protocol: _Connection) -> None:
        self._inner, self._protocol = inner, protocol
        self.lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def is_closing(self) -> bool:
        return self.lingers or bool(self._inner.is_closing())

    def close(self) -> None:
        if self.is_closing() or not self._protocol.sends_on():
            self._inner.close()
            return
        self.lingers = True
        self._inner.write_eof()
        self._inner.resume_reading()
        self._protocol.loop.call_later(_LINGER_SECONDS, self._inner.close)


class _Connection(H11Protocol):
    limits: ConnectionLimits

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Transport(transport, self))
        self._head: asyncio.TimerHandle | None = None
        self._answer: asyncio.TimerHandle | None = None
        transport.max_size = _READ_BYTES  # of asyncio's own transports
        seconds = self.limits.idle_seconds
        if len(self.connections) > 2 * self.limits.max_connections:
            transport.abort()  # nor is there room for refusals
            return
        if len(self.connections) > self.limits.max_connections:
            self.app, seconds = self.limits.refuse, self.limits.head_seconds
        self._head = self.loop.call_later(seconds, self._too_slow)

    def sends_on(self) -> bool:
        """Whether there may be more to come of a request."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.flow.write_paused:
            self._stop_answer()
        self._watch_head()

    def _watch_head(self) -> None:
        """Starts the time of a head at its first byte, and stops it at the last."""
        begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if self._head is not None and not (begun and self._of_head):
            self._head.cancel()
            self._head = None
        if begun and self._head is None:
            self._head = self.loop.call_later(self.limits.head_seconds, self._too_slow)
        self._of_head = begun

    _of_head = False  # whether the time that runs is that of a head, and not of an idle start

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            if self._of_head:
                self.transport.write(_SLOW_HEAD)
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._answer is None:
            self._answer = self.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.cycle is None or self.cycle.response_complete:
            self._stop_answer()

    def _stop_answer(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # it would wait for a caller who does not read

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_answer()
        if self._head is not None:
            self._head.cancel()


def connection_class(limits: ConnectionLimits) -> type[H11Protocol]:
    """The class for ``uvicorn.Config(http=…)``."""
    return type("Connection", (_Connection,), {"limits": limits})
