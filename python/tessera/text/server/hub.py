# SPDX-License-Identifier: Apache-2.0
"""The models that are served, and how a call runs: its texts are tokenized on a thread, its
requests join those of all other callers in the model's runner, and the event loop waits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import time
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from tessera.errors import Error
from tessera.text.jobs import Job
from tessera.text.pipeline import TextPipeline
from tessera.text.server.metrics import Metrics
from tessera.text.server.refusals import RefusalError, refusal_of

__all__ = ["LARGE_TEXT", "Answered", "Held", "Hub", "HubOptions"]

#: Characters of a call, or tokens, whose work waits behind other large work and not before small.
LARGE_TEXT = 1 << 16


@dataclasses.dataclass(frozen=True)
class HubOptions:
    """Limits of callers, with TEI's names where it has them."""

    max_client_batch_size: int = 32  #: texts of a call
    max_concurrent_requests: int = 512  #: calls at a time, then 429
    max_body_bytes: int = 2_000_000
    max_memory_bytes: int = 1 << 28  #: bodies and large answers on their way, together
    max_windows: int = 1024  #: in which long texts of a call are read, together
    body_seconds: float = 30
    deadline_seconds: float = 0  #: to the answer; 0: none
    auto_truncate: bool = False  #: what is done where a caller does not say
    tokenization_workers: int = 2


class Answered(NamedTuple):
    result: Any
    texts: int
    tokens: int
    characters: int
    started: float
    tokenized: float
    answered: float

    def headers(self) -> dict[str, str]:
        now = time.perf_counter()

        def milliseconds(seconds: float) -> str:
            return str(int(seconds * 1000))

        return {
            "x-compute-type": "simulated-ipu",
            "x-compute-characters": str(self.characters),
            "x-compute-tokens": str(self.tokens),
            "x-total-time": milliseconds(now - self.started),
            "x-compute-time": milliseconds(now - self.started),
            "x-tokenization-time": milliseconds(self.tokenized - self.started),
            "x-inference-time": milliseconds(self.answered - self.tokenized),
        }


class Held:
    """The bytes that a call holds of those that all calls may hold together."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._size = hub, 0

    def take(self, size: int) -> None:
        most = self._hub.options.max_memory_bytes
        if self._hub.held + size > most:
            raise RefusalError(
                429, f"Model is overloaded: bodies and answers on their way hold {most} bytes"
            )
        self._hub.held += size
        self._size += size

    def release(self) -> None:
        self._hub.held -= self._size
        self._size = 0


class Hub:
    """``models``: by name, the first of which answers calls that name none."""

    def __init__(
        self, models: Mapping[str, TextPipeline], options: HubOptions | None = None
    ) -> None:
        if not models:
            raise ValueError("models: holds none, must hold at least one")
        self.models, self.options = dict(models), options or HubOptions()
        self.metrics = Metrics()
        self.draining = False
        self.calls = 0
        self.held = 0
        self.started = int(time.time())
        # Small work does not wait for large.
        self._threads, self._for_large = (
            concurrent.futures.ThreadPoolExecutor(
                self.options.tokenization_workers, thread_name_prefix=name
            )
            for name in ("tessera-text", "tessera-large")
        )

    def named(self, name: str | None, tasks: tuple[str, ...] = ()) -> tuple[str, TextPipeline]:
        """The model of this name; without one the first for any of ``tasks``."""
        if name is not None:
            found = self.models.get(name)
            if found is None:
                known = ", ".join(self.models)
                raise RefusalError(
                    404,
                    f"the model '{name}' is not served; served: {known}",
                    code="model_not_found",
                    param="model",
                )
            return name, found
        for own, pipeline in self.models.items():
            if not tasks or pipeline.task in tasks:
                return own, pipeline
        return next(iter(self.models.items()))

    async def on_thread(self, work: Callable[[], Any], *, large: bool = False) -> Any:
        threads = self._for_large if large else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    async def run(
        self,
        pipeline: TextPipeline,
        make: Callable[[], Job],
        *,
        texts: int,
        characters: int,
        deadline: float | None,
        kind: str,
        held: Held,
    ) -> Answered:
        """``make`` tokenizes, and is run on a thread. Cancelled with its caller."""
        started = time.perf_counter()
        self.metrics.count("te_request_count", "single" if texts == 1 else "batch")
        self.metrics.count(f"te_{kind}_count", by=texts)
        seconds = self.options.deadline_seconds if deadline is None else deadline
        try:
            job: Job = await self.on_thread(make, large=characters > LARGE_TEXT)
            held.take(job.answer_bytes)
            tokenized = time.perf_counter()
            left = seconds - (tokenized - started) if seconds > 0 else None
            answers = await self._answers(pipeline, job, left)
            answered = time.perf_counter()
            result = await self.on_thread(lambda: job.finish(answers))
        except Error as error:
            refusal = refusal_of(error)
            self.metrics.failed(refusal.kind.lower())
            raise refusal from None
        except RefusalError as refusal:
            self.metrics.failed(refusal.kind.lower())
            raise
        self.metrics.count("te_request_success", "single" if texts == 1 else "batch")
        self.metrics.count(f"te_{kind}_success", by=texts)
        self.metrics.duration.observe(time.perf_counter() - started)
        self.metrics.tokenization.observe(tokenized - started)
        self.metrics.inference.observe(answered - tokenized)
        for encoding in job.encodings:
            self.metrics.input_length.observe(len(encoding))
        return Answered(result, texts, job.tokens, characters, started, tokenized, answered)

    async def _answers(
        self, pipeline: TextPipeline, job: Job, seconds: float | None
    ) -> list[dict[str, Any]]:
        if seconds is not None and seconds <= 0:
            raise RefusalError(504, "the deadline was missed before the texts were tokenized")
        futures: list[concurrent.futures.Future[dict[str, Any]]] = []
        try:
            for encoding in job.encodings:
                request = pipeline.engine.request(encoding)
                futures.append(pipeline.engine.submit(request, deadline=seconds, wait=0))
            waiting = asyncio.gather(*[asyncio.wrap_future(future) for future in futures])
            return await asyncio.wait_for(waiting, seconds)
        except asyncio.TimeoutError:
            raise RefusalError(504, "the deadline was missed") from None
        finally:
            for future in futures:
                future.cancel()  # of nothing that has its answer

    def metrics_text(self) -> str:
        told = {name: one.engine.runner.metrics() for name, one in self.models.items()}
        waiting = sum(int(each["queue_requests"]) for each in told.values())
        return self.metrics.text({n: t["prometheus"] for n, t in told.items()}, waiting)

    def close(self) -> None:
        for threads in (self._threads, self._for_large):
            threads.shutdown(wait=True, cancel_futures=True)
        for pipeline in self.models.values():
            pipeline.close()
