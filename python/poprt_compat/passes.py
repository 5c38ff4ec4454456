# SPDX-License-Identifier: Apache-2.0
"""poprt.passes: PopRT's names of passes, and what they are here.

Tessera's passes run in one fixed order, each after the verifier has seen what the one before left;
most of what PopRT does by name is done there, or already at import."""

import os
import tempfile
from collections.abc import Iterable
from typing import Any

import tessera
from poprt_compat.models import model_path
from poprt_compat.warn import no_meaning

#: PopRT's name: Tessera's pass.
SAME = {
    "insert_attention_mask": "insert_attention_mask",
    "gelu_pattern": "fuse_gelu",
    "erf_gelu_pattern": "fuse_gelu",
    "layer_norm_pattern": "fuse_layer_norm",
    "fused_attention": "fuse_attention",
    "constant_folding": "fold_constants",
    "float_to_half": "lower_precision",
    "float_to_fp8": "float_to_fp8",
}

#: Done for every model: at import, or by the compiler.
ALWAYS = frozenset(
    """int64_to_int32 double_to_float const_input_shape const_batch_size shape_inference
    extract_constant_to_initializer trace_folding fill_squeeze_axes post_expand pre_scale
    attention_padding packed_transformer expand_if merge_variant_if sort_graph
    unique_name_for_nodes move_subgraph_initializer remove_initializer_from_input
    remove_duplicated_initializer remove_input_cast remove_empty_concat_inputs final_check
    check_unsupported_attribute model_overview model_io_info_stat eliminate_deadend
    eliminate_duplicate_initializer eliminate_duplicate_nodes eliminate_identity
    eliminate_nop_arithmetic eliminate_nop_cast eliminate_nop_expand eliminate_nop_flatten
    eliminate_nop_if eliminate_nop_pad eliminate_nop_reshape eliminate_nop_transpose
    eliminate_unused_initializer fuse_consecutive_arithmetic fuse_consecutive_cast
    fuse_consecutive_reshape fuse_consecutive_squeeze fuse_consecutive_transpose
    fuse_consecutive_unsqueeze fuse_cast_into_onehot fuse_mul_into_matmul merge_multi_slice
    replace_castlike replace_clip_empty_inputs replace_consecutive_cast_with_notzero
    replace_div_with_mul replace_einsum_with_matmul replace_gemm_with_matmul
    replace_greater_or_equal replace_less_or_equal replace_nonzero replace_pow replace_round
    replace_where_with_mul_add replace_where_with_wherev2 replace_where_mask replace_softmax
    replace_half_reducemean""".split()
)

#: PopRT has them; Tessera does nothing of the kind.
NOT_HERE = frozenset(
    """replace_groupnorm_with_fast_norm matmul_rotary_embedding replace_erf_with_erfv2 merge_matmul
    merge_matmul_add merge_moe serialize_matmul serialize_matmul_add auto_insert_remap
    float_to_int8 float_to_mixed eight_bits_io layer_precision_compare fold_periodic_initializer
    fuse_bn_into_conv fuse_bn_into_gemm remove_outputs merge_if_with_same_cond compress_pattern
    replace_bn_with_mul_add replace_hardswish replace_isinf batchnorm_workaround
    cumsum_workaround float_ops_workaround indices_workaround onehot_workaround topk_workaround
    manual_sharding overlap_io apply_host_concat_split apply_ir_pass add_checkpoints
    check_with_fake_data""".split()
)


def all_names() -> list[str]:
    ours = {p.name for p in tessera.passes()}
    return sorted(set(SAME) | ALWAYS | NOT_HERE | ours)


def _ours(name: str) -> Any:
    known = {p.name: p for p in tessera.passes()}
    return known.get(SAME.get(name, name))


def optional_passes(names: Iterable[str]) -> list[str]:
    """Those of ``--passes`` that must be asked for here; an unknown name is left for the compiler
    to refuse, with the nearest."""
    asked = []
    for name in names:
        ours = _ours(name)
        if ours is not None and ours.optional:
            asked.append(ours.name)
        elif ours is None and name in NOT_HERE:
            no_meaning(f"pass {name}")
        elif ours is None and name not in ALWAYS:
            asked.append(name)
    return asked


def skipped_passes(names: Iterable[str]) -> list[str]:
    skipped = []
    for name in names:
        ours = _ours(name)
        if ours is None and (name in NOT_HERE or name in ALWAYS):
            no_meaning(
                f"skip_passes {name}",
                "it is part of the import" if name in ALWAYS else "Tessera has no such pass",
            )
        else:
            skipped.append(ours.name if ours is not None else name)
    return skipped


class Pass:
    """A pass of its own: ``Pass.get_pass(name)(model)`` or ``.run(model)``."""

    def __init__(self, name: str) -> None:
        self.name = name

    @staticmethod
    def get_pass(name: str, *arguments: Any, **named: Any) -> "Pass":
        if _ours(name) is None and name not in ALWAYS and name not in NOT_HERE:
            raise tessera.UsageError(
                f"pass '{name}': must be one of the {len(all_names())} known ones"
            )
        if arguments or named:
            no_meaning(f"arguments of pass {name}")
        return Pass(name)

    def run(self, model: Any) -> Any:
        """The model after this pass and the import. A model of variable shapes is left as it is:
        its shapes must be fixed first, and the compiler runs all passes anyway."""
        ours = _ours(self.name)
        if self.name in NOT_HERE and ours is None:
            no_meaning(f"pass {self.name}")
            return model
        with model_path(model) as path, tempfile.TemporaryDirectory() as folder:
            if any(min(i.shape, default=0) < 0 for i in tessera.model_inputs(path)):
                no_meaning(
                    f"pass {self.name} on a model of variable shapes",
                    "the compiler runs it when they are fixed",
                )
                return model
            output = os.path.join(folder, "out.onnx")
            others = [
                p.name
                for p in tessera.passes()
                if not p.optional and p is not ours and (ours is None or p.name != ours.name)
            ]
            tessera.convert(
                path,
                output,
                skip_passes=others,
                passes=[ours.name] if ours is not None and ours.optional else [],
            )
            with open(output, "rb") as file:
                data = file.read()
        return type(model).FromString(data) if hasattr(type(model), "FromString") else data

    __call__ = run


class PassManager:
    """Passes one after the other: ``PassManager([...]).run(model)``."""

    def __init__(self, passes: Iterable[Any] = ()) -> None:
        self.passes = [Pass.get_pass(p) if isinstance(p, str) else p for p in passes]

    def run(self, model: Any) -> Any:
        for one in self.passes:
            model = one.run(model)
        return model
