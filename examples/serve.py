#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server of JSON lines: requests that come together, from any connection, share a batch.

    serve.py MODEL.popef [--port 7071] [--timeout 0.005] [--deadline SECONDS]

A line in: {"id": 1, "input_ids": [101, 2054, …]}, with any other token input of the model. A line
out: {"id": 1, "start_logits": […], …}, or {"id": 1, "error": "…", "reason": "over_long"}. Answers
of one connection come as they are ready. --port 0 takes any free port, and says which."""

import argparse
import asyncio
import contextlib
import json

import numpy as np

import tessera


async def answer(runner: tessera.PackRunner, line: bytes, deadline) -> dict:
    number = None
    try:
        message = json.loads(line)
        number = message.pop("id", None)
        request = {name: np.array(tokens, np.int64) for name, tokens in message.items()}
        outputs = await runner.submit(request, deadline=deadline, wait=0)
        return {"id": number, **{name: array.tolist() for name, array in outputs.items()}}
    except tessera.Error as error:
        return {"id": number, "error": str(error), "reason": error.reason}
    except (ValueError, TypeError, AttributeError) as error:
        return {"id": number, "error": f"request: {error}", "reason": "not_json"}


async def serve(runner: tessera.PackRunner, port: int, deadline) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks = set()

        async def reply(line: bytes) -> None:
            message = json.dumps(await answer(runner, line, deadline))
            writer.write(message.encode() + b"\n")
            await writer.drain()

        while line := await reader.readline():
            task = asyncio.create_task(reply(line))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, limit=1 << 20)
    print(f"listening on port {server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=7071)
    parser.add_argument(
        "--timeout", type=float, default=0.005, help="seconds a batch waits to fill"
    )
    parser.add_argument("--deadline", type=float, help="seconds a request may take")
    args = parser.parse_args()
    with (
        contextlib.suppress(KeyboardInterrupt),
        tessera.PackRunner(args.model, timeout=args.timeout, warm_up=True) as runner,
    ):
        asyncio.run(serve(runner, args.port, args.deadline))
    print("stopped")


if __name__ == "__main__":
    main()
