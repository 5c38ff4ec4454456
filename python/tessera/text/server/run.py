# SPDX-License-Identifier: Apache-2.0
"""The server as a process: listens, says so, and stops when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from tessera.errors import Error
from tessera.text.server.app import make_app
from tessera.text.server.hub import Hub

__all__ = ["serve"]


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


def serve(
    hub: Hub, *, host: str, port: int, max_connections: int, drain_seconds: int, log_level: str
) -> None:
    """Returns after SIGTERM or SIGINT, when what was asked before has its answer."""
    listening = _listening(host, port)
    config = uvicorn.Config(
        make_app(hub),
        log_level=log_level,
        access_log=False,
        limit_concurrency=max_connections,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=drain_seconds,
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
        print(f"listening at {host} port {listening.getsockname()[1]}", flush=True)
        await server.serve(sockets=[listening])

    with contextlib.closing(listening):
        asyncio.run(main())
    print("stopped", flush=True)
