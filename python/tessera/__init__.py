# SPDX-License-Identifier: Apache-2.0
"""Tessera: compiles ONNX encoders for a simulated IPU, padded or packed, and runs them.

    import tessera

    tessera.compile("bert.onnx", "bert.popef", input_shape={"input_ids": (16, 256)})
    with tessera.ModelRunner("bert.popef") as runner:
        answers = runner.run({"input_ids": ids, "attention_mask": mask, "token_type_ids": types})

Arrays go in and out as NumPy's, or by DLPack. Everything that computes releases the interpreter
lock. What goes wrong is a ``tessera.Error`` with the command line's words."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tessera._core import Executable, __version__
from tessera.benches import bench
from tessera.calibration import Fp8Calibration, Fp8Matmul, calibrate_fp8
from tessera.compiler import (
    check,
    compile,
    convert,
    file_names,
    inspect,
    load,
    make_model,
    model_inputs,
    passes,
    quantize,
    verify,
)
from tessera.errors import (
    BadFileError,
    DtypeError,
    Error,
    HostMemoryError,
    InputError,
    MissingFileError,
    NotFiniteWarning,
    OutOfMemoryError,
    RefusedError,
    UsageError,
)
from tessera.futures import Future
from tessera.packed_model import PackedModel
from tessera.packing import PackedBatch, PackPlan, Placement, pack, policies
from tessera.reports import Events, Report, report
from tessera.runners import BatchRecord, ModelRunner, PackRunner
from tessera.sessions import Session, recompiles
from tessera.traces import Trace, trace
from tessera.tuning import tune
from tessera.types import (
    CompileOptions,
    Cycles,
    Memory,
    ModelInput,
    OnlineLoad,
    PackArgs,
    Packing,
    Pass,
    RunnerOptions,
    SessionOptions,
    Tensor,
    Verification,
)

if TYPE_CHECKING:
    from tessera.sweeps import Sweep, sweep
    from tessera.text import TextPipeline

#: The modules of names that are imported where they are asked for: most programs need none.
_LATER = {"Sweep": "tessera.sweeps", "sweep": "tessera.sweeps", "TextPipeline": "tessera.text"}

__all__ = [
    "BadFileError",
    "BatchRecord",
    "CompileOptions",
    "Cycles",
    "DtypeError",
    "Error",
    "Events",
    "Executable",
    "Fp8Calibration",
    "Fp8Matmul",
    "Future",
    "HostMemoryError",
    "InputError",
    "Memory",
    "MissingFileError",
    "ModelInput",
    "ModelRunner",
    "NotFiniteWarning",
    "OnlineLoad",
    "OutOfMemoryError",
    "PackArgs",
    "PackPlan",
    "PackRunner",
    "PackedBatch",
    "PackedModel",
    "Packing",
    "Pass",
    "Placement",
    "RefusedError",
    "Report",
    "RunnerOptions",
    "Session",
    "SessionOptions",
    "Sweep",
    "Tensor",
    "TextPipeline",
    "Trace",
    "UsageError",
    "Verification",
    "__version__",
    "bench",
    "calibrate_fp8",
    "check",
    "compile",
    "convert",
    "file_names",
    "inspect",
    "load",
    "make_model",
    "model_inputs",
    "pack",
    "passes",
    "policies",
    "quantize",
    "recompiles",
    "report",
    "sweep",
    "trace",
    "tune",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'tessera' has no attribute {name!r}")
