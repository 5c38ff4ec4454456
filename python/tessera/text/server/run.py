# SPDX-License-Identifier: Apache-2.0
"""The server as a process: listens, says so, and stops when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import resource
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from tessera.errors import Error
from tessera.text.server.app import make_app
from tessera.text.server.connections import ConnectionLimits, connection_class
from tessera.text.server.hub import Hub
from tessera.text.server.refusals import RefusalError, error_response

__all__ = ["Listening", "serve"]

#: Until a connection's first request, and between two.
_IDLE_SECONDS = 75


class _Server(uvicorn.Server):
    """A signal makes it say that it is stopping, answer what it has, and end with exit code 0."""

    def __init__(self, config: Any, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def install_signal_handlers(self) -> None:  # of uvicorn before 0.29
        pass

    def stop(self) -> None:
        self._hub.draining = True
        self.should_exit = True


def _listening(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, number, _, address = found[0]
        made = socket.socket(family, kind, number)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(2048)  # whoever comes from here on waits, and is not refused
    except OSError as error:
        raise Error(f"serve: cannot listen at {host} port {port}: {error}") from None
    return made


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    """The answer to every call on a connection past the most that there may be."""
    response = error_response(scope["path"], RefusalError(503, "there are too many connections"))
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _may_open(connections: int) -> None:
    """A descriptor for each connection, and for as many that are refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + 256
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line of uvicorn's is about the server. Its warnings are about what callers sent,
    who would fill a disk with them."""
    return record.levelno != logging.WARNING


@dataclasses.dataclass(frozen=True)
class Listening:
    """Where a server listens, and its limits of connections; times in seconds."""

    host: str
    port: int
    max_connections: int
    head_seconds: float
    write_seconds: float
    drain_seconds: int
    log_level: str


def serve(hub: Hub, how: Listening) -> None:
    """Returns after SIGTERM or SIGINT, when what was asked before has its answer."""
    listening = _listening(how.host, how.port)
    _may_open(how.max_connections)
    logging.getLogger("uvicorn.error").addFilter(_is_ours)
    limits = ConnectionLimits(
        max_connections=how.max_connections,
        idle_seconds=_IDLE_SECONDS,
        head_seconds=how.head_seconds,
        write_seconds=how.write_seconds,
        refuse=_refuse,
    )
    config = uvicorn.Config(
        make_app(hub),
        http=connection_class(limits),
        log_level=how.log_level,
        access_log=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=how.drain_seconds,
        h11_max_incomplete_event_size=16384,
        ws="none",
        lifespan="off",
        server_header=False,
    )

    async def main() -> None:
        server = _Server(config, hub)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        for name, pipeline in hub.models.items():
            print(f"serving {name}: {pipeline!r}")
        print(f"listening at {how.host} port {listening.getsockname()[1]}", flush=True)
        await server.serve(sockets=[listening])

    with contextlib.closing(listening):
        asyncio.run(main())
    print("stopped", flush=True)
