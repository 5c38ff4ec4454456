# SPDX-License-Identifier: Apache-2.0
"""poprt.compiler: a model to an executable."""

import json
from typing import Any, Optional

import tessera
from poprt_compat.models import fixed_shapes, model_path
from poprt_compat.options import ROWS
from poprt_compat.warn import no_meaning

#: Every option of PopRT's CompilerOptions, in Python's spelling, with its default.
DEFAULTS: dict[str, Any] = {
    "num_ipus": 1,
    "ipu_version": "",
    "batches_per_step": 1,
    "partials_type": "half",
    "available_memory_proportion": 0.6,
    "num_io_tiles": 0,
    "enable_model_fusion": False,
    "enable_prefetch_datastreams": True,
    "stream_buffering_depth": 1,
    "enable_pad_conv_channel": False,
    "serialize_ir": False,
    "serialized_ir_dest": "",
    "enable_gather_simplifier": True,
    "engine_options": {},
    "show_compilation_progress_bar": True,
    "compilation_progress_logger": None,
    "custom_patterns": [],
    "custom_transform_applier_settings": {},
    "opaque_blobs": {},
    "use_128bit_conv_unit_load": False,
    "enable_multi_stage_reduce": True,
    "enable_fast_reduce": False,
    "enable_outlining": True,
    "outline_threshold": 1.0,
    "group_host_sync": False,
    "rearrange_streams_on_host": False,
    "rearrange_anchors_on_host": True,
    "enable_non_stable_softmax": False,
    "enable_pipelining": False,
    "enable_engine_caching": False,
    "cache_path": "",
    "constant_weights": True,
    "subgraph_copying_strategy": "on_enter_and_exit",
    "virtual_graph_mode": "off",
    "virtual_graph_split_ratios": [],
    "time_limit_scheduler": 1e9,
    "swap_limit_scheduler": 1e9,
    "transitive_closure_optimization_threshold": 100000,
    "create_host_transferable_tensor_with_offset": False,
    "enable_efficient_overlap_io_topo_cons": False,
}
#: By name: the option of Tessera that means the same.
OPTIONS = {row.compiler: row.name for row in ROWS if row.compiler}
#: Those that Tessera gives a meaning to.
MEANT = ("ipu_version", "virtual_graph_mode", *OPTIONS)
SHARDINGS = {"off": "none", "auto": "auto"}
TARGETS = {"": "c600", "ipu2": "gc200", "ipu21": "c600"}


class CompilerOptions:
    """Options by name; one that PopRT does not have is refused, one that Tessera has no meaning
    for is warned of when it is set to another value than its default."""

    num_ipus: int
    ipu_version: str
    enable_pipelining: bool
    virtual_graph_mode: str
    batches_per_step: int
    partials_type: str
    available_memory_proportion: float
    num_io_tiles: int
    enable_prefetch_datastreams: bool
    use_128bit_conv_unit_load: bool
    enable_fast_reduce: bool

    def __init__(self, **options: Any) -> None:
        for name, value in DEFAULTS.items():
            object.__setattr__(self, name, value.copy() if hasattr(value, "copy") else value)
        for name, value in options.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in DEFAULTS:
            raise AttributeError(f"CompilerOptions: {name}: is not an option")
        if name not in MEANT and value != DEFAULTS[name]:
            no_meaning(f"CompilerOptions.{name}")
        object.__setattr__(self, name, value)

    def compile_options(self) -> dict[str, Any]:
        if self.ipu_version not in TARGETS:
            raise tessera.UsageError(f"ipu_version: '{self.ipu_version}', must be ipu2 or ipu21")
        if self.virtual_graph_mode not in SHARDINGS:
            raise tessera.UsageError(
                f"virtual_graph_mode: '{self.virtual_graph_mode}', must be off or auto; to cut by "
                "hand call tessera.compile with manual_sharding_config"
            )
        return {
            "target": TARGETS[self.ipu_version],
            "sharding": SHARDINGS[self.virtual_graph_mode],
            **{option: getattr(self, name) for name, option in OPTIONS.items()},
        }


class Compiler:
    """Models are paths, bytes or ``onnx.ModelProto``s. ``outputs``: names, None for all; all are
    always computed."""

    @staticmethod
    def compile(
        model: Any, outputs: Optional[list[str]] = None, options: Optional[CompilerOptions] = None
    ) -> tessera.Executable:
        with model_path(model) as path:
            made = tessera.compile(
                path,
                input_shape=fixed_shapes(path),
                **(options or CompilerOptions()).compile_options(),
            )
        known = [o.name for o in made.outputs]
        for name in outputs or ():
            if name not in known:
                raise tessera.UsageError(
                    f"outputs: {name}: is not an output of this model, must be one of "
                    + ", ".join(known)
                )
        if outputs and set(outputs) != set(known):
            no_meaning("a choice of outputs", "all are computed, a runner may ask for some")
        return made

    @staticmethod
    def compile_and_export(
        model: Any,
        outputs: Optional[list[str]],
        filename: str,
        options: Optional[CompilerOptions] = None,
    ) -> None:
        Compiler.compile(model, outputs, options).save(filename)

    @staticmethod
    def compile_and_get_summary_report(
        model: Any,
        outputs: Optional[list[str]] = None,
        options: Optional[CompilerOptions] = None,
        reset_profile: bool = True,
    ) -> str:
        """The costs of the program as text: memory of the fullest tile, and cycles by kind."""
        made = Compiler.compile(model, outputs, options)
        return json.dumps({"memory": made.memory, "cycles": made.cycles}, indent=2)
