# SPDX-License-Identifier: Apache-2.0
"""A text model that runs: an executable, packed where the model can be, behind a runner that all
callers share."""

from __future__ import annotations

import concurrent.futures
import json
import os
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tessera import _core
from tessera.compiler import compile, load, model_inputs
from tessera.errors import BadFileError, Error, RefusedError, UsageError
from tessera.runners import PackRunner
from tessera.sessions import Session
from tessera.text.cache import Cache, digest, fingerprint
from tessera.text.jobs import Array, Request

__all__ = ["FORMS", "Engine", "Shape"]

#: In the order in which they are tried: packed by its mask, packed end to end, a text a row.
FORMS = ("B", "A", "padded")


class Shape(NamedTuple):
    rows: int
    length: int  #: tokens of a row, and of the longest text
    most: int  #: texts in a batch, where a form limits them; 0: what suits the form


def _with_form(form: str, shape: Shape, options: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(options)
    if form == "A":
        most = shape.most or 4 * shape.rows
        made["pack_args"] = {"max_valid_num": most, "segment_max_size": shape.length}
    if form == "B":
        most = shape.most or max(shape.rows, shape.rows * shape.length // 8)
        own = made.get("passes", ())
        made["passes"] = [
            *(own.split(",") if isinstance(own, str) else own),
            "insert_attention_mask",
        ]
        made["pack_args"] = {"max_valid_num": most}
    return made


class _Compiled(NamedTuple):
    executable: _core.Executable
    form: str
    refusals: dict[str, str]  # by form that was tried before


def _compiled(
    onnx: str, shape: Shape, forms: tuple[str, ...], options: Mapping[str, Any], cache: Cache
) -> _Compiled:
    """The first of ``forms`` that the model can be compiled in."""
    asked = {name: options[name] for name in sorted(options) if name != "limits"}
    key = digest("executable", fingerprint(onnx), shape, forms, json.loads(json.dumps(asked)))
    file, note = key + ".popef", key + ".json"
    if cache.kept and cache.has(file) and cache.has(note):
        try:
            with open(cache.path(note), encoding="utf-8") as read:
                told = json.load(read)
            held = load(cache.path(file), limits=options.get("limits"))
            return _Compiled(held, told["form"], told["refusals"])
        except (BadFileError, OSError, ValueError, KeyError, TypeError):
            pass  # damaged, or removed meanwhile: made again
    refusals: dict[str, str] = {}
    sizes = _sizes(onnx, shape)
    for form in forms:
        given = _with_form(form, shape, options)
        try:
            made = compile(onnx, input_shape=sizes, **given)
        except (RefusedError, BadFileError):
            raise
        except Error as error:
            if form == forms[-1]:
                raise
            refusals[form] = str(error)
        else:
            if cache.kept:
                cache.write(file, made.to_bytes())
                told = {"form": form, "refusals": refusals}
                cache.write(note, json.dumps(told).encode())
            return _Compiled(made, form, refusals)
    raise AssertionError("unreachable: the last form raises")


def _sizes(onnx: str, shape: Shape) -> dict[str, tuple[int, ...]]:
    """The shape of the ids. Inputs that share their symbolic names follow it."""
    inputs = model_inputs(onnx)
    for tensor in inputs:
        if tensor.name == "input_ids":
            return {tensor.name: (shape.rows, shape.length)}
    names = ", ".join(tensor.name for tensor in inputs)
    raise Error(f"{onnx}: has no input input_ids, must have it; its inputs are {names}")


class Engine:
    """Takes single requests from any thread. A model that can be neither packed nor padded runs in
    a session, each text alone at its own length."""

    def __init__(
        self,
        onnx: str,
        shape: Shape,
        cache: Cache,
        *,
        form: str | None,
        compile_options: Mapping[str, Any],
        runner_options: Mapping[str, Any],
    ) -> None:
        if form is not None and form not in FORMS:
            raise UsageError(f"form: is {form!r}, must be one of {', '.join(FORMS)}")
        forms = FORMS if form is None else (form,)
        made = _compiled(onnx, shape, forms, compile_options, cache)
        self.executable, self.form, self.refusals = made
        self.length = shape.length
        self.limit = self._vocabulary()
        self.alone: str | None = None  # why texts run in a session, if they do
        self._session: Session | None = None
        self._session_inputs: tuple[str, ...] = ()
        self._session_threads: concurrent.futures.ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self.onnx, self._cache = onnx, cache
        self._options = dict(compile_options)
        self.runner = PackRunner(
            self.executable, limits=compile_options.get("limits"), **runner_options
        )
        packing = self.executable.packing
        inputs = [tensor.name for tensor in self.executable.inputs]
        self.inputs = tuple(packing.token_inputs) if packing is not None else tuple(inputs)

    def _vocabulary(self) -> int:
        found = [t.index_limit for t in self.executable.inputs if t.name == "input_ids"]
        return found[0] if found else 0

    def request(self, encoding: Any) -> Request:
        made = {"input_ids": np.asarray(encoding.ids, np.int64)}
        if "token_type_ids" in self.inputs:
            made["token_type_ids"] = np.asarray(encoding.type_ids, np.int64)
        return made

    def submit(
        self, request: Request, *, deadline: float | None = None, wait: float | None = None
    ) -> concurrent.futures.Future[dict[str, Array]]:
        if self.alone is None:
            try:
                return self.runner.submit(request, deadline=deadline, wait=wait)
            except Error as error:
                if error.reason != "not_paddable":
                    raise
                self.alone = str(error)
        return self._threads().submit(self._run_alone, request)

    def _threads(self) -> concurrent.futures.ThreadPoolExecutor:
        with self._lock:
            if self._session_threads is None:
                self._session_inputs = tuple(tensor.name for tensor in model_inputs(self.onnx))
                self._session = Session(
                    self.onnx,
                    on_recompile="allow",
                    cache_dir=os.path.join(self._cache.folder, "session"),
                    **self._options,
                )
                self._session_threads = concurrent.futures.ThreadPoolExecutor(
                    1, thread_name_prefix="tessera-text"
                )
            return self._session_threads

    def _run_alone(self, request: Request) -> dict[str, Array]:
        assert self._session is not None
        length = len(request["input_ids"])
        given = {}
        for name in self._session_inputs:
            if name in request:
                given[name] = request[name][None]
            elif name == "position_ids":
                given[name] = np.arange(length, dtype=np.int64)[None]
            elif name == "attention_mask":
                given[name] = np.ones((1, length), np.int64)
            else:
                given[name] = np.zeros((1, length), np.int64)
        return {name: array[0] for name, array in self._session.run(given).items()}

    def close(self) -> None:
        self.runner.close()
        with self._lock:
            if self._session_threads is not None:
                self._session_threads.shutdown(wait=True, cancel_futures=True)
            if self._session is not None:
                self._session.close()
