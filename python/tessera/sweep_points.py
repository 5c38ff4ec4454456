# SPDX-License-Identifier: Apache-2.0
"""The points of a sweep: what each compiles, and its figures, kept in a file once they are known.

A compile is a process of its own, on this machine or as a task of Ray: one that the system kills
for its memory is a row that says so, and the sweep goes on."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from tessera import _core
from tessera.compiler import compile, inspect
from tessera.errors import Error, OutOfMemoryError
from tessera.extras import needed
from tessera.whole_files import write_whole

__all__ = ["Figures", "Point", "compiled_here", "compiled_on_ray", "key_of"]

#: Keyword arguments of ``tessera.compile``, as JSON holds them.
Point = dict[str, Any]
#: ``failure`` alone, or ``seconds_per_batch``, ``cycles``, ``peak_bytes``, ``bytes_per_tile``,
#: ``tiles``, ``fits``, ``packing`` (as ``tessera.inspect`` has it) and ``compile_seconds``.
Figures = dict[str, Any]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A folder that the caller stands in holds no modules of ours.
_START = "import sys; sys.path[:1] = [sys.argv[1]]; from tessera.sweep_points import work; work()"


def compiler_key() -> str:
    """Another compiler may give other figures."""
    with open(_core.__file__, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def key_of(model_sha256: str, compiler: str, point: Point) -> str:
    text = json.dumps([model_sha256, compiler, point], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def figures_of(model: str, point: Point, output: str | None) -> Figures:
    """Compiles a point in this process."""
    out_of_memory = False
    try:
        executable = compile(model, output, **point)
    except OutOfMemoryError as error:
        if error.executable is None:
            return {"failure": str(error)}
        executable, out_of_memory = error.executable, True
    except Error as error:
        return {"failure": str(error)}
    told = inspect(executable)
    bytes_per_tile = next(
        int(word.split("=")[1])
        for word in executable.options.split()
        if word.startswith("bytes_per_tile=")
    )
    return {
        "seconds_per_batch": executable.cycles["seconds_per_batch"],
        "cycles": executable.cycles["total"],
        "peak_bytes": executable.memory["peak_bytes"],
        "bytes_per_tile": bytes_per_tile,
        "tiles": told["tiles"],
        "fits": not out_of_memory,
        "packing": told["packing"],
        "compile_seconds": round(sum(executable.phases_ms.values()) / 1000, 3),
    }


def work() -> None:
    """The process of one compile: a job on stdin, its figures on stdout."""
    job = json.load(sys.stdin)
    print(json.dumps(figures_of(job["model"], job["point"], job["output"])))


def _in_a_process(model: str, point: Point, output: str | None) -> Figures:
    job = json.dumps({"model": model, "point": point, "output": output})
    done = subprocess.run(
        [sys.executable, "-c", _START, _PACKAGE],
        input=job,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        figures: Figures = json.loads(done.stdout)
        return figures
    if done.returncode < 0:
        return {"failure": f"the compile was ended by signal {-done.returncode}", "again": True}
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return {"failure": f"the compile ended with {done.returncode}: {last}", "again": True}


Job = tuple[Point, "str | None"]


def compiled_here(model: str, jobs: Sequence[Job], at_a_time: int) -> Iterator[tuple[int, Figures]]:
    """Figures by the number of their job, as they come."""
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        started = {
            pool.submit(_in_a_process, model, point, output): number
            for number, (point, output) in enumerate(jobs)
        }
        try:
            for future in concurrent.futures.as_completed(started):
                yield started[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _on_a_node(model: bytes, point: Point, wants_file: bool) -> tuple[Figures, bytes | None]:
    with tempfile.TemporaryDirectory(prefix="tessera-sweep-") as folder:
        path, output = os.path.join(folder, "model.onnx"), os.path.join(folder, "made.popef")
        with open(path, "wb") as file:
            file.write(model)
        figures = figures_of(path, point, output if wants_file else None)
        if not os.path.exists(output):
            return figures, None
        with open(output, "rb") as file:
            return figures, file.read()


def compiled_on_ray(model: str, jobs: Sequence[Job], address: str) -> Iterator[tuple[int, Figures]]:
    """As ``compiled_here``, as tasks of a Ray cluster: each takes a core, and is tried again where
    its node goes. The model travels as one file: data beside it does not."""
    ray = needed("ray", "ray", "sweeping on Ray")
    if not ray.is_initialized():
        ray.init(address=None if address == "local" else address, log_to_driver=False)
    with open(model, "rb") as file:
        held = ray.put(file.read())
    task = ray.remote(num_cpus=1, max_retries=3)(_on_a_node)
    waiting = {
        task.remote(held, point, output is not None): number
        for number, (point, output) in enumerate(jobs)
    }
    while waiting:
        (first,), _ = ray.wait(list(waiting), num_returns=1)
        number = waiting.pop(first)
        try:
            figures, made = ray.get(first)
        except ray.exceptions.RayError as error:
            yield number, {"failure": f"Ray: {str(error).splitlines()[0]}", "again": True}
            continue
        output = jobs[number][1]
        if made is not None and output is not None:
            write_whole(output, made)
        yield number, figures
