# SPDX-License-Identifier: Apache-2.0
"""A user's script, which mypy --strict takes and which knows no Any: tests/python/test_typed.py."""

from __future__ import annotations

import asyncio

import numpy as np
from typing_extensions import assert_type

import tessera

executable = tessera.compile(b"", label="v1", input_shape={"input_ids": (16, 256)})
measured = tessera.bench(executable, duration=2.0)
assert_type(measured["runs"][0]["batch_seconds"]["p99.9"], float)
assert_type(measured["runs"][0]["label"][0], str)
come = tessera.bench(executable, online={"rate": 500.0, "runner": {"window": 32}})
assert_type(come["latency_seconds"]["p99"], float)

inspection = tessera.inspect(executable)
assert_type(inspection["cycles"]["rearrange"], int)
assert_type(inspection["memory"]["peak_superstep"], str)
profile = tessera.inspect("bert.popef", profile=True)
assert_type(profile["execution"]["totalCycles"], int)

comparison = tessera.pack.compare([1, 2], executable)
assert_type(comparison["policies"][0]["token_fill"], float)
tuning = tessera.pack.tune([1, 2], "bert.onnx", rate=100.0, precision="fp16")
if tuning["best"] is not None:
    assert_type(tuning["best"]["command"], str)
assert_type(tessera.pack([1, 2], executable)[0].placements[0].start, int)

events = tessera.recompiles("events.jsonl")
assert_type(events[0]["shapes"], "dict[str, list[int]]")
assert_type(tessera.recompiles.advise(events)[0]["recommended"], "int | None")
assert_type(tessera.recompiles.diff(events[0], events[1])["causes"], "list[str]")

assert_type(tessera.check("bert.onnx")["all_well"], bool)
assert_type(tessera.convert("bert.onnx", "out.onnx")["passes"], "list[str]")

with tessera.PackRunner(executable, timeout=0.01) as packer:
    future = packer.submit({"input_ids": np.ones(5, np.int32)})
    logits = future.result()["start_logits"]
    assert_type(logits.shape, "tuple[int, ...]")
    assert_type(packer.metrics()["rejected"], "dict[str, int]")


async def awaited() -> tuple[int, ...]:
    with tessera.PackRunner(executable) as runner:
        answer = await runner.submit({"input_ids": np.ones(5, np.int32)})
    return answer["start_logits"].shape


asyncio.run(awaited())
