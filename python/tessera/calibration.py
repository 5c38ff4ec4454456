# SPDX-License-Identifier: Apache-2.0
"""Scales of fp8 by what a model will be given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from tessera import _core
from tessera.compiler import as_file
from tessera.types import Arrays, Model

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tessera.types import CompileOptions

__all__ = ["Fp8Calibration", "Fp8Matmul", "calibrate_fp8"]


class Fp8Matmul(NamedTuple):
    """One matmul by a weight: its name, what was chosen (as ``fp8_params`` has it), and how far its
    product is from that of fp16, by each loss."""

    name: str
    fp8_params: str
    losses: dict[str, float]


class Fp8Calibration(NamedTuple):
    """``options`` are for ``compile`` and ``convert``; ``matmuls`` are in the order of the model,
    those too that stay in fp16."""

    options: CompileOptions
    matmuls: tuple[Fp8Matmul, ...]


def calibrate_fp8(
    model: Model,
    calibration: Iterable[Arrays],
    *,
    calibration_loss_type: str = "kld",
    num_of_layers_keep_fp16: int = 0,
    threads: int = 0,
    **options: Unpack[CompileOptions],
) -> Fp8Calibration:
    """Finds the powers of two of each matmul that ``precision`` fp8 or fp8_weight makes fp8.

    The model runs in fp16 on ``calibration``: what it will be given, each a request (arrays
    ``[length]`` by token input) or rows as the model takes them. ``calibration_loss_type`` says by
    what the powers are chosen: ``"mse"``, ``"mae"``, ``"snr"``, ``"kld"`` or ``"cos_dist"``. The
    ``num_of_layers_keep_fp16`` matmuls whose products lose most stay in fp16. ``options`` are those
    of ``compile``; the result has all of them::

        found = tessera.calibrate_fp8("bert.onnx", requests, precision="fp8", input_shape=shape)
        tessera.compile("bert.onnx", "bert.popef", **found.options)

    Raises what ``compile`` raises, and ``Error`` where a sample does not fit."""
    samples = [(str(i), arrays) for i, arrays in enumerate(calibration)]
    settings = (calibration_loss_type, num_of_layers_keep_fp16, threads)
    with as_file(model, "model.onnx") as path:
        params, skipped, matmuls = _core.calibrate_fp8(path, samples, settings, dict(options))
    made = options.copy()
    made["fp8_op_params"] = params
    made["fp8_skip_op_names"] = skipped
    return Fp8Calibration(made, tuple(Fp8Matmul(*one) for one in matmuls))
