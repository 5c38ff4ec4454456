# SPDX-License-Identifier: Apache-2.0
"""poprt.backend: sessions by name of what runs them."""

import os
from typing import Any, Optional

import numpy as np

import tessera
from poprt_compat.compiler import CompilerOptions
from poprt_compat.modelled import Count
from poprt_compat.models import fixed_shapes, model_path
from poprt_compat.runtime import without_positions
from poprt_compat.warn import no_meaning

IoInfo = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]


class Backend:
    """A model that is compiled and loaded by ``load``. Thread-safe after that."""

    def __init__(
        self,
        model: Any,
        batch: int,
        output_dir: Optional[str],
        export_popef: bool,
        options: dict[str, Any],
    ) -> None:
        self._model, self._batch = model, batch
        self._output_dir, self._export = output_dir or "./", export_popef
        self._options = CompilerOptions(**options)
        self._runner: Optional[tessera.ModelRunner] = None

    def load(self) -> "Backend":
        """Compiles for ``batch`` where the model leaves that open, and leaves
        ``output_dir/executable.popef`` where ``export_popef`` asks for it."""
        with model_path(self._model) as path:
            made = tessera.compile(
                path,
                input_shape=fixed_shapes(path, None, self._batch),
                **self._options.compile_options(),
            )
        if self._export:
            os.makedirs(self._output_dir, exist_ok=True)
            made.save(os.path.join(self._output_dir, "executable.popef"))
        self._runner = tessera.ModelRunner(made)
        self._inputs = {t.name for t in made.inputs}
        self._count = Count(self, made)
        return self

    def _loaded(self) -> tessera.ModelRunner:
        if self._runner is None:
            raise tessera.UsageError("session: is not loaded, must be: call load() first")
        return self._runner

    def run(
        self, output_names: Optional[list[str]], feed: dict[str, Any]
    ) -> list[np.ndarray[Any, Any]]:
        """The outputs by the names asked for, in their order; None: all."""
        runner = self._loaded()
        answers = runner.run(without_positions(feed, self._inputs))
        self._count.add(feed)
        names = output_names or [t.name for t in runner.outputs]
        for name in names:
            if name not in answers:
                raise tessera.UsageError(
                    f"{name}: is not an output of this model, must be one of " + ", ".join(answers)
                )
        return [answers[name] for name in names]

    def get_io_info(self) -> tuple[IoInfo, IoInfo]:
        runner = self._loaded()
        return (
            {t.name: (t.shape, t.dtype) for t in runner.inputs},
            {t.name: (t.shape, t.dtype) for t in runner.outputs},
        )


class ORTBackend:
    """ONNX Runtime, where it is installed."""

    def __init__(self, model: Any, batch: int = 1, **unused: Any) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise tessera.Error(
                "backend onnxruntime: is not installed, must be (pip install onnxruntime)"
            ) from None
        self._onnxruntime, self._model = onnxruntime, model
        self._session: Any = None

    def load(self) -> "ORTBackend":
        with model_path(self._model) as path:
            self._session = self._onnxruntime.InferenceSession(
                path, providers=["CPUExecutionProvider"]
            )
        return self

    def run(
        self, output_names: Optional[list[str]], feed: dict[str, Any]
    ) -> list[np.ndarray[Any, Any]]:
        wanted = {i.name: i.type for i in self._session.get_inputs()}
        feed = {
            name: np.asarray(array, np.int64) if wanted.get(name) == "tensor(int64)" else array
            for name, array in without_positions(feed, wanted).items()
        }
        result: list[np.ndarray[Any, Any]] = self._session.run(output_names, feed)
        return result

    def get_io_info(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return (
            {i.name: (tuple(i.shape), i.type) for i in self._session.get_inputs()},
            {o.name: (tuple(o.shape), o.type) for o in self._session.get_outputs()},
        )


def get_session(
    model: Any,
    batch: int = 1,
    backend: str = "poprt",
    *,
    output_dir: Optional[str] = None,
    export_popef: bool = False,
    options: Optional[dict[str, Any]] = None,
) -> Any:
    """``get_session(path or bytes, batch, "poprt" or "onnxruntime", …).load()``."""
    if backend == "poprt":
        return Backend(model, batch, output_dir, export_popef, dict(options or {}))
    if backend == "onnxruntime":
        if export_popef:
            no_meaning("export_popef with onnxruntime", "it makes no executable")
        return ORTBackend(model, batch)
    raise tessera.UsageError(f"backend: '{backend}', must be poprt or onnxruntime")
