# SPDX-License-Identifier: Apache-2.0
"""poprt.converter: ONNX to ONNX."""

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, Union

import tessera
from poprt_compat import passes as pass_names
from poprt_compat.models import fixed_shapes, model_path
from poprt_compat.options import ROWS
from poprt_compat.warn import no_meaning
from tessera.types import Converted

#: Keywords that Tessera gives a meaning to, with their defaults; None: Tessera's own.
DEFAULTS: dict[str, Any] = {
    **{row.converter: None for row in ROWS if row.converter},
    "batch_size": None,
    "batch_axis": 0,
}

#: Keywords that are accepted, with their defaults: another value is warned of, once.
NO_MEANING = {
    "convert_version": 11,
    "infer_shape_ahead": False,
    "disable_fast_norm": False,
    "enable_avoid_overflow_patterns": False,
    "enable_erf_gelu": False,
    "enable_insert_remap": False,
    "remap_mode": "after_matmul",
    "enable_compress_pattern": False,
    "eightbitsio": False,
    "checkpoints": None,
    "custom_pass_config": None,
    "custom_shape_inference": None,
    "fold_periodic_initializer": False,
    "merge_if_with_same_cond": False,
    "merge_matmul": None,
    "merge_matmul_add": None,
    "merge_moe": None,
    "max_tensor_size": -1,
    "num_io_tiles": 0,
    "num_of_layers_keep_fp16": 0,
    "optimize_internal_exchange_code": False,
    "remove_outputs": None,
    "serialize_matmul": None,
    "serialize_matmul_add": None,
    "manual_sharding_config": None,
    "apply_hcsr": None,
    "only_manual_sharding": False,
    "logger": None,
    "quantize": False,
}


def names_of(value: Union[str, Sequence[str], None]) -> list[str]:
    if not value:
        return []
    return [n for n in value.split(",") if n] if isinstance(value, str) else list(value)


def pack_args_of(pack_args: dict[str, Any]) -> dict[str, Any]:
    """PopRT's keys that say something here; the others are found in the graph by structure."""
    kept: dict[str, Any] = {}
    for key, value in pack_args.items():
        if key in ("head_pattern", "dynamic_groups", "enable_double_batch_unpack"):
            no_meaning(f"pack_args {key}", "Tessera finds it in the graph by structure")
        elif "+" in str(value):
            kept[key] = value  # "13+51": tessera.compile refuses it, and says what to give
        else:
            try:
                kept[key] = int(value)
            except (TypeError, ValueError):
                raise tessera.UsageError(
                    f"pack_args {key}: '{value}', must be a positive whole number"
                ) from None
    return kept


#: The value here for PopRT's value of an option, where that is not the same.
MEANING: dict[str, Callable[[Any], Any]] = {
    "passes": lambda value: pass_names.optional_passes(names_of(value)),
    "skip_passes": lambda value: pass_names.skipped_passes(names_of(value)),
    "fp16_skip_op_types": names_of,
    "fp8_skip_op_names": names_of,
    "pack_args": lambda value: pack_args_of(dict(value)),
}


def compile_options(path: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Tessera's options of the settings above."""
    options: dict[str, Any] = {}
    for row in ROWS:
        value = settings[row.converter] if row.converter else None
        if value is None or (hasattr(value, "__len__") and not len(value)):
            continue
        if row.name.startswith("fp8_") and settings["precision"] not in ("fp8", "fp8_weight"):
            no_meaning(f"--{row.name}", "precision is neither fp8 nor fp8_weight")
            continue
        options[row.name] = MEANING[row.name](value) if row.name in MEANING else value
    options["input_shape"] = fixed_shapes(
        path, settings["input_shape"], settings["batch_size"], settings["batch_axis"]
    )
    return options


class Converter:
    """``Converter(input_shape=…, precision=…, …).convert(model)``: one keyword for every option of
    the command line. A keyword that PopRT does not have is refused."""

    def __init__(self, **settings: Any) -> None:
        for name, value in settings.items():
            if name not in DEFAULTS and name not in NO_MEANING:
                raise tessera.UsageError(f"Converter: {name}: is not an option")
            if name in NO_MEANING and value != NO_MEANING[name]:
                no_meaning(f"Converter({name}=…)")
        self.settings = {**DEFAULTS, **{n: v for n, v in settings.items() if n in DEFAULTS}}

    def convert_file(self, path: str, output: str) -> Converted:
        return tessera.convert(path, output, **compile_options(path, self.settings))

    def convert(self, model: Any) -> Any:
        """Gives what it was given: an ``onnx.ModelProto`` for one, bytes for bytes or a path."""
        with model_path(model) as path, tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "converted.onnx")
            self.convert_file(path, output)
            with open(output, "rb") as file:
                data = file.read()
        return type(model).FromString(data) if hasattr(type(model), "FromString") else data
